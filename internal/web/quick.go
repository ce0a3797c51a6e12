package web

import (
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

// maxQuickBody is the largest body, in bytes, that a [Quick] is asked about.
const maxQuickBody = 4096

// Quick answers a request from memory, or says false. It waits for nothing and
// writes nothing, and keeps neither the request nor the body, which is the
// edge's again when it returns. The request has not been through the edge: its
// context names no origin, and [Annotate] does nothing with it.
type Quick func(r *http.Request, body []byte) (QuickAnswer, bool)

// QuickAnswer is a 200 in JSON.
type QuickAnswer struct {
	Body           []byte // nobody changes it afterwards
	Caller, Tenant string // for the log line: resource_server and tenant_id; "" leaves the field out
}

// APIQuick is [Mux.API] for a POST endpoint with a form body, most of whose
// answers are in memory: quick is asked first, before the edge has done any
// work. When it says false, the request takes the usual way to h, with its whole
// body. An answer has the same status, headers and metrics either way; a log
// line has it only if Config.LogQuick is set.
//
// quick is not asked about requests that are unusual in any way, so that no
// limit of the edge is passed by: it sees this very path and no query, a Host of
// Config.Hosts in its usual spelling, one Content-Type that is
// application/x-www-form-urlencoded and nothing more, 1 to 4096 bytes of body
// that have all arrived, headers within the limit, and no encoding, expectation
// or wish for anything but JSON. A panic in it is a 500, as in h.
//
// pattern is "POST /path", without wildcards; another is a programming error and
// panics.
func (m *Mux) APIQuick(pattern string, quick Quick, h Handler) {
	method, target := split(pattern)
	if method != http.MethodPost || !path.IsAbs(target) || path.Clean(target) != target || strings.Contains(target, "{") {
		panic("web.APIQuick: " + pattern + " is not POST and a plain path")
	}
	m.API(pattern, h)
	m.quick[target] = &quickRoute{pattern: pattern, path: target, ask: quick, count: m.metrics.route(target)}
}

// quickRoute is a route whose answers are looked for in memory first.
type quickRoute struct {
	pattern, path string
	ask           Quick
	count         *routeMetrics
}

// quickly answers a request from memory. False: it takes the usual way, with the
// body that is returned.
func (m *Mux) quickly(q *quickRoute, w http.ResponseWriter, r *http.Request, started time.Duration) (io.ReadCloser, bool) {
	if !m.ordinary(r) {
		return r.Body, false
	}
	b := readQuick(r)
	if !b.whole {
		return b.again(), false
	}
	answer, ok := m.ask(q, w, r, b, started)
	switch {
	case b.panicked:
		return nil, true
	case !ok:
		return b.again(), false
	}
	b.done()
	m.answerQuick(w, answer)
	m.recordQuick(q, r, answer, started)
	return nil, true
}

// ask puts the question. A panic is answered and recorded as a handler's is.
func (m *Mux) ask(q *quickRoute, w http.ResponseWriter, r *http.Request, b *quickBody, started time.Duration) (QuickAnswer, bool) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		b.panicked = true
		x := m.open(w, r, started)
		x.request.Pattern = q.pattern
		x.onError = WriteOAuthError
		m.conclude(x, cause)
	}()
	return q.ask(r, b.bytes())
}

// ordinary reports whether a request is one of those that APIQuick speaks of.
// What it lets through, admit does, too.
func (m *Mux) ordinary(r *http.Request) bool {
	u := r.URL
	switch {
	case r.Method != http.MethodPost,
		u.RawPath != "" || u.RawQuery != "" || u.ForceQuery,
		r.ContentLength < 1 || r.ContentLength > min(maxQuickBody, m.cfg.MaxBody),
		len(r.TransferEncoding) > 0,
		len(m.hosts) > 0 && !m.hosts[r.Host]:
		return false
	}
	return ordinaryHeader(r)
}

// ordinaryHeader goes through the header once.
func ordinaryHeader(r *http.Request) bool {
	form, size := false, len(r.Method)+len(r.RequestURI)+len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			size += len(name) + len(v) + 4
		}
		switch name {
		case "Content-Type":
			form = len(values) == 1 && values[0] == "application/x-www-form-urlencoded"
		case "Accept":
			if len(values) != 1 || values[0] != "*/*" && values[0] != "application/json" {
				return false
			}
		case "Content-Encoding", "Expect":
			return false
		}
	}
	return form && size <= maxHeader
}

// answerQuick writes what the usual way writes.
func (m *Mux) answerQuick(w http.ResponseWriter, a QuickAnswer) {
	h := w.Header()
	share(h, m.common)
	h["Cache-Control"], h["Content-Type"] = noStore, jsonType
	h["Content-Length"] = lengthValue(len(a.Body))
	// Whoever went away before the answer was written needs no other.
	_, _ = w.Write(a.Body)
}
