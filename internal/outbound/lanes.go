package outbound

import (
	"context"
	"errors"
	"sync"
	"time"
)

// What one destination gets from us (NW-09): we are no amplifier for an attack on
// it. A busy identity provider serves far fewer sign-ins per second than this.
const (
	maxInFlight  = 32  // requests at once
	perSecond    = 50  // requests, in the long run
	burst        = 200 // requests, in a moment
	maxLanes     = 4096
	lanesToSweep = 256
)

var errBusy = errors.New("too many requests to this destination")

// lanes keep the destinations apart: a slow or attacked one delays no other.
type lanes struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*lane
}

type lane struct {
	slots  chan struct{}
	users  int     // in flight or waiting
	tokens float64 // of the rate, at the time at
	at     time.Time
}

// enter waits for a free slot at the destination and returns how to leave it,
// which may be called more than once. It fails at once above the rate.
func (l *lanes) enter(ctx context.Context, host string) (leave func(), err error) {
	d, err := l.lane(host)
	if err != nil {
		return nil, err
	}
	select {
	case d.slots <- struct{}{}:
		return sync.OnceFunc(func() {
			<-d.slots
			l.release(d)
		}), nil
	case <-ctx.Done():
		l.release(d)
		return nil, ctx.Err()
	}
}

// lane takes one token of a destination's rate.
func (l *lanes) lane(host string) (*lane, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	d, ok := l.by[host]
	if !ok {
		if d = l.open(host, now); d == nil {
			return nil, errBusy
		}
	}
	d.refill(now)
	if d.tokens < 1 {
		return nil, errBusy
	}
	d.tokens--
	d.users++
	return d, nil
}

// open adds a lane; nil when there are too many that are in use.
func (l *lanes) open(host string, now time.Time) *lane {
	if l.by == nil {
		l.by = map[string]*lane{}
	}
	if len(l.by) >= lanesToSweep {
		for name, d := range l.by {
			if d.refill(now); d.users == 0 && d.tokens == burst {
				delete(l.by, name)
			}
		}
	}
	if len(l.by) >= maxLanes {
		return nil
	}
	d := &lane{slots: make(chan struct{}, maxInFlight), tokens: burst, at: now}
	l.by[host] = d
	return d
}

func (d *lane) refill(now time.Time) {
	if passed := now.Sub(d.at); passed > 0 {
		d.tokens = min(burst, d.tokens+passed.Seconds()*perSecond)
		d.at = now
	}
}

func (l *lanes) release(d *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.users--
}
