//go:build !linux

package boottime

import "time"

var began = time.Now()

// Now returns the time since the program started, by Go's monotonic clock, which
// stands still on some systems while the machine sleeps. Who makes promises by it
// compares it with the wall clock, too.
func Now() time.Duration { return time.Since(began) }
