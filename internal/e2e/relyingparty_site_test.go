package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/npmtest"
	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// What an app says at its home.
const (
	nobodySignedIn = "nobody is signed in"
	someSignedIn   = "signed in as "
)

// relyingParty registers an app and starts it.
func (s *site) relyingParty(t *testing.T, id string) *npmtest.RelyingParty {
	t.Helper()
	return startRelyingParty(t, s.Issuer, id, s.operate)
}

// operator runs an operator's command and returns the first object of its JSON.
type operator func(t *testing.T, args ...string) map[string]string

// startRelyingParty is relyingParty for any deployment.
func startRelyingParty(t *testing.T, issuer, id string, operate operator) *npmtest.RelyingParty {
	t.Helper()
	port := must[int](t)(process.FreePort(0))
	at := npmtest.RelyingParty{URL: "http://127.0.0.1:" + itoa(port)}
	c := operate(t, "client", "create", "--id", id, "--name", "App "+id, "--redirect", at.RedirectURI(), "--scope", "openid,profile,email",
		"--post-logout-redirect", at.URL, "--backchannel-logout-uri", at.BackchannelLogoutURI())
	return npmtest.StartRelyingParty(t, npmtest.RelyingPartyConfig{Issuer: issuer, ClientID: c["client_id"], ClientSecret: c["secret"], Port: port})
}

// traveller is a browser that goes wherever it is sent, and has no scripts.
type traveller struct {
	*walk.Browser
	t *testing.T
	p *productAt
}

func (p *productAt) traveller(t *testing.T) traveller {
	return traveller{walk.New(p.transport, nil), t, p}
}

func (b traveller) open(at string) *walk.Page {
	b.t.Helper()
	return must[*walk.Page](b.t)(b.Get(b.t.Context(), at))
}

func (b traveller) press(page *walk.Page, button string, fill url.Values) *walk.Page {
	b.t.Helper()
	return must[*walk.Page](b.t)(page.Press(b.t.Context(), button, fill))
}

// signIn signs somebody in to an app. At the second one nobody asks who they are.
func (b traveller) signIn(app *npmtest.RelyingParty, who npmtest.Person) {
	b.t.Helper()
	page := b.open(app.SignInURL())
	for _, step := range []struct {
		button string
		fill   url.Values
	}{{"login-submit", url.Values{"email": {who.Login}}}, {"sign-in", who.Form()}, {"consent-approve", nil}} {
		if page.Has(step.button) {
			page = b.press(page, step.button, step.fill)
		}
	}
	if !strings.HasPrefix(page.URL.String(), app.URL) || !strings.Contains(page.Body, someSignedIn) {
		b.t.Fatalf("not signed in to %s: %s (%d): %s", app.URL, page.URL, page.Status, page.Text())
	}
}

// sees checks what an app says about this browser.
func (b traveller) sees(app *npmtest.RelyingParty, words string) {
	b.t.Helper()
	if page := b.open(app.URL); !strings.Contains(page.Body, words) {
		b.t.Errorf("%s says %q, and not %q", app.URL, page.Body, words)
	}
}

// awaits waits until an app has been told: logout tokens are delivered after the answer.
func (b traveller) awaits(app *npmtest.RelyingParty, words string) {
	b.t.Helper()
	await(b.t, app.URL+" to say "+words, func() bool { return strings.Contains(b.open(app.URL).Body, words) })
}

// isOut checks that Watchgate knows this browser no more.
func (b traveller) isOut() {
	b.t.Helper()
	if page := b.open(b.p.issuer + "/login"); !page.Has("login-submit") {
		b.t.Errorf("still signed in: %s", page.Text())
	}
}

// cookiesOf is what this browser shows an app.
func (b traveller) cookiesOf(app *npmtest.RelyingParty) string {
	var all []string
	for _, c := range b.Cookies(app.URL) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// withCookies asks an app who is signed in, with cookies that somebody kept.
func withCookies(t *testing.T, app *npmtest.RelyingParty, kept string) string {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL, nil))
	req.Header.Set("Cookie", kept)
	return must[string](t)(bodyOf(http.DefaultClient.Do(req)))
}
