package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultMaxBody is the largest request body, in bytes, unless Config says
// otherwise (TK-23).
const DefaultMaxBody = 64 << 10

// Config is what an edge needs.
type Config struct {
	Log *slog.Logger     // nil: nothing is logged
	Now func() time.Time // of log lines; nil: time.Now
	// Monotonic is the time since a moment that stays the same, by a clock that
	// nobody sets: what requests take is measured with it. nil: Now since NewMux.
	Monotonic func() time.Duration
	// Hosts are the accepted Host values; others get 421 (SE-19). Empty: any.
	Hosts []string
	// TrustedProxies is the number of reverse proxies in front, each of which
	// appends to X-Forwarded-For. 0: the header is not read (SE-18).
	TrustedProxies int
	// HTTPS says that browsers reach this server by https, here or at a proxy.
	HTTPS bool
	// ErrorPage writes errors for people. nil: JSON.
	ErrorPage ErrorWriter
	MaxBody   int64 // bytes; 0: DefaultMaxBody
	// Registerer gets the request metrics; nil: none are kept.
	Registerer prometheus.Registerer
	// LogQuick writes a log line for what was answered from memory, too, and for
	// all that is [Quiet].
	LogQuick bool
}

// Mux is the routes and the edge in front of them. Register everything before
// the first request.
type Mux struct {
	cfg     Config
	routes  *http.ServeMux
	hosts   map[string]bool
	pages   map[string][]string // path of a Page route: its methods
	browser map[string][]string // path of a Browser route: its methods
	quick   map[string]*quickRoute
	errors  map[string]ErrorWriter // path prefix of a group of routes: who writes its errors
	metrics *metrics
	bodies  map[string]int64 // path: bytes

	common []headerLine // of every answer
}

// NewMux returns an edge without routes.
func NewMux(cfg Config) *Mux {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Monotonic == nil {
		now, began := cfg.Now, cfg.Now()
		cfg.Monotonic = func() time.Duration { return now().Sub(began) }
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.ErrorPage == nil {
		cfg.ErrorPage = WriteOAuthError
	}
	common := http.Header{}
	commonHeaders(common, cfg.HTTPS)
	return &Mux{
		cfg: cfg, routes: http.NewServeMux(), hosts: hostSet(cfg.Hosts),
		pages: map[string][]string{}, browser: map[string][]string{}, quick: map[string]*quickRoute{}, bodies: map[string]int64{},
		errors: map[string]ErrorWriter{}, metrics: newMetrics(cfg.Registerer), common: headerLines(common),
	}
}

// ErrorsUnder makes write the writer of all errors below a path prefix ("/v1/"),
// which no page answers: those of [Mux.API] routes, and those of requests that no
// route takes. Call it before the routes are registered.
func (m *Mux) ErrorsUnder(prefix string, write ErrorWriter) { m.errors[prefix] = write }

// programWriter writes the errors of a path where programs call.
func (m *Mux) programWriter(path string) ErrorWriter {
	for prefix, write := range m.errors {
		if strings.HasPrefix(path+"/", prefix) {
			return write
		}
	}
	return WriteOAuthError
}

// API registers a handler whose errors are JSON ([WriteOAuthError], or what
// [Mux.ErrorsUnder] says). The answer is not stored unless the handler says
// otherwise.
func (m *Mux) API(pattern string, h Handler) {
	_, path := split(pattern)
	m.register(pattern, m.programWriter(path), h, func(h http.Header) { h["Cache-Control"] = noStore })
}

// Browser is API for endpoints that scripts of any origin may call without
// cookies (TK-21, MD-08): it answers preflights, too.
func (m *Mux) Browser(pattern string, h Handler) {
	m.preflight(pattern)
	m.register(pattern, WriteOAuthError, h, func(h http.Header) {
		h["Cache-Control"] = noStore
		allowAnyOrigin(h)
	})
}

// Page registers a handler for people: HTML headers (SE-12 to SE-14), nothing
// stored, and errors written by Config.ErrorPage. It never sees a HEAD, which
// ServeMux would take for a GET: pages begin sign-ins and issue codes, and a
// link checker's question is to change nothing (RFC 9110 section 9.2.1).
func (m *Mux) Page(pattern string, h Handler) {
	method, path := split(pattern)
	m.pages[path] = append(m.pages[path], method)
	m.register(pattern, m.cfg.ErrorPage, func(w http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodHead {
			return notAllowed().With("Allow", strings.Join(m.pages[path], ", "))
		}
		return h(w, r)
	}, pageHeaders)
}

// AllowBody lets requests to a path have a body of so many bytes, in place of
// Config.MaxBody.
func (m *Mux) AllowBody(path string, most int64) { m.bodies[path] = most }

func (m *Mux) maxBody(path string) int64 {
	if most, ok := m.bodies[path]; ok {
		return most
	}
	return m.cfg.MaxBody
}

// Handle registers a plain handler, for static files.
func (m *Mux) Handle(pattern string, h http.Handler) {
	m.routes.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if x, ok := w.(*exchange); ok {
			x.routed = true
		}
		h.ServeHTTP(w, r)
	})
}

