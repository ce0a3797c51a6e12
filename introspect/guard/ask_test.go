package guard_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/introspect/guard"
)

var acme = guard.Need{Tenant: "acme", Scope: "monitor:read"}

// TestQuestionIsRFC7662 looks at what is sent.
func TestQuestionIsRFC7662(t *testing.T) {
	type seen struct {
		Method, Path, Type, Accept, User, Password string
		Form                                       url.Values
	}
	var got []seen
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = append(got, seen{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("Accept"), user, password, r.PostForm})
		says(inactive)(w, r)
	})
	cfg := e.config()
	cfg.ClientID, cfg.Secret = "api:one", "p%ss wörd"
	if _, err := newGuard(t, cfg).Check(t.Context(), "a+b/c==", acme); !errors.Is(err, guard.ErrInvalidToken) {
		t.Fatal(err)
	}
	first := seen{
		"POST", "/oauth2/introspect", "application/x-www-form-urlencoded", "application/json", "api%3Aone", "p%25ss+w%C3%B6rd",
		url.Values{"token": {"a+b/c=="}, "tenant": {"acme"}},
	}
	second := first
	second.Form = url.Values{"token": {"a+b/c=="}}
	if diff := cmp.Diff([]seen{first, second}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNoAnswerIsNoYes has everything that an endpoint can do wrong. None of it lets a
// call through, and none of it is the caller's fault.
func TestNoAnswerIsNoYes(t *testing.T) {
	elsewhere := newEndpoint(t, says(active(nil)))
	for name, c := range map[string]struct {
		does  http.HandlerFunc
		asked int64
	}{
		"500":                      {fails(500), 3},
		"502":                      {fails(502), 3},
		"503":                      {fails(503, "Retry-After", "1"), 3},
		"reset":                    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 3},
		"cut":                      {cut, 3},
		"400":                      {fails(400), 1},
		"401":                      {fails(401), 1},
		"403":                      {fails(403), 1},
		"404":                      {fails(404), 1},
		"429":                      {fails(429), 1},
		"204":                      {fails(204), 1},
		"201 and active":           {status(201), 1},
		"206 and active":           {status(206), 1},
		"a redirect":               {fails(302, "Location", elsewhere.URL), 1},
		"a redirect with the body": {fails(307, "Location", elsewhere.URL), 1},
		"HTML":                     {typed("text/html", `<title>Sign in to the hotel's network</title>`), 1},
		"JSON as text":             {typed("text/plain", active(nil)), 1},
		"no type":                  {typed("", active(nil)), 1},
		"a JWT": {typed("application/token-introspection+jwt",
			base64.RawURLEncoding.EncodeToString([]byte(active(nil)))), 1},
		"no JSON":                {says(`active`), 1},
		"half":                   {says(active(nil)[:80]), 1},
		"two":                    {says(active(nil) + active(nil)), 1},
		"a list":                 {says(`[` + active(nil) + `]`), 1},
		"null":                   {says(`null`), 1},
		"nothing":                {says(``), 1},
		"no active":              {says(`{"sub":"usr_1","tenant":"acme","iss":"` + issuer + `"}`), 1},
		"active as a word":       {says(active(members{"active": "true"})), 1},
		"another issuer":         {says(active(members{"iss": "https://evil.example"})), 1},
		"an issuer with a dot":   {says(active(members{"iss": issuer + "."})), 1},
		"no issuer":              {says(active(members{"iss": nil})), 1},
		"64 KiB and more":        {says(active(members{"x": strings.Repeat("x", 64<<10)})), 1},
		"and then spaces":        {says(active(nil) + strings.Repeat(" ", 64<<10)), 1},
		"endless":                {endless, 1},
		"a scope that is a list": {says(active(members{"scope": []string{"monitor:read"}})), 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, c.does)
			g := newGuard(t, e.config())
			p, err := g.Check(t.Context(), "x", acme)
			var u *guard.UnavailableError
			if !errors.Is(err, guard.ErrUnavailable) || !errors.As(err, &u) || u.RetryAfter < time.Second || p.Subject != "" {
				t.Fatalf("%+v, %v", p, err)
			}
			if n := e.asked.Load(); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
			r := call(api(g.Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", bearer("x")...)
			if r.status != 503 || r.header.Get("Retry-After") != "1" || r.challenge() != "" || r.code(t) != "temporarily_unavailable" {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
			if strings.Contains(r.body, "127.0.0.1") {
				t.Errorf("the caller reads where we asked: %s", r.body)
			}
		})
	}
	if n := elsewhere.asked.Load(); n != 0 {
		t.Errorf("%d redirects were followed, with the token or the secret", n)
	}
}

func typed(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{kind}
		_, _ = io.WriteString(w, body)
	}
}

// status says active, with another status than 200.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, active(nil))
	}
}

// cut promises more than it sends.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, active(nil))
}

