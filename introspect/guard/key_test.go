package guard_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect/guard"
	"github.com/watchgate/watchgate/storage"
)

// newKey is an opaque key of a profile, and newJWTKey one that is a JWT, as Watchgate
// makes them.
func newKey() string { return token.NewKey("up_live_", storage.NewKeyID(time.Now())) }

func newJWTKey() string {
	header := `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 43) + `","typ":"api-key+jwt"}`
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + ".eyJzdWIiOiJrZXlfMSJ9." + strings.Repeat("s", 86)
}

func newToken() string { return token.New(token.Access, time.Now().Add(time.Hour)) }

// keyAnswer is what Watchgate says about a key that never ends.
func keyAnswer() string {
	return active(members{"token_type": "api_key", "key_id": "key_1", "jti": "key_1", "client_id": nil, "exp": nil, "auth_time": nil, "acr": nil, "amr": nil})
}

func TestPrincipalOfAKey(t *testing.T) {
	e := newEndpoint(t, says(keyAnswer()))
	p, err := newGuard(t, e.config()).Check(t.Context(), newKey(), acme)
	want := guard.Principal{
		Subject: "usr_1", Username: "alice@acme.test", Tenant: "acme", TenantID: "ten_1", Scopes: []string{"monitor:read", "alert:write"},
		TokenID: "key_1", KeyID: "key_1", TokenType: "api_key", AMR: []string{},
	}
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A key is where the API says that it may be, and the question is the same.
func TestKeyInItsOwnHeader(t *testing.T) {
	key := newKey()
	var asked []string
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("token"))
		says(keyAnswer())(w, r)
	})
	for name, c := range map[string]struct {
		accepted bool
		header   []string
		status   int
		code     string
	}{
		"in X-API-Key":                  {true, []string{"X-Api-Key", key}, 200, ""},
		"in Authorization":              {true, bearer(key), 200, ""},
		"not configured":                {false, []string{"X-Api-Key", key}, 401, ""},
		"not configured, and a token":   {false, append(bearer(key), "X-Api-Key", "the API's own affair"), 200, ""},
		"both":                          {true, append(bearer(key), "X-Api-Key", key), 400, "invalid_request"},
		"with Basic":                    {true, []string{"Authorization", "Basic eDp5", "X-Api-Key", key}, 400, "invalid_request"},
		"twice":                         {true, []string{"X-Api-Key", key, "X-Api-Key", key}, 400, "invalid_request"},
		"empty":                         {true, []string{"X-Api-Key", ""}, 400, "invalid_request"},
		"a list":                        {true, []string{"X-Api-Key", key + ", " + key}, 400, "invalid_request"},
		"too long":                      {true, []string{"X-Api-Key", strings.Repeat("a", 4097)}, 401, "invalid_token"},
		"nothing, where it is accepted": {true, nil, 401, ""},
	} {
		asked = nil
		cfg := e.config()
		cfg.APIKeyHeader = c.accepted
		r := call(api(newGuard(t, cfg).Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", c.header...)
		if r.status != c.status || r.status != 200 && r.code(t) != c.code {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if want := r.status == 200; (len(asked) > 0) != want || want && asked[0] != key {
			t.Errorf("%s: asked about %q", name, asked)
		}
	}
}

// AK-08, attack 107: what is in an address or in a cookie is refused and not
// evaluated, with and without a credential in its place.
func TestAttackCredentialInAnAddressOrACookie(t *testing.T) {
	key, jwt, tok := newKey(), newJWTKey(), newToken()
	e := newEndpoint(t, says(keyAnswer()))
	cfg := e.config()
	cfg.APIKeyHeader = true
	h := api(newGuard(t, cfg).Require("monitor:read", tenantFromPath))
	for name, c := range map[string]struct{ query, cookie string }{
		"access_token":            {"access_token=x", ""},
		"api_key":                 {"api_key=x", ""},
		"in capitals":             {"API-Key=x", ""},
		"apikey, second":          {"a=b&apikey=x", ""},
		"x-api-key":               {"x-api-key=x", ""},
		"a key as key":            {"key=" + key, ""},
		"a key as token":          {"token=" + key, ""},
		"a key under any name":    {"q=" + key, ""},
		"a JWT key":               {"key=" + jwt, ""},
		"a token":                 {"token=" + tok, ""},
		"escaped":                 {"q=" + strings.ReplaceAll(key, "_", "%5f"), ""},
		"an escaped name":         {"access%5Ftoken=x", ""},
		"after a semicolon":       {"a=b;q=" + key, ""},
		"beside a broken one":     {"%zz=1&q=" + key, ""},
		"cookie access_token":     {"", "access_token=x"},
		"cookie with a key":       {"", "sid=1; remember=" + key},
		"cookie with a token":     {"", "remember=" + tok},
		"cookie with a JWT key":   {"", "remember=" + jwt},
		"cookie in capitals":      {"", "Api-Key=x"},
		"cookie and query, twice": {"q=" + key, "remember=" + key},
	} {
		for _, header := range [][]string{nil, bearer(key), {"X-Api-Key", key}} {
			if c.cookie != "" {
				header = append(header[:len(header):len(header)], "Cookie", c.cookie)
			}
			r := call(h, "GET", "/t/acme/monitors?"+c.query, header...)
			refused(t, r, 400, `Bearer error="invalid_request"`, "invalid_request")
			if t.Failed() {
				t.Fatal(name)
			}
		}
	}
	if n := e.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// What an API's own addresses and cookies have is none of this package's business.
func TestOtherParametersAndCookiesAreLeftAlone(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	h := api(newGuard(t, e.config()).Require("monitor:read", tenantFromPath))
	key := newKey()
	for _, query := range []string{
		"", "key=name", "token=page2", "access_token=", "api_key", "q=" + key[:len(key)-1] + "!", "q=" + key[:len(key)-1], "q=" + key + "x",
		"session=" + strings.Repeat("aB3_", 16), "jwt=eyJhbGciOiJFZERTQSIsImtpZCI6.e30.x", "%zz", "limit=5&cursor=" + strings.Repeat("a", 500),
	} {
		value := strings.TrimPrefix(query, "q=")
		r := call(h, "GET", "/t/acme/monitors?"+query, append(bearer("x"), "Cookie", "session="+url.QueryEscape(value)+"; theme=dark")...)
		if r.status != 200 {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
}

// AK: keys over HTTPS only are refused over HTTP, and nobody is redirected or asked.
func TestPlainHTTPIsRefused(t *testing.T) {
	e := newEndpoint(t, says(keyAnswer()))
	header := func(r *http.Request) string { return r.Header.Get("X-Forwarded-Proto") }
	for name, c := range map[string]struct {
		target string
		proto  func(*http.Request) string
		header []string
		good   bool
	}{
		"http":              {"http://api.example.com/t/acme/monitors", nil, nil, false},
		"https":             {"https://api.example.com/t/acme/monitors", nil, nil, true},
		"a stranger's word": {"http://api.example.com/t/acme/monitors", nil, []string{"X-Forwarded-Proto", "https"}, false},
		"the proxy's word":  {"http://api.example.com/t/acme/monitors", header, []string{"X-Forwarded-Proto", "HTTPS"}, true},
		"which says http":   {"https://api.example.com/t/acme/monitors", header, []string{"X-Forwarded-Proto", "http"}, false},
		"or nothing":        {"https://api.example.com/t/acme/monitors", header, nil, false},
		"or nonsense":       {"https://api.example.com/t/acme/monitors", header, []string{"X-Forwarded-Proto", "https, http"}, false},
	} {
		cfg := e.config()
		cfg.RequireHTTPS, cfg.Proto, cfg.Errors.Forbidden = true, c.proto, "permission_error"
		g := newGuard(t, cfg)
		for _, credential := range [][]string{bearer(newKey()), bearer("a b"), nil} {
			before := e.asked.Load()
			r := call(api(g.Require("monitor:read", tenantFromPath)), "GET", c.target, append(credential, c.header...)...)
			if refusedPlain := r.status == 403; refusedPlain == c.good || r.header.Get("Location") != "" {
				t.Errorf("%s: %d %s", name, r.status, r.body)
			}
			if !c.good && (r.code(t) != "https_required" || !strings.Contains(r.body, `"code":"permission_error"`) || e.asked.Load() != before) {
				t.Errorf("%s: %s", name, r.body)
			}
		}
	}
	cfg := e.config()
	cfg.RequireHTTPS = true
	g := newGuard(t, cfg)
	for proto, want := range map[string]error{"https": nil, "http": guard.ErrHTTPSRequired, "": guard.ErrHTTPSRequired} {
		if _, err := g.Check(t.Context(), newKey(), guard.Need{Tenant: "acme", Proto: proto}); !errors.Is(err, want) {
			t.Errorf("Check over %q: %v", proto, err)
		}
	}
}

// Watchgate is told where the call came from.
func TestQuestionSaysWhereTheCallCameFrom(t *testing.T) {
	var got url.Values
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r.PostForm
		says(keyAnswer())(w, r)
	})
	said := func(ip string) func(*http.Request) string { return func(*http.Request) string { return ip } }
	for name, c := range map[string]struct {
		target    string
		remote    string
		clientIP  func(*http.Request) string
		proto     func(*http.Request) string
		ip, plain string
	}{
		"direct":             {"https://api/t/acme/monitors", "203.0.113.7:5000", nil, nil, "203.0.113.7", "https"},
		"IPv6":               {"http://api/t/acme/monitors", "[2001:db8::1%eth0]:5000", nil, nil, "2001:db8::1", "http"},
		"mapped":             {"http://api/t/acme/monitors", "[::ffff:203.0.113.7]:5000", nil, nil, "203.0.113.7", "http"},
		"behind a proxy":     {"http://api/t/acme/monitors", "10.0.0.1:1", said("198.51.100.9"), said("https"), "198.51.100.9", "https"},
		"proxy knows none":   {"http://api/t/acme/monitors", "10.0.0.1:1", said(""), said(""), "", ""},
		"proxy says strange": {"http://api/t/acme/monitors", "10.0.0.1:1", said("unknown, 1.2.3.4"), said("ftp"), "", "http"},
		"a socket":           {"http://api/t/acme/monitors", "@", nil, nil, "", "http"},
	} {
		cfg := e.config()
		cfg.ClientIP, cfg.Proto = c.clientIP, c.proto
		r := httptest.NewRequest("GET", c.target, nil)
		r.RemoteAddr = c.remote
		r.Header.Set("Authorization", "Bearer "+newKey())
		r.Header.Set("X-Forwarded-For", "6.6.6.6")
		rec := httptest.NewRecorder()
		api(newGuard(t, cfg).Require("monitor:read", tenantFromPath)).ServeHTTP(rec, r)
		if rec.Code != 200 || got.Get("ip") != c.ip || got.Get("proto") != c.plain || got.Has("ip") != (c.ip != "") || len(got["tenant"]) != 1 {
			t.Errorf("%s: %d %v", name, rec.Code, got)
		}
	}
	cfg := e.config()
	need := guard.Need{Tenant: "acme", IP: "203.0.113.7", Proto: "https"}
	if _, err := newGuard(t, cfg).Check(t.Context(), newKey(), need); err != nil || got.Get("ip") != "203.0.113.7" || got.Get("proto") != "https" {
		t.Errorf("Check: %v %v", got, err)
	}
}

// slow is Watchgate's answer about a key that is over its rate.
func slow(policy ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Ratelimit-Policy"] = policy
		w.Header().Set("RateLimit", `"key";r=0;t=7`)
		w.Header().Set("Retry-After", "7")
		w.Header().Set("X-Internal", "no")
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// A key that is used too often is its user's doing: 429. That this API asks too often
// is not: 503.
func TestKeyOverItsRate(t *testing.T) {
	for name, c := range map[string]struct {
		policy []string
		status int
	}{
		"the key's":       {[]string{`"key";q=10;w=60`}, 429},
		"this API's own":  {[]string{`"introspection";q=10;w=1`}, 503},
		"both":            {[]string{`"introspection";q=10;w=1, "key";q=10;w=60`}, 503},
		"both, twice":     {[]string{`"key";q=10;w=60`, `"introspection";q=10;w=1`}, 503},
		"nobody's":        {nil, 503},
		"something alike": {[]string{`"key2";q=10;w=60`}, 503},
	} {
		e := newEndpoint(t, slow(c.policy...))
		var saw []guard.Decision
		cfg := e.config()
		cfg.Observe = observed(&saw)
		r := call(api(newGuard(t, cfg).Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", bearer(newKey())...)
		if r.status != c.status || r.header.Get("Retry-After") != "7" || r.header.Get("X-Internal") != "" || r.challenge() != "" || e.asked.Load() != 1 {
			t.Errorf("%s: %d %v after %d questions", name, r.status, r.header, e.asked.Load())
		}
		if c.status == 503 {
			if r.header.Get("RateLimit") != "" || saw[0] != guard.Unavailable {
				t.Errorf("%s: the caller reads about our own limit: %v", name, r.header)
			}
			continue
		}
		if r.header.Get("RateLimit") != `"key";r=0;t=7` || r.header.Get("RateLimit-Policy") != c.policy[0] || r.code(t) != "slow_down" || saw[0] != guard.RateLimited {
			t.Errorf("%s: %v %s", name, r.header, r.body)
		}
	}
}

// A good answer of Watchgate's says nothing more to the caller.
func TestHeadersOfGoodAnswersAreNotPassedOn(t *testing.T) {
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("RateLimit", `"introspection";r=3;t=1`)
		w.Header().Set("RateLimit-Policy", `"introspection";q=10;w=1`)
		says(keyAnswer())(w, r)
	})
	r := call(api(newGuard(t, e.config()).Require("monitor:read", tenantFromPath)), "GET", "/t/acme/monitors", bearer(newKey())...)
	if r.status != 200 || r.header.Get("RateLimit") != "" || r.header.Get("RateLimit-Policy") != "" {
		t.Errorf("%d %v", r.status, r.header)
	}
}

// Attack: a key that was good once from one place, or within its rate, is asked about
// again each time. The cache is for tokens.
func TestAttackCachedAnswerAboutAKey(t *testing.T) {
	c := newClock()
	for name, c := range map[string]struct {
		credential, answer string
		clock              *clock
		asks               int64
	}{
		"a key":                             {newKey(), keyAnswer(), c, 3},
		"a key that ends":                   {newKey(), active(members{"token_type": "api_key", "exp": c.in(time.Hour)}), c, 3},
		"a JWT key":                         {newJWTKey(), active(members{"token_type": "api_key", "exp": c.in(time.Hour)}), c, 3},
		"of a form that is new":             {"new_form", active(members{"token_type": "api_key", "exp": c.in(time.Hour)}), c, 3},
		"a key's form, whatever is said":    {newKey(), active(members{"exp": c.in(time.Hour)}), c, 3},
		"a token, from one place or others": {newToken(), active(members{"exp": c.in(time.Hour)}), c, 1},
	} {
		g, e := cached(t, c.clock, c.answer)
		var asks int64
		for _, ip := range []string{"203.0.113.7", "203.0.113.7", "198.51.100.9"} {
			asks += e.asks(t, g, c.credential, guard.Need{Tenant: "acme", IP: ip, Proto: "https"}, nil)
		}
		if asks != c.asks {
			t.Errorf("%s: asked %d times, want %d", name, asks, c.asks)
		}
	}
}

// Attack: many calls with one key at the same moment. Each is counted by Watchgate,
// so that none shares another's question.
func TestAttackCrowdWithOneKey(t *testing.T) {
	for name, c := range map[string]struct {
		credential string
		least      int
	}{"a key": {newKey(), 10}, "a token": {newToken(), 1}} {
		synctest.Test(t, func(t *testing.T) {
			g, l := onLine(t, nil)
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { _, _ = g.Check(t.Context(), c.credential, acme) })
			}
			synctest.Wait()
			if n := l.questions(); n < c.least || c.least == 1 && n > 1 {
				t.Errorf("%s: %d questions for 10 calls", name, n)
			}
			for l.waiting() {
				l.release()
			}
			all.Wait()
		})
	}
}

// waiting reports whether an answer is on its way.
func (l *line) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

// Calls from two places ask two questions, so that each is told about its own.
func TestCallsFromTwoPlacesDoNotShareAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := onLine(t, nil)
		var all sync.WaitGroup
		for _, ip := range []string{"203.0.113.7", "198.51.100.9"} {
			all.Go(func() { _, _ = g.Check(t.Context(), "x", guard.Need{Tenant: "acme", IP: ip}) })
		}
		synctest.Wait()
		if n := l.questions(); n != 2 {
			t.Errorf("%d questions", n)
		}
		for l.waiting() {
			l.release()
		}
		all.Wait()
	})
}

