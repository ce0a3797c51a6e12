package introspect

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/storage"
)

func TestGuessesAreCountedInBoundedRoom(t *testing.T) {
	s := newScans(nil)
	for i := range maxScans + 500 {
		s.count(storage.ResourceServerID(fmt.Sprint(i)), noon)
	}
	if len(s.byAsker) > maxScans {
		t.Errorf("%d resource servers, want at most %d", len(s.byAsker), maxScans)
	}
	s.count("late", noon.Add(scanWindow+1))
	if s.byAsker["late"] == nil || len(s.byAsker) > maxScans {
		t.Errorf("%d resource servers", len(s.byAsker))
	}
}

// A clock that is set back neither makes a signal nor keeps one back.
func TestSignalWhenTheClockIsSetBack(t *testing.T) {
	s := newScans(nil)
	signals := func(n int, now time.Time) (found int) {
		for range n {
			if _, signal := s.count("a", now); signal {
				found++
			}
		}
		return found
	}
	if n := signals(99, noon) + signals(99, noon.Add(-time.Hour)); n != 0 {
		t.Errorf("%d signals of 99 guesses each", n)
	}
	if n := signals(1, noon.Add(-time.Hour)); n != 1 {
		t.Errorf("%d signals, want 1", n)
	}
	if n := signals(200, noon.Add(-2*time.Hour)); n != 1 {
		t.Errorf("%d signals after another step, want 1", n)
	}
}

func TestTwoEndpointsShareOneMetric(t *testing.T) {
	reg := prometheus.NewRegistry()
	newScans(reg).signals.Inc()
	newScans(reg).signals.Inc()
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 2 {
		t.Errorf("%v %v", families, err)
	}
}
