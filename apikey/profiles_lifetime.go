package apikey

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The units in which people count, beside those of Go's durations.
const (
	day   = 24 * time.Hour
	month = 30 * day
	year  = 365 * day
)

// longest is more than any credential should live.
const longest = 100 * year

// What is said of a text that is no length of time.
var (
	errAge      = errors.New("a length of time is a number with a unit, as 30d, 6mo, 1y or 720h, at most 100y")
	errLifetime = errors.New(errAge.Error() + "; or never")
)

// ParseLifetime reads how long a key shall live: "never", which is 0, or a length of
// time as [ParseAge] has them. The error is a sentence for who wrote it.
func ParseLifetime(s string) (time.Duration, error) {
	if s == "never" {
		return 0, nil
	}
	d, err := ParseAge(s)
	if err != nil || d == 0 {
		return 0, errLifetime
	}
	return d, nil
}

// ParseAge reads a length of time: whole days (30d), months of 30 days (6mo) or years
// of 365 (1y), or a duration of Go (720h, 1h30m), from 0 to 100 years. The error is a
// sentence for who wrote it.
func ParseAge(s string) (time.Duration, error) {
	for _, u := range []struct {
		suffix string
		length time.Duration
	}{{"mo", month}, {"d", day}, {"y", year}} {
		if number, ok := strings.CutSuffix(s, u.suffix); ok {
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil || n > uint64(longest/u.length) {
				return 0, errAge
			}
			return time.Duration(n) * u.length, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > longest {
		return 0, errAge
	}
	return d, nil
}

// FormatLifetime is the shortest text that ParseLifetime reads as d.
func FormatLifetime(d time.Duration) string {
	switch {
	case d <= 0:
		return "never"
	case d%year == 0:
		return strconv.Itoa(int(d/year)) + "y"
	case d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}
