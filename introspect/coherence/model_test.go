package coherence_test

import "testing"

// This is the protocol on paper: one change, one writer that waits, one node that
// remembers one answer. Every order of their steps is tried, with every delay,
// lost message and pause that fits into the time; a state in which the writer has
// been told "done" and the node still says "active" is a stale answer.

// The model's time, in ticks. Only the order of the lengths matters.
const (
	mLease  = 3
	mWait   = 4 // a lease and a margin
	mStrike = 5
)

// rules are those of the protocol; each can be taken out.
type rules struct {
	leaseCheck, waiting, readBeforeRenewal, applyBeforeRecord, raceGuard bool
	clockBeforeRead, forgetOnLapse, registerBeforeLease, strikeLate      bool
}

var allRules = rules{true, true, true, true, true, true, true, true, true}

// The node's renewal, step by step.
const (
	idle = iota
	joining
	joined
	reading
	read    // next: apply
	between // next: record
	told    // next: extend the lease
)

// model is one state. Times are ages in ticks, as far as they matter.
type model struct {
	// The database: is the change committed, is the node registered, does what it
	// recorded include the change, and how long ago did it last record.
	changed, registered, recorded bool
	silent                        int8
	// The writer: how long ago it committed, and whether it was told "done".
	waited int8
	done   bool
	// The node: where its renewal is and when that looked at the clock, what it
	// read now and before, what it has applied, and what is left of its lease.
	step, age, left              int8
	member, saw, before, applied bool
	// A load on its way: did it note its mark after the change was applied, did it
	// read "active", and is that of the memory that the node has now.
	loading                int8
	mark, alive, loadOfNow bool
	// An active answer that is remembered, of the memory that the node has now.
	entry, entryMark bool
}

// stale reports whether the node would say "active" of what is known to be dead.
func (m model) stale(r rules) bool {
	return m.done && m.entry && (m.entryMark || !m.applied) && (m.left > 0 || !r.leaseCheck)
}

// next is every state that one step leads to.
func (m model) next(r rules, add func(bool, func(*model))) {
	add(true, (*model).tick)
	add(!m.changed, func(n *model) { n.changed = true })
	heard := !m.registered || m.recorded || m.waited >= mWait || !r.waiting
	add(m.changed && !m.done && heard, func(n *model) { n.done = true })
	add(m.registered && (m.silent >= mStrike || !r.strikeLate), func(n *model) { n.registered = false })
	m.load(r, add)
	m.renew(r, add)
}

// tick lets time pass.
func (m *model) tick() {
	if m.changed {
		m.waited = min(m.waited+1, mWait)
	}
	m.silent, m.age, m.left = min(m.silent+1, mStrike), min(m.age+1, mLease), max(m.left-1, 0)
}

func (m model) load(r rules, add func(bool, func(*model))) {
	note := func(n *model) { n.mark, n.loadOfNow = n.applied, true }
	add(m.loading == 0, func(n *model) { n.loading = 1; note(n) })
	add(m.loading == 1, func(n *model) { n.loading, n.alive = 2, !n.changed })
	add(m.loading == 2, func(n *model) {
		n.loading = 0
		if !r.raceGuard {
			note(n)
		}
		if n.alive && n.loadOfNow {
			n.entry, n.entryMark = true, n.mark
		}
	})
}

// join registers the node, and begins with nothing.
func (m model) join(r rules, add func(bool, func(*model))) {
	add(m.step == idle && !m.member, func(n *model) { n.step, n.age = joining, 0 })
	add(m.step == joining, func(n *model) {
		n.step, n.silent, n.recorded, n.before = joined, 0, n.changed, n.changed
		n.registered = r.registerBeforeLease
	})
	add(m.step == joined, func(n *model) { n.member = true; n.extend(r) })
}

func (m model) renew(r rules, add func(bool, func(*model))) {
	m.join(r, add)
	add(m.step == idle && m.member, func(n *model) { n.step, n.age = reading, 0 })
	add(m.step == reading, func(n *model) { n.step, n.saw = read, n.changed && r.readBeforeRenewal })
	steps := []func(*model, rules){(*model).apply, (*model).record}
	if !r.applyBeforeRecord {
		steps[0], steps[1] = steps[1], steps[0]
	}
	add(m.step == read, func(n *model) {
		n.step = between
		if !r.clockBeforeRead {
			n.age = 0
		}
		steps[0](n, r)
	})
	add(m.step == between, func(n *model) { n.step = told; steps[1](n, r) })
	add(m.step == told && m.member, func(n *model) { n.before = n.saw; n.extend(r) })
	add(m.step != idle, (*model).drop)                                        // a message is lost, or a connection breaks
	add(m.step == idle && !m.member, func(n *model) { n.registered = false }) // the node leaves
}

func (m *model) apply(rules) { m.applied = m.applied || m.saw && !m.before }

func (m *model) record(r rules) {
	if !m.registered {
		m.drop()
		return
	}
	m.recorded, m.silent = m.saw || !r.readBeforeRenewal && m.changed, 0
}

func (m *model) extend(r rules) {
	if m.left == 0 && r.forgetOnLapse {
		m.entry, m.loadOfNow = false, false
	}
	m.left, m.step = mLease-m.age, idle
}

// drop ends the membership.
func (m *model) drop() { m.member, m.left, m.step = false, 0, idle }

// plain makes states alike that differ in what does not matter any more.
func (m model) plain() model {
	if m.loading == 0 {
		m.mark, m.alive, m.loadOfNow = false, false, false
	}
	if !m.entry {
		m.entryMark = false
	}
	if m.step == idle {
		m.age, m.saw = 0, false
	}
	if m.done {
		m.waited = 0
	}
	if !m.registered {
		m.silent, m.recorded = 0, false
	}
	return m
}

// explore looks at every state, and returns how many it saw, and whether one of
// them is stale.
func explore(r rules) (states int, stale bool) {
	seen := map[model]bool{{}: true}
	todo := []model{{}}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m.stale(r) {
			return len(seen), true
		}
		m.next(r, func(possible bool, change func(*model)) {
			if !possible {
				return
			}
			n := m
			change(&n)
			if n = n.plain(); !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		})
	}
	return len(seen), false
}

func TestModelHasNoStaleAnswer(t *testing.T) {
	states, stale := explore(allRules)
	if stale {
		t.Error("the protocol gives a stale answer")
	}
	if states < 10_000 {
		t.Errorf("only %d states: the model does not move", states)
	}
	t.Logf("%d states", states)
}

func TestModelNeedsEveryRule(t *testing.T) {
	for name, without := range map[string]func(*rules){
		"the lease check":                      func(r *rules) { r.leaseCheck = false },
		"the waiting":                          func(r *rules) { r.waiting = false },
		"the read before a renewal":            func(r *rules) { r.readBeforeRenewal = false },
		"applying before recording":            func(r *rules) { r.applyBeforeRecord = false },
		"the guard against a racing load":      func(r *rules) { r.raceGuard = false },
		"the clock before the read":            func(r *rules) { r.clockBeforeRead = false },
		"starting with nothing after a lapse":  func(r *rules) { r.forgetOnLapse = false },
		"registering before the first lease":   func(r *rules) { r.registerBeforeLease = false },
		"striking only who is silent for long": func(r *rules) { r.strikeLate = false },
	} {
		r := allRules
		without(&r)
		if states, stale := explore(r); !stale {
			t.Errorf("without %s there is no stale answer in %d states", name, states)
		}
	}
}
