package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/walk"
)

// app is a client as its own program knows it.
type app struct {
	credentials
	redirect string
	scope    string
}

// tokens are a token response.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Type    string `json:"token_type"`
	Scope   string `json:"scope"`
	Expires int64  `json:"expires_in"`
}

// trip is an authorization request on its way, with what its answer must match.
type trip struct {
	app
	verifier, state, nonce string
}

func (a app) trip() trip {
	return trip{app: a, verifier: rand.Text() + rand.Text(), state: rand.Text(), nonce: rand.Text()}
}

// path is the authorization request; more are further parameters, by name and
// value in turn.
func (r trip) path(more ...string) string {
	sum := sha256.Sum256([]byte(r.verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {r.id}, "redirect_uri": {r.redirect}, "scope": {r.scope},
		"state": {r.state}, "nonce": {r.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/oauth2/authorize?" + q.Encode()
}

// form is the token request for a code.
func (r trip) form(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {r.redirect}, "code_verifier": {r.verifier},
	}
}

// walkTo takes a browser through the pages as the person of that login would,
// until the app is reached or a page has nothing to press.
func (f front) walkTo(t *testing.T, b *walk.Browser, path, login string) *walk.Page {
	t.Helper()
	page := must[*walk.Page](t)(b.Get(t.Context(), f.issuer+path))
	for range 6 {
		var button string
		for _, known := range []string{"login-submit", "user=" + login, "consent-approve"} {
			if !page.Ended && page.Has(known) {
				button = known
			}
		}
		if button == "" {
			return page
		}
		fill := url.Values{}
		if button == "login-submit" {
			fill.Set("email", login)
		}
		page = must[*walk.Page](t)(page.Press(t.Context(), button, fill))
	}
	return page
}

// code walks to a code.
func (f front) code(t *testing.T, b *walk.Browser, r trip, login string) string {
	t.Helper()
	page := f.walkTo(t, b, r.path("login_hint", login), login)
	q := page.URL.Query()
	if !page.Ended || q.Get("code") == "" || q.Get("state") != r.state || q.Get("iss") != f.issuer {
		t.Fatalf("the walk ended at %s (%d): %s", page.URL, page.Status, page.Text())
	}
	return q.Get("code")
}

// redeem exchanges a code.
func (f front) redeem(t *testing.T, r trip, code string) tokens {
	t.Helper()
	return tokensOf(t, f.post(t, "/oauth2/token", r.credentials, r.form(code)))
}

// signIn is a whole code flow.
func (f front) signIn(t *testing.T, b *walk.Browser, a app, login string) tokens {
	t.Helper()
	r := a.trip()
	return f.redeem(t, r, f.code(t, b, r, login))
}

// refresh exchanges a refresh token.
func (f front) refresh(t *testing.T, who credentials, token string) answer {
	t.Helper()
	return f.post(t, "/oauth2/token", who, refreshForm(token))
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

// machineForm is a client credentials request.
func machineForm() url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "scope": {"monitor:read"}}
}

// machineToken gets a client credentials token.
func (f front) machineToken(t *testing.T, who credentials) string {
	t.Helper()
	return tokensOf(t, f.post(t, "/oauth2/token", who, machineForm())).Access
}

// revoke asks for the end of a token; 200 is the only good answer.
func (f front) revoke(t *testing.T, who credentials, token string) {
	t.Helper()
	if a := f.post(t, "/oauth2/revoke", who, url.Values{"token": {token}}); a.status != http.StatusOK {
		t.Fatalf("revocation answered %s", a)
	}
}

func tokensOf(t *testing.T, a answer) tokens {
	t.Helper()
	var out tokens
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != http.StatusOK || out.Access == "" {
		t.Fatalf("no tokens: %s", a)
	}
	return out
}

// cookies is the Cookie header of a browser for the issuer.
func (f front) cookies(b *walk.Browser) string {
	var pairs []string
	for _, c := range b.Cookies(f.issuer) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// farAway is an end of life that no test reaches.
var farAway = time.Now().Add(24 * time.Hour)
