package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lap is one round of a driver.
type lap struct {
	latencies []time.Duration // of every answer
	took      time.Duration
	cpu       time.Duration // of the server's process
}

// rate is answers per second.
func (l lap) rate() float64 { return float64(len(l.latencies)) / l.took.Seconds() }

// cost is the server's processor time per answer in microseconds.
func (l lap) cost() float64 {
	return float64(l.cpu) / float64(time.Microsecond) / float64(len(l.latencies))
}

// micros is a quantile of the latencies in microseconds.
func (l lap) micros(q float64) float64 {
	return float64(quantile(l.latencies, q)) / float64(time.Microsecond)
}

// quantile returns the value below which a share q of the samples lies (nearest
// rank), and zero for none. It sorts them.
func quantile[T cmp.Ordered](samples []T, q float64) T {
	if len(samples) == 0 {
		return *new(T)
	}
	slices.Sort(samples)
	return samples[min(int(q*float64(len(samples))), len(samples)-1)]
}

func median[T cmp.Ordered](samples []T) T { return quantile(slices.Clone(samples), 0.5) }

// tick is the unit of /proc/PID/stat: USER_HZ, which is 100 on every Linux that
// Go runs on.
const tick = 10 * time.Millisecond

// cpuTime returns the time that a process has used, user and system (proc(5),
// fields 14 and 15 of stat).
func cpuTime(pid int) (time.Duration, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name, which may hold anything.
	_, rest, _ := strings.Cut(string(body), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d is %q", pid, body)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, err
}

// and is both laps as one.
func (l lap) and(other lap) lap {
	return lap{slices.Concat(l.latencies, other.latencies), l.took + other.took, l.cpu + other.cpu}
}
