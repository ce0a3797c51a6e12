package authz

import (
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// What is remembered, for how long, and how much of it. None of the three is a
// matter of correctness: see view, resources and machine.
const (
	viewLife      = 5 * time.Second
	resourcesLife = 5 * time.Second
	machineLife   = 5 * time.Second
	maxRemembered = 1024
)

// memory remembers what was read a moment ago, and is bounded.
type memory[K comparable, V any] struct {
	life time.Duration

	mu      sync.Mutex
	entries map[K]remembered[V]
}

type remembered[V any] struct {
	value V
	at    time.Time
}

func newMemory[K comparable, V any](life time.Duration) *memory[K, V] {
	return &memory[K, V]{life: life, entries: map[K]remembered[V]{}}
}

// get returns what was put at most the memory's life ago.
func (m *memory[K, V]) get(k K, now time.Time) (V, bool) { return m.within(k, m.life, now) }

// within returns what was put at most limit ago.
func (m *memory[K, V]) within(k K, limit time.Duration, now time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[k]
	age := now.Sub(e.at)
	return e.value, ok && age >= 0 && age < limit
}

// last returns what was put last, however long ago.
func (m *memory[K, V]) last(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[k]
	return e.value, ok
}

func (m *memory[K, V]) put(k K, v V, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.entries[k]; !known && len(m.entries) >= maxRemembered {
		m.makeRoom(now)
	}
	m.entries[k] = remembered[V]{value: v, at: now}
}

// makeRoom drops what is over, or, if nothing is, any one.
func (m *memory[K, V]) makeRoom(now time.Time) {
	for k, e := range m.entries {
		if now.Sub(e.at) >= m.life {
			delete(m.entries, k)
		}
	}
	for k := range m.entries {
		if len(m.entries) < maxRemembered {
			return
		}
		delete(m.entries, k)
	}
}

func (m *memory[K, V]) drop(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, k)
}

// view is what an authorization request is decided on. A view that led to a code
// is remembered, so that the next code of the same browser and client costs one
// round trip. A remembered view can only propose: the statement that issues the
// code checks again, at that moment, everything that the view says, and fails if
// anything changed; and what a remembered view would refuse is looked at afresh.
// So a stale view costs a round trip and never gives a wrong answer.
type view struct {
	client   storage.Client
	sessions []storage.LiveSession
}

// viewKey says which view: the arguments of the lookup.
type viewKey struct {
	client         storage.ClientID
	host, resource string
	handles        string
}

func newViewKey(client storage.ClientID, host, resource string, handles [][]byte) viewKey {
	var b strings.Builder
	for _, h := range handles {
		b.WriteString(hex.EncodeToString(h))
		b.WriteByte(' ')
	}
	return viewKey{client: client, host: host, resource: resource, handles: b.String()}
}
