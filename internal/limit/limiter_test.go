package limit_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/limit"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.at.Store(noon.UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.at.Add(int64(d)) }

// perMinute lets five through at once, and another one each second.
var perMinute = limit.Rate{Requests: 60, Per: time.Minute, Burst: 5}

// through is how many of n requests are let through.
func through(l *limit.Limiter, key string, r limit.Rate, n int) (passed int) {
	for range n {
		if !l.Take(context.Background(), key, r).Over {
			passed++
		}
	}
	return passed
}

func TestBurstAndThenAnEvenRate(t *testing.T) {
	c := newClock()
	l := limit.New(limit.Config{Now: c.now})
	var got []limit.Left
	for range 6 {
		got = append(got, l.Take(t.Context(), "a", perMinute))
	}
	want := []limit.Left{
		{Remaining: 4, ResetAfter: time.Second}, {Remaining: 3, ResetAfter: 2 * time.Second}, {Remaining: 2, ResetAfter: 3 * time.Second},
		{Remaining: 1, ResetAfter: 4 * time.Second}, {Remaining: 0, ResetAfter: 5 * time.Second},
		{Over: true, ResetAfter: 5 * time.Second, RetryAfter: time.Second},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for range 3 {
		c.move(time.Second)
		if n := through(l, "a", perMinute, 3); n != 1 {
			t.Errorf("%d after a second", n)
		}
	}
	c.move(time.Minute)
	if n := through(l, "a", perMinute, 9); n != 5 {
		t.Errorf("%d after a minute", n)
	}
}

func TestKeysAndRatesAreCountedApart(t *testing.T) {
	l := limit.New(limit.Config{Now: newClock().now})
	hourly := limit.Rate{Requests: 3, Per: time.Hour}
	for _, c := range []struct {
		key  string
		rate limit.Rate
		want int
	}{{"a", perMinute, 5}, {"b", perMinute, 5}, {"a", hourly, 3}, {"a", perMinute, 0}, {"a", limit.Rate{}, 9}} {
		if n := through(l, c.key, c.rate, 9); n != c.want {
			t.Errorf("%s at %v: %d, want %d", c.key, c.rate, n, c.want)
		}
	}
	var none *limit.Limiter
	if n := through(none, "a", perMinute, 9); n != 9 {
		t.Errorf("nil limits: %d", n)
	}
}

// A rate that lacks something, or is out of all bounds, is a limit all the same.
func TestOddRatesAreLimits(t *testing.T) {
	l := limit.New(limit.Config{Now: newClock().now})
	for _, c := range []struct {
		rate limit.Rate
		want int
	}{
		{limit.Rate{Requests: 2}, 2},
		{limit.Rate{Per: time.Minute}, 1},
		{limit.Rate{Burst: 3}, 3},
		{limit.Rate{Requests: -1, Per: -1, Burst: -1}, 1},
		{limit.Rate{Requests: 1, Per: math.MaxInt64, Burst: 1}, 1},
		{limit.Rate{Requests: 1, Per: math.MaxInt64, Burst: math.MaxInt}, 1},
		{limit.Rate{Requests: 1, Per: 24 * time.Hour, Burst: math.MaxInt}, 3650},
		{limit.Rate{Requests: math.MaxInt, Per: 1, Burst: 4}, 4},
	} {
		if n := through(l, "a", c.rate, 4000); n != c.want {
			t.Errorf("%v: %d, want %d", c.rate, n, c.want)
		}
	}
}

// With the clock standing still, a crowd gets exactly the burst.
func TestCrowdGetsNoMoreThanTheBurst(t *testing.T) {
	l := limit.New(limit.Config{Now: newClock().now})
	if n := crowd(16, 200, func(int) *limit.Limiter { return l }, limit.Rate{Requests: 1000, Per: time.Second}); n != 1000 {
		t.Errorf("%d of 3200, want 1000", n)
	}
}

// crowd is how many of so many goroutines' requests for one key are let through.
func crowd(people, each int, of func(int) *limit.Limiter, r limit.Rate) int64 {
	var passed atomic.Int64
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() { passed.Add(int64(through(of(i), "crowded", r, each))) })
	}
	all.Wait()
	return passed.Load()
}

// RL-09: an operator who corrects the clock locks nobody out.
func TestClockThatIsSetBackRefusesNobody(t *testing.T) {
	for _, by := range []time.Duration{time.Millisecond, time.Second, time.Hour, 1000 * time.Hour} {
		c := newClock()
		l := limit.New(limit.Config{Now: c.now})
		through(l, "a", perMinute, 1)
		c.move(-by)
		if l.Take(t.Context(), "a", perMinute).Over {
			t.Errorf("set back by %v", by)
		}
	}
}

// Attack: keys without end do not fill the memory, and each is limited.
func TestAttackMoreKeysThanThereIsRoomFor(t *testing.T) {
	l := limit.New(limit.Config{Now: newClock().now, Entries: 10})
	for i := range 1000 {
		if n := through(l, fmt.Sprint(i), perMinute, 9); n != 5 {
			t.Errorf("key %d: %d", i, n)
		}
	}
}

// RL-02, RL-04.
func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		left limit.Left
		rate limit.Rate
		want http.Header
	}{
		"room": {limit.Left{Remaining: 2, ResetAfter: 2500 * time.Millisecond}, perMinute,
			http.Header{"Ratelimit-Policy": {`"key";q=5;w=5`}, "Ratelimit": {`"key";r=2;t=3`}}},
		"burst of a whole": {limit.Left{Remaining: 59}, limit.Rate{Requests: 60, Per: time.Minute},
			http.Header{"Ratelimit-Policy": {`"key";q=60;w=60`}, "Ratelimit": {`"key";r=59;t=1`}}},
		"no limit": {limit.Left{}, limit.Rate{}, http.Header{}},
	} {
		h := http.Header{}
		c.left.Headers(h, "key", c.rate)
		if d := cmp.Diff(c.want, h); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// RL-04: those who are refused in one moment are not all told to come back in the
// same one, and nobody is told to come back too early.
func TestThoseWhoWaitComeBackAtDifferentTimes(t *testing.T) {
	told := map[string]bool{}
	for range 200 {
		h := http.Header{}
		limit.Left{Over: true, ResetAfter: time.Hour, RetryAfter: 1500 * time.Millisecond}.Headers(h, "key", perMinute)
		after := h.Get("Retry-After")
		if h.Get("RateLimit") != `"key";r=0;t=`+after {
			t.Fatalf("%v", h)
		}
		told[after] = true
	}
	if d := cmp.Diff(map[string]bool{"2": true, "3": true, "4": true}, told); d != "" {
		t.Error(d)
	}
}

func TestTakeInMemoryAllocatesNothing(t *testing.T) {
	l := limit.New(limit.Config{})
	r := limit.Rate{Requests: 600, Per: time.Minute, Burst: 100}
	if n := testing.AllocsPerRun(1000, func() { l.Take(context.Background(), "key_1", r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var plenty = limit.Rate{Requests: 1e9, Per: time.Second}

func BenchmarkTake(b *testing.B) {
	l := limit.New(limit.Config{})
	b.ReportAllocs()
	for b.Loop() {
		l.Take(context.Background(), "key_01j9z6", plenty)
	}
}

func BenchmarkTakeOver(b *testing.B) {
	l := limit.New(limit.Config{})
	b.ReportAllocs()
	for b.Loop() {
		l.Take(context.Background(), "key_01j9z6", perMinute)
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	l := limit.New(limit.Config{})
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			l.Take(context.Background(), "key_01j9z6", plenty)
		}
	})
}
