package introspect

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// Token scanning (RFC 7662 section 4, IN-11, RL-08): somebody tries tokens, at an
// API or with an API's credentials. When so many guesses of one resource server
// come within scanWindow, there is a signal, and none more about it for
// scanQuiet.
const (
	scanGuesses = 100
	scanWindow  = time.Minute
	scanQuiet   = 10 * time.Minute
	maxScans    = 1 << 10 // resource servers whose guesses are counted, in 2.5 KB each
)

// guesses are the reasons that honest callers have no part in, beside "unknown". An
// API whose users come back with tokens that are over or revoked is not one of
// them.
var guesses = []string{"malformed", "refresh_token", "code", "audience", otherTenant, foreignServer}

// guessed reports whether somebody guessed. A token that is not known because its
// time is over, so that its row is gone, is an old one: what is made up in its
// place is no use to anybody.
func (v verdict) guessed() bool {
	if v.why != "unknown" {
		return slices.Contains(guesses, v.why)
	}
	ref, err := token.Parse(token.Access, v.question.token)
	return err != nil || time.Unix(0, 0).Add(time.Duration(ref.Bucket)*time.Hour).After(v.question.now)
}

// scans counts guesses. It is one node's memory: of several nodes each one
// signals for itself.
type scans struct {
	signals prometheus.Counter
	mu      sync.Mutex
	byAsker map[storage.ResourceServerID]*scan
}

// scan is the moments of one resource server's last guesses, as a ring.
type scan struct {
	at   [scanGuesses]time.Time
	next int
	till time.Time // of the quiet after a signal
}

func newScans(reg prometheus.Registerer) *scans {
	return &scans{signals: signals(reg).WithLabelValues("token_scanning"), byAsker: map[storage.ResourceServerID]*scan{}}
}

// signals are the node's, whoever counts them first. reg may be nil.
func signals(reg prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchgate_signals_total", Help: "Security events that somebody should act on, by kind.",
	}, []string{"signal"})
	if reg == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if other, ok := there.ExistingCollector.(*prometheus.CounterVec); ok {
			return other
		}
	}
	return c
}

// count notes a guess. It reports true when that is to be signalled, and in what
// time the last scanGuesses came.
func (s *scans) count(id storage.ResourceServerID, now time.Time) (within time.Duration, signal bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byAsker[id]
	if c == nil {
		s.makeRoom(now)
		c = &scan{}
		s.byAsker[id] = c
	}
	c.at[c.next] = now
	c.next = (c.next + 1) % scanGuesses
	first := c.at[c.next]
	within = now.Sub(first)
	quiet := c.till.Sub(now)
	// The clock may have been set back in between: that ends a quiet, and makes no
	// window shorter.
	if first.IsZero() || within < 0 || within > scanWindow || quiet > 0 && quiet <= scanQuiet {
		return 0, false
	}
	c.till = now.Add(scanQuiet)
	return within, true
}

// makeRoom forgets whose last guess is long ago, and anybody if there is none.
func (s *scans) makeRoom(now time.Time) {
	for id, c := range s.byAsker {
		if len(s.byAsker) < maxScans {
			return
		}
		last := c.at[(c.next+scanGuesses-1)%scanGuesses]
		if now.Sub(last) > scanWindow && now.After(c.till) {
			delete(s.byAsker, id)
		}
	}
	for id := range s.byAsker {
		if len(s.byAsker) < maxScans {
			return
		}
		delete(s.byAsker, id)
	}
}

// scanned counts a guess, and signals when it is one too many. The answer is
// written by then, and is on its way before anything is stored.
func (s *Server) scanned(ctx context.Context, w http.ResponseWriter, v verdict) {
	if v.why == "" || !v.guessed() {
		return
	}
	within, signal := s.scans.count(v.rs.ID, v.question.now)
	if !signal {
		return
	}
	// What cannot flush sends the answer when the handler is done.
	_ = http.NewResponseController(w).Flush()
	// Who has the answer may go, and the record is made all the same.
	s.signal(context.WithoutCancel(ctx), v, within)
}

// guessed is scanned for the deployment's own API, whose answer is written by
// somebody else.
func (s *Server) guessed(ctx context.Context, v verdict) {
	if v.why == "" || !v.guessed() {
		return
	}
	if within, signal := s.scans.count(v.rs.ID, v.question.now); signal {
		s.signal(context.WithoutCancel(ctx), v, within)
	}
}

// signal counts, logs and records: for a resource server of one tenant in that
// tenant's trail, for the platform's own in the platform's.
func (s *Server) signal(ctx context.Context, v verdict, within time.Duration) {
	s.scans.signals.Inc()
	s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "token scanning", slog.String("resource_server", string(v.rs.ID)),
		slog.Int("count", scanGuesses), slog.Int("within_seconds", seconds(within)))
	ev := audit.IntrospectionScanning(ctx, v.question.now, string(v.rs.ID), scanGuesses, within)
	rs, err := s.whole(ctx, v.rs)
	switch {
	case err == nil && rs.TenantID != "":
		err = s.cfg.Store.Tenant(rs.TenantID).AppendEvent(ctx, ev)
	case err == nil:
		err = s.cfg.Store.AppendPlatformEvent(ctx, ev)
	}
	s.lost(ctx, ev, err)
}

// whole is the record of a resource server, of which a verdict about something
// that is no token may have only the id.
func (s *Server) whole(ctx context.Context, rs storage.ResourceServer) (storage.ResourceServer, error) {
	if !rs.CreatedAt.IsZero() {
		return rs, nil
	}
	return s.cfg.Store.ResourceServer(ctx, rs.ID)
}
