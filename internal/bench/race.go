package main

import (
	"context"
	"time"
)

// A race is run in many short rounds, in each of which every side has its turn:
// the machine's speed wanders by more than what is to be measured, and what is
// compared lies a second apart.
const (
	raceRounds = 12
	raceSpan   = time.Second
	// raceConnections is more than enough: from four on, more change nothing.
	raceConnections = 16
)

// side is one of the servers that are compared.
type side struct {
	driver *driver
	pid    int
	laps   []lap
}

// newSide prepares a race's side and warms it: every request is answered once.
func newSide(ctx context.Context, base string, pid int, requests [][]byte) (*side, error) {
	d, err := newDriver(base, raceConnections, requests, `{"active":true`)
	if err != nil {
		return nil, err
	}
	_, err = d.run(ctx, 10*time.Minute, len(requests))
	return &side{driver: d, pid: pid}, err
}

// race lets the sides run in turns. Who begins a round changes.
func race(ctx context.Context, rounds int, sides ...*side) error {
	for round := range rounds {
		for i := range sides {
			if err := sides[(round+i)%len(sides)].turn(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *side) turn(ctx context.Context) error {
	before, err := cpuTime(s.pid)
	if err != nil {
		return err
	}
	l, err := s.driver.run(ctx, raceSpan, 0)
	if err != nil {
		return err
	}
	after, err := cpuTime(s.pid)
	l.cpu = after - before
	s.laps = append(s.laps, l)
	return err
}

// median is that of the rounds' values.
func (s *side) median(of func(lap) float64) float64 {
	values := make([]float64, len(s.laps))
	for i, l := range s.laps {
		values[i] = of(l)
	}
	return median(values)
}

// against is the median of the rounds' ratios of a value to the other side's.
func (s *side) against(other *side, of func(lap) float64) float64 {
	values := make([]float64, len(s.laps))
	for i, l := range s.laps {
		values[i] = of(l) / of(other.laps[i])
	}
	return median(values)
}

// beyond is the median of the rounds' differences of a value from the other side's.
func (s *side) beyond(other *side, of func(lap) float64) float64 {
	values := make([]float64, len(s.laps))
	for i, l := range s.laps {
		values[i] = of(l) - of(other.laps[i])
	}
	return median(values)
}

// raceCounted lets the sides run in turns of so many requests. Who begins a round
// changes.
func raceCounted(ctx context.Context, rounds, count int, sides ...*side) error {
	for round := range rounds {
		for i := range sides {
			s := sides[(round+i)%len(sides)]
			l, err := s.driver.run(ctx, time.Minute, count)
			if err != nil {
				return err
			}
			s.laps = append(s.laps, l)
		}
	}
	return nil
}
