package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxCause is how much of an error's text the log keeps, in bytes.
const maxCause = 1 << 10

// NewLog returns a logger that writes one JSON object per line, with the time in
// UTC, ISO 8601, milliseconds. An [AsyncWriter] is told to write errors out now.
func NewLog(w io.Writer, level slog.Leveler) *slog.Logger {
	var h slog.Handler = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: utcTime})
	if async, ok := w.(*AsyncWriter); ok {
		h = promptHandler{h, async}
	}
	return slog.New(h)
}

func utcTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return a
}

// maxFields is about how many fields a log line has.
const maxFields = 16

// record counts the request and writes its one log line, unless it is to have
// none. The line has the route's pattern, never the URL: queries carry codes and
// states.
func (m *Mux) record(x *exchange) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	l := logged{
		ctx: x.request.Context(), id: x.id, ip: x.ip, method: knownMethod(x.request.Method), route: routeOf(x.request),
		status: x.status, bytes: x.bytes, took: m.cfg.Monotonic() - x.started,
	}
	m.metrics.observe(l.route, l.method, l.status, l.took)
	if (m.cfg.LogQuick || !x.isQuiet()) && m.cfg.Log.Enabled(l.ctx, l.level()) {
		m.log(l, x.details(make([]slog.Attr, 0, maxFields)))
	}
}

// isQuiet reports whether the answer is what [Quiet] was told of, and no refusal.
func (x *exchange) isQuiet() bool {
	return x.quiet.Load() && x.failure == nil && x.status < http.StatusBadRequest
}

// recordQuick is record for what was answered from memory.
func (m *Mux) recordQuick(q *quickRoute, r *http.Request, a QuickAnswer, started time.Duration) {
	took := m.cfg.Monotonic() - started
	q.count.observe(http.MethodPost, http.StatusOK, took)
	if !m.cfg.LogQuick || !m.cfg.Log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	more := make([]slog.Attr, 0, 2)
	if a.Caller != "" {
		more = append(more, slog.String("resource_server", a.Caller))
	}
	if a.Tenant != "" {
		more = append(more, slog.String("tenant_id", a.Tenant))
	}
	m.log(logged{
		ctx: r.Context(), id: newRequestID(), ip: clientIP(r, m.cfg.TrustedProxies), method: http.MethodPost, route: q.path,
		status: http.StatusOK, bytes: int64(len(a.Body)), took: took,
	}, more)
}

// logged is what every request's line says.
type logged struct {
	ctx           context.Context
	id, ip        string
	method, route string
	status        int
	bytes         int64
	took          time.Duration
}

func (l logged) level() slog.Level {
	if l.status >= 500 {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// log writes a line. It goes past Logger, which would look up who calls.
func (m *Mux) log(l logged, more []slog.Attr) {
	line := slog.NewRecord(m.cfg.Now(), l.level(), "request", 0)
	attrs := append(make([]slog.Attr, 0, maxFields),
		slog.String("request_id", l.id), slog.String("method", l.method), slog.String("route", l.route),
		slog.Int("status", l.status), slog.Int64("bytes", l.bytes),
		slog.Float64("duration_ms", float64(l.took.Microseconds())/1000), slog.String("ip", l.ip))
	line.AddAttrs(append(attrs, more...)...)
	_ = m.cfg.Log.Handler().Handle(l.ctx, line) // as Logger does: nobody could be told
}

// details adds the failure, the panic and the handlers' annotations.
func (x *exchange) details(attrs []slog.Attr) []slog.Attr {
	if x.failure != nil {
		attrs = append(attrs, slog.String("error", x.failure.Code))
		if x.failure.Err != nil {
			attrs = append(attrs, slog.String("cause", scrub(x.failure.Err.Error())))
		}
		// Some errors say more to the log than to whoever formats them.
		var more slog.LogValuer
		if errors.As(x.failure.Err, &more) {
			attrs = append(attrs, slog.String("detail", scrub(more.LogValue().String())))
		}
	}
	if x.panicStack != nil {
		attrs = append(attrs, slog.String("stack", string(x.panicStack)))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return append(attrs, x.notes...)
}

// routeOf is the pattern that matched, without its method.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	_, path := split(r.Pattern)
	return path
}

// knownMethods are the methods that the log and the metrics name.
var knownMethods = [...]string{
	http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// knownMethod keeps a stranger's word out of metric labels.
func knownMethod(m string) string {
	if slices.Contains(knownMethods[:], m) {
		return m
	}
	return "other"
}

// asCause makes an error of what a panic was called with. A panic's value may
// hold anything, so that only errors and strings are kept.
func asCause(v any) error {
	switch v := v.(type) {
	case error:
		return fmt.Errorf("panic: %w", v)
	case string:
		return fmt.Errorf("panic: %s", v)
	}
	return fmt.Errorf("panic with a %T", v)
}

// What an error's text must not carry into the log, although nobody should have
// put it there: user information and queries of URLs, which libraries like to
// repeat in full, and our own tokens.
var (
	userInfo = regexp.MustCompile(`(://)[^/\s"'?#]*@`)
	urlQuery = regexp.MustCompile(`(://[^\s"'?#]*)[?#][^\s"']*`)
	tokens   = regexp.MustCompile(`wg[a-z]{2}_[0-9A-Za-z]+`)
)

func scrub(s string) string {
	s = userInfo.ReplaceAllString(s, "${1}[removed]@")
	s = urlQuery.ReplaceAllString(s, "${1}[removed]")
	s = tokens.ReplaceAllString(s, "[removed]")
	if len(s) > maxCause {
		s = strings.ToValidUTF8(s[:maxCause], "")
	}
	return s
}
