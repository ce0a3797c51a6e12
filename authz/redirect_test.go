package authz

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ory/fosite"
)

func TestValidRedirectURI(t *testing.T) {
	t.Parallel()
	for uri, valid := range map[string]bool{
		"https://app.example.com/cb": true, "https://app.example.com": true, "https://app.example.com:8443/cb?a=b&c=%20": true,
		"http://127.0.0.1:8082/callback": true, "http://[::1]/cb": true, "http://localhost/cb": true, "com.example.app:/cb": true,
		"https://[2001:db8::1]/cb": true, "https://10.0.0.1/cb": true, "https://app.example.com/a..b/.well": true,

		"": false, "cb": false, "//evil.com/cb": false, "/cb": false, "https:/cb": false, "https:cb": false, "https://": false, "https:///cb": false,
		"http://example.com/cb": false, "http://127.0.0.2/cb": false, "http://localhost.evil.com/": false, "http://foo.localhost/": false,
		"http://0.0.0.0/": false, "http://0x7f.1/": false, "http://2130706433/": false, "http://LOCALHOST/": false, "http://[::1%25lo]/": false,
		"javascript:alert(1)": false, "data:text/html,x": false, "file:///etc/passwd": false, "vbscript:x": false, "about:blank": false,
		"blob:https://a.b/c": false, "app:/cb": false, "com.example.app://cb": false, "com.example.app:cb": false, "ftp://a.b/c": false,
		"https://a.b/#x": false, "https://a.b/#": false, "https://u@a.b/": false, "https://u:p@a.b/": false, "https://*.example.com/cb": false,
		"https://a.b:/": false, "https://a.b:0/": false, "https://a.b:65536/": false, "https://a.b:08/": false, "https://a.b\\@c.d/": false,
		"https://a b/": false, "https://a.b/ ": false, "https://a.b/\n": false, "https://ä.example/": false, "https://a.b/%zz": false,
		"https://a..b/": false, "https://-a.b/": false, "https://a.b;c/": false, "https://a.b,c/": false, "https://a%2eb/": false,
		"https://a.b/../c": false, "https://a.b/./c": false, "https://a.b/%2e%2e/c": false, "https://a.b/.%2E": false, "HTTPS://a.b/": false,
		"https://a.b/" + strings.Repeat("x", 2048): false,
	} {
		if err := ValidRedirectURI(uri); (err == nil) != valid {
			t.Errorf("%.60q: %v, want valid = %v", uri, err, valid)
		}
	}
}

// What the matcher accepts is one of the registered URIs, or differs from it in
// nothing but the port of a loopback literal; and fosite, which gets it next,
// has no objection.
func FuzzMatchRedirect(f *testing.F) {
	registered := []string{"https://app.example.com/cb", "http://127.0.0.1/cb", "http://localhost:8082/callback?x=y", "http://[::1]/cb", "com.example.app:/cb"}
	for _, r := range registered {
		f.Add(r)
		f.Add(strings.Replace(r, "/cb", ":49152/cb", 1))
		f.Add(r + "?")
		f.Add(strings.ToUpper(r))
	}
	f.Add("http://evil@127.0.0.1:5/cb")
	f.Add("http://127.0.0.1:5/c%62")
	f.Fuzz(func(t *testing.T, requested string) {
		if ValidRedirectURI(requested) == nil {
			u, err := url.Parse(requested)
			if err != nil || !fosite.IsValidRedirectURI(u) {
				t.Errorf("%q is valid here and not in fosite: %v", requested, err)
			}
		}
		if !matchRedirect(registered, requested) {
			return
		}
		for _, r := range registered {
			if requested == r || (strings.HasPrefix(r, "http://") && portless(t, requested) == portless(t, r)) {
				return
			}
		}
		t.Errorf("%q matches none of the registered", requested)
	})
}

// portless is another way to compare: net/url's own parts, without the port.
func portless(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || u.Fragment != "" {
		t.Fatalf("%q was accepted", uri)
	}
	host := u.Hostname()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	_, rest, _ := strings.Cut(uri, "://")
	_, path := cutAuthority(rest)
	return u.Scheme + "://" + host + path
}

func FuzzScope(f *testing.F) {
	f.Add("openid profile")
	f.Add("a\x00b")
	f.Fuzz(func(t *testing.T, s string) {
		scopes, ok := parseScope(s)
		if !ok {
			return
		}
		for _, scope := range scopes {
			if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
				t.Errorf("%q gave the scope %q", s, scope)
			}
		}
	})
}
