package limit

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/throttled/throttled/v2"
)

// Left is what is left of a quota after a request.
type Left struct {
	Over       bool          // the request is one too many, and was not counted
	Remaining  int           // so many more may follow at once
	ResetAfter time.Duration // until the whole burst is back
	RetryAfter time.Duration // where Over: until there is room for one
}

func leftOf(over bool, r throttled.RateLimitResult) Left {
	l := Left{Over: over || r.RetryAfter > 0, Remaining: r.Remaining, ResetAfter: r.ResetAfter}
	if l.Over {
		l.Remaining, l.RetryAfter = 0, r.RetryAfter
	}
	return l
}

// maxJitter is how many seconds later than it has to be somebody who is refused is
// asked to return: those who are refused in one moment must not all come back in
// one (RL-04).
const maxJitter = 2

// Headers sets what tells a caller about the rate, under the policy's name
// (draft-ietf-httpapi-ratelimit-headers sections 3 and 4, RFC 9110 section 10.2.3):
//
//	RateLimit-Policy: "key";q=100;w=10   100 at once, which take 10 seconds to be back
//	RateLimit: "key";r=0;t=2             r are left; see t below
//	Retry-After: 2                       where Over; seconds, the same as t
//
// t is when all are back; where Over, it is when there is room for one, and up to
// two seconds later at random. Nothing is set where there is no limit. The name is
// a token (RFC 9651 section 3.3.3 quotes it), and nothing of the key is in it.
func (l Left) Headers(h http.Header, name string, r Rate) {
	if r == (Rate{}) {
		return
	}
	r = r.whole()
	t := seconds(l.ResetAfter)
	if l.Over {
		t = seconds(l.RetryAfter) + rand.IntN(maxJitter+1)
		h["Retry-After"] = []string{strconv.Itoa(t)}
	}
	h["Ratelimit-Policy"] = []string{fmt.Sprintf(`"%s";q=%d;w=%d`, name, r.Burst, seconds(r.window()))}
	h["Ratelimit"] = []string{fmt.Sprintf(`"%s";r=%d;t=%d`, name, l.Remaining, t)}
}

// seconds rounds up, to one at least.
func seconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }
