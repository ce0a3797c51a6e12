package introspect

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Limits of a recent memory.
const (
	maxRecent = 1024
	recentFor = time.Minute
)

// recent remembers pairs of texts, as hashes, for a minute. When it is full it
// forgets some other pair. No decision that matters may rest on it.
type recent struct {
	mu   sync.Mutex
	till map[[sha256.Size]byte]time.Time
}

func newRecent() *recent { return &recent{till: map[[sha256.Size]byte]time.Time{}} }

// has reports whether the pair was added less than a minute before now.
func (m *recent) has(now time.Time, a, b string) bool {
	k := pairOf(a, b)
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Before(m.till[k])
}

// add remembers the pair from now on.
func (m *recent) add(now time.Time, a, b string) {
	k := pairOf(a, b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.till[k]; !there && len(m.till) >= maxRecent {
		m.forget(now)
	}
	m.till[k] = now.Add(recentFor)
}

// forget makes room: what is over, and one pair in any case.
func (m *recent) forget(now time.Time) {
	for k, till := range m.till {
		if !now.Before(till) || len(m.till) >= maxRecent {
			delete(m.till, k)
		}
	}
}

// pairOf hashes a and b so that no two pairs share a spelling.
func pairOf(a, b string) [sha256.Size]byte {
	first := sha256.Sum256([]byte(a))
	return sha256.Sum256(append(first[:], b...))
}
