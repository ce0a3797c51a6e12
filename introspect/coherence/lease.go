package coherence

import (
	"time"

	"github.com/watchgate/watchgate/storage"
)

// lease is how long a node may trust what it remembers. Its clock is the one that
// counts a machine's sleep. The wall clock is asked too: it may be set by anybody,
// but where it does not agree, one of the two has stepped (a machine that was put
// back to an earlier state, a clock that stood still), and nobody knows which.
type lease struct {
	began, until time.Duration
	from, to     time.Time
}

// slack is how far the wall clock may be from the other within a lease: it is
// slewed by up to half a millisecond a second, and stepped rarely.
const slack = 100 * time.Millisecond

func leaseFrom(began time.Duration, wall time.Time) *lease {
	wall = wall.Round(0) // what was set, and not what passed
	return &lease{
		began: began, until: began + storage.LeaseFor,
		from: wall.Add(-slack), to: wall.Add(storage.LeaseFor + slack),
	}
}

func (l *lease) covers(boot time.Duration, wall time.Time) bool {
	return l.began <= boot && boot < l.until && !wall.Before(l.from) && wall.Before(l.to)
}
