package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

// line is a connection to Watchgate whose answers are held back until a test lets
// them go. What they say was decided when the question came, as it is on a real one.
type line struct {
	mu    sync.Mutex
	state string // what a question that comes now is answered
	held  []held
	sent  int
}

// held is an answer that is on its way.
type held struct {
	tenant string
	arrive chan struct{}
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	answer, h := l.state, held{form.Get("tenant"), make(chan struct{})}
	l.held = append(l.held, h)
	l.sent++
	l.mu.Unlock()
	select {
	case <-h.arrive:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r,
	}, nil
}

// becomes changes what is answered from now on.
func (l *line) becomes(state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = state
}

// release lets the oldest answer go.
func (l *line) release() {
	l.mu.Lock()
	h := l.held[0]
	l.held = l.held[1:]
	l.mu.Unlock()
	close(h.arrive)
	synctest.Wait()
}

func (l *line) questions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// calling is a decision that is being made.
type calling struct {
	err  error
	done bool
}

// begin starts a call, and returns when it waits for something.
func begin(ctx context.Context, g *guard.Guard) *calling {
	c := &calling{}
	go func() {
		_, c.err = g.Check(ctx, "x", acme)
		c.done = true
	}()
	synctest.Wait()
	return c
}

func (c *calling) is(t *testing.T, what string, want error) {
	t.Helper()
	if !c.done || !errors.Is(c.err, want) {
		t.Errorf("%s: done %t, %v; want %v", what, c.done, c.err, want)
	}
}

func onLine(t *testing.T, change func(*guard.Config)) (*guard.Guard, *line) {
	l := &line{state: active(nil)}
	cfg := guard.Config{Issuer: issuer, ClientID: "api", Secret: "s", Transport: l}
	if change != nil {
		change(&cfg)
	}
	return newGuard(t, cfg), l
}

// TestCallAfterARevocationIsRefused is why nobody joins a request that was sent. The
// first call's question was answered "active" and the answer is on its way; the token
// is revoked; a call that comes after that must not be let through by that answer.
func TestCallAfterARevocationIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, nil)
		before := begin(t.Context(), g)
		l.becomes(inactive)
		after := begin(t.Context(), g)
		l.release()
		before.is(t, "the call before the revocation", nil)
		if after.done {
			t.Fatalf("the call after the revocation was answered by a question from before it: %v", after.err)
		}
		l.release()
		l.release() // without a tenant
		after.is(t, "the call after the revocation", guard.ErrInvalidToken)
	})
}

// TestCallsAtTheSameTimeShareARequest: a hundred calls cost two requests, the first
// one's and one for all that came while it was on its way.
func TestCallsAtTheSameTimeShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		attempts := 0
		g, l := onLine(t, func(c *guard.Config) {
			c.Observe = func(_ context.Context, e guard.Event) {
				mu.Lock()
				defer mu.Unlock()
				attempts += e.Attempts
			}
		})
		var calls []*calling
		for range 100 {
			calls = append(calls, begin(t.Context(), g))
		}
		if n := l.questions(); n != 1 {
			t.Fatalf("%d questions at once", n)
		}
		l.release()
		if n := l.questions(); n != 2 {
			t.Fatalf("%d questions, want the first and one for all others", n)
		}
		l.release()
		for i, c := range calls {
			c.is(t, fmt.Sprint("call ", i), nil)
		}
		if attempts != 2 {
			t.Errorf("events count %d requests, 2 were sent", attempts)
		}
	})
}

// TestDifferentQuestionsAreNotShared: another token, or another tenant.
func TestDifferentQuestionsAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, nil)
		for _, q := range [][2]string{{"x", "acme"}, {"x", "ten_1"}, {"y", "acme"}} {
			go func() {
				if _, err := g.Check(t.Context(), q[0], guard.Need{Tenant: q[1]}); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if n := l.questions(); n != 3 {
			t.Errorf("%d questions on their way, want 3", n)
		}
		for range 3 {
			l.release()
		}
	})
}

// TestCallDoesNotWaitBehindOneThatHangs: it asks for itself after a moment.
func TestCallDoesNotWaitBehindOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, nil)
		begin(t.Context(), g)
		second := begin(t.Context(), g)
		<-time.After(100 * time.Millisecond) // of the bubble's clock
		synctest.Wait()
		if n := l.questions(); n != 2 {
			t.Fatalf("%d questions", n)
		}
		l.mu.Lock()
		l.held[0], l.held[1] = l.held[1], l.held[0]
		l.mu.Unlock()
		l.release()
		second.is(t, "the second call", nil)
		l.release()
	})
}

// TestCallerWhoLeavesTakesNobodyAlong: not the one for whom a shared request was made,
// and not the one who asked for itself.
func TestCallerWhoLeavesTakesNobodyAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, nil)
		ctx, leave := context.WithCancel(t.Context())
		first, second := begin(ctx, g), begin(ctx, g)
		third := begin(t.Context(), g)
		leave()
		synctest.Wait()
		first.is(t, "the first", context.Canceled)
		second.is(t, "the second", context.Canceled)
		l.release() // of the first, whom nobody waits for any more
		if n := l.questions(); n != 2 {
			t.Fatalf("%d questions", n)
		}
		l.release()
		third.is(t, "the third", nil)
	})
}

// TestRequestNobodyWaitsForIsNotSent: when all who gathered have left, or is given up
// when they leave after that.
func TestRequestNobodyWaitsForIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, nil)
		first := begin(t.Context(), g)
		ctx, leave := context.WithCancel(t.Context())
		gone := begin(ctx, g)
		leave()
		synctest.Wait()
		gone.is(t, "who left", context.Canceled)
		l.release()
		first.is(t, "the first", nil)
		if n := l.questions(); n != 1 {
			t.Errorf("%d questions", n)
		}
		// Nothing of it is left: the next call asks at once.
		next := begin(t.Context(), g)
		ctx, leave = context.WithCancel(t.Context())
		gone = begin(ctx, g)
		l.release()
		next.is(t, "the next", nil)
		if n := l.questions(); n != 3 {
			t.Errorf("%d questions", n)
		}
		leave()
		synctest.Wait()
		gone.is(t, "who left with the question on its way", context.Canceled)
		last := begin(t.Context(), g)
		l.release()
		l.release()
		last.is(t, "the last", nil)
	})
}

// TestCacheLetsCallsShareWhatIsOnItsWay: an answer may be old then, and so one request
// is enough for all.
func TestCacheLetsCallsShareWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, func(c *guard.Config) { c.Cache.MaxAge = time.Second })
		first, second, third := begin(t.Context(), g), begin(t.Context(), g), begin(t.Context(), g)
		l.release()
		for _, c := range []*calling{first, second, third} {
			c.is(t, "a call", nil)
		}
		if n := l.questions(); n != 1 {
			t.Errorf("%d questions", n)
		}
	})
}
