package e2e

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// startDev starts a demonstration in a folder of its own and stops it at the
// test's end.
func startDev(t *testing.T, dir string, base int) *process.Dev {
	t.Helper()
	d := must[*process.Dev](t)(process.StartDev(t.Context(), dir, base))
	t.Cleanup(func() {
		if err := d.Stop(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return d
}

// The demonstration's clients, as its documentation has them.
var (
	demoAPI = credentials{"demo-api", "demo-api-secret"}
	demoM2M = credentials{"demo-m2m", "demo-m2m-secret"}
)

func demoApp(d *process.Dev, id, secret string) app {
	return app{credentials{id, secret}, d.API + "/callback", fullScope}
}

// library is a client made of golang.org/x/oauth2 and go-oidc.
type library struct {
	oauth2.Config
	provider *oidc.Provider
}

func newLibrary(t *testing.T, issuer string, a app) library {
	t.Helper()
	p := must[*oidc.Provider](t)(oidc.NewProvider(t.Context(), issuer))
	return library{oauth2.Config{
		ClientID: a.id, ClientSecret: a.secret, RedirectURL: a.redirect, Endpoint: p.Endpoint(), Scopes: strings.Fields(a.scope),
	}, p}
}

// signIn is the library's code flow, with walk as the browser.
func (l library) signIn(t *testing.T, b *walk.Browser, login, nonce string) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	at := must[*url.URL](t)(url.Parse(l.AuthCodeURL("state-of-the-client",
		oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce), oauth2.SetAuthURLParam("login_hint", login),
		oauth2.SetAuthURLParam("claims", `{"id_token":{"tenant":null,"tenant_id":null}}`))))
	issuer := front{issuer: at.Scheme + "://" + at.Host}
	page := issuer.walkTo(t, b, at.RequestURI(), login)
	q := page.URL.Query()
	if !page.Ended || q.Get("state") != "state-of-the-client" || q.Get("code") == "" {
		t.Fatalf("the walk ended at %s (%d): %s", page.URL, page.Status, page.Text())
	}
	return must[*oauth2.Token](t)(l.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier)))
}

func TestGoClientsWorkWithTheServer(t *testing.T) {
	dev := startDev(t, t.TempDir(), 0)
	for name, a := range map[string]app{
		"public": demoApp(dev, "demo-spa", ""), "confidential": demoApp(dev, "demo-web", "demo-web-secret"),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLibrary(t, dev.URL, a)
			b := front{issuer: dev.URL}.browser(a)
			tok := l.signIn(t, b, alice, "nonce-of-the-client")
			checkIDToken(t, l, tok)
			checkUserInfo(t, l, tok)
			checkTokenSource(t, dev, l, tok)
		})
	}
}

func checkIDToken(t *testing.T, l library, tok *oauth2.Token) {
	t.Helper()
	raw, _ := tok.Extra("id_token").(string)
	id, err := l.provider.Verifier(&oidc.Config{ClientID: l.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(tok.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	var claims struct {
		Tenant   string `json:"tenant"`
		TenantID string `json:"tenant_id"`
	}
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if id.Nonce != "nonce-of-the-client" || !strings.HasPrefix(id.Subject, "usr_") || claims.Tenant != "acme" || claims.TenantID == "" {
		t.Errorf("nonce = %q, sub = %q, claims = %+v", id.Nonce, id.Subject, claims)
	}
	other := l.provider.Verifier(&oidc.Config{ClientID: "another-client"})
	if _, err := other.Verify(t.Context(), raw); err == nil {
		t.Error("an ID token is good for another client")
	}
}

func checkUserInfo(t *testing.T, l library, tok *oauth2.Token) {
	t.Helper()
	info, err := l.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Name string }
	if err := info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if info.Email != alice || !info.EmailVerified || claims.Name == "" || !strings.HasPrefix(info.Subject, "usr_") {
		t.Errorf("userinfo = %+v, %+v", info, claims)
	}
}

// checkTokenSource lets the library refresh an expired token, and then ends the
// family.
func checkTokenSource(t *testing.T, dev *process.Dev, l library, tok *oauth2.Token) {
	t.Helper()
	stale := *tok
	stale.AccessToken, stale.Expiry = "", tok.Expiry.Add(-2*60*60*1e9)
	fresh := must[*oauth2.Token](t)(l.TokenSource(t.Context(), &stale).Token())
	if fresh.RefreshToken == tok.RefreshToken || fresh.AccessToken == tok.AccessToken || fresh.RefreshToken == "" {
		t.Error("the refresh did not rotate")
	}
	f := front{issuer: dev.URL, transport: http.DefaultTransport}
	for which, access := range map[string]string{"first": tok.AccessToken, "fresh": fresh.AccessToken} {
		if !f.isActive(t, demoAPI, access) {
			t.Errorf("the %s access token is not active", which)
		}
	}
	f.revoke(t, credentials{l.ClientID, l.ClientSecret}, fresh.RefreshToken)
	for which, access := range map[string]string{"first": tok.AccessToken, "fresh": fresh.AccessToken} {
		if f.isActive(t, demoAPI, access) {
			t.Errorf("the %s access token outlived its grant", which)
		}
	}
	dead := *fresh
	dead.AccessToken = ""
	if _, err := l.TokenSource(t.Context(), &dead).Token(); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("refresh of a revoked grant: %v", err)
	}
}

func TestGoMachineClientWorksWithTheServer(t *testing.T) {
	dev := startDev(t, t.TempDir(), 0)
	f := front{issuer: dev.URL, transport: http.DefaultTransport}
	cfg := clientcredentials.Config{
		ClientID: demoM2M.id, ClientSecret: demoM2M.secret, TokenURL: dev.URL + "/oauth2/token", Scopes: []string{"monitor:read"},
	}
	tok := must[*oauth2.Token](t)(cfg.Token(context.WithoutCancel(t.Context())))
	if !f.isActive(t, demoAPI, tok.AccessToken) {
		t.Fatal("a machine's token is not active")
	}
	if a := f.introspect(t, demoAPI, tok.AccessToken, "tenant", "globex"); a.body != inactive {
		t.Errorf("for globex: %s", a)
	}
	f.revoke(t, demoM2M, tok.AccessToken)
	if f.isActive(t, demoAPI, tok.AccessToken) {
		t.Error("a revoked token is active")
	}
}