// endless sends until nobody reads.
func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for {
		if _, err := io.WriteString(w, strings.Repeat(" ", 32<<10)); err != nil {
			return
		}
	}
}

func TestAnswerAfterFailures(t *testing.T) {
	for name, failing := range map[string]http.HandlerFunc{
		"503":   fails(503),
		"reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut":   cut,
	} {
		e := newEndpoint(t, nil)
		e.does(func(w http.ResponseWriter, r *http.Request) {
			if e.asked.Load() < 3 {
				failing(w, r)
			}
			says(active(nil))(w, r)
		})
		if p, err := newGuard(t, e.config()).Check(t.Context(), "x", acme); err != nil || p.Subject != "usr_1" || e.asked.Load() != 3 {
			t.Errorf("%s: %v after %d requests", name, err, e.asked.Load())
		}
	}
}

// TestManyRetriesEndWithTheBudget: pauses grow, and neither without bound nor beyond
// the time that there is.
func TestManyRetriesEndWithTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		cfg := good()
		cfg.Retries, cfg.Timeout = 1000, time.Minute
		cfg.Transport = refuses(func() { sent++ })
		began := time.Now()
		_, err := newGuard(t, cfg).Check(t.Context(), "x", acme)
		if took := time.Since(began); !errors.Is(err, guard.ErrUnavailable) || took != time.Minute || sent < 40 || sent > 1000 {
			t.Errorf("%v after %v and %d requests", err, took, sent)
		}
	})
}

// refuses is a network that lets nobody connect.
type refuses func()

func (f refuses) RoundTrip(*http.Request) (*http.Response, error) {
	f()
	return nil, errors.New("connection refused")
}

