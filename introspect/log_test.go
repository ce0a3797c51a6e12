package introspect_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// lines returns what a question leaves in the log, a line each.
func (w *world) lines(put func() *httptest.ResponseRecorder) (int, []string) {
	w.t.Helper()
	w.log.Reset()
	rec := put()
	text := strings.TrimSuffix(w.log.String(), "\n")
	if text == "" {
		return rec.Code, nil
	}
	return rec.Code, strings.Split(text, "\n")
}

// What is answered from memory, thousands of times a second, has no line; all that
// an operator may want to know of has one.
func TestWhichAnswersHaveALogLine(t *testing.T) {
	w, s := warmWorld(t)
	cold := func() string { return w.issueBound() }
	for name, c := range map[string]struct {
		put    func() *httptest.ResponseRecorder
		status int
		line   bool
	}{
		"quick": {func() *httptest.ResponseRecorder { return w.ask(tok(s)) }, 200, false},
		"usual way": {func() *httptest.ResponseRecorder {
			return w.slowly(formRequest(plainBasic("demo-api:"+secret), "token="+s))
		}, 200, false},
		"unusual encoding": {func() *httptest.ResponseRecorder {
			return w.slowly(formRequest(plainBasic("demo-api:"+secret), "%74oken="+s))
		}, 200, false},
		"from the store":   {func() *httptest.ResponseRecorder { return w.ask(tok(cold())) }, 200, true},
		"another tenant":   {func() *httptest.ResponseRecorder { return w.ask(url.Values{"token": {s}, "tenant": {"globex"}}) }, 200, true},
		"tenant forgotten": {func() *httptest.ResponseRecorder { return w.ask(url.Values{"token": {s}, "tenant": {""}}) }, 200, true},
		"garbage":          {func() *httptest.ResponseRecorder { return w.ask(tok("x")) }, 200, true},
		"no token":         {func() *httptest.ResponseRecorder { return w.ask(url.Values{}) }, 400, true},
		"wrong secret":     {func() *httptest.ResponseRecorder { return w.ask(tok(s), as("demo-api", "x")) }, 401, true},
		"forward":          {func() *httptest.ResponseRecorder { return w.forward(acmeReads, s) }, 200, false},
		"forward below": {func() *httptest.ResponseRecorder {
			return w.forward("/forward-auth/x", s, "X-Watchgate-Require-Tenant", "acme")
		}, 200, false},
		"forward, from the store":   {func() *httptest.ResponseRecorder { return w.forward(acmeReads, cold()) }, 200, true},
		"forward, another tenant":   {func() *httptest.ResponseRecorder { return w.forward("/forward-auth?tenant=globex", s) }, 401, true},
		"forward, tenant forgotten": {func() *httptest.ResponseRecorder { return w.forward("/forward-auth?tenant=", s) }, 401, true},
		"forward, scope missing":    {func() *httptest.ResponseRecorder { return w.forward("/forward-auth?scope=openid", s) }, 403, true},
		"forward, two credentials":  {func() *httptest.ResponseRecorder { return w.forward(acmeReads, s, "Authorization", "Bearer "+s) }, 400, true},
		"forward, nothing needed":   {func() *httptest.ResponseRecorder { return w.forward("/forward-auth", s) }, 500, true},
		"forward, unknown": {func() *httptest.ResponseRecorder {
			return w.forward(acmeReads, token.New(token.Access, start.Add(time.Hour)))
		}, 401, true},
	} {
		status, lines := w.lines(c.put)
		if status != c.status || len(lines) > 1 || (len(lines) == 1) != c.line {
			t.Errorf("%s: %d, lines %v", name, status, lines)
		}
	}
}

func TestForwardAuthFromMemoryIsCountedAndCanBeLogged(t *testing.T) {
	w, s := warmWorld(t)
	reg := prometheus.NewRegistry()
	w.mux = web.NewMux(web.Config{Log: w.logger(), Registerer: reg, LogQuick: true})
	w.server.Mount(w.mux)
	status, lines := w.lines(func() *httptest.ResponseRecorder { return w.forward(acmeReads, s) })
	if status != 200 || len(lines) != 1 || !strings.Contains(lines[0], `"resource_server":"demo-api","tenant_id":"`+string(w.acme.ID)+`"`) {
		t.Errorf("%d %v", status, lines)
	}
	w.mux = web.NewMux(web.Config{Log: w.logger(), Registerer: prometheus.WrapRegistererWithPrefix("quiet_", reg)})
	w.server.Mount(w.mux)
	w.forward(acmeReads, s)
	for _, name := range []string{"watchgate_http_requests_total", "quiet_watchgate_http_requests_total"} {
		if n := value(t, reg, name); n != 1 {
			t.Errorf("%s: %v", name, n)
		}
	}
}

// An API that was registered without a scope, or a scope with a slip of the pen,
// lets nobody in: its operator can see why.
func TestScopeThatNobodyCanHaveIsInTheLog(t *testing.T) {
	w, s := warmWorld(t)
	w.resourceServer("read-api", func(rs *storage.ResourceServer) { rs.Scopes = rs.Scopes[:1] })
	read := w.issue(func(a *storage.AccessToken) { a.ID, a.Scopes = "tok_2", []string{"monitor:read"} })
	for name, c := range map[string]struct {
		target, credential, as string
		status                 int
		noted                  bool
	}{
		"the token lacks it":           {"/forward-auth?scope=alert:write", read, "demo-api", http.StatusForbidden, false},
		"nobody offers it":             {"/forward-auth?scope=montior:read", s, "demo-api", http.StatusForbidden, true},
		"one of two":                   {"/forward-auth?scope=monitor:read+montior:read", s, "demo-api", http.StatusForbidden, true},
		"another API offers it":        {"/forward-auth?scope=alert:write", s, "read-api", http.StatusForbidden, true},
		"everything is there":          {"/forward-auth?scope=alert:write", s, "demo-api", http.StatusOK, false},
		"not asked with a token":       {"/forward-auth?scope=montior:read", "", "demo-api", http.StatusUnauthorized, false},
		"not asked with a good token":  {"/forward-auth?scope=montior:read", "x", "demo-api", http.StatusUnauthorized, false},
		"an offered one, and it lacks": {"/forward-auth?scope=monitor:read+alert:write", read, "demo-api", http.StatusForbidden, false},
	} {
		for _, way := range []string{"first", "again"} { // from the store, from memory
			status, lines := w.lines(func() *httptest.ResponseRecorder {
				return w.forwardAs("GET", c.target, c.credential, "X-Watchgate-Authorization", basic(c.as, secret))
			})
			text := strings.Join(lines, "\n")
			if status != c.status || strings.Contains(text, `"unregistered_scope":true`) != c.noted || strings.Contains(text, "montior") {
				t.Errorf("%s, %s: %d %s", name, way, status, text)
			}
		}
	}
}

// Signed answers (RFC 9701) are as frequent as their senders like.
func TestSignedAnswerFromMemoryIsQuiet(t *testing.T) {
	w := newWorld(t)
	keys := w.signing()
	w.remember(introspect.Config{Store: w.store, Signer: keys})
	s := w.issueBound()
	w.ask(tok(s))
	status, lines := w.lines(func() *httptest.ResponseRecorder { return w.ask(tok(s), accept(signedMedia)) })
	if status != 200 || len(lines) != 0 {
		t.Errorf("%d %v", status, lines)
	}
}