func (m *Mux) register(pattern string, onError ErrorWriter, h Handler, headers func(http.Header)) {
	m.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers(w.Header())
		if x, ok := w.(*exchange); ok {
			x.onError = onError
		}
		if err := h(w, r); err != nil {
			m.fail(w, r, AsError(err), onError)
		}
	}))
}

// fail writes a refusal, unless an answer is already on its way; the log has it
// in both cases.
func (m *Mux) fail(w http.ResponseWriter, r *http.Request, e *Error, write ErrorWriter) {
	x, ok := w.(*exchange)
	if errors.Is(r.Context().Err(), context.Canceled) {
		e = clientGone(e)
	}
	if ok {
		x.failure = e
	}
	if ok && x.status != 0 {
		return
	}
	w.Header().Del("Content-Length")
	setHeaders(w.Header(), e.Header)
	write(w, r, e)
}

// programs are where programs call; elsewhere people read the errors.
var programs = []string{"/oauth2/", "/.well-known/", "/v1/", "/scim/", "/forward-auth"}

// peopleRead says who reads an error on a path that no handler took.
func (m *Mux) peopleRead(path string) bool {
	return m.pages[path] != nil || !slices.ContainsFunc(programs, func(prefix string) bool {
		return strings.HasPrefix(path+"/", prefix)
	})
}

// unroutedHeaders corrects what ServeMux says of a path that has routes, but none
// for this method: a page takes no HEAD, and of a Browser route scripts may read
// the refusal, too.
func (m *Mux) unroutedHeaders(h http.Header, r *http.Request) {
	if _, page := m.pages[m.routeFor(http.MethodGet, r)]; page {
		allow := strings.Split(h.Get("Allow"), ", ")
		h.Set("Allow", strings.Join(slices.DeleteFunc(allow, func(method string) bool { return method == http.MethodHead }), ", "))
	}
	if _, open := m.browser[m.routeFor(http.MethodOptions, r)]; open {
		allowAnyOrigin(h)
	}
}

// routeFor is the path of the pattern that another method would have reached.
func (m *Mux) routeFor(method string, r *http.Request) string {
	other := *r
	other.Method = method
	_, pattern := m.routes.Handler(&other)
	_, path := split(pattern)
	return path
}

// preflight registers the OPTIONS answer of a Browser route, once per path.
func (m *Mux) preflight(pattern string) {
	method, path := split(pattern)
	methods, known := m.browser[path]
	if !slices.Contains(methods, method) {
		m.browser[path] = append(methods, method)
	}
	if known {
		return
	}
	m.Handle("OPTIONS "+path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writePreflight(w, m.browser[path])
	}))
}

// split takes a ServeMux pattern apart.
func split(pattern string) (method, path string) {
	if method, path, ok := strings.Cut(pattern, " "); ok {
		return method, strings.TrimSpace(path)
	}
	return "", pattern
}
