package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// What the environment may say of TestLinearizable.
const (
	soakVariable = "WATCHGATE_SOAK" // how long it runs, as in 10m
	seedVariable = "WATCHGATE_SEED" // with what its choices begin
)

// roundFor is how long callers and faults go on before everything is calmed and
// checked. A run of `make test` has one round.
const roundFor = 20 * time.Second

// No node says that a token is active when it was killed before it was asked, and
// none says that it is not before anybody killed it, whatever happens to the
// nodes, to their clocks, to the database and to what lies between.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	seed, length := settings(t)
	t.Logf("%s=%d for %s", seedVariable, seed, length)
	random := rand.New(rand.NewPCG(seed, 0))
	server := pgtest.New(t, pgtest.Options{Durable: true})
	binary := must[string](t)(process.Build(t.Context(), t.TempDir(), clockEdits...))
	c := newCluster(t, databaseOn(t, server), binary, 3, []*clock{newClock(t), newClock(t), newClock(t)})
	for end := time.Now().Add(length); ; {
		round(t, c, server, random)
		if t.Failed() || time.Now().After(end) {
			return
		}
	}
}

// settings are the seed and the length of the run.
func settings(t *testing.T) (uint64, time.Duration) {
	t.Helper()
	seed, length := rand.Uint64(), time.Duration(0)
	if text := os.Getenv(seedVariable); text != "" {
		seed = must[uint64](t)(strconv.ParseUint(text, 10, 64))
	}
	if text := os.Getenv(soakVariable); text != "" {
		length = must[time.Duration](t)(time.ParseDuration(text))
	}
	return seed, length
}

// round loads the cluster under faults, lets it recover, asks every node about
// every token once more, and judges.
func round(t *testing.T, c *cluster, server *pgtest.Server, random *rand.Rand) {
	h := newHistory()
	l := must[*load](t)(newLoad(t.Context(), c, h))
	s := newStorm(t, c, h, server, rand.New(rand.NewPCG(random.Uint64(), 0)))
	c.awaitLeases(t)
	before := c.scrapeAll(t)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { s.run(ctx) })
	all.Go(func() { l.run(ctx, random) })
	all.Go(func() { c.watch(ctx) })
	rest(ctx, roundFor)
	await(t, "every fault and every kind of kill", func() bool { return s.missing() == "" && l.complete() })
	cancel()
	all.Wait()
	l.recovered(t)
	l.verdict(t)
	l.worthIt(t, s, before)
}

// recovered asks every node about every token: service is full again, by itself.
func (l *load) recovered(t *testing.T) {
	t.Helper()
	l.c.awaitLeases(t)
	before := l.unknown.Load()
	l.askEverywhere(killWithin, l.h.tokens...)
	if n := l.unknown.Load() - before; n > 0 {
		t.Errorf("%d questions without an answer when all is well again", n)
	}
}

// watch reads the nodes' metrics until ctx is done: what a node has counted is lost
// when it is killed.
func (c *cluster) watch(ctx context.Context) {
	for ctx.Err() == nil {
		for _, m := range c.members {
			_, _ = m.scrape(ctx)
		}
		rest(ctx, 100*time.Millisecond)
	}
}

func (c *cluster) scrapeAll(t *testing.T) []tally {
	t.Helper()
	out := make([]tally, len(c.members))
	for i, m := range c.members {
		out[i] = must[tally](t)(m.scrape(t.Context()))
	}
	return out
}

// verdict fails the test on a history that breaks the promise.
func (l *load) verdict(t *testing.T) {
	t.Helper()
	l.wrong.Range(func(what, _ any) bool {
		t.Errorf("neither an answer nor 503: %s", what)
		return true
	})
	broken := l.h.judge(t, promise)
	for i, token := range broken {
		if i == 5 {
			t.Errorf("... and %d more tokens", len(broken)-i)
			break
		}
		t.Errorf("the promise is broken: %s", l.h.explain(t, token))
	}
}

// complete reports whether every way to kill has succeeded.
func (l *load) complete() bool {
	return l.revoked.Load() > 0 && l.suspended.Load() > 0 && l.switched.Load() > 0
}

// worthIt fails a round that proves nothing because nothing was remembered.
func (l *load) worthIt(t *testing.T, s *storm, before []tally) {
	t.Helper()
	t.Logf("%d tokens, %d questions (%d active, %d without an answer), %d revoked, %d tenants suspended, %d clients disabled, %d kills of unknown outcome",
		l.issued.Load(), l.asked.Load(), l.active.Load(), l.unknown.Load(), l.revoked.Load(), l.suspended.Load(), l.switched.Load(), l.unknownDeaths.Load())
	t.Logf("faults: %v", s.done)
	for i, after := range l.c.scrapeAll(t) {
		hits, changes := after.hits-before[i].hits, after.changes-before[i].changes
		t.Logf("%s: %.0f answers from memory, %.0f from the store, %.0f changes applied, lease lost %.0f times", l.c.members[i].name,
			hits, after.misses-before[i].misses, changes, after.lost-before[i].lost)
		if hits <= 0 || changes <= 0 {
			t.Errorf("%s answered nothing from memory, or heard of no change", l.c.members[i].name)
		}
	}
	if !t.Failed() {
		t.Logf("%d histories are explained only by a kill that was under way", len(l.h.judge(t, atomicKill)))
	}
}
