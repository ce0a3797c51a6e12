package boottime_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/boottime"
)

func TestNowNeverGoesBack(t *testing.T) {
	before := boottime.Now()
	for range 10_000 {
		now := boottime.Now()
		if now < before {
			t.Fatalf("%v after %v", now, before)
		}
		before = now
	}
}

// The kernel says in /proc/uptime how long it has been up, sleep included.
func TestNowIsTheMachinesUptime(t *testing.T) {
	if runtime.GOOS != "linux" {
		return
	}
	from := boottime.Now()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	// The file has hundredths.
	up, grain := time.Duration(seconds*float64(time.Second)), 10*time.Millisecond
	if up < from-grain || up > boottime.Now()+grain {
		t.Errorf("the kernel says %v, the clock %v", up, from)
	}
}
