package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Cells is where a [throttled.GCRARateLimiterCtx] keeps its numbers: for each key
// the moment, in nanoseconds since 1970, at which its quota is whole again. It is
// a [throttled.GCRAStoreCtx].
//
// The library's own store in memory is not used: with a bound it allocates twice
// a call and takes nearly twice as long (200 ns; here 110 to 130, the clock
// included, and no allocation), it keeps what is long over in the place of what is
// not, and after the clock was set back by an hour it would refuse everybody for
// an hour.
type Cells struct {
	now func() time.Time
	max int
	// ahead is further than any number can be: what is beyond was written before the
	// clock was set back.
	ahead time.Duration

	mu sync.RWMutex
	m  map[string]*atomic.Int64
}

// NewCells has room for so many keys, of quotas that are whole again after window
// at the latest.
func NewCells(most int, window time.Duration, now func() time.Time) *Cells {
	return &Cells{now: now, max: most, ahead: window, m: map[string]*atomic.Int64{}}
}

// GetWithTime returns a key's number, or -1, and the time.
func (c *Cells) GetWithTime(_ context.Context, key string) (int64, time.Time, error) {
	v := c.find(key)
	if v == nil {
		return -1, c.now(), nil
	}
	n := v.Load()
	now := c.now() // after n was read: whoever wrote it did not know a later time
	if n > now.Add(c.ahead).UnixNano() && v.CompareAndSwap(n, now.UnixNano()) {
		n = now.UnixNano()
	}
	return n, now, nil
}

func (c *Cells) find(key string) *atomic.Int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[key]
}

// SetIfNotExistsWithTTL adds a key that has none. What would be over at once is
// not kept.
func (c *Cells) SetIfNotExistsWithTTL(_ context.Context, key string, n int64, ttl time.Duration) (bool, error) {
	if ttl <= 0 {
		return true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m[key] != nil {
		return false, nil
	}
	if len(c.m) >= c.max {
		c.forget(n - int64(ttl))
	}
	v := new(atomic.Int64)
	v.Store(n)
	c.m[key] = v
	return true, nil
}

// CompareAndSwapWithTTL replaces a key's number, if it is still old.
func (c *Cells) CompareAndSwapWithTTL(_ context.Context, key string, old, n int64, _ time.Duration) (bool, error) {
	v := c.find(key)
	return v != nil && v.CompareAndSwap(old, n), nil
}

// forget makes room for one: of a few keys, those that are over at now; and if
// all are in use, any one of them, whose quota is whole again by that. Looking
// at all would let whoever comes from many addresses keep the node busy.
func (c *Cells) forget(now int64) {
	const few = 32
	seen := 0
	for key, v := range c.m {
		if v.Load() <= now || len(c.m) >= c.max && seen == few-1 {
			delete(c.m, key)
		}
		if seen++; seen == few {
			return
		}
	}
}
