package introspect

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// asker is a resource server's record as it was read, to be compared with what
// is presented on every call.
type asker struct {
	rs   storage.ResourceServer
	mark coherence.Mark
	on   [1]coherence.Cell
	// classes are shared by all that were read of one and the same record.
	classes *classes
}

// Limits of what one asker is given classes for.
const (
	maxClasses  = 64
	maxSpelling = 512 // bytes of a scope parameter
)

// classes number the spellings of the scope parameter that come from one asker.
// A number stands for all that an answer depends on beside the token: the asker's
// record, and which scopes it needs. It is given once in the life of a process, so
// that an answer for a record that was replaced is found by nobody.
type classes struct {
	next  *atomic.Uint64 // of all askers
	known atomic.Pointer[map[string]uint64]
	mu    sync.Mutex // to give one out
}

func newClasses(next *atomic.Uint64) *classes {
	c := &classes{next: next}
	c.known.Store(&map[string]uint64{})
	return c
}

// of returns the number of a spelling; false: it gets none, and what is asked
// with it is not remembered.
func (c *classes) of(scope string) (uint64, bool) {
	if n, ok := (*c.known.Load())[scope]; ok {
		return n, true
	}
	if len(scope) > maxSpelling {
		return 0, false
	}
	return c.give(scope)
}

func (c *classes) give(scope string) (uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.known.Load()
	if n, ok := known[scope]; ok || len(known) >= maxClasses {
		return n, ok
	}
	known = maps.Clone(known)
	n := c.next.Add(1)
	known[scope] = n
	c.known.Store(&known)
	return n, true
}

// given is of, for who must change nothing.
func (c *classes) given(scope string) (uint64, bool) {
	n, ok := (*c.known.Load())[scope]
	return n, ok
}
