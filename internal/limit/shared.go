package limit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/goredisstore.v9"
)

// Timeout is how long a call waits for Redis, at most.
const Timeout = 50 * time.Millisecond

// lanes is how many keys of a rate may be asked about at the same time.
const lanes = 256

// shared counts one rate in Redis. What is asked about one key goes one after the
// other: numbers there are compared and swapped, and only the other nodes are to
// come in between.
type shared struct {
	gcra  *throttled.GCRARateLimiterCtx
	seed  maphash.Seed
	lanes [lanes]chan struct{} // full: somebody is in it
}

func newShared(client redis.UniversalClient, r Rate) *shared {
	// The rate is in the name: the numbers of another one mean something else.
	store, err := goredisstore.NewCtx(client, "watchgate:limit:"+r.String()+":")
	if err != nil {
		panic("limit: " + err.Error()) // it asks nobody, and never fails
	}
	s := &shared{gcra: r.gcra(remote{store}), seed: maphash.MakeSeed()}
	for i := range s.lanes {
		s.lanes[i] = make(chan struct{}, 1)
	}
	return s
}

// together counts in Redis; false: it could not be done there.
func (l *Limiter) together(ctx context.Context, key string, s *shared) (Left, bool) {
	if !l.breaker.closed() {
		return Left{}, false
	}
	// A caller that goes away says nothing about Redis.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	left, err := s.take(ctx, key)
	var lost *lostError
	switch {
	case errors.As(err, &lost):
		l.breaker.lost(lost.cause)
		return left, false
	case err != nil:
		return left, false
	}
	l.breaker.answered()
	return left, true
}

// errBusy: other calls about the same key took all the time.
var errBusy = errors.New("limit: too many calls for one key")

func (s *shared) take(ctx context.Context, key string) (Left, error) {
	lane := s.lanes[maphash.String(s.seed, key)%lanes]
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
	case <-ctx.Done():
		return Left{}, errBusy
	}
	over, r, err := s.gcra.RateLimitCtx(ctx, key, 1)
	return leftOf(over, r), err
}

// lostError is an error of Redis itself, and not of who meets others there.
type lostError struct{ cause error }

func (e *lostError) Error() string { return fmt.Sprintf("limit: Redis: %v", e.cause) }

func (e *lostError) Unwrap() error { return e.cause }

// remote is a store in Redis whose errors are [lostError]s.
type remote struct{ store *goredisstore.GoRedisStore }

func lostIf(err error) error {
	if err == nil {
		return nil
	}
	return &lostError{err}
}

// GetWithTime returns a key's number, or -1, and Redis's time.
func (r remote) GetWithTime(ctx context.Context, key string) (int64, time.Time, error) {
	n, now, err := r.store.GetWithTime(ctx, key)
	return n, now, lostIf(err)
}

// SetIfNotExistsWithTTL adds a key that has none.
func (r remote) SetIfNotExistsWithTTL(ctx context.Context, key string, n int64, ttl time.Duration) (bool, error) {
	set, err := r.store.SetIfNotExistsWithTTL(ctx, key, n, longer(ttl))
	return set, lostIf(err)
}

// CompareAndSwapWithTTL replaces a key's number, if it is still old.
func (r remote) CompareAndSwapWithTTL(ctx context.Context, key string, old, n int64, ttl time.Duration) (bool, error) {
	swapped, err := r.store.CompareAndSwapWithTTL(ctx, key, old, n, longer(ttl))
	return swapped, lostIf(err)
}

// longer makes up for what the library cuts off: it keeps whole seconds only, and a
// number that is forgotten too early is a fresh quota.
func longer(ttl time.Duration) time.Duration { return ttl + time.Second }
