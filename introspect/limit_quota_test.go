package introspect

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func still() time.Time { return noon }

// Each request takes exactly one, whichever way it goes.
func TestRoomyTakesOneOrNothing(t *testing.T) {
	for perSecond, quick := range map[int]int{10: 5, 11: 5, 1: 0, 2: 1, 100_000: 50_000} {
		s := &Server{limits: newLimits(Limits{PerSecond: perSecond}, still)}
		n := 0
		for s.roomy("a") {
			n++
		}
		for range 3 {
			s.roomy("a")
		}
		if left := s.limits.questions.peek(t.Context(), "a"); n != quick || left.n != perSecond-quick {
			t.Errorf("%d: %d quick ones, %d left", perSecond, n, left.n)
		}
		if !s.roomy("b") && quick > 0 {
			t.Error("another caller has none")
		}
	}
	if s := (&Server{limits: newLimits(Limits{}, still)}); !s.roomy("a") {
		t.Error("no limit, and no room")
	}
}

// With the clock standing still, a crowd gets exactly the burst.
func TestCrowdGetsNoMoreThanTheQuota(t *testing.T) {
	l := newLimits(Limits{PerSecond: 1000}, still)
	var through atomic.Int64
	var crowd sync.WaitGroup
	for range 16 {
		crowd.Go(func() {
			for range 200 {
				if l.accepted(context.Background(), caller{ID: "a", Secret: "x"}, noon) == nil {
					through.Add(1)
				}
			}
		})
	}
	crowd.Wait()
	if n := through.Load(); n != 1000 {
		t.Errorf("%d of 3200, want 1000", n)
	}
}

// A clock that is set back, by little or by much, refuses nobody who has asked once.
func TestClockThatIsSetBackRefusesNobody(t *testing.T) {
	for _, by := range []time.Duration{time.Millisecond, 1500 * time.Millisecond, 2 * time.Second, time.Hour} {
		now := noon
		s := &Server{limits: newLimits(Limits{PerSecond: 10}, func() time.Time { return now })}
		if !s.roomy("api") {
			t.Fatal("the first question is refused")
		}
		now = now.Add(-by)
		if err := s.limits.accepted(t.Context(), caller{ID: "api"}, now); err != nil {
			t.Errorf("set back by %v: %v", by, err)
		}
	}
}

func TestGoodCredentialsHaveBoundedRoom(t *testing.T) {
	g := newGood()
	for i := range maxGood + 500 {
		g.add(caller{ID: fmt.Sprint(i), Secret: "x"}, noon)
	}
	if len(g.till) != maxGood {
		t.Errorf("%d, want %d", len(g.till), maxGood)
	}
	last := caller{ID: fmt.Sprint(maxGood + 499), Secret: "x"}
	if !g.has(last, noon.Add(goodFor-1)) || g.has(last, noon.Add(goodFor)) || g.has(caller{ID: last.ID, Secret: "y"}, noon) {
		t.Error("a day, and those credentials only")
	}
}

func TestQuickLimitAllocatesNothing(t *testing.T) {
	s := &Server{limits: newLimits(DefaultLimits(), time.Now)}
	if n := testing.AllocsPerRun(1000, func() { s.roomy("demo-api") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// plenty is never used up, so that every question is counted.
var plenty = Limits{PerSecond: 1e9, FailuresPerSecond: 1e9}

func BenchmarkRoomy(b *testing.B) {
	s := &Server{limits: newLimits(plenty, time.Now)}
	b.ReportAllocs()
	for b.Loop() {
		s.roomy("demo-api")
	}
}

func BenchmarkRoomyParallel(b *testing.B) {
	s := &Server{limits: newLimits(plenty, time.Now)}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			s.roomy("demo-api")
		}
	})
}

// BenchmarkSlowWay is what limits add to an answer that is not a quick one.
func BenchmarkSlowWay(b *testing.B) {
	l := newLimits(plenty, time.Now)
	c := caller{ID: "demo-api", Secret: "resource-server-secret"}
	b.ReportAllocs()
	for b.Loop() {
		_ = l.admit(b.Context(), c, noon)
		_ = l.accepted(b.Context(), c, noon)
		l.tell(b.Context(), http.Header{}, "demo-api")
	}
}
