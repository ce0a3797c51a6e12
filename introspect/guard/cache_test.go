package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/watchgate/watchgate/introspect/guard"
)

// clock is one that a test moves; it has no monotonic part.
type clock struct{ unix atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.unix.Store(1772366400)
	return c
}

func (c *clock) now() time.Time         { return time.Unix(c.unix.Load(), 0) }
func (c *clock) move(d time.Duration)   { c.unix.Add(int64(d / time.Second)) }
func (c *clock) in(d time.Duration) any { return c.now().Add(d).Unix() }

// cached is a guard that keeps answers for ten seconds by a clock of its own.
func cached(t *testing.T, c *clock, answer string) (*guard.Guard, *endpoint) {
	t.Helper()
	e := newEndpoint(t, says(answer))
	cfg := e.config()
	cfg.Cache, cfg.Now = guard.Cache{MaxAge: 10 * time.Second, Entries: 100}, c.now
	return newGuard(t, cfg), e
}

// asks is how many questions a decision costs, and how it ends.
func (e *endpoint) asks(t *testing.T, g *guard.Guard, token string, need guard.Need, want error) int64 {
	t.Helper()
	before := e.asked.Load()
	if _, err := g.Check(t.Context(), token, need); !errors.Is(err, want) {
		t.Errorf("%s for %q: %v, want %v", token, need.Tenant, err, want)
	}
	return e.asked.Load() - before
}

func TestAnswerIsKeptForItsMaxAgeAndNoLonger(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, active(members{"exp": c.in(time.Hour)}))
	if n := e.asks(t, g, "x", acme, nil); n != 1 {
		t.Errorf("the first call asked %d times", n)
	}
	e.does(says(inactive)) // revoked
	c.move(9 * time.Second)
	if n := e.asks(t, g, "x", acme, nil); n != 0 {
		t.Errorf("within MaxAge: asked %d times", n)
	}
	c.move(time.Second)
	if n := e.asks(t, g, "x", acme, guard.ErrInvalidToken); n != 2 {
		t.Errorf("after MaxAge: asked %d times", n)
	}
}

// TestAnswerIsAsOldAsItsQuestion: what took long to come is not young.
func TestAnswerIsAsOldAsItsQuestion(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, "")
	e.does(func(w http.ResponseWriter, r *http.Request) {
		says(active(members{"exp": c.in(time.Hour)}))(w, r)
		c.move(8 * time.Second) // on its way
	})
	e.asks(t, g, "x", acme, nil)
	c.move(2 * time.Second)
	if n := e.asks(t, g, "x", acme, nil); n != 1 {
		t.Errorf("ten seconds after the question: asked %d times", n)
	}
}

func TestNothingIsKeptBeyondTheTokensEnd(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, active(members{"exp": c.in(3 * time.Second)}))
	e.asks(t, g, "x", acme, nil)
	c.move(2 * time.Second)
	if n := e.asks(t, g, "x", acme, nil); n != 0 {
		t.Errorf("before its end: asked %d times", n)
	}
	c.move(time.Second)
	e.does(says(inactive))
	if n := e.asks(t, g, "x", acme, guard.ErrInvalidToken); n == 0 {
		t.Error("a token was let through after its end")
	}
	for token, exp := range map[string]any{"none": nil, "zero": 0, "past": c.in(-time.Second)} {
		e.does(says(active(members{"exp": exp})))
		for range 2 {
			if n := e.asks(t, g, token, acme, nil); n != 1 {
				t.Errorf("exp %v: asked %d times, want 1 each time", exp, n)
			}
		}
	}
}

// TestClockThatIsSetBackKeepsNothingAlive: an answer from the future is of unknown
// age.
func TestClockThatIsSetBackKeepsNothingAlive(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, active(members{"exp": c.in(24 * time.Hour)}))
	e.asks(t, g, "x", acme, nil)
	c.move(-time.Hour)
	if n := e.asks(t, g, "x", acme, nil); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// apart is a time after which the wall clock and the monotonic clock went on by
