package introspect

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/storage"
)

// use is one way in which an API key was used on one day.
type use struct {
	tenant storage.TenantID
	key    storage.KeyID
	day    int64 // since 1970, UTC
	why    string
	ip     string
	scope  string
	rs     storage.ResourceServerID
}

// times is how often, and when last.
type times struct {
	calls, last int64 // last: milliseconds since 1970
}

// maxUses is how many ways of use are kept at once that are not counted in an entry,
// in a few hundred bytes each. Beyond, keys are counted without how and whence they
// were used, and beyond twice as many of those not at all. Of either room, a tenant
// has no more than is left for others.
const maxUses = 16 << 10

// uses are how API keys were used since the last flush: exact numbers, of which one
// is lost only when it cannot be stored for long, or when the process is killed.
// Active answers from memory are counted where they are remembered, and the rest,
// refusals above all, here.
type uses struct {
	mu sync.Mutex
	// rare are those that are counted under the lock.
	rare map[use]times
	// detailed and plain are the rooms in rare for ways of use, and for keys alone.
	detailed, plain *room
	// refusedAt are the first addresses from which calls with a key were refused.
	refusedAt map[storage.KeyID][]string
	// counted are spots with a number that has not been flushed. Each is there once.
	counted []*spot
	dropped prometheus.Counter
}

func newUses(reg prometheus.Registerer) *uses {
	dropped := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watchgate_key_uses_dropped_total", Help: "Uses of API keys that were not recorded: there was no room, or the store was away for too long.",
	})
	if reg != nil {
		reg.MustRegister(dropped)
	}
	u := &uses{dropped: dropped}
	u.clear()
	return u
}

// clear forgets all that is counted under the lock.
func (u *uses) clear() {
	u.rare, u.refusedAt = map[use]times{}, map[storage.KeyID][]string{}
	u.detailed, u.plain = newRoom(maxUses), newRoom(2*maxUses)
}

// note counts a verdict about a key; why is "" for an active one.
func (u *uses) note(v verdict, why string) {
	w := useOf(v.key, v.rs.ID, v.question)
	w.why = why
	u.mu.Lock()
	defer u.mu.Unlock()
	if why != "" && u.scattered(w) {
		w.ip = ""
	}
	if u.add(w, times{1, v.question.now.UnixMilli()}) && why != "" {
		u.refusedFrom(w)
	}
}

// useOf is how a question is recorded. It keeps nothing of the request that the
// question came with.
func useOf(k *keyed, rs storage.ResourceServerID, q question) use {
	w := use{tenant: k.tenant, key: k.id, day: dayOf(q.now.UnixMilli()), rs: rs}
	w.ip = whence(q.ip)
	if scope := cmp.Or(q.needed, q.scope); len(scope) <= maxSpelling {
		w.scope = strings.Clone(scope)
	}
	return w
}

const day = 24 * time.Hour

// dayOf is the day of a moment in milliseconds since 1970.
func dayOf(ms int64) int64 { return ms / day.Milliseconds() }

// add adds to a way of use, or to the key alone when there is no room for more of
// them. It reports whether the way is known. The lock is held.
func (u *uses) add(w use, n times) bool {
	before, there := u.rare[w]
	known := there || u.detailed.enter(w.tenant)
	if !known {
		w = use{tenant: w.tenant, key: w.key, day: w.day, why: w.why}
		before, there = u.rare[w]
		if !there && !u.plain.enter(w.tenant) {
			u.dropped.Add(float64(n.calls))
			return false
		}
	}
	u.rare[w] = times{before.calls + n.calls, max(before.last, n.last)}
	return known
}

// take returns all that was counted, which is forgotten.
func (u *uses) take() map[use]times {
	u.mu.Lock()
	defer u.mu.Unlock()
	out, counted := u.rare, u.counted
	u.counted = nil
	u.clear()
	for _, s := range counted {
		n := s.take()
		w := s.use
		w.day = dayOf(n.last)
		before := out[w]
		out[w] = times{before.calls + n.calls, max(before.last, n.last)}
	}
	return out
}

// putBack keeps what could not be stored.
func (u *uses) putBack(w use, n times) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.add(w, n)
}
