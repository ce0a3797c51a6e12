package introspect_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

const scanning = "introspection.scanning"

// signals are the signals in a trail; "" is the platform's.
func (w *world) signals(tenant storage.TenantID) (found []storage.Event) {
	w.t.Helper()
	events, err := w.store.PlatformEvents(context.Background(), "", 1000)
	if tenant != "" {
		events, err = w.store.Tenant(tenant).Events(context.Background(), "", 1000)
	}
	must(w.t, err)
	for _, ev := range events {
		if ev.Kind == scanning {
			found = append(found, ev)
		}
	}
	return found
}

// watched is a world whose signals are counted.
func watched(t *testing.T) (*world, func() float64) {
	w := newWorld(t)
	metrics := prometheus.NewRegistry()
	w.mount(introspect.Config{Store: w.store, Registerer: metrics, Log: w.logger()})
	return w, func() (n float64) {
		families, err := metrics.Gather()
		must(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "watchgate_signals_total" && m.GetLabel()[0].GetValue() == "token_scanning" {
					n += m.GetCounter().GetValue()
				}
			}
		}
		return n
	}
}

func unknown(w *world) string { return token.New(token.Access, w.clock.Add(time.Hour)) }

// IN-11, RL-08.
func TestAttackTokenScanningRaisesASignal(t *testing.T) {
	w, counted := watched(t)
	for i := range 99 {
		w.clock = w.clock.Add(100 * time.Millisecond)
		if i%2 == 0 {
			w.ask(tok(unknown(w)))
		} else {
			w.ask(tok("garbage"))
		}
	}
	if n := len(w.signals("")); n != 0 || counted() != 0 {
		t.Fatalf("%d signals after 99 guesses, %v counted", n, counted())
	}
	w.refusedElsewhere(tok("garbage"))
	found := w.signals("")
	if len(found) != 1 || counted() != 1 {
		t.Fatalf("%d signals after 100 guesses, %v counted", len(found), counted())
	}
	ev := found[0]
	if ev.Object != "demo-api" || ev.Reason != "token_scanning" || ev.Outcome != "refused" || ev.Details["count"] != "100" ||
		ev.Details["within_seconds"] != "10" || ev.IP != "192.0.2.1" || ev.Tenant != "" {
		t.Errorf("%+v", ev)
	}
	if line := w.log.String(); strings.Count(line, `"level":"WARN","msg":"token scanning","resource_server":"demo-api","count":100,"within_seconds":10}`) != 1 {
		t.Error(line)
	}
	for range 1000 { // nearly ten minutes of it
		w.clock = w.clock.Add(590 * time.Millisecond)
		w.ask(tok("garbage"))
	}
	if n := len(w.signals("")); n != 1 || counted() != 1 {
		t.Errorf("%d signals in ten minutes, %v counted", n, counted())
	}
	for range 50 {
		w.clock = w.clock.Add(590 * time.Millisecond)
		w.ask(tok("garbage"))
	}
	if n := len(w.signals("")); n != 2 || counted() != 2 {
		t.Errorf("%d signals after ten minutes, %v counted", n, counted())
	}
}

// What honest resource servers are asked for does not cry wolf.
func TestWhatCountsAsAGuess(t *testing.T) {
	for name, c := range map[string]struct {
		guess bool
		form  func(w *world) url.Values
		as    string
	}{
		"unknown":         {true, func(w *world) url.Values { return tok(unknown(w)) }, "demo-api"},
		"unknown, of now": {true, func(w *world) url.Values { return tok(token.New(token.Access, w.clock.Add(time.Second))) }, "demo-api"},
		"garbage":         {true, func(*world) url.Values { return tok("garbage") }, "demo-api"},
		"refresh token":   {true, func(w *world) url.Values { return tok(token.New(token.Refresh, w.clock)) }, "demo-api"},
		"code":            {true, func(w *world) url.Values { return tok(token.New(token.Code, w.clock)) }, "demo-api"},
		"other tenant":    {true, func(w *world) url.Values { return url.Values{"token": {w.issue(plain)}, "tenant": {"globex"}} }, "demo-api"},
		"foreign server":  {true, func(w *world) url.Values { return tok(w.issue(plain)) }, "globex-api"},
		"audience": {true, func(w *world) url.Values {
			return tok(w.issue(func(a *storage.AccessToken) { a.Audience = []string{"https://x.example.com"} }))
		}, "demo-api"},

		"active":           {false, func(w *world) url.Values { return tok(w.issue(plain)) }, "demo-api"},
		"revoked":          {false, func(w *world) url.Values { return tok(w.revoke(w.issue(plain))) }, "demo-api"},
		"expired":          {false, func(w *world) url.Values { s := w.issue(plain); w.clock = start.Add(time.Hour); return tok(s) }, "demo-api"},
		"expired and gone": {false, func(w *world) url.Values { return tok(token.New(token.Access, w.clock.Add(-time.Hour))) }, "demo-api"},
		"scope":            {false, func(w *world) url.Values { return url.Values{"token": {w.issue(plain)}, "scope": {"x"}} }, "demo-api"},
		"tenant forgotten": {false, func(w *world) url.Values { return url.Values{"token": {w.issue(plain)}, "tenant": {""}} }, "demo-api"},
		"no token":         {false, func(*world) url.Values { return url.Values{} }, "demo-api"},
		"wrong secret":     {false, func(*world) url.Values { return tok("garbage") }, "nobody"},
	} {
		w, counted := watched(t)
		w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
		form := c.form(w)
		for range 150 {
			w.ask(form, as(c.as, secret))
		}
		if got := counted() == 1; got != c.guess {
			t.Errorf("%s: %v signals, want one: %v", name, counted(), c.guess)
		}
	}
}

