package introspect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/throttled/throttled/v2"

	"github.com/watchgate/watchgate/internal/web"
)

// quota is one policy of a rate limit, for any number of keys. A nil quota has no
// limit.
type quota struct {
	name string // in the headers
	gcra *throttled.GCRARateLimiterCtx
	// burst is how many are let through at once after a pause, and all are back
	// after window seconds.
	burst, window int
}

// newQuota lets perSecond through in a second, and burst at once; nil when burst
// is 0, because nothing ever gets through that.
func newQuota(name string, perSecond, burst int, in throttled.GCRAStoreCtx) *quota {
	if burst == 0 {
		return nil
	}
	perSecond = min(perSecond, int(time.Second)) // one in a nanosecond
	gcra, err := throttled.NewGCRARateLimiterCtx(in, throttled.RateQuota{MaxRate: throttled.PerSec(perSecond), MaxBurst: burst - 1})
	if err != nil {
		panic("introspect: " + err.Error()) // both numbers are in range
	}
	// Many cores may meet at one number; who loses ten times tries on.
	gcra.SetMaxCASAttemptsLimit(maxAttempts)
	return &quota{name: name, gcra: gcra, burst: burst, window: (burst + perSecond - 1) / perSecond}
}

const maxAttempts = 1000

// left is what is left of a quota.
type left struct {
	over   bool // nothing
	scarce bool // less than half
	n      int
	full   time.Duration // until all is back
}

// take takes one, or nothing when that would be over the limit.
func (q *quota) take(ctx context.Context, key string) left { return q.read(ctx, key, 1) }

// peek takes nothing.
func (q *quota) peek(ctx context.Context, key string) left { return q.read(ctx, key, 0) }

func (q *quota) read(ctx context.Context, key string, n int) left {
	if q == nil {
		return left{}
	}
	over, r, err := q.gcra.RateLimitCtx(ctx, key, n)
	if err != nil {
		// So many are let through or refused in this moment that this one got no
		// turn; they are counted.
		return left{}
	}
	return left{
		over: over || r.RetryAfter > 0, // the second for one that takes nothing
		n:    r.Remaining, scarce: 2*r.Remaining < q.burst, full: r.ResetAfter,
	}
}

// refuse is 429.
func (q *quota) refuse(l left, cause error) *web.Error {
	l.n = 0
	// RL-04: those who are refused in one moment must not all return in one.
	l.full += time.Duration(rand.IntN(maxJitter+1)) * time.Second
	e := web.Refuse(http.StatusTooManyRequests, "slow_down", "Too many requests. Try again in a moment.", cause)
	e.Header = http.Header{"Retry-After": {strconv.Itoa(seconds(l.full))}}
	q.describe(e.Header, l)
	return e
}

const maxJitter = 2 // seconds

// describe sets the headers of draft-ietf-httpapi-ratelimit-headers, sections 3
// and 4. The key of the quota's partition is not in them.
func (q *quota) describe(h http.Header, l left) {
	h["Ratelimit-Policy"] = []string{fmt.Sprintf(`"%s";q=%d;w=%d`, q.name, q.burst, q.window)}
	h["Ratelimit"] = []string{fmt.Sprintf(`"%s";r=%d;t=%d`, q.name, l.n, seconds(l.full))}
}

// seconds rounds up, to one at least.
func seconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }
