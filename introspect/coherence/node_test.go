package coherence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

var errAway = errors.New("the store is away")

// feed is a store's feed whose every step a test holds in its hands.
type feed struct {
	mu      sync.Mutex
	away    bool
	struck  bool
	pending []storage.Change
	steps   []string
	wake    chan struct{}
	// onStep is called in the middle of a step, without the lock.
	onStep func(step string)
}

func newFeed() *feed { return &feed{wake: make(chan struct{}, 1), onStep: func(string) {}} }

func (f *feed) step(name string) error {
	f.mu.Lock()
	f.steps = append(f.steps, name)
	away, hook := f.away, f.onStep
	f.mu.Unlock()
	hook(name)
	if away {
		return errAway
	}
	return nil
}

func (f *feed) Join(context.Context) (storage.Membership, error) {
	if err := f.step("join"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.struck, f.pending = false, nil
	return f, nil
}

func (f *feed) Read(context.Context) ([]storage.Change, storage.Mark, error) {
	err := f.step("read")
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.pending
	f.pending = nil
	return out, "m", err
}

func (f *feed) Record(context.Context, storage.Mark) error {
	if err := f.step("record"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.struck {
		return storage.ErrNotFound
	}
	return nil
}

func (f *feed) Wait(ctx context.Context) error {
	f.mu.Lock()
	away := f.away
	f.mu.Unlock()
	if away {
		return errAway
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.wake:
		return nil
	}
}

func (f *feed) Leave(context.Context) error { return f.step("leave") }

// change makes a change and wakes who waits.
func (f *feed) change(c storage.Change) {
	f.mu.Lock()
	f.pending = append(f.pending, c)
	f.mu.Unlock()
	f.wake <- struct{}{}
}

func (f *feed) set(set func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set()
}

// running is a node on a feed, on the bubble's clock.
type running struct {
	*coherence.Node
	feed *feed
	// boot and wall are added to the bubble's clock.
	boot, wall atomic.Int64
	stop       func()
}

// run calls the test in a bubble with a node that has got its lease.
func run(t *testing.T, test func(t *testing.T, r *running)) {
	synctest.Test(t, func(t *testing.T) {
		r := &running{feed: newFeed()}
		began := time.Now()
		r.Node = coherence.New(coherence.Config{
			Feed: r.feed,
			Boot: func() time.Duration { return time.Since(began) + time.Duration(r.boot.Load()) },
			Now:  func() time.Time { return time.Now().Add(time.Duration(r.wall.Load())) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		r.stop = sync.OnceFunc(func() { cancel(); <-ended })
		go func() {
			defer close(ended)
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		test(t, r)
		r.stop()
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

var alice = storage.Change{Kind: storage.ChangeUser, Tenant: "ten_1", ID: "usr_alice"}

func (r *running) cell(c storage.Change) []coherence.Cell {
	return []coherence.Cell{r.Cell(storage.ChangeTenant, "", "ten_1"), r.Cell(c.Kind, c.Tenant, c.ID)}
}

func TestAnswerIsCurrentUntilSomethingItHangsOnChanges(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		on, m := r.cell(alice), r.Mark()
		bob := r.cell(storage.Change{Kind: storage.ChangeUser, Tenant: "ten_1", ID: "usr_bob"})
		if !r.Held() || !r.Current(m, on) || !r.Current(m, nil) {
			t.Fatal("nothing is current at the start")
		}
		r.feed.change(alice)
		synctest.Wait()
		if r.Current(m, on) {
			t.Error("current after a change")
		}
		if !r.Current(m, bob) {
			t.Error("what hangs on something else is no longer current")
		}
		if !r.Current(r.Mark(), on) {
			t.Error("what was read after the change is not current")
		}
	})
}

// The racing load: it was read before the change, and arrives after it.
func TestLoadThatWasOvertakenIsNeverCurrent(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		m := r.Mark()
		r.feed.change(alice)
		synctest.Wait()
		if r.Current(m, r.cell(alice)) {
			t.Error("a load from before the change is current")
		}
	})
}

func TestSameIDElsewhereIsAnotherThing(t *testing.T) {
	n := coherence.New(coherence.Config{})
	seen := map[coherence.Cell]string{}
	for _, kind := range []storage.ChangeKind{storage.ChangeUser, storage.ChangeGrant, storage.ChangeToken} {
		for _, tenant := range []storage.TenantID{"", "a", "ab"} {
			for _, id := range []string{"", "a", "b", "bc"} {
				name := fmt.Sprintf("%s/%s/%s", kind, tenant, id)
				c := n.Cell(kind, tenant, id)
				if c != n.Cell(kind, tenant, id) {
					t.Fatal("a thing has two cells")
				}
				if other, taken := seen[c]; taken {
					t.Logf("%s shares a cell with %s", name, other)
				}
				seen[c] = name
			}
		}
	}
	if len(seen) < 34 {
		t.Errorf("36 things have %d cells", len(seen))
	}
}

// Everybody hears of a change only when it has its effect here.
func TestAppliesBeforeItRecords(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		on, m := r.cell(alice), r.Mark()
		asked := false
		r.feed.set(func() {
			r.feed.onStep = func(step string) {
				if step == "record" {
					asked = true
					if r.Current(m, on) {
						t.Error("recorded before it was applied")
					}
				}
			}
		})
		r.feed.change(alice)
		synctest.Wait()
		if !asked {
			t.Error("nothing was recorded")
		}
	})
}

func TestReadsBeforeItRecordsAndRecordsBeforeItTrusts(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		pass(storage.RenewEvery)
		r.feed.set(func() {
			if want := []string{"join", "read", "record"}; !slices.Equal(r.feed.steps, want) {
				t.Errorf("%v, want %v", r.feed.steps, want)
			}
			// From now on a step takes longer than a lease.
			r.feed.onStep = func(step string) {
				if step == "record" {
					<-time.After(storage.LeaseFor)
				}
			}
		})
		pass(storage.RenewEvery + storage.LeaseFor - time.Millisecond)
		if r.Held() {
			t.Error("the lease was extended by a record that has not succeeded")
		}
		pass(time.Millisecond)
		if r.Held() {
			t.Error("the lease does not count from before the read")
		}
	})
}

func TestLeaseIsRenewedWithoutANotification(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		m := r.Mark()
		for range 20 {
			pass(storage.RenewEvery)
			if !r.Current(m, r.cell(alice)) {
				t.Fatal("the lease lapsed, or the memory was lost")
			}
		}
		r.feed.set(func() { r.feed.pending = append(r.feed.pending, alice) }) // nobody is told
		pass(storage.RenewEvery)
		if r.Current(m, r.cell(alice)) {
			t.Error("a change without a notification was not found")
		}
	})
}

