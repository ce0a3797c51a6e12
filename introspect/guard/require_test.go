package guard_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/introspect/guard"
)

func TestPrincipalIsWhatWatchgateSaid(t *testing.T) {
	e := newEndpoint(t, says(active(members{"exp": 2000000000, "auth_time": 1900000000})))
	var got guard.Principal
	h := newGuard(t, e.config()).Require("monitor:read", func(*http.Request) string { return "ten_1" })(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = guard.PrincipalFrom(r.Context()) }))
	if r := call(h, "GET", "/", bearer("x")...); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	want := guard.Principal{
		Subject: "usr_1", Username: "alice@acme.test", ClientID: "status-board", Tenant: "acme", TenantID: "ten_1",
		Scopes: []string{"monitor:read", "alert:write"}, TokenID: "tok_1", ExpiresAt: time.Unix(2000000000, 0).UTC(),
		AuthTime: time.Unix(1900000000, 0).UTC(), ACR: "mfa", AMR: []string{"pwd", "otp"}, TokenType: "Bearer",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !got.HasScope("alert:write") || got.HasScope("alert") || got.HasScope("") {
		t.Error("HasScope is about whole scopes")
	}
}

// TestChallenges holds every refusal against RFC 6750 section 3 and RFC 9470
// section 3, byte for byte.
func TestChallenges(t *testing.T) {
	long := time.Now().Add(-time.Hour).Unix()
	for name, c := range map[string]struct {
		answer  string
		scope   string
		options []guard.Option
		header  []string
		status  int
		params  string
		code    string
	}{
		"no credential":     {active(nil), "monitor:read", nil, nil, 401, ``, ""},
		"another scheme":    {active(nil), "monitor:read", nil, []string{"Authorization", "Basic eDp5"}, 401, ``, ""},
		"malformed":         {active(nil), "monitor:read", nil, bearer("a b"), 400, `error="invalid_request"`, "invalid_request"},
		"two headers":       {active(nil), "monitor:read", nil, append(bearer("a"), bearer("a")...), 400, `error="invalid_request"`, "invalid_request"},
		"dead":              {inactive, "monitor:read", nil, bearer("a"), 401, `error="invalid_token"`, "invalid_token"},
		"a scope":           {active(nil), "config:admin", nil, bearer("a"), 403, `error="insufficient_scope", scope="config:admin"`, "insufficient_scope"},
		"one of two scopes": {active(nil), "monitor:read config:admin", nil, bearer("a"), 403, `error="insufficient_scope", scope="monitor:read config:admin"`, "insufficient_scope"},
		"part of a scope":   {active(nil), "monitor", nil, bearer("a"), 403, `error="insufficient_scope", scope="monitor"`, "insufficient_scope"},
		"no scope at all":   {active(members{"scope": ""}), "monitor:read", nil, bearer("a"), 403, `error="insufficient_scope", scope="monitor:read"`, "insufficient_scope"},
		"neither scope nor the one for all": {active(nil), "config:admin", []guard.Option{guard.OrScope("all")}, bearer("a"), 403,
			`error="insufficient_scope", scope="config:admin"`, "insufficient_scope"},
		"old": {active(members{"auth_time": long}), "monitor:read", []guard.Option{guard.MaxAge(5 * time.Minute)}, bearer("a"), 401,
			`error="insufficient_user_authentication", error_description="a more recent sign-in is needed", max_age="300"`, "insufficient_user_authentication"},
		"no sign-in": {active(members{"auth_time": nil}), "monitor:read", []guard.Option{guard.MaxAge(5 * time.Minute)}, bearer("a"), 401,
			`error="insufficient_user_authentication", error_description="a more recent sign-in is needed", max_age="300"`, "insufficient_user_authentication"},
		"weak": {active(members{"acr": "pwd"}), "monitor:read", []guard.Option{guard.ACR("phr", "mfa")}, bearer("a"), 401,
			`error="insufficient_user_authentication", error_description="a stronger sign-in is needed", acr_values="phr mfa"`, "insufficient_user_authentication"},
		"nobody said how": {active(members{"acr": nil}), "monitor:read", []guard.Option{guard.ACR("mfa")}, bearer("a"), 401,
			`error="insufficient_user_authentication", error_description="a stronger sign-in is needed", acr_values="mfa"`, "insufficient_user_authentication"},
		"strong and old": {active(members{"auth_time": long}), "monitor:read", []guard.Option{guard.ACR("mfa"), guard.MaxAge(time.Minute)}, bearer("a"), 401,
			`error="insufficient_user_authentication", error_description="a stronger or more recent sign-in is needed", acr_values="mfa", max_age="60"`, "insufficient_user_authentication"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, says(c.answer))
			want := "Bearer"
			if c.params != "" {
				want += " " + c.params
			}
			bare := call(api(newGuard(t, e.config()).Require(c.scope, tenantFromPath, c.options...)), "GET", "/t/acme/monitors", c.header...)
			refused(t, bare, c.status, want, c.code)
			cfg := e.config()
			cfg.Realm, cfg.ResourceMetadata = "monitoring", "https://api.example.com/.well-known/oauth-protected-resource"
			want = `Bearer realm="monitoring", ` + c.params + `, resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`
			named := call(api(newGuard(t, cfg).Require(c.scope, tenantFromPath, c.options...)), "GET", "/t/acme/monitors", c.header...)
			refused(t, named, c.status, strings.ReplaceAll(want, ", , ", ", "), c.code)
		})
	}
}

