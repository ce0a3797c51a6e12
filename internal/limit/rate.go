package limit

import (
	"fmt"
	"time"

	"github.com/throttled/throttled/v2"
)

// Rate is how often something may happen. The zero value is no limit; any other one
// is a limit, whatever it lacks.
type Rate struct {
	Requests int           // this many; less than 1: one
	Per      time.Duration // in this time, evenly; less than 1 ns: a second
	Burst    int           // this many at once, after a pause; less than 1: Requests
}

// longest is how long a quota may take to be whole again: moments beyond are not
// counted in nanoseconds since 1970.
const longest = 10 * 365 * 24 * time.Hour

// whole is the rate with nothing lacking.
func (r Rate) whole() Rate {
	r.Requests = max(r.Requests, 1)
	if r.Per <= 0 {
		r.Per = time.Second
	}
	if r.Burst <= 0 {
		r.Burst = r.Requests
	}
	r.Burst = int(min(int64(r.Burst), max(1, int64(longest/r.interval()))))
	return r
}

// interval is the time between two requests that come evenly.
func (r Rate) interval() time.Duration {
	return min(max(r.Per/time.Duration(r.Requests), 1), longest)
}

// window is after how long a quota that was used up is whole again.
func (r Rate) window() time.Duration { return time.Duration(r.Burst) * r.interval() }

// gcra limits to a whole rate, with the numbers that are in a store.
func (r Rate) gcra(in throttled.GCRAStoreCtx) *throttled.GCRARateLimiterCtx {
	g, err := throttled.NewGCRARateLimiterCtx(in, throttled.RateQuota{
		MaxRate: throttled.PerDuration(1, r.interval()), MaxBurst: r.Burst - 1,
	})
	if err != nil {
		panic("limit: " + err.Error()) // both numbers are in range
	}
	return g
}

func (r Rate) String() string { return fmt.Sprintf("%d/%s/%d", r.Requests, r.Per, r.Burst) }
