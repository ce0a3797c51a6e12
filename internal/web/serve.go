package web

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/internal/origin"
)

// Limits on a request before it is parsed (TK-23).
const (
	maxHeader     = 16 << 10 // bytes of request line and headers
	maxParameters = 64
	maxUserAgent  = 256 // bytes kept
)

// ServeHTTP takes a request through the edge:
//
//  1. a random id and the origin, into the context and the log line;
//  2. the headers of every answer;
//  3. host, method, header, query and body limits;
//  4. the route, whose handler's errors are written by its error writer;
//  5. what no handler took (404, 405), by the writer that suits the path;
//  6. one log line, unless the answer is [Quiet], and the metrics, whatever
//     happened, a panic included.
//
// What is answered from memory (see [Mux.APIQuick]) goes no such way.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started, body := m.cfg.Monotonic(), r.Body
	if q := m.quick[r.URL.Path]; q != nil {
		var answered bool
		if body, answered = m.quickly(q, w, r, started); answered {
			return
		}
	}
	x := m.open(w, r, started)
	defer m.finish(x)
	if len(r.TransferEncoding) > 0 {
		// Whatever follows a chunked body may be somebody else's request in the
		// eyes of a proxy (RFC 9112 section 6.1).
		w.Header().Set("Connection", "close")
	}
	if e := m.admit(r); e != nil {
		m.refuse(x, e)
		return
	}
	x.request.Body = http.MaxBytesReader(w, body, m.maxBody(r.URL.Path))
	m.routes.ServeHTTP(x, x.request)
	if !x.routed {
		if x.muxStatus == http.StatusMethodNotAllowed {
			m.unroutedHeaders(x.Header(), x.request)
		}
		m.refuse(x, unrouted(x.muxStatus))
	}
}

// open begins an exchange: steps 1 and 2.
func (m *Mux) open(w http.ResponseWriter, r *http.Request, started time.Duration) *exchange {
	x := &exchange{ResponseWriter: w, started: started, id: newRequestID(), ip: clientIP(r, m.cfg.TrustedProxies)}
	ctx := origin.With(r.Context(), origin.Origin{RequestID: x.id, IP: x.ip, UserAgent: userAgent(r)})
	x.request = r.WithContext(&exchangeContext{ctx, x})
	share(w.Header(), m.common)
	return x
}

// finish is deferred: it turns a panic into a 500 and writes the log line.
func (m *Mux) finish(x *exchange) { m.conclude(x, recover()) }

// conclude ends an exchange; cause is what a panic was called with, or nil.
func (m *Mux) conclude(x *exchange, cause any) {
	err, _ := cause.(error)
	aborted := errors.Is(err, http.ErrAbortHandler)
	if cause != nil && !aborted {
		x.panicStack = debug.Stack()
		m.refuse(x, internal(asCause(cause)))
	}
	if cause != nil {
		x.quiet.Store(false)
	}
	m.record(x)
	if aborted { // asks the server to cut the connection without a word
		panic(cause)
	}
}

// admit applies the limits that need no route.
func (m *Mux) admit(r *http.Request) *Error {
	switch {
	case len(m.hosts) > 0 && !m.hosts[canonicalHost(r.Host)]:
		return Refuse(http.StatusMisdirectedRequest, "invalid_request", "This server does not answer for that host.", nil)
	case !utf8.ValidString(r.URL.Path) || strings.ContainsFunc(r.URL.Path, unicode.IsControl):
		return Refuse(http.StatusBadRequest, "invalid_request", "The request is malformed.", nil)
	case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
		return notAllowed().With("Allow", "GET, POST")
	case headerSize(r) > maxHeader:
		return Refuse(http.StatusRequestHeaderFieldsTooLarge, "invalid_request", "The request header is too large.", nil)
	case strings.Count(r.URL.RawQuery, "&") >= maxParameters:
		return Refuse(http.StatusBadRequest, "invalid_request", "The request has too many parameters.", nil)
	case r.ContentLength > m.maxBody(r.URL.Path):
		return tooLarge(nil)
	}
	return nil
}

// refuse writes an error that no handler returned.
func (m *Mux) refuse(x *exchange, e *Error) {
	x.routed = true
	h := x.Header()
	h.Del("Location")
	h.Del("Content-Type")
	if x.onError == nil {
		x.onError = m.programWriter(x.request.URL.Path)
		if m.peopleRead(x.request.URL.Path) {
			pageHeaders(h)
			x.onError = m.cfg.ErrorPage
		}
	}
	m.fail(x, x.request, e, x.onError)
}

// unrouted is the error for ServeMux's own answers. A redirect to a cleaner
// path is among them and becomes 404: every path has one spelling (MD-02).
func unrouted(status int) *Error {
	switch status {
	case http.StatusMethodNotAllowed:
		return notAllowed()
	case http.StatusBadRequest:
		return Refuse(status, "invalid_request", "The request is malformed.", nil)
	}
	return Refuse(http.StatusNotFound, "not_found", "There is nothing here.", nil)
}

// idAlphabet writes request ids: what people can read to each other.
var idAlphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newRequestID returns 16 characters of 80 random bits.
func newRequestID() string {
	var bits [10]byte
	var id [16]byte
	_, _ = rand.Read(bits[:]) // it never fails
	idAlphabet.Encode(id[:], bits[:])
	return string(id[:])
}

// headerSize is about the number of bytes of request line and headers.
func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v) + 4
		}
	}
	return n
}
