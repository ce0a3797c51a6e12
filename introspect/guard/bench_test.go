//go:build unix

package guard_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

// busy is a guard whose cache has an answer for each token.
func busy(b *testing.B, tokens int) (*guard.Guard, []string) {
	b.Helper()
	e := newEndpoint(b, says(active(nil)))
	cfg := e.config()
	cfg.Cache = guard.Cache{MaxAge: time.Minute, Entries: 4 * tokens}
	g := newGuard(b, cfg)
	all := make([]string, tokens)
	for i := range all {
		all[i] = fmt.Sprintf("wgat_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN%05d", i)
		if _, err := g.Check(b.Context(), all[i], acme); err != nil {
			b.Fatal(err)
		}
	}
	before := e.asked.Load()
	b.Cleanup(func() {
		if n := e.asked.Load() - before; n > int64(b.N)/100 {
			b.Errorf("%d of %d decisions asked: the cache was not measured", n, b.N)
		}
	})
	return g, all
}

// measure starts a benchmark whose figure is in seconds of processor time: it holds
// on a machine that has other things to do.
func measure(b *testing.B) (report func()) {
	b.ReportAllocs()
	b.ResetTimer()
	began := processorTime(b)
	return func() {
		b.ReportMetric(float64(b.N)/(processorTime(b)-began).Seconds(), "decisions/cpu-s")
	}
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkCachedDecision is what a decision costs that the cache makes: Check alone,
// and the middleware around a handler that does nothing. Ten thousand tokens in turn
// are more than a processor's own caches hold. On one processor:
//
//	go test -run - -bench Cached -cpu 1
func BenchmarkCachedDecision(b *testing.B) {
	for _, tokens := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint("Check/tokens=", tokens), func(b *testing.B) { benchmarkCheck(b, tokens) })
		b.Run(fmt.Sprint("Require/tokens=", tokens), func(b *testing.B) { benchmarkRequire(b, tokens) })
	}
}

func benchmarkCheck(b *testing.B, tokens int) {
	g, all := busy(b, tokens)
	ctx := b.Context()
	report := measure(b)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := g.Check(ctx, all[i%tokens], acme); err != nil {
				b.Error(err)
			}
		}
	})
	report()
}

func benchmarkRequire(b *testing.B, tokens int) {
	g, all := busy(b, tokens)
	for i, token := range all {
		all[i] = "Bearer " + token
	}
	handler := g.Require("monitor:read", func(*http.Request) string { return "acme" })(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	report := measure(b)
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest("GET", "/t/acme/monitors", nil)
		authorization := []string{""}
		r.Header["Authorization"] = authorization
		var w http.ResponseWriter = discard{header: http.Header{}}
		for i := 0; pb.Next(); i++ {
			authorization[0] = all[i%tokens]
			handler.ServeHTTP(w, r)
		}
	})
	report()
}

type discard struct {
	io.Writer
	header http.Header
}

func (d discard) Header() http.Header { return d.header }
func (discard) WriteHeader(int)       { panic("refused") }
