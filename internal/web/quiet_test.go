package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// newQuiet is an edge whose handler says that its answer is quiet, and then does
// what the test wants.
func newQuiet(cfg Config, then Handler) edge {
	e := newEdge(cfg)
	e.API("GET /q", func(w http.ResponseWriter, r *http.Request) error {
		Annotate(r.Context(), "tenant_id", "ten_1")
		Quiet(r.Context())
		return then(w, r)
	})
	return e
}

func fine(w http.ResponseWriter, _ *http.Request) error { return WriteJSON(w, http.StatusOK, 1) }

func askQuiet(e edge) { e.do(httptest.NewRequest(http.MethodGet, "/q", nil)) }

func TestQuietAnswerHasNoLineAndIsCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := newQuiet(Config{Registerer: reg}, fine)
	askQuiet(e)
	if e.log.Len() > 0 {
		t.Errorf("log %s", e.log)
	}
	if got, want := counted(t, reg), `{method="GET",route="/q",status="2xx"} 1`; !strings.Contains(got, want) {
		t.Errorf("metrics:\n%s", got)
	}
}

func TestLogQuickWritesQuietLines(t *testing.T) {
	e := newQuiet(Config{LogQuick: true}, fine)
	askQuiet(e)
	if line := e.line(t); line["route"] != "/q" || line["tenant_id"] != "ten_1" {
		t.Errorf("%v", line)
	}
}

func TestWhatGoesWrongIsNeverQuiet(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		then   Handler
	}{
		"refusal": {400, func(http.ResponseWriter, *http.Request) error { return invalid("No.") }},
		"refusal that the handler writes": {401, func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusUnauthorized)
			return nil
		}},
		"failure": {500, func(http.ResponseWriter, *http.Request) error { return errors.New("no") }},
		"failure after the answer": {200, func(w http.ResponseWriter, r *http.Request) error {
			return errors.Join(fine(w, r), errors.New("no"))
		}},
		"panic": {500, func(http.ResponseWriter, *http.Request) error { panic("no") }},
		"panic after the answer": {200, func(w http.ResponseWriter, r *http.Request) error {
			_ = fine(w, r)
			panic("no")
		}},
		"cut connection": {200, func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }},
	} {
		e := newQuiet(Config{}, c.then)
		func() {
			defer func() { _ = recover() }() // of the cut connection
			askQuiet(e)
		}()
		if line := e.line(t); line["status"] != float64(c.status) {
			t.Errorf("%s: %v", name, line)
		}
	}
}

func TestQuietOutsideARequestDoesNothing(t *testing.T) { Quiet(t.Context()) }
