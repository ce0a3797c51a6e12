package handclock

import (
	"sync"
	"time"
)

// Start is where a new clock stands.
var Start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// Clock stands still until somebody moves it. It is safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// New returns a clock that stands at Start.
func New() *Clock { return &Clock{at: Start} }

// Now is where it stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Forward moves it, backward by a negative duration.
func (c *Clock) Forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
