package e2e

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/npmtest"
	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// ada is somebody at the provider from npm, where everybody is whom they say.
const ada = "ada@npm.test"

// npmSite connects the tenant acme to npm's oidc-provider.
func npmSite(t *testing.T, cfg npmtest.Config) (*site, *npmtest.Upstream) {
	t.Helper()
	s := newSite(t, onSQLite(t))
	port := must[int](t)(process.FreePort(0))
	issuer := (&url.URL{Scheme: "http", Host: "127.0.0.1:" + itoa(port)}).String()
	id := s.connection(t, "acme", issuer, "watchgate-at-npm", "secret-at-npm")
	s.operate(t, "domain", "add", "--vouch", "acme", id, "npm.test")
	cfg.ClientID, cfg.ClientSecret, cfg.RedirectURI, cfg.Port = "watchgate-at-npm", "secret-at-npm", s.callback(id), port
	up := npmtest.Provider(t, cfg)
	if up.Issuer != issuer {
		t.Fatalf("the provider is at %s, not at %s", up.Issuer, issuer)
	}
	return s, up
}

// signInAtNPM types the address at Watchgate and plays the person at npm's
// provider, up to the page after the callback.
func signInAtNPM(t *testing.T, f front, b *walk.Browser, path string) *walk.Page {
	t.Helper()
	page := must[*walk.Page](t)(b.Get(t.Context(), f.issuer+path))
	page = must[*walk.Page](t)(page.Press(t.Context(), "login-submit", url.Values{"email": {ada}}))
	if !page.Ended || page.URL.Query().Get("code_challenge_method") != "S256" || page.URL.Query().Get("nonce") == "" {
		t.Fatalf("not sent to the provider: %s: %s", page.URL, page.Text())
	}
	jar := must[*cookiejar.Jar](t)(cookiejar.New(nil))
	back := must[*url.URL](t)(npmtest.SignIn(&http.Client{Jar: jar}, page.URL.String(), ada))
	return must[*walk.Page](t)(b.Get(t.Context(), back.String()))
}

func TestSignInThroughProviderFromNPM(t *testing.T) {
	for name, inIDToken := range map[string]bool{"claims at userinfo only": false, "claims in the ID token": true} {
		t.Run(name, func(t *testing.T) {
			s, up := npmSite(t, npmtest.Config{ClaimsInIDToken: inIDToken})
			f, _ := s.only(t)
			b := walk.New(f.transport, func(u *url.URL) bool {
				return strings.HasPrefix(u.String(), up.Issuer) || strings.HasPrefix(u.String(), appURI)
			})
			r := s.web.trip()
			page := signInAtNPM(t, f, b, r.path())
			if !page.Has("consent-approve") || !strings.Contains(page.Text(), ada) {
				t.Fatalf("no consent page: %s (%d): %s", page.URL, page.Status, page.Text())
			}
			page = must[*walk.Page](t)(page.Press(t.Context(), "consent-approve", nil))
			tok := f.redeem(t, r, page.URL.Query().Get("code"))
			info := f.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+tok.Access)
			if info.text("email") != ada || info.text("name") != "Person ada" || info.json(t)["email_verified"] != true {
				t.Errorf("userinfo = %s", info)
			}
			checkSecondSignIn(t, f, s, up, info.text("sub"))
		})
	}
}

// checkSecondSignIn comes back in another browser: it is the same person.
func checkSecondSignIn(t *testing.T, f front, s *site, up *npmtest.Upstream, sub string) {
	t.Helper()
	b := walk.New(f.transport, func(u *url.URL) bool {
		return strings.HasPrefix(u.String(), up.Issuer) || strings.HasPrefix(u.String(), appURI)
	})
	r := s.web.trip()
	page := signInAtNPM(t, f, b, r.path())
	if !page.Ended {
		t.Fatalf("asked again: %s: %s", page.URL, page.Text())
	}
	tok := f.redeem(t, r, page.URL.Query().Get("code"))
	a := f.introspect(t, s.api, tok.Access)
	if a.text("sub") != sub || a.text("username") != ada || a.text("tenant") != "acme" {
		t.Errorf("introspection = %s, want sub %s", a, sub)
	}
}
