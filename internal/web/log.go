package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
)

// maxCause is how much of an error's text the log keeps, in bytes.
const maxCause = 1 << 10

// NewLog returns a logger that writes one JSON object per line, with the time in
// UTC, ISO 8601, milliseconds.
func NewLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: utcTime}))
}

func utcTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return a
}

// record writes the request's one log line and counts it. The line has the
// route's pattern, never the URL: queries carry codes and states.
func (m *Mux) record(x *exchange) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	took := m.cfg.Now().Sub(x.started)
	route, method := routeOf(x.request), knownMethod(x.request.Method)
	m.metrics.observe(route, method, x.status, took)
	level := slog.LevelInfo
	if x.status >= 500 {
		level = slog.LevelError
	}
	if !m.cfg.Log.Enabled(x.request.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.id), slog.String("method", method), slog.String("route", route),
		slog.Int("status", x.status), slog.Int64("bytes", x.bytes),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("ip", x.ip),
	}
	m.cfg.Log.LogAttrs(x.request.Context(), level, "request", append(attrs, x.details()...)...)
}

// details are the failure, the panic and the handlers' annotations.
func (x *exchange) details() []slog.Attr {
	var attrs []slog.Attr
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

// knownMethod keeps a stranger's word out of metric labels.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
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