// different amounts, as they do when a machine sleeps or its clock is set. Package
// time has no other way to say so than to wait for it.
func apart(t time.Time, wall, monotonic time.Duration) time.Time {
	at := (*struct {
		wall uint64 // 1 bit, 33 bits of seconds, 30 bits of nanoseconds
		ext  int64  // the monotonic clock
		loc  *time.Location
	})(unsafe.Pointer(&t))
	at.wall += uint64(wall/time.Second) << 30
	at.ext += int64(monotonic)
	return t
}

// TestClocksThatDisagreeKeepNothingAlive: the answer is as old as the clock says on
// which it is older.
func TestClocksThatDisagreeKeepNothingAlive(t *testing.T) {
	for name, c := range map[string]struct {
		wall, monotonic time.Duration
		asked           int64
	}{
		"neither moved":                          {0, 0, 0},
		"both within":                            {9 * time.Second, 9 * time.Second, 0},
		"the machine slept":                      {time.Hour, time.Second, 1},
		"the clock was set back to where it was": {0, 10 * time.Second, 1},
		"the clock was set back by a little":     {9 * time.Second, 18 * time.Second, 1},
	} {
		e := newEndpoint(t, says(active(members{"exp": time.Now().Add(48 * time.Hour).Unix()})))
		now := time.Now()
		cfg := e.config()
		cfg.Cache.MaxAge, cfg.Now = 10*time.Second, func() time.Time { return now }
		g := newGuard(t, cfg)
		e.asks(t, g, "x", acme, nil)
		later := apart(now, c.wall, c.monotonic)
		if wall, monotonic := time.Duration(later.UnixNano()-now.UnixNano()), later.Sub(now); wall != c.wall || monotonic != c.monotonic {
			t.Fatalf("%s: the test's clocks are %v and %v on", name, wall, monotonic)
		}
		now = later
		if n := e.asks(t, g, "x", acme, nil); n != c.asked {
			t.Errorf("%s: asked %d times, want %d", name, n, c.asked)
		}
	}
}

// TestKeptAnswerIsForItsTenantOnly: acme's token is in the cache, and a call on
// globex asks, so that Watchgate's trail has it.
func TestKeptAnswerIsForItsTenantOnly(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, "")
	e.does(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("tenant") == "globex" {
			says(inactive)(w, r)
			return
		}
		says(active(members{"exp": c.in(time.Hour)}))(w, r)
	})
	e.asks(t, g, "x", acme, nil)
	if n := e.asks(t, g, "x", guard.Need{Tenant: "globex"}, guard.ErrOtherTenant); n != 2 {
		t.Errorf("asked %d times for globex", n)
	}
	if n := e.asks(t, g, "x", guard.Need{Tenant: "globex"}, guard.ErrOtherTenant); n != 1 {
		t.Errorf("asked %d times for globex again, want 1: that the token is good elsewhere is kept", n)
	}
	if n := e.asks(t, g, "x", guard.Need{Tenant: "ten_1"}, nil); n != 1 {
		t.Errorf("asked %d times for the tenant's id", n)
	}
	if n := e.asks(t, g, "y", acme, nil); n != 1 {
		t.Errorf("asked %d times about another token", n)
	}
}

// TestRevokedTokenIsRefusedWhateverIsKept: the answer that is kept is one without a
// tenant, and older than the one that says the token is dead.
func TestRevokedTokenIsRefusedWhateverIsKept(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, active(members{"exp": c.in(time.Hour)}))
	e.asks(t, g, "x", guard.Need{AnyTenant: true}, nil)
	e.does(says(inactive))
	if n := e.asks(t, g, "x", acme, guard.ErrInvalidToken); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
}

// TestKeptAnswerIsDecidedAnew: scope and sign-in are looked at on each call.
func TestKeptAnswerIsDecidedAnew(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, active(members{"exp": c.in(time.Hour), "auth_time": c.in(-55 * time.Second)}))
	fresh := guard.Need{Tenant: "acme", MaxAge: time.Minute}
	e.asks(t, g, "x", fresh, nil)
	c.move(6 * time.Second)
	if n := e.asks(t, g, "x", fresh, guard.ErrInsufficientAuthentication); n != 0 {
		t.Errorf("asked %d times", n)
	}
	if n := e.asks(t, g, "x", guard.Need{Tenant: "acme", Scope: "config:admin"}, guard.ErrInsufficientScope); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// TestGarbageIsNotKept: what anybody can send takes no place from those who are signed
