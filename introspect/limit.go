package introspect

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/storage"
)

// How many keys are remembered.
const (
	maxAskers    = 4 << 10
	maxAddresses = 64 << 10
)

// The limits that a deployment has unless its operator says otherwise.
const (
	DefaultPerSecond         = 100_000
	DefaultFailuresPerSecond = 10
	DefaultFailureBurst      = 20
)

// Limits bound what one node does for one asker (RL-01). They are in each node's
// memory and know nothing of the other nodes, so that a deployment of n nodes
// gives at most n times as much, and so that no store that is away can lift them
// or lock anybody out (RL-09).
//
// Over a limit the answer is 429 with the OAuth error slow_down (RL-02, RL-03,
// RFC 6585 section 4), and nothing was asked of the store. It depends on who asks
// and how often, and on no token. Its headers are those of
// draft-ietf-httpapi-ratelimit-headers:
//
//	Retry-After: 1                                   seconds; the same moment as t
//	RateLimit-Policy: "introspection";q=100000;w=1   q requests in w seconds
//	RateLimit: "introspection";r=0;t=1               r are left; all are back in t seconds
//
// t is up to two seconds later than it has to be, at random, so that those who
// wait do not all come back in the same moment. Every other answer to a resource
// server has the last two headers, too, once less than half of its quota is left:
// their absence means that there is room.
type Limits struct {
	// PerSecond is how many questions of one resource server are answered in a
	// second, and how many at once after a pause. 0: any number.
	PerSecond int
	// FailuresPerSecond is how many credentials from one address (of IPv6: one /64)
	// may be wrong in a second before nobody from there is listened to, except with
	// credentials that were good in the last day: a stranger behind the same
	// address does not lock a running resource server out. It saves the store's
	// time; what keeps secrets from being guessed is their length. Requests whose
	// address is not known are not limited so. 0: any number.
	FailuresPerSecond int
	// FailureBurst is how many may be wrong at once after a pause; 0: as many as in
	// a second.
	FailureBurst int
}

// DefaultLimits are the limits that a deployment has unless its operator says
// otherwise.
func DefaultLimits() Limits {
	return Limits{PerSecond: DefaultPerSecond, FailuresPerSecond: DefaultFailuresPerSecond, FailureBurst: DefaultFailureBurst}
}

// Causes of 429, for the log.
var (
	errQuota    = errors.New("the resource server's quota is used up")
	errFailures = errors.New("too many wrong credentials from this address")
)

// limits are a node's.
type limits struct {
	questions *quota // of each resource server; nil: any number
	// half is questions, but takes nothing once half of it is used.
	half     *quota
	failures *quota // of each address; nil: any number
	good     *good
}

func newLimits(l Limits, now func() time.Time) *limits {
	s := &limits{good: newGood()}
	if l.PerSecond > 0 {
		cells := limit.NewCells(maxAskers, time.Second, now)
		s.questions = newQuota("introspection", l.PerSecond, l.PerSecond, cells)
		s.half = newQuota("introspection", l.PerSecond, l.PerSecond/2, cells)
	}
	if l.FailuresPerSecond > 0 {
		burst := l.FailureBurst
		if burst <= 0 {
			burst = l.FailuresPerSecond
		}
		window := time.Duration(burst) * time.Second / time.Duration(l.FailuresPerSecond)
		s.failures = newQuota("introspection-failures", l.FailuresPerSecond, burst, limit.NewCells(maxAddresses, window, now))
	}
	return s
}

// admit is asked before anything else is done for a caller, with its credentials
// as presented. It takes nothing. Its error is 429: the caller is over its quota
// (only its own credentials, if they were good lately, count for that: who merely
// knows a resource server's name cannot use its quota up), or too many from its
// address were wrong.
func (l *limits) admit(ctx context.Context, c caller, now time.Time) error {
	if l.good.has(c, now) {
		if left := l.questions.peek(ctx, c.ID); left.over {
			return l.questions.refuse(left, errQuota)
		}
		return nil
	}
	if left := l.failures.peek(ctx, address(ctx)); left.over {
		return l.failures.refuse(left, errFailures)
	}
	return nil
}

// accepted is told that a caller proved itself: the one place, beside
// [Server.roomy], where a request takes its share of the quota. Its error is 429;
// nothing is taken then.
func (l *limits) accepted(ctx context.Context, c caller, now time.Time) error {
	l.good.add(c, now)
	if left := l.questions.take(ctx, c.ID); left.over {
		return l.questions.refuse(left, errQuota)
	}
	return nil
}

// failed is told that the credentials of a caller were wrong. What comes from an
// address that is not known is not counted.
func (l *limits) failed(ctx context.Context, c caller) {
	l.good.drop(c)
	if at := address(ctx); at != "" {
		l.failures.take(ctx, at)
	}
}

// tell writes the RateLimit headers of an answer to an authenticated caller, once
// less than half of its quota is left.
func (l *limits) tell(ctx context.Context, h http.Header, id storage.ResourceServerID) {
	if left := l.questions.peek(ctx, string(id)); left.scarce {
		l.questions.describe(h, left)
	}
}

// roomy takes one from the quota of an authenticated resource server and reports
// true; or it takes nothing and reports false, because less than half is left:
// such a request goes the way on which headers are written and 429 is said, and
// on which ask takes one. So that each request takes exactly one, the quick way
// asks last, when it has the answer in its hand. It allocates nothing.
func (s *Server) roomy(id storage.ResourceServerID) bool {
	l := s.limits
	if l.questions == nil {
		return true
	}
	return l.half != nil && !l.half.take(context.Background(), string(id)).over
}

// address is where the request came from, as far as it can be held against
// somebody: an IPv4 address, or the /64 of an IPv6 one, all of which whoever has
// one address of it has. "" when it is not known.
func address(ctx context.Context) string {
	ip := origin.From(ctx).IP
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}
