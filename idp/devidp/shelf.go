package devidp

import (
	"crypto/rand"
	"sync"
	"time"
)

// shelfSize bounds each shelf; what does not fit is refused.
const shelfSize = 4096

// shelf keeps things under unguessable handles until they are taken or over.
type shelf[T any] struct {
	now func() time.Time
	ttl time.Duration

	mu    sync.Mutex
	items map[string]kept[T]
}

type kept[T any] struct {
	value T
	until time.Time
}

func newShelf[T any](now func() time.Time, ttl time.Duration) *shelf[T] {
	return &shelf[T]{now: now, ttl: ttl, items: map[string]kept[T]{}}
}

// put keeps v and returns its handle; false when the shelf is full.
func (s *shelf[T]) put(v T) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if len(s.items) >= shelfSize {
		s.sweep(now)
	}
	if len(s.items) >= shelfSize {
		return "", false
	}
	handle := rand.Text()
	s.items[handle] = kept[T]{v, now.Add(s.ttl)}
	return handle, true
}

func (s *shelf[T]) sweep(now time.Time) {
	for h, k := range s.items {
		if !now.Before(k.until) {
			delete(s.items, h)
		}
	}
}

// get returns what is under the handle and leaves it there.
func (s *shelf[T]) get(handle string) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.items[handle]
	if !ok || !s.now().Before(k.until) {
		var none T
		return none, false
	}
	return k.value, true
}

// take returns what is under the handle, once.
func (s *shelf[T]) take(handle string) (T, bool) {
	v, ok := s.get(handle)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, still := s.items[handle]; !still {
		return v, false
	}
	delete(s.items, handle)
	return v, ok
}
