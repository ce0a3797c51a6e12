package introspect

import (
	"encoding/binary"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// DefaultCacheBytes is how much memory the remembered answers take, at most,
// unless Config says otherwise.
const DefaultCacheBytes = 128 << 20

// key is under which an answer is remembered: the hash of the token or API key, and
// the class of the asker. It is the first 128 bits of the hash, of which the class
// changes 64: who wants to meet one of a million answers has to make and ask 2^108
// strings, and of those that are good this server makes each from 256 random bits.
type key [16]byte

func keyOf(ref storage.TokenRef, class uint64) (k key) {
	copy(k[:], ref.Hash[:])
	last := k[len(k)-8:]
	binary.LittleEndian.PutUint64(last, binary.LittleEndian.Uint64(last)^class)
	return k
}

// memory is what this process remembers of the database: answers about live
// credentials, and who may ask. The node says of each whether it may be trusted.
type memory struct {
	node    *coherence.Node
	answers *otter.Cache[key, entry]
	askers  *otter.Cache[storage.ResourceServerID, *asker]
	keeping sync.Mutex // of askers
	classes atomic.Uint64
	evicted atomic.Uint64
}

func newMemory(node *coherence.Node, size int64) *memory {
	m := &memory{node: node}
	m.answers = otter.Must(&otter.Options[key, entry]{
		MaximumWeight:   uint64(size),
		Weigher:         func(_ key, e entry) uint32 { return e.weight() },
		InitialCapacity: int(size / usualWeight),
		OnAtomicDeletion: func(e otter.DeletionEvent[key, entry]) {
			if e.Cause == otter.CauseOverflow {
				m.evicted.Add(1)
			}
		},
	})
	m.askers = otter.Must(&otter.Options[storage.ResourceServerID, *asker]{MaximumSize: maxAskers})
	return m
}

// What an entry takes beside its own bytes: a node of the cache (its header, the
// key, and where the entry is), its share of a hash table that is between three
// and six eighths full, and of the table of frequencies.
const (
	nodeBytes = 80
	overhead  = nodeBytes + 34 + 16
	// usualWeight is that of an entry about a token that came through a code.
	usualWeight = overhead + 480
)

// weight is how many bytes an entry takes.
func (e entry) weight() uint32 { return uint32(overhead+cap(e.packed)) + e.key.weight() }

// asker returns who presents these credentials, if that is remembered, may be
// trusted, and the secret is right at now. nil: the store has to be asked.
func (m *memory) asker(c caller, now time.Time) *asker {
	if !m.node.Held() {
		return nil
	}
	return m.knownAsker(c, now)
}

// knownAsker is asker for who has just seen that the lease is held.
func (m *memory) knownAsker(c caller, now time.Time) *asker {
	a, ok := m.askers.GetIfPresent(storage.ResourceServerID(c.ID))
	if !ok || !m.node.Unchanged(a.mark, a.on[:]) || !token.Matches(a.rs.Secrets, c.Secret, now) {
		return nil
	}
	return a
}

// keepAsker remembers a record that was read after the mark was noted, and whose
// secret was presented. nil: it may not be trusted.
func (m *memory) keepAsker(rs storage.ResourceServer, mark coherence.Mark) *asker {
	m.keeping.Lock()
	defer m.keeping.Unlock()
	old, had := m.askers.GetIfPresent(rs.ID)
	if had && old.rs.Version == rs.Version && m.node.Current(old.mark, old.on[:]) {
		return old
	}
	a := &asker{rs: rs, mark: mark, on: [1]coherence.Cell{m.node.Cell(storage.ChangeResourceServer, "", string(rs.ID))}}
	if !m.node.Current(a.mark, a.on[:]) {
		return nil
	}
	if had && reflect.DeepEqual(old.rs, rs) {
		// Read again for another's sake: what is remembered for it is as good as before.
		a.classes = old.classes
	} else {
		a.classes = newClasses(&m.classes)
	}
	m.askers.Set(rs.ID, a)
	return a
}

// find returns the entry that may be trusted and holds at now, or none.
func (m *memory) find(k key, now time.Time) entry {
	if !m.node.Held() {
		return entry{}
	}
	return m.knownAnswer(k, now)
}

// knownAnswer is find for who has just seen that the lease is held.
func (m *memory) knownAnswer(k key, now time.Time) entry {
	e, ok := m.answers.GetIfPresent(k)
	if !ok || !m.unchanged(e.packed, now) {
		return entry{}
	}
	return e
}

// good reports whether an entry is what the database would say now.
func (m *memory) good(e entry, now time.Time) bool {
	return m.node.Held() && m.unchanged(e.packed, now)
}

func (m *memory) unchanged(e packed, now time.Time) bool {
	on := e.cells()
	return now.UnixMilli() < e.until() && m.node.Unchanged(e.mark(), on[:])
}

// keep remembers an entry, unless something that it hangs on changed since it was
// read.
func (m *memory) keep(k key, e entry) {
	if on := e.packed.cells(); m.node.Current(e.packed.mark(), on[:]) {
		m.answers.Set(k, e)
	}
}

// drop forgets an entry that was there, about what is dead by now.
func (m *memory) drop(k key) {
	if _, there := m.answers.GetEntryQuietly(k); there {
		m.answers.Invalidate(k)
	}
}

// on are the cells of everything that a credential hangs on. false: it is more than
// an entry has room for.
func (m *memory) on(c *credential) (on [things]coherence.Cell, ok bool) {
	hangs := c.hangsOn()
	for i := range on {
		// What is missing, the tenant stands for.
		what := hangs[0]
		if i < len(hangs) {
			what = hangs[i]
		}
		on[i] = m.node.Cell(what.Kind, what.Tenant, what.ID)
	}
	return on, len(hangs) <= things
}
