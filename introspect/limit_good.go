package introspect

import (
	"hash/maphash"
	"sync"
	"time"
)

// Limits of what is known to be good.
const (
	maxGood = 4 << 10
	goodFor = 24 * time.Hour
)

// good remembers credentials that proved themselves in the last day, as keyed
// hashes. All that it gives them is to be heard where others are not: whether
// they are good now is decided afterwards, every time.
type good struct {
	seed maphash.Seed
	mu   sync.Mutex
	till map[uint64]time.Time
}

func newGood() *good { return &good{seed: maphash.MakeSeed(), till: map[uint64]time.Time{}} }

func (g *good) key(c caller) uint64 { return maphash.Comparable(g.seed, [2]string{c.ID, c.Secret}) }

func (g *good) has(c caller, now time.Time) bool {
	k := g.key(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Before(g.till[k])
}

func (g *good) add(c caller, now time.Time) {
	k := g.key(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.till[k]; !there && len(g.till) >= maxGood {
		for other := range g.till {
			delete(g.till, other)
			break
		}
	}
	g.till[k] = now.Add(goodFor)
}

// drop forgets credentials that were refused.
func (g *good) drop(c caller) {
	k := g.key(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.till, k)
}
