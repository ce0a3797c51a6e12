package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is one request and its answer: the ResponseWriter that handlers get,
// and what the log line will say.
type exchange struct {
	http.ResponseWriter
	request *http.Request
	started time.Duration // by Config.Monotonic
	id, ip  string

	status int   // 0 until the header is written
	bytes  int64 // of the body
	// routed is set when a registered handler takes over. What is written
	// before is ServeMux's own answer (404, 405, a redirect to another spelling
	// of the path); it is held back and written by our error writers.
	routed     bool
	muxStatus  int
	onError    ErrorWriter // of the route
	failure    *Error      // what the request was refused with
	panicStack []byte
	quiet      atomic.Bool // see Quiet

	mu    sync.Mutex // guards notes: handlers may annotate from goroutines
	notes []slog.Attr
}

type exchangeKey struct{}

// exchangeContext is the context of a request: it knows the exchange.
type exchangeContext struct {
	context.Context
	x *exchange
}

// Value returns the exchange for exchangeKey.
func (c *exchangeContext) Value(key any) any {
	if key == (exchangeKey{}) {
		return c.x
	}
	return c.Context.Value(key)
}

// Annotate adds a field to the request's one log line. The value must be no
// secret. Outside a request it does nothing.
func Annotate(ctx context.Context, key string, value any) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.notes = append(x.notes, slog.Any(key, value))
}

// Quiet says that the answer is one of a great many that nobody reads about: it
// gets no log line unless Config.LogQuick is set, and is counted like any other.
// A refusal, an error and a panic keep their line. Outside a request it does
// nothing.
func Quiet(ctx context.Context) {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.quiet.Store(true)
	}
}

// WriteHeader notes the status.
func (x *exchange) WriteHeader(status int) {
	if !x.routed {
		x.muxStatus = status
		return
	}
	if x.status == 0 && status >= 200 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (x *exchange) Write(p []byte) (int, error) {
	if !x.routed {
		return len(p), nil
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(p)
	x.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }
