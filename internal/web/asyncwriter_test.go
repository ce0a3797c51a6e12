package web

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// disk is a writer that a test watches. It takes what arrives on a channel of
// its own when it is slow.
type disk struct {
	mu      sync.Mutex
	kept    bytes.Buffer
	broken  error
	wrote   chan struct{} // a token per write, if there is room
	blocked chan struct{} // a write waits until it can receive; nil: it does not
}

func newDisk() *disk { return &disk{wrote: make(chan struct{}, 1000)} }

func (d *disk) Write(p []byte) (int, error) {
	if d.blocked != nil {
		<-d.blocked
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.wrote <- struct{}{} }()
	if d.broken != nil {
		return 0, d.broken
	}
	return d.kept.Write(p)
}

func (d *disk) breaks(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept.String()
}

// newTicked is an AsyncWriter whose time is the test's.
func newTicked(t *testing.T, d *disk, size int) (*AsyncWriter, chan time.Time) {
	tick := make(chan time.Time)
	a := newAsyncWriter(d, size, tick, func() {})
	t.Cleanup(func() { _ = a.Close() })
	return a, tick
}

func write(t *testing.T, a *AsyncWriter, s string) {
	t.Helper()
	if n, err := a.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write: %d %v", n, err)
	}
}

func TestLogLinesWaitForTheTick(t *testing.T) {
	d := newDisk()
	a, tick := newTicked(t, d, 1000)
	write(t, a, "one\n")
	write(t, a, "two\n")
	if got := d.String(); got != "" {
		t.Errorf("before the tick: %q", got)
	}
	tick <- time.Time{}
	<-d.wrote
	if got := d.String(); got != "one\ntwo\n" || len(d.wrote) > 0 {
		t.Errorf("after the tick: %q, %d more writes", got, len(d.wrote))
	}
}

func TestHalfFullBufferIsWrittenWithoutATick(t *testing.T) {
	d := newDisk()
	a, _ := newTicked(t, d, 100)
	write(t, a, strings.Repeat("x", 50))
	<-d.wrote
}

func TestErrorsAreWrittenWithoutATick(t *testing.T) {
	for name, more := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":      func(l *slog.Logger) *slog.Logger { return l },
		"with attrs": func(l *slog.Logger) *slog.Logger { return l.With("a", 1) },
		"in a group": func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") },
	} {
		d := newDisk()
		a, _ := newTicked(t, d, 1<<20)
		log := more(NewLog(a, slog.LevelInfo))
		log.Info("fine")
		log.Error("not fine")
		<-d.wrote
		if got := d.String(); !strings.Contains(got, `"fine"`) || !strings.Contains(got, `"not fine"`) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestFullBufferMakesWritersWaitAndLosesNothing(t *testing.T) {
	d := newDisk()
	d.blocked = make(chan struct{})
	a, _ := newTicked(t, d, 10)
	const lines = 100
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range lines {
			fmt.Fprintf(a, "%06d\n", i)
		}
	}()
	d.blocked <- struct{}{} // two buffers of one line each: the third line waits
	select {
	case <-written:
		t.Error("100 lines went into 20 bytes")
	case d.blocked <- struct{}{}:
	}
	close(d.blocked)
	<-written
	if err := a.Flush(); err != nil {
		t.Error(err)
	}
	var want strings.Builder
	for i := range lines {
		fmt.Fprintf(&want, "%06d\n", i)
	}
	if got := d.String(); got != want.String() {
		t.Errorf("lines were lost or mixed: %q", got)
	}
}

func TestLineLongerThanTheBufferIsTakenWhole(t *testing.T) {
	d := newDisk()
	a, tick := newTicked(t, d, 10)
	write(t, a, "ab\n")
	long := strings.Repeat("x", 100) + "\n"
	done := make(chan struct{})
	go func() { defer close(done); _, _ = a.Write([]byte(long)) }()
	<-done // the writer that waits has asked for room
	tick <- time.Time{}
	if err := a.Flush(); err != nil {
		t.Error(err)
	}
	if got := d.String(); got != "ab\n"+long {
		t.Errorf("%q", got)
	}
}

func TestCloseWritesEverythingAndLaterLinesGoStraightThrough(t *testing.T) {
	d := newDisk()
	a, _ := newTicked(t, d, 1000)
	write(t, a, "before\n")
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if got := d.String(); got != "before\n" {
		t.Errorf("after Close: %q", got)
	}
	write(t, a, "later\n")
	if got := d.String(); got != "before\nlater\n" {
		t.Errorf("what came later: %q", got)
	}
	if err := a.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestCloseFreesWritersThatWait(t *testing.T) {
	d := newDisk()
	d.blocked = make(chan struct{})
	a, _ := newTicked(t, d, 4)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for range 5 {
			_, _ = a.Write([]byte("1234"))
		}
	}()
	d.blocked <- struct{}{}
	closed := make(chan error)
	go func() { closed <- a.Close() }()
	close(d.blocked)
	<-written
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := d.String(); got != strings.Repeat("1234", 5) {
		t.Errorf("%q", got)
	}
}

func TestFullDiskStopsNobody(t *testing.T) {
	d := newDisk()
	d.breaks(errors.New("no space left"))
	a, _ := newTicked(t, d, 10)
	for range 100 {
		write(t, a, "lost line\n")
	}
	if err := a.Flush(); err == nil && a.Lost() < 1000 {
		t.Errorf("no error, and %d bytes lost", a.Lost())
	}
	if a.Lost() != 1000 {
		t.Errorf("%d bytes lost, want 1000", a.Lost())
	}
	d.breaks(nil)
	write(t, a, "kept\n")
	if err := a.Close(); err != nil || d.String() != "kept\n" || a.Lost() != 1000 {
		t.Errorf("when there is space again: %v %q, %d lost", err, d, a.Lost())
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	d := newDisk()
	a := NewAsyncWriter(d, 256)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			line := []byte(strings.Repeat(string(rune('a'+i)), 10+i) + "\n")
			for range 50 {
				_, _ = a.Write(line)
			}
		})
	}
	writers.Wait()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSuffix(d.String(), "\n"), "\n")
	for _, line := range lines {
		if i := int(line[0] - 'a'); line != strings.Repeat(line[:1], 10+i) {
			t.Errorf("torn line %q", line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("%d lines, want 400", len(lines))
	}
}
