package web

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watch is a monotonic clock that goes on by step whenever it is read, and a
// clock of the day that has whole milliseconds only.
type watch struct {
	step      time.Duration
	passed    time.Duration
	read, day int // how often
}

func (w *watch) config(cfg Config) Config {
	cfg.Monotonic = func() time.Duration {
		w.read++
		w.passed += w.step
		return w.passed
	}
	cfg.Now = func() time.Time {
		w.day++
		return time.Date(2026, 11, 22, 10, 30, 0, 5e6, time.UTC)
	}
	return cfg
}

func TestMicrosecondsOfARequestAreMeasured(t *testing.T) {
	for name, quick := range map[string]bool{"from memory": true, "usual way": false} {
		reg, clock := prometheus.NewRegistry(), &watch{step: 40 * time.Microsecond}
		m := newRemembering(clock.config(Config{Registerer: reg, LogQuick: true}))
		m.knows.Store(quick)
		m.do(post(askPath, "a=1"))
		if line := m.line(t); line["duration_ms"] != 0.04 || line["time"] != "2026-11-22T10:30:00.005Z" {
			t.Errorf("%s: %v", name, line)
		}
		w := httptest.NewRecorder()
		Operator(OperatorConfig{Gatherer: reg}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		for bucket, n := range map[string]string{"2.5e-05": "0", "5e-05": "1", "0.0001": "1", "0.00025": "1", "0.0005": "1"} {
			if want := `watchgate_http_request_seconds_bucket{route="/v1/ask",le="` + bucket + `"} ` + n + "\n"; !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
		if want := `watchgate_http_request_seconds_sum{route="/v1/ask"} 4e-05`; !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: no %s", name, want)
		}
	}
}

// Reading a clock is a good part of what an answer from memory costs.
func TestAnswerFromMemoryReadsFewClocks(t *testing.T) {
	clock := &watch{}
	m := newRemembering(clock.config(Config{Registerer: prometheus.NewRegistry()}))
	m.do(post(askPath, "a=1"))
	if clock.read != 2 || clock.day != 0 {
		t.Errorf("%d times the monotonic clock, %d times the other", clock.read, clock.day)
	}
}

func TestClockThatIsSetBackMakesNoRequestShorter(t *testing.T) {
	day := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	cfg := (&watch{step: time.Millisecond}).config(Config{})
	cfg.Now = func() time.Time { day = day.Add(-time.Hour); return day }
	e := newEdge(cfg)
	e.do(post("/oauth2/introspect", "a=1"))
	if took := e.line(t)["duration_ms"]; took != 1.0 {
		t.Errorf("%v ms", took)
	}
}
