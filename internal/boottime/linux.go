package boottime

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Now returns the time since the machine started: CLOCK_BOOTTIME of
// clock_gettime(2). It panics where the kernel has no such clock (before 2.6.39):
// a promise must not be kept by a clock that is not there. The call never blocks,
// so that the scheduler need not be told of it.
func Now() time.Duration {
	var ts unix.Timespec
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		panic("boottime: " + errno.Error())
	}
	return time.Duration(ts.Nano())
}
