package limit

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Pause is how long Redis, once lost, is left alone before it is asked again.
const Pause = 500 * time.Millisecond

// breaker keeps calls from waiting for a Redis that is lost.
type breaker struct {
	now func() time.Time
	log *slog.Logger
	// next is when Redis may be asked again, in nanoseconds since 1970; 0: it answers.
	next atomic.Int64
}

// closed reports whether Redis may be asked: always while it answers, and otherwise
// once in each pause.
func (b *breaker) closed() bool {
	next := b.next.Load()
	if next == 0 {
		return true
	}
	now := b.now()
	// What is further away was written before the clock was set back.
	due := now.UnixNano() >= next || next > now.Add(Pause).UnixNano()
	return due && b.next.CompareAndSwap(next, now.Add(Pause).UnixNano())
}

// lost is told that Redis did not answer.
func (b *breaker) lost(cause error) {
	if b.next.Swap(b.now().Add(Pause).UnixNano()) == 0 {
		b.log.Warn("limits: Redis is lost; each node counts for itself until it is back", "cause", cause)
	}
}

// answered is told that Redis did.
func (b *breaker) answered() {
	if b.next.Load() != 0 && b.next.Swap(0) != 0 {
		b.log.Info("limits: Redis is back; the nodes count together")
	}
}
