package introspect

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// asking is a question that was put in a goroutine.
type asking struct {
	v     verdict
	err   error
	ended chan struct{}
}

func (b bubble) begin(secret string) *asking {
	a := &asking{ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		a.v, a.err = b.put(secret)
	}()
	synctest.Wait()
	return a
}

func (a *asking) end(t *testing.T, why string) {
	t.Helper()
	<-a.ended
	if a.err != nil || a.v.why != why {
		t.Errorf("%q, %v; want %q", a.v.why, a.err, why)
	}
}

// slow makes the next reading wait, after it has read, until release is called.
func (b bubble) slow() (release func()) {
	gate := make(chan struct{})
	b.store.set(func() {
		b.store.after = func(context.Context) {
			b.store.set(func() { b.store.after = func(context.Context) {} })
			<-gate
		}
	})
	return func() { close(gate) }
}

func TestMissesAtOnceCostOneStatement(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.want(b.issue(), "", 1) // the asker is remembered from now on
		secret, release := b.issue(), b.slow()
		before := b.store.statements()
		var all []*asking
		for range 10 {
			all = append(all, b.begin(secret))
		}
		release()
		for _, a := range all {
			a.end(t, "")
		}
		if n := b.store.statements() - before; n != 1 {
			t.Errorf("%d statements, want 1", n)
		}
		if got := all[9].v.source; got != fromOther {
			t.Errorf("source %v", got)
		}
		b.want(secret, "", 0)
	})
}

// A token is revoked while it is being read for somebody. Whoever asks after the
// revocation has returned gets nothing of that reading, and nobody finds it later.
func TestAttackRevokedWhileItIsRead(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.want(b.issue(), "", 1)
		secret, release := b.issue(), b.slow()
		first := b.begin(secret)
		b.revoke(secret)
		later := b.begin(secret)
		release()
		first.end(t, "") // it began before
		later.end(t, "unknown")
		b.want(secret, "unknown", 1)
	})
}

// The same without anybody who joins: what arrives late is not kept.
func TestAttackReadingThatComesLate(t *testing.T) {
	inBubble(t, func(b bubble) {
		secret, release := b.issue(), b.slow()
		first := b.begin(secret) // the asker is read at the same time
		b.revoke(secret)
		release()
		first.end(t, "")
		if n := b.memory.answers.EstimatedSize(); n != 0 {
			t.Errorf("%d entries of a token that was dead when they came", n)
		}
		b.want(secret, "unknown", 1)
	})
}

// A token that is issued while somebody is told that there is none is active for
// whoever asks from then on: no "unknown" is shared.
func TestIssuedWhileItIsRead(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.want(b.issue(), "", 1)
		secret := b.issue()
		b.revoke(secret)
		b.want(b.issue(), "", 1)
		release := b.slow()
		first := b.begin(secret)
		b.resume(secret)
		later := b.begin(secret)
		release()
		first.end(t, "unknown")
		later.end(t, "")
	})
}

func TestReadingThatFailsIsNotShared(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.want(b.issue(), "", 1)
		secret, release := b.issue(), b.slow()
		b.store.set(func() { b.store.away = true })
		first := b.begin(secret)
		b.store.set(func() { b.store.away = false })
		later := b.begin(secret)
		release()
		<-first.ended
		if first.err == nil {
			t.Error("the first has an answer")
		}
		later.end(t, "")
	})
}

// Who asked first goes away: those who joined get the answer all the same. Who
// joined and goes away does not wait.
func TestWhoGoesAwayTakesNobodyAlong(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.want(b.issue(), "", 1)
		secret, release := b.issue(), b.slow()
		ctx, cancel := context.WithCancel(b.t.Context())
		gone := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := b.ask(ctx, caller{ID: "demo-api", Secret: apiSecret, Method: storage.AuthBasic}, question{now: time.Now(), token: secret})
				gone <- err
			}()
			synctest.Wait()
		}
		later := b.begin(secret)
		before := b.store.statements()
		cancel()
		if err := <-gone; err == nil {
			t.Error("who joined and went away has an answer")
		}
		release()
		<-gone
		later.end(t, "")
		if n := b.store.statements() - before; n != 0 {
			t.Errorf("%d more statements, want 0", n)
		}
	})
}

func TestPanicInAReadingLeavesNobodyWaiting(t *testing.T) {
	inBubble(t, func(b bubble) {
		b.want(b.issue(), "", 1)
		secret, gate := b.issue(), make(chan struct{})
		b.store.set(func() {
			b.store.after = func(context.Context) {
				b.store.set(func() { b.store.after = func(context.Context) {} })
				<-gate
				panic("a driver's mistake")
			}
		})
		go func() {
			defer func() { _ = recover() }()
			_, _ = b.put(secret)
		}()
		synctest.Wait()
		later := b.begin(secret)
		close(gate)
		later.end(t, "")
	})
}

// While there is no lease, nobody joins: each question costs one statement.
func TestWithoutALeaseEachAsksForItself(t *testing.T) {
	inBubble(t, func(b bubble) {
		secret := b.issue()
		b.want(secret, "", 1)
		b.want(secret, "", 0)
		b.lose()
		b.want(secret, "", 1)
		release := b.slow()
		before := b.store.statements()
		one := b.begin(secret)
		other := b.begin(secret)
		release()
		one.end(t, "")
		other.end(t, "")
		if n := b.store.statements() - before; n != 2 {
			t.Errorf("%d statements, want 2", n)
		}
		b.regain()
		b.want(secret, "", 1) // nothing from before is trusted
		b.want(secret, "", 0)
	})
}

// lose lets the feed be away for longer than a lease.
func (b bubble) lose() {
	b.store.memoryFeed.mu.Lock()
	b.store.memoryFeed.away = true
	b.store.memoryFeed.mu.Unlock()
	<-time.After(3 * time.Second)
	synctest.Wait()
}

func (b bubble) regain() {
	b.store.memoryFeed.mu.Lock()
	b.store.memoryFeed.away = false
	b.store.memoryFeed.mu.Unlock()
	<-time.After(3 * time.Second)
	synctest.Wait()
}

func TestStoreThatIsAway(t *testing.T) {
	inBubble(t, func(b bubble) {
		secret, cold := b.issue(), b.issue()
		b.want(secret, "", 1)
		b.store.set(func() { b.store.away = true })
		b.want(secret, "", 0) // the lease is held: memory is as good as the store
		if _, err := b.put(cold); web.AsError(err).Status != http.StatusServiceUnavailable {
			t.Errorf("what is not remembered: %v", err)
		}
		b.lose()
		for _, s := range []string{secret, cold} {
			if _, err := b.put(s); web.AsError(err).Status != http.StatusServiceUnavailable {
				t.Errorf("without a lease: %v", err)
			}
		}
		b.store.set(func() { b.store.away = false })
		b.want(secret, "", 1)
	})
}
