package web

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestErrorsUnderAPrefixHaveTheirWriter: those of handlers, those of requests that no
// route takes, and those of requests that are not let in.
func TestErrorsUnderAPrefixHaveTheirWriter(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request, e *Error) {
		w.WriteHeader(e.Status)
		_, _ = io.WriteString(w, "page")
	}
	m := NewMux(Config{Hosts: []string{"example.com"}, ErrorPage: page})
	m.ErrorsUnder("/v1/", func(w http.ResponseWriter, _ *http.Request, e *Error) {
		w.WriteHeader(e.Status)
		_, _ = io.WriteString(w, "problem")
	})
	fails := func(http.ResponseWriter, *http.Request) error { return errors.New("no") }
	m.API("GET /v1/things", fails)
	m.Page("GET /v1/docs", fails)
	m.API("GET /oauth2/x", fails)
	for _, c := range []struct{ method, target, want string }{
		{"GET", "http://example.com/v1/things", "problem"}, {"GET", "http://example.com/v1/nothing", "problem"}, {"PUT", "http://example.com/v1/things", "problem"},
		{"GET", "http://example.com/v1", "problem"}, {"GET", "http://elsewhere.example/v1/things", "problem"},
		{"GET", "http://example.com/v1/docs", "page"}, {"GET", "http://example.com/v11", "page"}, {"GET", "http://example.com/oauth2/x", `{"error"`},
	} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(c.method, c.target, nil))
		if w.Code < 400 || !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.target, w.Code, w.Body)
		}
	}
}
