package web

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// asyncDelay is how long a line waits at most.
const asyncDelay = 100 * time.Millisecond

// AsyncWriter is a log's writer that makes nobody wait for the disk: what is
// written goes into a buffer, which one goroutine writes out 100 ms later at
// most, and sooner when it is half full. A buffer that is full makes writers
// wait: nothing is dropped, and a process that is killed loses what was not
// written out. Call Close at the end.
//
// What the underlying writer refuses to take is gone: a full disk must not stop
// the server. [AsyncWriter.Lost] counts it.
type AsyncWriter struct {
	w    io.Writer
	size int
	lost atomic.Int64

	mu     sync.Mutex // guards what follows
	room   *sync.Cond // the buffer was emptied
	buffer []byte     // lines that wait
	closed bool

	out   sync.Mutex // held while lines are written, so that they keep their order; taken before mu
	spare []byte     // the other buffer; guarded by out

	kicks chan struct{} // holds a token when lines are to be written now
	done  chan struct{} // closed by Close
	ended chan struct{} // closed when the goroutine is gone
}

// NewAsyncWriter returns a writer to w with a buffer of size bytes, and a second
// one of that size while the first is written out. A single write of more than
// size waits for an empty buffer, and is taken whole.
func NewAsyncWriter(w io.Writer, size int) *AsyncWriter {
	ticker := time.NewTicker(asyncDelay)
	return newAsyncWriter(w, size, ticker.C, ticker.Stop)
}

// newAsyncWriter is NewAsyncWriter with a clock of the caller's; stop is called
// when it is no longer needed.
func newAsyncWriter(w io.Writer, size int, tick <-chan time.Time, stop func()) *AsyncWriter {
	a := &AsyncWriter{
		w: w, size: size, buffer: make([]byte, 0, size), spare: make([]byte, 0, size),
		kicks: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
	}
	a.room = sync.NewCond(&a.mu)
	go a.run(tick, stop)
	return a
}

// run writes lines out until Close.
func (a *AsyncWriter) run(tick <-chan time.Time, stop func()) {
	defer close(a.ended)
	defer stop()
	for {
		select {
		case <-a.done:
			return
		case <-tick:
		case <-a.kicks:
		}
		_ = a.Flush() // Lost has the bytes
	}
}

// Write takes p, and waits only while the buffer is full. After Close it writes
// at once. It fails only then.
func (a *AsyncWriter) Write(p []byte) (int, error) {
	a.mu.Lock()
	for !a.closed && len(a.buffer) > 0 && len(a.buffer)+len(p) > a.size {
		a.kick()
		a.room.Wait()
	}
	a.buffer = append(a.buffer, p...)
	closed, half := a.closed, len(a.buffer) >= a.size/2
	a.mu.Unlock()
	switch {
	case closed:
		return len(p), a.Flush()
	case half:
		a.kick()
	}
	return len(p), nil
}

// kick has the lines written now, by the goroutine.
func (a *AsyncWriter) kick() {
	select {
	case a.kicks <- struct{}{}:
	default: // somebody did
	}
}

// Flush returns when everything that was written before has reached the
// underlying writer. Its error is that writer's.
func (a *AsyncWriter) Flush() error {
	a.out.Lock()
	defer a.out.Unlock()
	a.mu.Lock()
	lines := a.buffer
	a.buffer = a.spare[:0]
	a.mu.Unlock()
	a.room.Broadcast()
	a.spare = lines[:0]
	if cap(lines) > 2*a.size { // of one very long line
		a.spare = nil
	}
	if len(lines) == 0 {
		return nil
	}
	n, err := a.w.Write(lines)
	if err != nil {
		a.lost.Add(int64(len(lines) - min(max(n, 0), len(lines))))
	}
	return err
}

// Lost is how many bytes the underlying writer did not take.
func (a *AsyncWriter) Lost() int64 { return a.lost.Load() }

// Close writes everything out and ends the goroutine. Its error is that of the
// last write. The underlying writer stays open, and what is written later goes
// straight there.
func (a *AsyncWriter) Close() error {
	a.mu.Lock()
	again := a.closed
	a.closed = true
	a.mu.Unlock()
	a.room.Broadcast()
	if !again {
		close(a.done)
	}
	<-a.ended
	return a.Flush()
}

// promptHandler has errors written out at once: they may be a process's last
// words.
type promptHandler struct {
	slog.Handler
	w *AsyncWriter
}

// Handle writes a record.
func (h promptHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelError {
		h.w.kick()
	}
	return err
}

// WithAttrs keeps the errors prompt.
func (h promptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return promptHandler{h.Handler.WithAttrs(attrs), h.w}
}

// WithGroup keeps the errors prompt.
func (h promptHandler) WithGroup(name string) slog.Handler {
	return promptHandler{h.Handler.WithGroup(name), h.w}
}
