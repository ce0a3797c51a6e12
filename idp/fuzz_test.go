package idp

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func FuzzDomainOf(f *testing.F) {
	for _, s := range []string{"alice@acme.test", "a@b@c.test", "@", "älice@bücher.example", "a@xn--bcher-kva.example", "a@.test", "a@[127.0.0.1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		domain, ok := domainOf(s)
		if !ok {
			return
		}
		again, stable := domainOf("x@" + domain)
		if !stable || again != domain || domain != strings.ToLower(domain) || strings.ContainsFunc(domain, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '@' }) {
			t.Errorf("domainOf(%q) = %q, which reads as %q", s, domain, again)
		}
	})
}

func FuzzOwnPath(f *testing.F) {
	for _, s := range []string{"/console", "//evil.example", "/\\evil.example", "/a/../b", "/%2f%2fevil.example", "https:evil.example"} {
		f.Add(s)
	}
	own := &url.URL{Scheme: "https", Host: "auth.example.com"}
	f.Fuzz(func(t *testing.T, s string) {
		if !ownPath(s) {
			return
		}
		if to, err := own.Parse(s); err == nil && (to.Host != own.Host || to.Scheme != own.Scheme) {
			t.Errorf("ownPath(%q) leads to %q", s, to)
		}
	})
}

func FuzzCookies(f *testing.F) {
	f.Add("__Host-wg_session_ten_1", strings.Repeat("A", handleLen))
	f.Add("__Host-wg_login_log_1", "x")
	f.Add("__Host-wg_session_", strings.Repeat("A", handleLen))
	f.Fuzz(func(t *testing.T, name, value string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", name+"="+value)
		c := cookieStore{secure: true}
		for _, seat := range c.seats(r) {
			if seat.tenant == "" || len(seat.hash) != 32 {
				t.Errorf("seat %+v", seat)
			}
		}
		for _, id := range c.logins(r) {
			if v := c.value(r, loginCookie+string(id)); id == "" || (v != "" && len(v) != handleLen) {
				t.Errorf("transaction %q, binding of %d characters", id, len(v))
			}
		}
	})
}

func FuzzSplitState(f *testing.F) {
	f.Add("log_1.verifier")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		login, verifier, ok := splitState(s)
		if ok && (login == "" || verifier == "" || login+"."+verifier != s) {
			t.Errorf("splitState(%q) = %q, %q", s, login, verifier)
		}
	})
}
