package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestClientThatLeftIsNoFailureOfOurs(t *testing.T) {
	m := NewMux(Config{})
	m.API("GET /slow", func(_ http.ResponseWriter, r *http.Request) error { return context.Cause(r.Context()) })
	ctx, leave := context.WithCancel(t.Context())
	leave()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/slow", nil))
	if w.Code != statusClientGone {
		t.Errorf("status %d, want %d", w.Code, statusClientGone)
	}
}

func TestMalformedPathsAndChunkedBodiesAtTheEdge(t *testing.T) {
	m := NewMux(Config{})
	m.API("POST /login/{x}", func(w http.ResponseWriter, _ *http.Request) error { return WriteJSON(w, http.StatusOK, 1) })
	for target, want := range map[string]int{"/login/%00": 400, "/login/%ff%fe": 400, "/login/%0a": 400, "/login/a": 200} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(http.MethodPost, target, nil))
		if w.Code != want {
			t.Errorf("%s: status %d, want %d", target, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/login/a", nil)
	r.TransferEncoding = []string{"chunked"}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	if w.Header().Get("Connection") != "close" {
		t.Error("the connection stays open after a chunked request")
	}
}
