package web

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// quickBody is a body that was read ahead of the edge.
type quickBody struct {
	from     io.ReadCloser
	n        int   // bytes read
	err      error // what ended the reading
	whole    bool  // n bytes were announced, and no more came
	panicked bool
	// One byte more than a body may have: what is too long must show.
	buffer [maxQuickBody + 1]byte
}

var quickBodies = sync.Pool{New: func() any { return new(quickBody) }}

// readQuick reads a body to its end, or until it is longer than announced. It is
// given back by done or again.
func readQuick(r *http.Request) *quickBody {
	b, _ := quickBodies.Get().(*quickBody)
	want := int(r.ContentLength)
	b.from, b.n, b.err, b.panicked = r.Body, 0, nil, false
	for b.err == nil && b.n <= want {
		var n int
		n, b.err = b.from.Read(b.buffer[b.n : want+1])
		b.n += n
	}
	b.whole = b.err == io.EOF && b.n == want
	return b
}

// bytes is what was read, until b is given back.
func (b *quickBody) bytes() []byte { return b.buffer[:b.n:b.n] }

// done gives b back when the request has been answered. The body is closed: the
// server need not look for its end again.
func (b *quickBody) done() {
	_ = b.from.Close()
	b.from = nil
	quickBodies.Put(b)
}

// again gives b back, and returns the same body, to be read from its beginning:
// what was read, and then what came next, be it more or an error.
func (b *quickBody) again() io.ReadCloser {
	read := &readAgain{read: bytes.Clone(b.bytes()), err: b.err, from: b.from}
	b.from = nil
	quickBodies.Put(b)
	return read
}

// readAgain is a body whose beginning was read before.
type readAgain struct {
	read []byte // what is left of it
	err  error  // what followed it
	from io.ReadCloser
}

// Read reads what was read before, and then the rest.
func (a *readAgain) Read(p []byte) (int, error) {
	switch {
	case len(a.read) > 0:
		n := copy(p, a.read)
		a.read = a.read[n:]
		return n, nil
	case a.err != nil:
		return 0, a.err
	}
	return a.from.Read(p)
}

// Close closes the body.
func (a *readAgain) Close() error { return a.from.Close() }