func refused(t *testing.T, r reply, status int, challenge, code string) {
	t.Helper()
	if r.status != status || len(r.header.Values("WWW-Authenticate")) != 1 || r.challenge() != challenge || r.code(t) != code {
		t.Errorf("%d %s %s\nwant %d\n got %s\nwant %s", r.status, code, r.body, status, r.challenge(), challenge)
	}
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", r.header)
	}
}

func TestWhatIsEnoughGoesThrough(t *testing.T) {
	for name, c := range map[string]struct {
		answer  members
		scope   string
		options []guard.Option
	}{
		"one scope":         {nil, "monitor:read", nil},
		"both scopes":       {nil, "alert:write monitor:read", nil},
		"the one for all":   {members{"scope": "all"}, "monitor:read", []guard.Option{guard.OrScope("all")}},
		"not the one":       {nil, "monitor:read", []guard.Option{guard.OrScope("all")}},
		"fresh":             {nil, "monitor:read", []guard.Option{guard.MaxAge(time.Hour)}},
		"our clock is slow": {members{"auth_time": time.Now().Add(time.Minute).Unix()}, "monitor:read", []guard.Option{guard.MaxAge(time.Second)}},
		"strong":            {nil, "monitor:read", []guard.Option{guard.ACR("phr", "mfa")}},
	} {
		e := newEndpoint(t, says(active(c.answer)))
		h := api(newGuard(t, e.config()).Require(c.scope, tenantFromPath, c.options...))
		if r := call(h, "GET", "/t/acme/monitors", bearer("x")...); r.status != 200 || !strings.HasPrefix(r.body, "usr_1 of acme by status-board") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if n := e.asked.Load(); n != 1 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
}

// TestTokenOutsideTheHeaderIsNotLookedAt: a token in a URL is in logs and in
// Referer headers (RFC 6750 section 5.3).
func TestTokenOutsideTheHeaderIsNotLookedAt(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	h := api(newGuard(t, e.config()).Require("monitor:read", tenantFromPath))
	for _, target := range []string{"/t/acme/monitors", "/t/acme/monitors?token=x", "/t/acme/monitors?Authorization=Bearer+x"} {
		for _, method := range []string{"GET", "POST"} {
			if r := call(h, method, target, "X-Authorization", "Bearer x", "X-Api-Key", "x", "Cookie", "token=x"); r.status != 401 || r.challenge() != "Bearer" {
				t.Errorf("%s %s: %d %q", method, target, r.status, r.challenge())
			}
		}
	}
	if n := e.asked.Load(); n != 0 {
		t.Errorf("asked %d times about nothing", n)
	}
}

// TestServerThatIgnoresTheTenantOpensNothing has an endpoint of another make, or one
// in front of which a proxy drops what it does not know.
func TestServerThatIgnoresTheTenantOpensNothing(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	h := api(newGuard(t, e.config()).Require("monitor:read", tenantFromPath))
	for _, tenant := range []string{"globex", "ten_2", "ACME", "acm", "acme%20globex", "acme%00", "%00", "acme%22", strings.Repeat("a", 256), "%F0%9F%98%80"} {
		if r := call(h, "GET", "/t/"+tenant+"/monitors", bearer("x")...); r.status != 404 || r.challenge() != "" {
			t.Errorf("%s: %d %q", tenant, r.status, r.challenge())
		}
	}
	e.does(says(active(members{"tenant": nil, "tenant_id": nil})))
	if r := call(h, "GET", "/t/acme/monitors", bearer("x")...); r.status != 404 {
		t.Errorf("an answer without a tenant: %d", r.status)
	}
}

// TestBlankTenantIsNobodys: a route without {tenant}, a host without a label, a row
// without an owner.
func TestBlankTenantIsNobodys(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	g := newGuard(t, e.config())
	for _, blank := range []string{"", " ", "\x00", "acme globex", strings.Repeat("a", 256)} {
		h := api(g.Require("monitor:read", func(*http.Request) string { return blank }))
		if r := call(h, "GET", "/t/acme/monitors", bearer("x")...); r.status != 404 || r.code(t) != "not_found" {
			t.Errorf("%q: %d %s", blank, r.status, r.body)
		}
		if _, err := g.Check(t.Context(), "x", guard.Need{Tenant: blank}); !errors.Is(err, guard.ErrOtherTenant) {
			t.Errorf("Check for %q: %v", blank, err)
		}
	}
	if n := e.asked.Load(); n != 0 {
		t.Errorf("asked %d times without a tenant", n)
	}
	if r := call(api(g.RequireAnyTenant("monitor:read")), "GET", "/t/globex/monitors", bearer("x")...); r.status != 200 {
		t.Errorf("RequireAnyTenant: %d", r.status)
	}
	if _, err := g.Check(t.Context(), "x", guard.Need{Tenant: "globex", AnyTenant: true}); !errors.Is(err, guard.ErrOtherTenant) {
		t.Errorf("a tenant that is named counts: %v", err)
	}
}

func TestNotFoundIsTheAPIsOwn(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	cfg := e.config()
	cfg.NotFound = http.NotFoundHandler()
	r := call(api(newGuard(t, cfg).Require("monitor:read", tenantFromPath)), "GET", "/t/globex/monitors", bearer("x")...)
	if r.status != 404 || r.body != "404 page not found\n" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
}

// TestQuotesInScopesCannotForgeAChallenge: names that come from a configuration file
// must not add parameters to a header.
func TestQuotesInScopesCannotForgeAChallenge(t *testing.T) {
	g := newGuard(t, newEndpoint(t, says(inactive)).config())
	for name, build := range map[string]func(){
		"quote":               func() { g.Require(`a", realm="evil`, tenantFromPath) },
		"backslash":           func() { g.Require(`a\`, tenantFromPath) },
		"line":                func() { g.Require("a\r\nSet-Cookie: x=y", tenantFromPath) },
		"tab":                 func() { g.Require("a\tb", tenantFromPath) },
		"no scope":            func() { g.Require("", tenantFromPath) },
		"spaces only":         func() { g.Require(" ", tenantFromPath) },
		"two spaces":          func() { g.Require("a  b", tenantFromPath) },
		"not ASCII":           func() { g.Require("a\u00e9", tenantFromPath) },
		"any tenant, a quote": func() { g.RequireAnyTenant(`a"`) },
		"no tenant":           func() { g.Require("a", nil) },
		"acr with a quote":    func() { guard.ACR(`a"`) },
		"acr with a space":    func() { guard.ACR("a b") },
		"no acr":              func() { guard.ACR() },
		"blank acr":           func() { guard.ACR("") },
		"other scope, quote":  func() { guard.OrScope(`"`) },
		"other scope, blank":  func() { guard.OrScope("") },
		"no age":              func() { guard.MaxAge(0) },
		"negative age":        func() { guard.MaxAge(-time.Minute) },
	} {
		if !panics(build) {
			t.Errorf("%s: no panic", name)
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// TestHandlerCannotChangeWhatOtherCallsSee: calls with the same token share what the
// cache keeps.
func TestHandlerCannotChangeWhatOtherCallsSee(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	cfg := e.config()
	cfg.Cache.MaxAge = time.Minute
	g := newGuard(t, cfg)
	ran := 0
	h := g.Require("monitor:read", func(*http.Request) string { return "acme" })(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ran++
		p, _ := guard.PrincipalFrom(r.Context())
		p.Scopes[0], p.AMR[0] = "config:admin", "hwk"
		p.Scopes = append(p.Scopes, "all")
		if p.AMR[0] != "hwk" {
			t.Error("Scopes and AMR overlap")
		}
	}))
	for range 2 {
		call(h, "GET", "/t/acme/monitors", bearer("x")...)
		p, err := g.Check(t.Context(), "x", guard.Need{Tenant: "acme", Scope: "monitor:read"})
		if err != nil || p.Scopes[0] != "monitor:read" || p.AMR[0] != "pwd" {
			t.Fatalf("%v %v", p, err)
		}
		p.Scopes[0], p.AMR[0] = "config:admin", "hwk"
	}
	if ran != 2 {
		t.Errorf("the handler ran %d times", ran)
	}
}

func TestPrincipalForTests(t *testing.T) {
	if _, ok := guard.PrincipalFrom(t.Context()); ok {
		t.Error("a principal from nowhere")
	}
	want := guard.Principal{Subject: "usr_1", Tenant: "acme", Scopes: []string{"a"}, AMR: []string{}}
	got, ok := guard.PrincipalFrom(guard.WithPrincipal(t.Context(), want))
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("%t (-want +got):\n%s", ok, diff)
	}
}
