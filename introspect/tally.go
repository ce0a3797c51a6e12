package introspect

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Addresses whose calls are counted with an entry.
const (
	maxSpots = 8
	// spotIdle is after how long without a call another address may take the place.
	spotIdle = 5 * time.Minute
)

// tally counts the active answers that are given from an entry, for each of a few
// addresses and needs. It is read and counted without a lock.
type tally [maxSpots]atomic.Pointer[spot]

// spot counts the calls from one address with one need. It may outlive its place in a tally, and
// its entry: what it counted is flushed all the same.
type spot struct {
	// told is the address, and needed what the calls needed, as they were told.
	told, needed string
	use          use // its day is that of the last call
	calls        atomic.Int64
	last         atomic.Int64 // milliseconds since 1970
}

// find is the spot of an address and a need, or nil.
func (t *tally) find(q question) *spot {
	for i := range t {
		if s := t[i].Load(); s != nil && s.told == q.ip && s.needed == q.needed {
			return s
		}
	}
	return nil
}

// count counts one active answer from an entry. It allocates nothing for an address
// that it has seen.
func (u *uses) count(k *keyed, rs storage.ResourceServerID, q question) {
	s := k.tally.find(q)
	if s == nil {
		s = u.open(k, rs, q)
	}
	if s == nil {
		u.note(verdict{key: k, question: q, rs: storage.ResourceServer{ID: rs}}, "")
		return
	}
	s.last.Store(q.now.UnixMilli())
	if s.calls.Add(1) == 1 {
		u.enlist(s)
	}
}

// enlist has a spot flushed. It is called for the first call since the last flush.
func (u *uses) enlist(s *spot) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counted = append(u.counted, s)
}

// open makes a place for an address; nil: all are in use.
func (u *uses) open(k *keyed, rs storage.ResourceServerID, q question) *spot {
	w := useOf(k, rs, q)
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := k.tally.find(q); s != nil {
		return s
	}
	for i := range k.tally {
		old := k.tally[i].Load()
		if old == nil || q.now.UnixMilli()-old.last.Load() > spotIdle.Milliseconds() {
			s := &spot{told: w.told(q.ip), needed: strings.Clone(q.needed), use: w}
			s.last.Store(q.now.UnixMilli())
			k.tally[i].Store(s)
			return s
		}
	}
	return nil
}

// told is an address as it was told, kept apart from the request.
func (w use) told(ip string) string {
	if ip == w.ip {
		return w.ip
	}
	return string([]byte(ip))
}

// take returns what was counted since it was taken last.
func (s *spot) take() times {
	last := s.last.Load()
	return times{s.calls.Swap(0), last}
}