func TestSlowGuessesAreNoSignal(t *testing.T) {
	w, counted := watched(t)
	for range 300 {
		w.clock = w.clock.Add(610 * time.Millisecond)
		w.ask(tok("garbage"))
	}
	if counted() != 0 {
		t.Errorf("%v signals at 98 a minute", counted())
	}
}

// A signal about a tenant's own resource server is that tenant's to know, and
// nobody else's.
func TestSignalIsInTheTrailOfTheOneConcerned(t *testing.T) {
	w, _ := watched(t)
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	for i := range 100 {
		w.ask(tok([]string{unknown(w), "garbage"}[i%2]), as("globex-api", secret))
		if i%2 == 0 {
			w.ask(tok("garbage")) // 50 of another one
		}
	}
	if acme, globex, platform := w.signals(w.acme.ID), w.signals(w.globex.ID), w.signals(""); len(acme)+len(platform) != 0 || len(globex) != 1 {
		t.Errorf("acme %d, globex %d, platform %d", len(acme), len(globex), len(platform))
	}
	if ev := w.signals(w.globex.ID)[0]; ev.Object != "globex-api" {
		t.Errorf("%+v", ev)
	}
}

// recording is a store whose platform trail is told of, and may fail.
type recording struct {
	introspect.Store
	append func(context.Context) error
}

func (s recording) AppendPlatformEvent(ctx context.Context, ev storage.Event) error {
	if err := s.append(ctx); err != nil {
		return err
	}
	return s.Store.AppendPlatformEvent(ctx, ev)
}

func TestSignalThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	w.mount(introspect.Config{Store: recording{w.store, func(context.Context) error { return fmt.Errorf("disk full") }}, Log: w.logger()})
	for range 100 {
		w.refusedElsewhere(tok("garbage"))
	}
	if line := w.log.String(); !strings.Contains(line, "audit event lost") || !strings.Contains(line, scanning) || !strings.Contains(line, "disk full") {
		t.Error(line)
	}
}

// The asker has its answer before the signal is stored, and may go.
func TestAttackTimingOfASignal(t *testing.T) {
	w := newWorld(t)
	answered, stored := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(answered) })
	w.mount(introspect.Config{Store: recording{w.store, func(ctx context.Context) error {
		<-answered
		if ctx.Done() != nil {
			t.Error("who goes takes the record along")
		}
		close(stored)
		return nil
	}}})
	server := httptest.NewServer(w.mux)
	defer server.Close()
	defer release()
	form := url.Values{"token": {"garbage"}, "client_id": {"demo-api"}, "client_secret": {secret}}
	client := http.Client{Timeout: 20 * time.Second}
	for range 100 {
		resp, err := client.PostForm(server.URL+"/oauth2/introspect", form)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		if string(body) != inactive || resp.ContentLength != int64(len(inactive)) {
			t.Fatalf("%s, %d bytes", body, resp.ContentLength)
		}
	}
	server.CloseClientConnections()
	release()
	select {
	case <-stored:
	case <-time.After(20 * time.Second): // instead of the whole run's time
		t.Fatal("the record went with who asked")
	}
	server.Close()
	if n := len(w.signals("")); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}
