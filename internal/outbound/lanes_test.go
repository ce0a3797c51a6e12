package outbound

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"
)

func newLanes() (*lanes, *time.Time) {
	clock := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return &lanes{now: func() time.Time { return clock }}, &clock
}

func TestFloodAtOneDestinationIsThrottled(t *testing.T) {
	l, clock := newLanes()
	ctx := context.Background()
	passed := 0
	for range 10_000 {
		if leave, err := l.enter(ctx, "victim.test"); err == nil {
			leave()
			passed++
		}
	}
	if passed != burst {
		t.Errorf("%d of 10000 requests passed, want %d", passed, burst)
	}
	if leave, err := l.enter(ctx, "other.test"); err != nil {
		t.Errorf("another destination: %v", err)
	} else {
		leave()
	}
	*clock = clock.Add(time.Second)
	passed = 0
	for range 1000 {
		if leave, err := l.enter(ctx, "victim.test"); err == nil {
			leave()
			passed++
		}
	}
	if passed != perSecond {
		t.Errorf("%d passed a second later, want %d", passed, perSecond)
	}
}

func TestSlowDestinationDelaysNoOther(t *testing.T) {
	l, _ := newLanes()
	ctx, cancel := context.WithCancel(context.Background())
	var leave func()
	for range maxInFlight {
		var err error
		if leave, err = l.enter(ctx, "slow.test"); err != nil {
			t.Fatal(err)
		}
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := l.enter(ctx, "slow.test")
		waiting <- err
	}()
	if leave, err := l.enter(ctx, "fast.test"); err != nil {
		t.Errorf("another destination: %v", err)
	} else {
		leave()
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("one too many: %v", err)
	}
	leave()
	leave() // leaving twice frees one slot
	if n := len(l.by["slow.test"].slots); n != maxInFlight-1 {
		t.Errorf("%d slots taken, want %d", n, maxInFlight-1)
	}
}

func TestDestinationsAreForgotten(t *testing.T) {
	l, clock := newLanes()
	for i := range 100_000 {
		if leave, err := l.enter(context.Background(), strconv.Itoa(i)); err == nil {
			leave()
		}
		if i%100 == 0 {
			*clock = clock.Add(time.Second)
		}
	}
	if n := len(l.by); n > maxLanes {
		t.Errorf("%d destinations are remembered, want at most %d", n, maxLanes)
	}
}
