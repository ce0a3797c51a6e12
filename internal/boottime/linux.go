package boottime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now returns the time since the machine started: CLOCK_BOOTTIME of
// clock_gettime(2). It panics where the kernel has no such clock (before 2.6.39):
// a promise must not be kept by a clock that is not there.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("boottime: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
