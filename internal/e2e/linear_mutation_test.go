package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// mutant is the program with one rule taken out, and what has to happen so that
// this shows.
type mutant struct {
	edit     process.Edit
	schedule func(d *directed, t *testing.T)
}

// The rules of docs/never-stale.md, by what is done without them.
var mutants = map[string]mutant{
	"trusts its memory when the lease is over": {
		process.Edit{File: "introspect/coherence/node.go", Old: "return l != nil && l.covers(n.cfg.Boot(), n.cfg.Now())", New: "return l != nil"},
		(*directed).wakeUp,
	},
	"does not wait until the others know": {
		process.Edit{
			File: "storage/sqlstore/waiters.go",
			Old:  "func (ws *waiters) await(xid uint64) {\n",
			New:  "func (ws *waiters) await(uint64) {}\n\nfunc (ws *waiters) neverAsked(xid uint64) {\n",
		},
		(*directed).slowToHear,
	},
	"renews without reading": {
		process.Edit{File: "introspect/coherence/run.go", Old: "	changes, mark, err := m.Read(ctx)\n", New: `	if n.Held() {
		n.extend(leaseFrom(began, wall))
		return nil
	}
	changes, mark, err := m.Read(ctx)
`},
		(*directed).plain,
	},
	"records before it applies": {
		process.Edit{
			File: "introspect/coherence/run.go",
			Old: `	n.apply(changes)
	if err := m.Record(ctx, mark); err != nil {
		return err
	}
`, New: `	if err := m.Record(ctx, mark); err != nil {
		return err
	}
	n.apply(changes)
`},
		(*directed).slowToAnswer,
	},
	"numbers an answer when it arrives": {
		process.Edit{
			File: "introspect/ask.go",
			Old:  "	v.rs, r.found, err = s.cfg.Store.Introspect(ctx, storage.ResourceServerID(c.ID), ref)\n",
			New: `	v.rs, r.found, err = s.cfg.Store.Introspect(ctx, storage.ResourceServerID(c.ID), ref)
	r.mark = s.memory.node.Mark()
`},
		(*directed).lateLoad,
	},
}

const (
	// tries is how often a schedule is run on a program that breaks the promise: it
	// may happen that a pause or a delay just misses.
	tries = 8
	// passes is how often it is run on the program as it is.
	passes = 2
)

// Each rule is needed, and the test that is to see a violation sees it.
func TestWithoutAnyOfItsRulesTheProgramIsCaught(t *testing.T) {
	t.Parallel()
	for name, m := range mutants {
		t.Run("a program that "+name, func(t *testing.T) {
			t.Parallel()
			d := newDirected(t, must[string](t)(process.Build(t.Context(), t.TempDir(), m.edit)))
			for try := range tries {
				d.round(t, m.schedule)
				if broken := d.h.judge(t, promise); len(broken) > 0 {
					t.Logf("caught in round %d:\n%s", try+1, offending(d.h.of(broken[0])))
					return
				}
			}
			t.Errorf("not caught in %d rounds", tries)
		})
	}
	t.Run("the program as it is", func(t *testing.T) {
		t.Parallel()
		d := newDirected(t, must[string](t)(process.Binary()))
		for _, m := range mutants {
			for range passes {
				d.round(t, m.schedule)
			}
		}
		d.verdict(t)
	})
}

// directed is a cluster of two nodes in which one thing happens after the other.
type directed struct {
	*load
	realm *realm
	// near makes the changes, and far has to hear of them.
	near, far *member
}

func newDirected(t *testing.T, binary string) *directed {
	t.Helper()
	c := newCluster(t, pgtest.Database(t), binary, 2, nil)
	d := &directed{load: &load{c: c, h: newHistory()}, near: c.members[0], far: c.members[1]}
	d.realm = must[*realm](t)(c.newRealm(t.Context()))
	return d
}

// round runs a schedule in an undisturbed cluster.
func (d *directed) round(t *testing.T, schedule func(d *directed, t *testing.T)) {
	t.Helper()
	d.c.awaitLeases(t)
	schedule(d, t)
	d.far.proxy.Restore()
}

// token issues one.
func (d *directed) token(t *testing.T) *issuedToken {
	t.Helper()
	token := d.issueAt(d.near, d.realm)
	if token == nil {
		t.Fatal("no token")
	}
	return token
}

// remembered issues a token that the far node answers about from its memory.
func (d *directed) remembered(t *testing.T) *issuedToken {
	t.Helper()
	token := d.token(t)
	before := must[tally](t)(d.far.scrape(t.Context()))
	await(t, "an answer from memory", func() bool {
		d.askFor(killWithin, d.far, token)
		after := must[tally](t)(d.far.scrape(t.Context()))
		return after.held && after.hits > before.hits
	})
	return token
}

// die kills a token at the near node.
func (d *directed) die(t *testing.T, token *issuedToken) {
	t.Helper()
	if !d.revoke(d.near, token) {
		t.Fatal("the revocation did not succeed")
	}
}

// wakeUp stops the far node for longer than its lease. When it goes on, it can read
// tokens, but not what changed.
func (d *directed) wakeUp(t *testing.T) {
	token := d.remembered(t)
	noError(t, d.far.node().Pause())
	d.far.proxy.Partition(feedConns)
	d.die(t, token)
	var asked sync.WaitGroup
	asked.Go(func() { d.askFor(killWithin, d.far, token) })
	noError(t, d.far.node().Resume())
	asked.Wait()
}

// late is how much later a slow feed is. A node renews in four of them, and its
// lease is longer.
const late = 300 * time.Millisecond

// slowToHear lets the far node hear of changes late.
func (d *directed) slowToHear(t *testing.T) {
	token := d.remembered(t)
	d.far.proxy.Delay(feedConns, pgtest.ToServer, late)
	d.far.proxy.Delay(feedConns, pgtest.ToClient, late)
	d.die(t, token)
	d.askFor(killWithin, d.far, token)
}

// plain has no fault at all.
func (d *directed) plain(t *testing.T) {
	token := d.remembered(t)
	d.die(t, token)
	d.askFor(killWithin, d.far, token)
}

// slowToAnswer lets the database hear at once what the far node says, and the node
// late what the database says: that its record is there, above all.
func (d *directed) slowToAnswer(t *testing.T) {
	token := d.remembered(t)
	d.far.proxy.Delay(feedConns, pgtest.ToClient, late)
	d.die(t, token)
	d.askFor(killWithin, d.far, token)
}

// lateLoad holds back what the far node reads of a token until the token is dead,
// and everybody knows.
func (d *directed) lateLoad(t *testing.T) {
	d.remembered(t) // of another: the connection is there, and so is who asks
	token := d.token(t)
	d.far.proxy.Stall(lookupConns, pgtest.ToClient)
	var asked sync.WaitGroup
	asked.Go(func() { d.askFor(killWithin, d.far, token) })
	await(t, "the answer of the database", func() bool { return d.far.proxy.Waiting(lookupConns, pgtest.ToClient) > 0 })
	d.die(t, token)
	d.far.proxy.Restore()
	asked.Wait()
	d.askFor(killWithin, d.far, token)
}
