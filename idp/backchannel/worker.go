package backchannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/storage"
)

// Store is what the worker reads and writes.
type Store interface {
	storage.TenantOpener
	// Client is that of [storage.ClientReader].
	Client(ctx context.Context, id storage.ClientID) (storage.Client, error)
	// DueLogouts is that of [storage.Chores].
	DueLogouts(ctx context.Context, now time.Time, limit int) ([]storage.Logout, error)
}

// Signer signs logout tokens with the deployment's keys.
type Signer interface {
	// Sign returns claims as a compact JWS by the active key of alg, with that typ.
	Sign(ctx context.Context, alg, typ string, claims any) (string, error)
}

// Poster makes a request. It is the guarded client (package outbound), which reaches
// no private address; redirects are not followed, whatever it says.
type Poster interface {
	Do(req *http.Request) (*http.Response, error)
}

// Config is what a Worker needs. All but Log and Registerer is required.
type Config struct {
	Store  Store
	Signer Signer
	Poster Poster
	Issuer string // iss of the tokens
	Now    func() time.Time
	Log    *slog.Logger // nil: slog.Default()
	// Registerer gets watchgate_backchannel_logouts_total; nil: it is not kept.
	Registerer prometheus.Registerer
}

// batch is how many due rows are read at once.
const batch = 500

// Worker tells apps. It is safe for concurrent use.
type Worker struct {
	cfg  Config
	told *prometheus.CounterVec
	due  chan struct{}

	running sync.WaitGroup
	queue   queue

	mu   sync.Mutex
	over map[key]ending // that the store has not noted yet
}

// ending is how telling an app has ended.
type ending struct {
	logout  storage.Logout
	outcome string
}

// key is what a row is known by: session ids are the deployment's.
type key struct {
	session storage.SessionID
	client  storage.ClientID
}

func keyOf(l storage.Logout) key { return key{l.Session, l.Client} }

// New returns a Worker that does nothing until Tick.
func New(cfg Config) *Worker {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	cfg.Poster = unredirected(cfg.Poster)
	return &Worker{
		cfg: cfg, told: counter(cfg.Registerer), due: make(chan struct{}, 1), over: map[key]ending{},
		queue: queue{known: map[key]bool{}, apps: map[storage.ClientID]*app{}},
	}
}

func counter(reg prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchgate_backchannel_logouts_total",
		Help: "Attempts to tell an app that a session is over, by what came of them.",
	}, []string{"outcome"})
	if reg != nil {
		reg.MustRegister(c)
	}
	return c
}

// unredirected is a poster that follows no redirect: a token goes where its app said,
// and nowhere else (NW-04).
func unredirected(p Poster) Poster {
	c, ok := p.(*http.Client)
	if !ok || c == nil {
		return p
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Due says when Tick should be run before its time.
func (w *Worker) Due() <-chan struct{} { return w.due }

// Wake says that a session has ended here.
func (w *Worker) Wake() {
	select {
	case w.due <- struct{}{}:
	default: // it has been said
	}
}

// Tick begins what is due and does not wait for any app: deliveries go on until they
// are done, or ctx is. Any number of nodes may run it at once, and again; run it every
// second, and whenever [Worker.Due] says so. The error is the store's; what an app did
// not do is in the log and in the counter, and is tried again later.
func (w *Worker) Tick(ctx context.Context) error {
	if err := w.settle(ctx); err != nil {
		return fmt.Errorf("backchannel: %w", err)
	}
	due, err := w.cfg.Store.DueLogouts(ctx, w.now(), batch)
	if err != nil {
		return fmt.Errorf("backchannel: %w", err)
	}
	w.queue.add(due, len(due) == batch)
	for {
		t, ok := w.queue.next()
		if !ok {
			return nil
		}
		w.running.Go(func() { w.run(ctx, t) })
	}
}

// Wait returns when nothing is under way any more.
func (w *Worker) Wait() { w.running.Wait() }

// run does one task, and then whatever else there is room for.
func (w *Worker) run(ctx context.Context, t task) {
	for ok := true; ok; t, ok = w.queue.next() {
		how, err := w.attend(ctx, t)
		if err != nil && !errors.Is(err, context.Canceled) {
			w.cfg.Log.ErrorContext(ctx, "an app could not be told of a sign-out; it is tried again", append(about(t.logout), slog.Any("error", err))...)
		}
		if w.queue.done(t, how) {
			w.Wake() // there may be more than was read at once
		}
	}
}

// now is the clock in the precision of the store.
func (w *Worker) now() time.Time { return w.cfg.Now().UTC().Truncate(time.Millisecond) }
