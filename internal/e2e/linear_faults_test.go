package e2e

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
)

// storm injects faults into a cluster. Each node has one at a time, the database
// has its own, and several nodes have them at once.
type storm struct {
	t      *testing.T
	c      *cluster
	h      *history
	server *pgtest.Server

	// database is held to restart the server, and shared by those who need it: a
	// node does not start without.
	database sync.RWMutex

	mu     sync.Mutex
	random *rand.Rand
	deck   []string // what comes next
	done   map[string]int
}

func newStorm(t *testing.T, c *cluster, h *history, server *pgtest.Server, random *rand.Rand) *storm {
	return &storm{t: t, c: c, h: h, server: server, random: random, done: map[string]int{}}
}

// nodeFaults are what can happen to a node. What a fault began it also ends.
var nodeFaults = map[string]func(s *storm, m *member) error{
	"delay":              (*storm).delay,
	"cut":                (*storm).cut,
	"partition":          (*storm).partition,
	"half-open":          (*storm).halfOpen,
	"partition and cut":  (*storm).partitionAndCut,
	"kill":               (*storm).kill,
	"pause":              (*storm).pause,
	"pause and deafness": (*storm).pauseDeaf,
	"wall clock":         (*storm).wall,
	"boot clock":         (*storm).boot,
}

// Faults of the database.
const (
	databaseRestart = "database restarted"
	databaseCrash   = "database crashed"
)

// run goes on until ctx is done. Then nothing is broken any more.
func (s *storm) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, m := range s.c.members {
		wg.Go(func() {
			for rest(ctx, s.between(300, 1500)); ctx.Err() == nil; rest(ctx, s.between(300, 1500)) {
				s.strike(m.name, s.deal(), func(name string) error { return nodeFaults[name](s, m) })
			}
		})
	}
	wg.Go(func() {
		for i := 0; ; i++ {
			if rest(ctx, s.between(4000, 7000)); ctx.Err() != nil {
				return
			}
			s.strike("database", []string{databaseCrash, databaseRestart}[i%2], s.restart)
		}
	})
	wg.Wait()
}

func (s *storm) strike(whom, what string, do func(name string) error) {
	from := s.h.now()
	if err := do(what); err != nil {
		s.t.Errorf("%s of %s: %v", what, whom, err)
	}
	s.h.fault(whom, what, from)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[what]++
}

// deal returns the next fault: each comes up before one comes up again.
func (s *storm) deal() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deck) == 0 {
		s.deck = slices.Sorted(maps.Keys(nodeFaults))
		s.random.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	next := s.deck[0]
	s.deck = s.deck[1:]
	return next
}

// between is a duration, in milliseconds.
func (s *storm) between(least, most int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(least+s.random.IntN(most-least)) * time.Millisecond
}

func choose[T any](s *storm, from ...T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return from[s.random.IntN(len(from))]
}

// last waits, come what may: a fault is ended by itself and not by the test.
func (s *storm) last(least, most int) { rest(context.Background(), s.between(least, most)) }

// someConns is a kind of connections; the feed's, on which all rests, most often.
func (s *storm) someConns() string {
	return choose(s, feedConns, feedConns, lookupConns, appConns, pgtest.Any)
}

func (s *storm) delay(m *member) error {
	kind := s.someConns()
	for _, to := range choose(s, []pgtest.Direction{pgtest.ToClient}, []pgtest.Direction{pgtest.ToServer},
		[]pgtest.Direction{pgtest.ToClient, pgtest.ToServer}) {
		m.proxy.Delay(kind, to, s.between(5, 500))
	}
	s.last(500, 2500)
	m.proxy.Restore()
	return nil
}

func (s *storm) cut(m *member) error {
	for range 3 {
		m.proxy.Cut(s.someConns())
		s.last(50, 300)
	}
	return nil
}

func (s *storm) partition(m *member) error {
	m.proxy.Partition(s.someConns())
	s.last(300, 3000)
	m.proxy.Restore()
	return nil
}

// halfOpen lets one direction through.
func (s *storm) halfOpen(m *member) error {
	m.proxy.Stall(s.someConns(), choose(s, pgtest.ToClient, pgtest.ToServer))
	s.last(300, 3000)
	m.proxy.Restore()
	return nil
}

// partitionAndCut loses what was under way.
func (s *storm) partitionAndCut(m *member) error {
	kind := s.someConns()
	m.proxy.Partition(kind)
	s.last(300, 2500)
	m.proxy.Cut(kind)
	m.proxy.Restore()
	return nil
}

func (s *storm) kill(m *member) error {
	if err := m.node().Kill(); err != nil {
		return err
	}
	s.last(10, 500)
	if err := m.clock.right(); err != nil {
		return err
	}
	s.database.RLock()
	defer s.database.RUnlock()
	return m.start(s.t)
}

// pause stops the node for longer than its lease.
func (s *storm) pause(m *member) error {
	if err := m.node().Pause(); err != nil {
		return err
	}
	s.last(2300, 3500)
	return m.node().Resume()
}

// pauseDeaf is pause; when the node goes on, it does not hear what changed.
func (s *storm) pauseDeaf(m *member) error {
	if err := m.node().Pause(); err != nil {
		return err
	}
	m.proxy.Partition(feedConns)
	s.last(2300, 3500)
	if err := m.node().Resume(); err != nil {
		return err
	}
	s.last(200, 1500)
	m.proxy.Restore()
	return nil
}

func (s *storm) wall(m *member) error { return s.step(m, wallClock, 30*time.Second) }
func (s *storm) boot(m *member) error { return s.step(m, bootClock, 3*time.Second) }

// step sets a clock by up to most, forwards or backwards.
func (s *storm) step(m *member, which int, most time.Duration) error {
	by := s.between(50, int(most/time.Millisecond))
	if err := m.clock.step(which, choose(s, by, -by)); err != nil {
		return err
	}
	// One of the clocks at a time: both at once, by the same, is a machine that
	// was put back to an earlier state, which no clock tells.
	s.last(2500, 2600)
	return nil
}

func (s *storm) restart(how string) error {
	s.database.Lock()
	defer s.database.Unlock()
	if how == databaseCrash {
		if err := s.server.Kill(); err != nil {
			return err
		}
		s.last(1, 800)
	}
	return s.server.Restart()
}

// missing is a fault that did not happen yet; "" when all have.
func (s *storm) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range append(slices.Sorted(maps.Keys(nodeFaults)), databaseCrash, databaseRestart) {
		if s.done[name] == 0 {
			return name
		}
	}
	return ""
}
