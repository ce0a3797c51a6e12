package guard

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"time"
)

// ways is how many answers share a place in the cache: the oldest of so many makes
// room.
const ways = 8

// cache keeps active answers for a short while. It is a table of fixed size without
// locks, so that reading scales with the processors: a question's digest says in
// which set its answer can be. Digests of active tokens are not to be chosen, so
// nobody can aim at a set; and since every answer is gone after a minute, the
// oldest one of a full set is the one to lose.
type cache struct {
	maxAge time.Duration
	sets   []set // a power of two
}

type set [ways]atomic.Pointer[entry]

// entry is not changed once it is kept.
type entry struct {
	question
	principal Principal
	asked     time.Time // with the monotonic clock, where there is one
	wall      int64     // the same on the wall clock, ns
}

// answers compares the digest first, which differs in most cases.
func (e *entry) answers(q *question) bool { return e.digest == q.digest && e.tenant == q.tenant }

func newCache(c Cache) *cache {
	sets := max(1, (c.Entries+ways-1)/ways)
	return &cache{maxAge: c.MaxAge, sets: make([]set, 1<<bits.Len(uint(sets-1)))}
}

func (c *cache) set(q *question) *set {
	return &c.sets[binary.LittleEndian.Uint64(q.digest[:])&uint64(len(c.sets)-1)]
}

// get returns the answer to a question, or nil when there is none that is good.
func (c *cache) get(q *question, now time.Time) *Principal {
	s := c.set(q)
	for i := range s {
		if e := s[i].Load(); e != nil && e.answers(q) && c.good(e, now) {
			return &e.principal
		}
	}
	return nil
}

// good reports whether an answer may be used: it is younger than the cache allows by
// both clocks (one stands still while the machine sleeps, and the other can be
// set), and its token has not expired.
func (c *cache) good(e *entry, now time.Time) bool {
	wall := time.Duration(now.UnixNano() - e.wall)
	return wall >= 0 && wall < c.maxAge && now.Sub(e.asked) < c.maxAge && now.Before(e.principal.ExpiresAt)
}

// put keeps the active answer to a question that was asked at a time; not one that
// does not say when it expires.
func (c *cache) put(q question, p *Principal, asked time.Time) {
	if p.ExpiresAt.IsZero() {
		return
	}
	p = p.packed()
	if q.tenant == p.Tenant {
		q.tenant = p.Tenant // the same bytes, once in memory
	}
	s := c.set(&q)
	// What another goroutine keeps in the same place at the same moment is lost: it
	// will be asked for again.
	s.place(&q).Store(&entry{question: q, principal: *p, asked: asked, wall: asked.UnixNano()})
}

// place is that of an older answer to the same question, or a free one, or the
// oldest answer's.
func (s *set) place(q *question) *atomic.Pointer[entry] {
	var at *atomic.Pointer[entry]
	var wall int64
	for i := range s {
		e := s[i].Load()
		switch {
		case e != nil && e.answers(q):
			return &s[i]
		case e == nil && (at == nil || wall != 0):
			at, wall = &s[i], 0
		case e != nil && (at == nil || e.wall < wall):
			at, wall = &s[i], e.wall
		}
	}
	return at
}