// An API's own codes stand beside those of RFC 6750.
func TestErrorCodesOfTheAPI(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	cfg := e.config()
	cfg.Errors = guard.ErrorCodes{Unauthenticated: "authentication_error", Forbidden: "permission_error"}
	g := newGuard(t, cfg)
	for name, c := range map[string]struct {
		scope, tenant string
		header        []string
		answer        string
		status        int
		body          map[string]string
	}{
		"nothing": {"monitor:read", "acme", nil, "", 401,
			map[string]string{"code": "authentication_error", "message": "an access token is needed: Authorization: Bearer ..."}},
		"not active": {"monitor:read", "acme", bearer("x"), inactive, 401,
			map[string]string{"code": "authentication_error", "error": "invalid_token", "error_description": "the access token is not active"}},
		"a scope": {"config:admin", "acme", bearer("x"), "", 403,
			map[string]string{"code": "permission_error", "error": "insufficient_scope", "error_description": "the access token lacks a scope"}},
		"malformed": {"monitor:read", "acme", bearer("a b"), "", 400,
			map[string]string{"error": "invalid_request", "error_description": "one credential, in one header: Authorization: Bearer ..."}},
		"another tenant": {"monitor:read", "globex", bearer("x"), "", 404,
			map[string]string{"error": "not_found", "error_description": "there is nothing here for this credential"}},
	} {
		e.does(says(active(nil)))
		if c.answer != "" {
			e.does(says(c.answer))
		}
		r := call(api(g.Require(c.scope, tenantFromPath)), "GET", "/t/"+c.tenant+"/monitors", c.header...)
		var body map[string]string
		if err := json.Unmarshal([]byte(r.body), &body); err != nil || r.status != c.status {
			t.Errorf("%s: %d %s %v", name, r.status, r.body, err)
		}
		if d := cmp.Diff(c.body, body); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	cfg.Errors.Forbidden = `a","x":"y`
	if _, err := guard.New(cfg); err == nil {
		t.Error("a code that breaks the JSON is accepted")
	}
}
