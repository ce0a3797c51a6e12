package e2e

import (
	_ "embed"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/process"
)

// clock is what a node's two clocks say more than the machine's, in a build with
// clockEdits.
type clock struct {
	file  string
	mu    sync.Mutex
	drift [2]time.Duration
}

// The clocks of a node, by where their drift is.
const (
	wallClock = iota
	bootClock
)

// clockVariable names the file of a node's clock.
const clockVariable = "WATCHGATE_TEST_CLOCK"

func newClock(t *testing.T) *clock {
	t.Helper()
	c := &clock{file: filepath.Join(t.TempDir(), "clock")}
	noError(t, os.WriteFile(c.file, make([]byte, 16), 0o600))
	return c
}

// step moves one of the clocks, for good. The program has the file in its memory,
// so that it sees the step at once.
func (c *clock) step(which int, by time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set(which, c.drift[which]+by)
}

// right sets the wall clock right, as a machine does when it starts.
func (c *clock) right() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set(wallClock, 0)
}

func (c *clock) set(which int, to time.Duration) error {
	c.drift[which] = to
	f, err := os.OpenFile(c.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(c.drift[which])), int64(8*which))
	return err
}

//go:embed testdata/drift.go.txt
var driftSource string

// clockEdits make a build whose clocks can be set from outside while it runs.
var clockEdits = []process.Edit{
	{File: "cmd/watchgate/drift.go", New: strings.Replace(driftSource, "PACKAGE", "main", 1)},
	{File: "internal/boottime/drift.go", New: strings.Replace(driftSource, "PACKAGE", "boottime", 1)},
	{File: "cmd/watchgate/deployment.go", Old: "return time.Now().UTC()", New: "return time.Now().Add(wallDrift()).UTC()"},
	{File: "cmd/watchgate/server.go", Old: "Now: time.Now, Log: d.log,", New: "Now: drifted(time.Now), Log: d.log,"},
	{File: "internal/boottime/linux.go", Old: "return time.Duration(ts.Nano())", New: "return time.Duration(ts.Nano()) + bootDrift()"},
}
