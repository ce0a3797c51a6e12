package main

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	samples := make([]int, 100)
	for i := range samples {
		samples[i] = 100 - i
	}
	for q, want := range map[float64]int{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := quantile(samples, q); got != want {
			t.Errorf("quantile %.2f = %d, want %d", q, got, want)
		}
	}
	if got := quantile([]int{}, 0.5); got != 0 {
		t.Errorf("quantile of nothing = %d", got)
	}
}

func TestRatioOfARaceIsTheMedianOfItsRounds(t *testing.T) {
	rounds := func(seconds ...time.Duration) *side {
		s := &side{}
		for _, n := range seconds {
			s.laps = append(s.laps, lap{latencies: make([]time.Duration, 120), took: n * time.Second})
		}
		return s
	}
	base, other := rounds(1, 2, 4), rounds(2, 4, 40)
	if got := other.against(base, lap.rate); got != 0.5 {
		t.Errorf("ratio = %g, want 0.5", got)
	}
}
