package e2e

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/npmtest"
)

// bodyOf reads a response to its end.
func bodyOf(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	return string(body), errors.Join(err, res.Body.Close())
}

// twoApps are two apps of which the same two people use both.
type twoApps struct {
	*productAt
	mail, wiki *npmtest.RelyingParty
	ada, bob   traveller
}

func newTwoApps(t *testing.T) *twoApps {
	t.Helper()
	p := withProduct(t, auth0)
	a := &twoApps{productAt: p, mail: p.relyingParty(t, "mail"), wiki: p.relyingParty(t, "wiki"), ada: p.traveller(t), bob: p.traveller(t)}
	for login, b := range map[string]traveller{ada: a.ada, "bob@npm.test": a.bob} {
		for _, app := range []*npmtest.RelyingParty{a.mail, a.wiki} {
			b.signIn(app, npmtest.Person{Login: login, Groups: []string{"boss"}, MFA: true})
			b.sees(app, someSignedIn)
		}
	}
	return a
}

// checkOthers sees that bob, who did nothing, is still where he was.
func (a *twoApps) checkOthers() {
	a.bob.t.Helper()
	a.bob.sees(a.mail, someSignedIn)
	a.bob.sees(a.wiki, someSignedIn)
}

func TestSigningOutOfOneAppEndsTheOther(t *testing.T) {
	a := newTwoApps(t)
	kept := a.ada.cookiesOf(a.mail)
	if got := withCookies(t, a.mail, kept); !strings.Contains(got, someSignedIn) {
		t.Fatalf("before: %s", got)
	}
	page := a.ada.open(a.mail.SignOutURL())
	if page.Has("logout-confirm") {
		t.Errorf("asked, though the app has an ID token of this very session: %s", page.Text())
	}
	if at := strings.TrimSuffix(page.URL.String(), "/"); at != a.mail.URL || !strings.Contains(page.Body, nobodySignedIn) {
		t.Errorf("after the sign-out: %s: %s", page.URL, page.Text())
	}
	a.ada.isOut()
	a.ada.awaits(a.wiki, nobodySignedIn)
	// Whoever kept the first app's cookie has nothing, either: it was told, too.
	await(t, "the kept cookie to be worth nothing", func() bool { return strings.Contains(withCookies(t, a.mail, kept), nobodySignedIn) })
	a.checkOthers()
}

func TestSigningOutHereEndsTheApps(t *testing.T) {
	a := newTwoApps(t)
	page := a.ada.open(a.issuer + "/oauth2/logout")
	if !page.Has("logout-confirm") {
		t.Fatalf("not asked: %s", page.Text())
	}
	a.ada.sees(a.mail, someSignedIn) // nothing happens before the answer
	a.ada.press(page, "logout-confirm", nil)
	a.ada.isOut()
	a.ada.awaits(a.mail, nobodySignedIn)
	a.ada.awaits(a.wiki, nobodySignedIn)
	a.checkOthers()
}

// TestSigningOutAtTheProviderEndsTheApps: its logout token ends the session here, and
// ours those of the apps.
func TestSigningOutAtTheProviderEndsTheApps(t *testing.T) {
	a := newTwoApps(t)
	page := a.ada.open(a.up.SignOutURL())
	a.ada.press(page, "sign-out", nil)
	// The provider waits for our answer, and we answer when the session is over.
	a.ada.isOut()
	a.ada.awaits(a.mail, nobodySignedIn)
	a.ada.awaits(a.wiki, nobodySignedIn)
	a.checkOthers()
}

// TestEndedSessionComesBackByASignIn: an app that was told of a sign-out lets the person
// in again when they sign in again.
func TestEndedSessionComesBackByASignIn(t *testing.T) {
	a := newTwoApps(t)
	a.ada.open(a.mail.SignOutURL())
	a.ada.awaits(a.wiki, nobodySignedIn)
	a.ada.signIn(a.wiki, npmtest.Person{Login: ada, Groups: []string{"boss"}, MFA: true})
	a.ada.sees(a.wiki, someSignedIn)
}

// TestAttackForgedLogoutToken: an app believes no logout token but ours, and we
// none but the provider's.
func TestAttackForgedLogoutToken(t *testing.T) {
	a := newTwoApps(t)
	forged := url.Values{"logout_token": {"eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0."}}
	for _, at := range []string{a.mail.BackchannelLogoutURI(), a.backchannel("acme", a.productAt.connection)} {
		res, err := http.PostForm(at, forged)
		if body := must[string](t)(bodyOf(res, err)); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s answered %d: %s", at, res.StatusCode, body)
		}
	}
	a.ada.sees(a.mail, someSignedIn)
	a.checkOthers()
}