// TestCertificateIsVerified: who answers for Watchgate says who may come in.
func TestCertificateIsVerified(t *testing.T) {
	srv := httptest.NewTLSServer(says(active(nil)))
	defer srv.Close()
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	cfg := good()
	cfg.Endpoint = srv.URL
	if _, err := newGuard(t, cfg).Check(t.Context(), "x", acme); !errors.Is(err, guard.ErrUnavailable) {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	cfg.Transport = srv.Client().Transport
	if _, err := newGuard(t, cfg).Check(t.Context(), "x", acme); err != nil {
		t.Errorf("with a certificate authority of one's own: %v", err)
	}
}

func TestEndpointThatIsGone(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	g := newGuard(t, e.config())
	e.Close()
	if _, err := g.Check(t.Context(), "x", acme); !errors.Is(err, guard.ErrUnavailable) {
		t.Error(err)
	}
}

// TestTooManyRequestsIsPassedOn: whoever is told to wait does not ask again at once,
// and says how long.
func TestTooManyRequestsIsPassedOn(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]string{
		"7": "7", "0": "1", "": "1", "-3": "1", "soon": "1", "999999999": "3600", "99999999999999999999": "1",
		at.Add(90 * time.Second).Format(http.TimeFormat): "90", at.Add(-time.Hour).Format(http.TimeFormat): "1",
	} {
		e := newEndpoint(t, fails(429, "Retry-After", header))
		cfg := e.config()
		cfg.Now = func() time.Time { return at }
		r := call(api(newGuard(t, cfg).Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", bearer("x")...)
		if r.status != 503 || r.header.Get("Retry-After") != want || e.asked.Load() != 1 {
			t.Errorf("%q: %d, Retry-After %q, asked %d times", header, r.status, r.header.Get("Retry-After"), e.asked.Load())
		}
	}
}

// TestOwnSecretIsNotTheCallersFault: 401 from Watchgate is about the API.
func TestOwnSecretIsNotTheCallersFault(t *testing.T) {
	e := newEndpoint(t, fails(401, "WWW-Authenticate", `Basic realm="watchgate"`))
	cfg := e.config()
	var events []guard.Event
	cfg.Observe = func(_ context.Context, ev guard.Event) { events = append(events, ev) }
	g := newGuard(t, cfg)
	r := call(api(g.Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", bearer("x")...)
	if r.status != 503 || r.challenge() != "" {
		t.Errorf("%d %q", r.status, r.challenge())
	}
	if len(events) != 1 || events[0].Decision != guard.Unavailable || !errors.Is(events[0].Err, guard.ErrOwnCredentials) {
		t.Errorf("events %+v", events)
	}
	if err := g.Ping(t.Context()); !errors.Is(err, guard.ErrOwnCredentials) || !errors.Is(err, guard.ErrUnavailable) {
		t.Errorf("Ping: %v", err)
	}
}

func TestPing(t *testing.T) {
	e := newEndpoint(t, says(inactive))
	g := newGuard(t, e.config())
	if err := g.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	e.does(says(active(nil)))
	if err := g.Ping(t.Context()); !errors.Is(err, guard.ErrUnavailable) {
		t.Errorf("an endpoint that calls everything active: %v", err)
	}
}

// TestBoundTokenIsNoBearerToken: a token that was stolen from a client with a key
// would need none here (RFC 9449 section 7.2, RFC 8705 section 3).
func TestBoundTokenIsNoBearerToken(t *testing.T) {
	for name, cnf := range map[string]any{
		"DPoP": members{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, "mTLS": members{"x5t#S256": "x"}, "unknown": members{}, "odd": "x",
	} {
		e := newEndpoint(t, says(active(members{"cnf": cnf, "token_type": "DPoP"})))
		if _, err := newGuard(t, e.config()).Check(t.Context(), "x", acme); !errors.Is(err, guard.ErrInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := newEndpoint(t, says(strings.Replace(active(nil), "{", `{"cnf":null,`, 1)))
	if _, err := newGuard(t, e.config()).Check(t.Context(), "x", acme); err != nil {
		t.Errorf("null: %v", err)
	}
}

// TestAnswersThatContradictEachOtherAllowNothing: the second question, without a
// tenant, is no way in.
func TestAnswersThatContradictEachOtherAllowNothing(t *testing.T) {
	e := newEndpoint(t, nil)
	e.does(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("tenant") != "" {
			says(inactive)(w, r)
			return
		}
		says(active(nil))(w, r)
	})
	g := newGuard(t, e.config())
	if _, err := g.Check(t.Context(), "x", acme); !errors.Is(err, guard.ErrUnavailable) || e.asked.Load() != 2 {
		t.Errorf("%v after %d questions", err, e.asked.Load())
	}
	if _, err := g.Check(t.Context(), "x", guard.Need{Tenant: "globex"}); !errors.Is(err, guard.ErrOtherTenant) || e.asked.Load() != 4 {
		t.Errorf("%v after %d questions", err, e.asked.Load())
	}
}

// hangs is a connection on which nothing ever comes back.
type hangs struct{ sent atomic.Int64 }

func (h *hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	h.sent.Add(1)
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestEndpointThatHangsCostsTheBudget measures by a bubble's clock.
func TestEndpointThatHangsCostsTheBudget(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*guard.Config)
		sent   int64
		least  time.Duration
		most   time.Duration
	}{
		"as it comes":      {func(*guard.Config) {}, 3, 3 * time.Second, 3 * time.Second},
		"no retries":       {func(c *guard.Config) { c.Retries = -1 }, 1, time.Second, time.Second},
		"patient":          {func(c *guard.Config) { c.Timeout = time.Minute }, 3, 3 * time.Second, 3*time.Second + 150*time.Millisecond},
		"short":            {func(c *guard.Config) { c.Timeout = 1500 * time.Millisecond }, 2, 1500 * time.Millisecond, 1500 * time.Millisecond},
		"one long attempt": {func(c *guard.Config) { c.AttemptTimeout, c.Timeout = time.Minute, 2*time.Second }, 1, 2 * time.Second, 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			line := &hangs{}
			cfg := guard.Config{Issuer: issuer, ClientID: "api", Secret: "s", Transport: line}
			c.change(&cfg)
			began := time.Now()
			_, err := newGuard(t, cfg).Check(t.Context(), "x", acme)
			took := time.Since(began)
			if !errors.Is(err, guard.ErrUnavailable) || line.sent.Load() != c.sent || took < c.least || took > c.most {
				t.Errorf("%s: %v after %v and %d requests", name, err, took, line.sent.Load())
			}
		})
	}
}

// TestCallersOwnDeadlineIsKept: no budget is longer than what the call has left, and a
// caller who went away is not waited for.
func TestCallersOwnDeadlineIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &hangs{}
		var events []guard.Event
		g := newGuard(t, guard.Config{
			Issuer: issuer, ClientID: "api", Secret: "s", Transport: line,
			Observe: func(_ context.Context, ev guard.Event) { events = append(events, ev) },
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := g.Check(ctx, "x", acme); !errors.Is(err, guard.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, leave)
		if _, err := g.Check(ctx, "x", acme); !errors.Is(err, guard.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		want := []guard.Event{
			{Decision: guard.Unavailable, Attempts: 1, Duration: 100 * time.Millisecond},
			{Decision: guard.Canceled, Attempts: 1, Duration: 10 * time.Millisecond},
		}
		for i := range events {
			events[i].Err = nil
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

// TestConnectionsAreKept: a new connection for each call would cost more than the
// answer.
func TestConnectionsAreKept(t *testing.T) {
	var mu sync.Mutex
	opened := map[string]bool{}
	e := newEndpoint(t, nil)
	e.does(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		opened[r.RemoteAddr] = true
		mu.Unlock()
		if e.asked.Load()%3 == 0 {
			fails(503)(w, r)
			return
		}
		says(active(nil))(w, r)
	})
	g := newGuard(t, e.config())
	for range 30 {
		if _, err := g.Check(t.Context(), "x", acme); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(opened) != 1 {
		t.Errorf("%d connections for calls one after the other", len(opened))
	}
}
