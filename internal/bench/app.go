package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/watchgate/watchgate/internal/walk"
)

// app is a signed-in browser at a confidential client with remembered consent.
type app struct {
	site   *site
	client credentials
	cookie string
}

// tokens are what an app holds.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// signIn walks through the pages once, as a person.
func (s *site) signIn(ctx context.Context) (*app, error) {
	b := walker()
	if err := s.enter(ctx, b, s.web, "alice@acme.test"); err != nil {
		return nil, err
	}
	return &app{site: s, client: s.web, cookie: s.cookies(b)}, nil
}

// walker is a browser without cookies, whose walks end at the apps' redirect URI.
func walker() *walk.Browser {
	return walk.New(nil, func(u *url.URL) bool { return u.Path == "/callback" })
}

// enter goes through whatever pages a browser is shown on the way to a client's code:
// the provider's, where the person is not signed in, and the question about the client.
func (s *site) enter(ctx context.Context, b *walk.Browser, client credentials, email string) error {
	p, err := b.Get(ctx, s.deployment.Issuer+s.authorizePath(client.ID, rand.Text()+rand.Text())+"&login_hint="+url.QueryEscape(email))
	if err == nil && !p.Ended && p.Has("user="+email) {
		p, err = p.Press(ctx, "user="+email, nil)
	}
	if err == nil && !p.Ended {
		p, err = p.Press(ctx, "consent-approve", nil)
	}
	if err == nil && (!p.Ended || p.URL.Query().Get("code") == "") {
		err = fmt.Errorf("the walk ended at %s: %s", p.URL, p.Text())
	}
	return err
}

// cookies is the header of a browser's requests to the server.
func (s *site) cookies(b *walk.Browser) string {
	var pairs []string
	for _, c := range b.Cookies(s.deployment.Issuer) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// authorizePath is the authorization request of an app.
func (s *site) authorizePath(client, verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectURI}, "state": {"bench-state"},
		"scope": {"openid offline_access monitor:read"}, "nonce": {"bench-nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// authorize gets a code with the session.
func (a *app) authorize(w *wire, verifier string) (string, error) {
	host := strings.TrimPrefix(a.site.deployment.Issuer, "http://")
	req := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", a.site.authorizePath(a.client.ID, verifier), host, a.cookie)
	to, err := w.location([]byte(req))
	if err != nil {
		return "", err
	}
	code := to.Query().Get("code")
	if code == "" {
		return "", fmt.Errorf("authorize: sent to %s", to)
	}
	return code, nil
}

// redeem exchanges a code.
func (a *app) redeem(w *wire, code, verifier string) (tokens, error) {
	return a.tokens(w, url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	})
}

// refresh exchanges a refresh token.
func (a *app) refresh(w *wire, old string) (tokens, error) {
	return a.tokens(w, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old}})
}

func (a *app) tokens(w *wire, form url.Values) (t tokens, err error) {
	status, body, err := w.do(post(a.site.deployment.Issuer, "/oauth2/token", a.client, form))
	if err := expect(form.Get("grant_type"), status, body, err); err != nil {
		return t, err
	}
	err = json.Unmarshal(body, &t)
	if err == nil && (t.Access == "" || t.Refresh == "") {
		err = errors.New("tokens are missing in the answer")
	}
	return t, err
}

// flow is authorize, code and tokens.
func (a *app) flow(w *wire) (tokens, error) {
	verifier := rand.Text() + rand.Text()
	code, err := a.authorize(w, verifier)
	if err != nil {
		return tokens{}, err
	}
	return a.redeem(w, code, verifier)
}