// in, and a token that is new is good at once.
func TestGarbageIsNotKept(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, active(members{"exp": c.in(time.Hour)}))
	e.asks(t, g, "x", acme, nil)
	e.does(says(inactive))
	for i := range 1000 {
		if n := e.asks(t, g, fmt.Sprint("garbage", i%10), acme, guard.ErrInvalidToken); n != 2 {
			t.Fatalf("asked %d times", n)
		}
	}
	if n := e.asks(t, g, "garbage", guard.Need{AnyTenant: true}, guard.ErrInvalidToken); n != 1 {
		t.Errorf("without a tenant: asked %d times", n)
	}
	if n := e.asks(t, g, "x", acme, nil); n != 0 {
		t.Errorf("garbage pushed out an answer: asked %d times", n)
	}
	e.does(says(active(members{"exp": c.in(time.Hour)})))
	if n := e.asks(t, g, "garbage0", acme, nil); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestCacheIsBounded: of more tokens than entries, no more than entries are kept, and
// nobody gets somebody else's answer.
func TestCacheIsBounded(t *testing.T) {
	c := newClock()
	g, e := cached(t, c, "")
	e.does(func(w http.ResponseWriter, r *http.Request) {
		says(active(members{"exp": c.in(time.Hour), "sub": r.FormValue("token")}))(w, r)
	})
	const all = 1000
	for range 2 {
		for i := range all {
			token := fmt.Sprint("t", i)
			if p, err := g.Check(t.Context(), token, acme); err != nil || p.Subject != token {
				t.Fatalf("%s: %v, %v", token, p.Subject, err)
			}
		}
	}
	kept := 0
	before := e.asked.Load()
	for i := range all {
		if _, err := g.Check(t.Context(), fmt.Sprint("t", all-1-i), acme); err != nil {
			t.Fatal(err)
		}
		if e.asked.Load() == before {
			kept++
		}
		before = e.asked.Load()
	}
	if kept == 0 || kept > 128 {
		t.Errorf("%d of %d answers were kept, in a cache for 100 (rounded up to 128)", kept, all)
	}
}

// TestOldestAnswerMakesRoom: of those in the same place.
func TestOldestAnswerMakesRoom(t *testing.T) {
	c := newClock()
	e := newEndpoint(t, says(active(members{"exp": c.in(time.Hour)})))
	cfg := e.config()
	cfg.Cache, cfg.Now = guard.Cache{MaxAge: time.Minute, Entries: 1}, c.now // one place, of eight answers
	g := newGuard(t, cfg)
	for i := range 10 {
		e.asks(t, g, fmt.Sprint("t", i), acme, nil)
		c.move(time.Second)
	}
	for i := range 8 {
		if n := e.asks(t, g, fmt.Sprint("t", 9-i), acme, nil); n != 0 {
			t.Errorf("t%d was not kept", 9-i)
		}
	}
	if n := e.asks(t, g, "t1", acme, nil); n != 1 {
		t.Error("more than eight were kept")
	}
}

func TestDecisionsAtTheSameTime(t *testing.T) {
	e := newEndpoint(t, nil)
	e.does(func(w http.ResponseWriter, r *http.Request) {
		token := r.FormValue("token")
		if token[0] == 'd' {
			says(inactive)(w, r)
			return
		}
		says(active(members{"sub": token}))(w, r)
	})
	cfg := e.config()
	cfg.Cache = guard.Cache{MaxAge: time.Minute, Entries: 16}
	var seen atomic.Int64
	cfg.Observe = func(context.Context, guard.Event) { seen.Add(1) }
	g := newGuard(t, cfg)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 200 {
				good, dead := fmt.Sprint("g", (i*worker)%40), fmt.Sprint("d", i%5)
				if p, err := g.Check(t.Context(), good, acme); err != nil || p.Subject != good {
					t.Errorf("%s: %q %v", good, p.Subject, err)
				}
				if _, err := g.Check(t.Context(), dead, acme); !errors.Is(err, guard.ErrInvalidToken) {
					t.Errorf("%s: %v", dead, err)
				}
			}
		})
	}
	all.Wait()
	if seen.Load() != 8*200*2 {
		t.Errorf("%d events", seen.Load())
	}
}
