package manage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/watchgate/watchgate/internal/web"
)

const (
	// keepAlive is how often a stream says something: proxies cut what is silent, and
	// a client that is gone is noticed by writing. It is also how often the
	// credential is asked about again.
	keepAlive = 15 * time.Second
	// writeLimit is how long one write to a client that does not read may take.
	writeLimit = 20 * time.Second
	// maxStreams is how many streams one caller may have open.
	maxStreams = 32
)

// Event is one server-sent event.
type Event struct {
	ID   string // "" has none
	Name string // the type
	Data any    // written as one line of JSON
}

// Events is the output of a [Operation] that is a Stream; see [Stream].
type Events struct {
	CacheControl string `header:"Cache-Control" hidden:"true"`
	Body         func(huma.Context)
}

// Stream answers with server-sent events (text/event-stream). run sends them, and
// ends the stream by returning; its context ends when the client is gone, when the
// credential is no longer live, and when the server shuts down. An error that it
// returns is logged: the client sees the end of the stream, and connects again.
func Stream(run func(ctx context.Context, send func(Event) error) error) *Events {
	return &Events{CacheControl: "no-store", Body: func(hctx huma.Context) {
		_, w := humago.Unwrap(hctx)
		rec, ok := w.(*recorder)
		if !ok {
			panic("manage: a stream outside an operation")
		}
		rec.stream = func(w http.ResponseWriter, r *http.Request) error { return callFrom(r.Context()).stream(w, r, run) }
	}}
}

// stream serves one stream.
func (c *call) stream(w http.ResponseWriter, r *http.Request, run func(context.Context, func(Event) error) error) error {
	free, ok := c.api.streams.take(string(c.who.Tenant) + "/" + string(c.who.User) + "/" + string(c.who.Client) + "/" + string(c.who.Key))
	if !ok {
		e := web.Refuse(http.StatusTooManyRequests, string(QuotaExceeded), "Too many streams are open.", nil)
		return e.With("Retry-After", "15").With("RateLimit-Policy", `"streams";q=32`)
	}
	defer free()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &stream{w: w, control: http.NewResponseController(w), cancel: cancel}
	if err := s.open(); err != nil {
		return err
	}
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		c.keep(ctx, s)
	}()
	defer func() {
		cancel()
		<-kept
	}()
	err := run(ctx, s.send)
	if ctx.Err() != nil {
		return nil // the client, the credential or the server is gone: an end like any other
	}
	return err
}

// keep writes the keep-alive comments, and ends the stream with the server or with
// the credential.
func (c *call) keep(ctx context.Context, s *stream) {
	defer s.cancel()
	tick, stop := c.api.cfg.Tick(keepAlive)
	defer stop()
	presented := c.cred
	presented.Again = true
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.api.cfg.Done:
			return
		case <-tick:
			// A question that has no answer now is asked again at the next tick: what
			// happens to the key itself does not come this way.
			if _, err := c.api.authenticate(ctx, presented); isInactive(err) {
				return
			}
			if s.write([]byte(":\n\n")) != nil {
				return
			}
		}
	}
}

func isInactive(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Kind == Unauthenticated
}

// stream is the one writer of a stream.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  context.CancelFunc
}

// open sends the header and lifts the server's limit on how long an answer takes:
// from here on, each write has its own.
func (s *stream) open() error {
	if err := s.control.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift the deadline of a stream: %w", err)
	}
	h := s.w.Header()
	h.Set("Content-Type", mediaEvents)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.w.WriteHeader(http.StatusOK)
	return s.write([]byte(":\n\n"))
}

// send writes an event.
func (s *stream) send(e Event) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	if strings.ContainsAny(e.ID+e.Name, "\r\n\x00") {
		return errors.New("manage: a line break in an event's id or name")
	}
	var out bytes.Buffer
	if e.ID != "" {
		fmt.Fprintf(&out, "id: %s\n", e.ID)
	}
	if e.Name != "" {
		fmt.Fprintf(&out, "event: %s\n", e.Name)
	}
	fmt.Fprintf(&out, "data: %s\n\n", data)
	return s.write(out.Bytes())
}

// write sends bytes now. A client that does not read for writeLimit is cut off.
func (s *stream) write(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := time.AfterFunc(writeLimit, func() { _ = s.control.SetWriteDeadline(time.Unix(1, 0)) })
	defer cut.Stop()
	_, err := s.w.Write(p)
	if err = errors.Join(err, s.control.Flush()); err != nil {
		s.cancel()
	}
	return err
}

// streamCount counts open streams by caller.
type streamCount struct {
	mu   sync.Mutex
	open map[string]int
}

// take counts one more, and returns what ends it; false: there are too many.
func (n *streamCount) take(caller string) (free func(), ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open[caller] >= maxStreams {
		return nil, false
	}
	n.open[caller]++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.open[caller]--; n.open[caller] == 0 {
			delete(n.open, caller)
		}
	}, true
}
