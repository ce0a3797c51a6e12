package e2e

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// authenticator gives the browser one that keeps passkeys and knows its person.
func (v visitor) authenticator() {
	v.t.Helper()
	err := chromedp.Do(v, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))
	noError(v.t, err)
}

// usesPasskey presses the button of the passkey, and waits for what the authenticator's
// answer leads to.
func (v visitor) usesPasskey() {
	v.t.Helper()
	v.press("form[data-passkey] button")
}

// TestJourneyWithAPasskey enrols one at the account's own pages, and signs in with it
// where the organization wants nothing less.
func TestJourneyWithAPasskey(t *testing.T) {
	t.Parallel()
	j := servedJourney(t)
	v := j.visitor(t)
	v.authenticator()
	v.enrolsPasskey()
	v.signsOut()
	v.operate(t, "tenant", "policy", "acme", "--require-level", "phr")
	v.signsInByPasskey()
	v.keepsTheOnlyPasskey()
	v.refusesWhoHasNone()
}

// enrolsPasskey signs in by password, and comes back to the page that it was asked for
// at.
func (v visitor) enrolsPasskey() {
	v.t.Helper()
	v.visits("/account/acme/security")
	v.identifies(alice, byPassword)
	v.needs("Second factors", "You have none.")
	v.press("#add-passkey")
	v.look("enrolment", "Add a factor", alice)
	v.usesPasskey()
	v.keepsCodes()
	v.look("security", "Second factors", "Passkey, added just now", "You have 10 that work.")
	if at := v.at(); at != v.server.issuer+"/account/acme/security" {
		v.t.Errorf("back at %s", at)
	}
}

// signsInByPasskey is the second sign-in: a password alone opens nothing.
func (v visitor) signsInByPasskey() {
	v.t.Helper()
	r := v.asks("acr_values", "phr")
	v.identifies(alice, byPassword)
	v.look("passkey", "Confirm it is you", "Status board", alice)
	pending := v.at()
	v.knowsNobody()
	v.open(pending)
	v.usesPasskey()
	v.consents()
	v.proven(v.arrives(r), "phr", "pwd", "mfa")
}

// keepsTheOnlyPasskey: without it she could not sign in any more.
func (v visitor) keepsTheOnlyPasskey() {
	v.t.Helper()
	v.visits("/account/acme/security")
	v.needs("acme Inc. asks everybody for a passkey.", "last used", "Has to stay")
}

// refusesWhoHasNone: somebody else's password gets as far as enrolling a passkey.
func (v visitor) refusesWhoHasNone() {
	v.t.Helper()
	v.signsOut()
	r := v.asks()
	v.identifies(bob, byPassword)
	v.needs("Add a second factor", bob)
	v.press(`button[value="cancel"]`)
	if q := v.answered(r); q.Get("error") != "unmet_authentication_requirements" || q.Has("code") {
		v.t.Errorf("the app got %v", q)
	}
}
