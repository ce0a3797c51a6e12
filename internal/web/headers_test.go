package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// common are the headers of every answer.
func common(policy string) http.Header {
	return http.Header{
		"X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"}, "Referrer-Policy": {"no-referrer"},
		"Cross-Origin-Opener-Policy": {"same-origin"}, "Content-Security-Policy": {policy},
	}
}

func with(h http.Header, more map[string]string) http.Header {
	for k, v := range more {
		h.Set(k, v)
	}
	return h
}

func TestHeadersOfEachKindOfRoute(t *testing.T) {
	for name, c := range map[string]struct {
		r    *http.Request
		want http.Header
	}{
		"API":   {post("/oauth2/introspect", ""), with(common(policyAPI), map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"})},
		"page":  {httptest.NewRequest("GET", "/login/x", nil), with(common(policyPage), map[string]string{"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})},
		"asset": {httptest.NewRequest("GET", "/assets/a.css", nil), with(common(policyAPI), map[string]string{"Content-Type": "text/plain; charset=utf-8"})},
		"browser": {post("/oauth2/token", ""), with(common(policyAPI), map[string]string{
			"Content-Type": "application/json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "*",
			"Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce, X-Request-Id, Retry-After",
		})},
	} {
		w := newEdge(Config{}).do(c.r)
		if d := cmp.Diff(c.want, w.Header()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestErrorPagesHaveTheHeadersOfPages(t *testing.T) {
	for target, status := range map[string]int{"/nothing": 404, "/oauth2/authorize?a=%": 400, "/login/x/y": 404} {
		w := newEdge(Config{}).do(httptest.NewRequest("GET", target, nil))
		if w.Header().Get(policyHeader) != policyPage || w.Header().Get("Cache-Control") != "no-store" || w.Code != status {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
}

func TestStrictTransportSecurityOnlyOnHTTPS(t *testing.T) {
	for https, want := range map[bool]string{true: "max-age=31536000; includeSubDomains", false: ""} {
		w := newEdge(Config{HTTPS: https}).do(httptest.NewRequest("GET", "/login/x", nil))
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("HTTPS %v: %q, want %q", https, got, want)
		}
	}
}

func TestPreflightAllowsScriptsWithoutCookies(t *testing.T) {
	e := newEdge(Config{})
	e.Browser("GET /oauth2/userinfo", readQuery)
	e.Browser("POST /oauth2/userinfo", readQuery)
	r := httptest.NewRequest("OPTIONS", "/oauth2/userinfo", nil)
	r.Header.Set("Origin", "https://spa.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	w := e.do(r)
	h := w.Header()
	if w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "GET, POST" {
		t.Errorf("preflight: %d %v", w.Code, h)
	}
	if _, ok := h["Access-Control-Allow-Credentials"]; ok {
		t.Error("cookies are allowed across origins")
	}
}

func TestErrorsOfBrowserRoutesAreReadableByScripts(t *testing.T) {
	w := newEdge(Config{}).do(post("/oauth2/token", "a=%"))
	if w.Code != 400 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestPolicyOfOneAnswerCanBeWidened(t *testing.T) {
	w := httptest.NewRecorder()
	pageHeaders(w.Header())
	AllowFormAction(w, "https://app.example.com")
	AllowFormAction(w, "com.example.app:")
	AllowFormAction(w, "https://evil.com; script-src *")
	AllowFormAction(w, "https://evil.com, default-src *")
	AllowFormAction(w, "https://evil.com;script-src")
	AllowFormAction(w, "https://evil.com,https://x")
	AllowFormAction(w, "https://a b")
	AllowFormAction(w, "")
	AllowScript(w, "sha256-abc=")
	AllowScript(w, "'sha256-def='")
	AllowScript(w, "")
	want := "default-src 'none'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; " +
		"form-action 'self' https://app.example.com com.example.app:; frame-ancestors 'none'; script-src 'sha256-abc=' 'sha256-def='"
	if got := w.Header().Get(policyHeader); got != want {
		t.Errorf("policy:\n got %s\nwant %s", got, want)
	}
}

func TestCrossSitePostIsRefused(t *testing.T) {
	e := newEdge(Config{})
	changed := false
	e.Page("POST /login/{login}/consent", SameOrigin(func(w http.ResponseWriter, r *http.Request) error {
		changed = true
		return nil
	}, "https://auth.example.com"))
	for name, c := range map[string]struct {
		headers map[string]string
		want    int
	}{
		"same origin":             {map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"cross-site":              {map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"same site, other host":   {map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"foreign Origin":          {map[string]string{"Origin": "https://evil.com"}, 403},
		"opaque Origin":           {map[string]string{"Origin": "null"}, 403},
		"own Origin":              {map[string]string{"Origin": "http://example.com"}, 200},
		"configured Origin":       {map[string]string{"Origin": "https://auth.example.com"}, 200},
		"opaque, but same-origin": {map[string]string{"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200},
	} {
		changed = false
		r := post("/login/x/consent", "decision=allow")
		for k, v := range c.headers {
			r.Header.Set(k, v)
		}
		if w := e.do(r); w.Code != c.want || changed != (c.want == 200) {
			t.Errorf("%s: %d, changed %v, want %d", name, w.Code, changed, c.want)
		}
	}
}

func TestFormTarget(t *testing.T) {
	for uri, want := range map[string]string{
		"https://App.example.com:8443/cb": "https://App.example.com:8443", "http://127.0.0.1:8082/cb": "http://127.0.0.1:8082",
		"http://[::1]:5/cb": "http:", "com.example.app:/cb": "com.example.app:",
	} {
		if got := FormTarget(uri); got != want {
			t.Errorf("FormTarget(%s) = %q, want %q", uri, got, want)
		}
	}
}