// A paused process finds its lease over when it goes on, whichever clock it is
// that counted the pause.
func TestPauseEndsTheLease(t *testing.T) {
	const lease = int64(storage.LeaseFor)
	for name, jump := range map[string]func(r *running){
		"paused, or asleep":                    func(r *running) { r.boot.Store(lease); r.wall.Store(lease) },
		"asleep on a clock that stood still":   func(r *running) { r.wall.Store(int64(time.Hour)) },
		"put back to an earlier state":         func(r *running) { r.boot.Store(-int64(time.Hour)) },
		"somebody set the wall clock forwards": func(r *running) { r.wall.Store(int64(3 * time.Second)) },
		"somebody set the wall clock back":     func(r *running) { r.wall.Store(-int64(time.Second)) },
	} {
		run(t, func(t *testing.T, r *running) {
			m := r.Mark()
			jump(r)
			if r.Held() || r.Current(m, r.cell(alice)) {
				t.Errorf("%s: still trusts its memory", name)
			}
			pass(storage.RenewEvery)
			if !r.Held() {
				t.Errorf("%s: no lease after a renewal", name)
			}
			if r.Current(m, r.cell(alice)) {
				t.Errorf("%s: what was remembered before a lapse is trusted again", name)
			}
			if !r.Current(r.Mark(), r.cell(alice)) {
				t.Errorf("%s: nothing is current any more", name)
			}
		})
	}
}

func TestErrorEndsTheLeaseAtOnceAndAllThatWasRemembered(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		m := r.Mark()
		r.feed.set(func() { r.feed.away = true })
		pass(storage.RenewEvery)
		if r.Held() {
			t.Error("the lease outlived the membership")
		}
		pass(time.Minute)
		between := r.Mark()
		r.feed.set(func() { r.feed.away = false })
		pass(5 * time.Second)
		switch {
		case !r.Held():
			t.Error("no lease after the store came back")
		case r.Current(m, nil), r.Current(between, nil):
			t.Error("what was read before the node joined is trusted")
		case !r.Current(r.Mark(), nil):
			t.Error("nothing is current any more")
		}
	})
}

func TestStruckNodeJoinsAnew(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		m := r.Mark()
		r.feed.set(func() { r.feed.struck = true })
		pass(storage.RenewEvery + time.Second)
		if !r.Held() || r.Current(m, nil) {
			t.Error("held:", r.Held(), "memory of before:", r.Current(m, nil))
		}
	})
}

func TestLeavesWithoutALease(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		r.feed.set(func() {
			r.feed.onStep = func(step string) {
				if step == "leave" && r.Held() {
					t.Error("leaves the register while it trusts its memory")
				}
			}
		})
		r.stop()
		if r.Held() {
			t.Error("held after the end")
		}
		if last := r.feed.steps[len(r.feed.steps)-1]; last != "leave" {
			t.Errorf("the last step is %s", last)
		}
	})
}

func TestWithoutAFeedNothingIsCurrent(t *testing.T) {
	n := coherence.New(coherence.Config{})
	if err := n.Run(context.Background()); err != nil {
		t.Error(err)
	}
	if n.Held() || n.Current(n.Mark(), nil) {
		t.Error("trusts its memory, and nobody says what changes")
	}
}

func TestCurrentAllocatesNothing(t *testing.T) {
	run(t, func(t *testing.T, r *running) {
		on, m := r.cell(alice), r.Mark()
		if n := testing.AllocsPerRun(100, func() { r.Current(m, on) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func BenchmarkCurrent(b *testing.B) {
	n := coherence.New(coherence.Config{Feed: newFeed()})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = n.Run(ctx) }()
	for !n.Held() {
	}
	on := []coherence.Cell{1, 20_000, 40_000, 80_000, 160_000, 200_000, 250_000}
	m := n.Mark()
	for b.Loop() {
		n.Current(m, on)
	}
	cancel()
	<-ended
}
