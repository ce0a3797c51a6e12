package sqlstore

import (
	"context"

	"slices"

	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/storage"
)

// waits notes what a store says of its waiting.
type waits struct {
	mu   sync.Mutex
	list []bool // of each, whether all said that they know
}

func (w *waits) note(_ time.Duration, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, all)
}

// since returns what was noted since the last call.
func (w *waits) since() []bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.list
	w.list = nil
	return out
}

// revoking begins to revoke a fresh token, and returns where the outcome will be.
func revoking(t *testing.T, s *Store) <-chan error {
	t.Helper()
	a := benchToken()
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent()))
	done := make(chan error, 1)
	go func() { done <- s.Tenant("ten_a").RevokeToken(t.Context(), a.Ref, benchNow, benchEvent()) }()
	return done
}

func enrolled(t *testing.T, s *Store) storage.Membership {
	t.Helper()
	m, err := s.Join(t.Context())
	must(t, err)
	t.Cleanup(func() { m.Leave(context.Background()) })
	return m
}

// told reads until something was told.
func told(t *testing.T, m storage.Membership) ([]storage.Change, storage.Mark) {
	t.Helper()
	for {
		changes, mark, err := m.Read(t.Context())
		must(t, err)
		if len(changes) > 0 {
			return changes, mark
		}
		must(t, m.Wait(t.Context()))
	}
}

// renewed reads and records.
func renewed(t *testing.T, m storage.Membership) []storage.Change {
	t.Helper()
	changes, mark, err := m.Read(t.Context())
	must(t, err)
	must(t, m.Record(t.Context(), mark))
	return changes
}

func TestNobodyIsWaitedForWhoIsNotThere(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": sqliteFile(t), "postgres": postgresDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			var w waits
			s := two(t, Config{DSN: dsn, OnWait: w.note})
			must(t, <-revoking(t, s))
			m := enrolled(t, s)
			must(t, m.Leave(t.Context()))
			must(t, <-revoking(t, s))
			if got := w.since(); !slices.Equal(got, []bool{true, true}) {
				t.Errorf("waited for all: %v", got)
			}
		})
	}
}

// TestASilentNodeIsWaitedForAsLongAsItsLease, and no longer, whatever becomes of the
// database meanwhile: the change was made.
func TestASilentNodeIsWaitedForAsLongAsItsLease(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{})
	must(t, Migrate(t.Context(), server.DSN("postgres")))
	for name, c := range map[string]struct {
		dsn   string
		event func(t *testing.T, s *Store)
	}{
		"sqlite":                {sqliteFile(t), func(*testing.T, *Store) {}},
		"sqlite, closed":        {sqliteFile(t), func(t *testing.T, s *Store) { must(t, s.Close()) }},
		"postgres":              {postgresDatabase(t), func(*testing.T, *Store) {}},
		"postgres, killed then": {server.DSN("postgres"), func(t *testing.T, _ *Store) { must(t, server.Kill()) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w waits
			s := two(t, Config{DSN: c.dsn, OnWait: w.note})
			m := enrolled(t, s)
			done := revoking(t, s)
			told(t, m)
			for s.Waiting() == 0 {
				must(t, s.Ping(t.Context()))
			}
			c.event(t, s)
			must(t, <-done)
			if got := w.since(); !slices.Equal(got, []bool{false}) {
				t.Errorf("waited for all: %v, want one that waited for the lease", got)
			}
		})
	}
}

// TestASignInWaitsForNobody, unless it ends another session.
func TestASignInWaitsForNobody(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": sqliteFile(t), "postgres": postgresDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			var w waits
			s := two(t, Config{DSN: dsn, OnWait: w.note})
			f := newFlow(t, s)
			m := enrolled(t, s)
			f.session.Handle = []byte("another")
			in := storage.SignIn{User: storage.User{ID: "usr"}, Session: f.session, Renews: true, Identity: storage.Identity{Connection: "con"}}
			must(t, s.Tenant("ten_a").SignIn(t.Context(), in, benchEvent()))
			if changes, got := renewed(t, m), w.since(); len(changes) != 2 || got != nil {
				t.Errorf("told: %v; waits: %v", changes, got)
			}
		})
	}
}
