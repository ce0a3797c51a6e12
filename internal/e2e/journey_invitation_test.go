package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/process"
)

const eve = "eve@small.example"

// passkeyJourney is over a demonstration that has passkeys.
func passkeyJourney(t *testing.T) *journey {
	t.Helper()
	dev := must[*process.Dev](t)(process.StartDev(t.Context(), t.TempDir(), 0, "--passkeys"))
	issuer := "http://localhost:" + itoa(dev.Base)
	p := &product{dev: dev, server: frontOf(t, issuer, dev.Node), api: frontOf(t, dev.API, dev.Node)}
	t.Cleanup(func() { p.stop(t) })
	j := &journey{server: p.server, api: demoAPI, operate: p.operate}
	j.addApp(t, "monitor:read")
	return j
}

// TestJourneyOfSomebodyWithoutAProvider is invited by mail, adds a passkey, and signs in
// with it where an app sends them.
func TestJourneyOfSomebodyWithoutAProvider(t *testing.T) {
	t.Parallel()
	j := passkeyJourney(t)
	j.operate(t, "user", "invite", "acme", eve)
	v := j.visitor(t)
	v.authenticator()
	v.acceptsTheInvitation()
	v.signsOut()
	r := v.asks("acr_values", "phr")
	v.types("#email", eve)
	v.press("#login-submit")
	v.look("a link or a passkey", "Check your e-mail", "Have you a passkey here?", eve)
	v.usesPasskey()
	v.consents()
	v.proven(v.arrives(r), "phr", "mfa")
}

func (v visitor) acceptsTheInvitation() {
	v.t.Helper()
	v.mailed(eve, "invitation", "invited")
	link := must[string](v.t)(chromedp.Run(v, chromedp.Evaluate[string](
		`[...document.querySelectorAll("a")].map(a => a.href).find(to => to.includes("/login/link/"))`)))
	v.open(link)
	v.look("invitation", "You are invited", eve)
	v.press("#link-open")
	v.look("first passkey", "Add a passkey", "This is how you will sign in", eve)
	v.usesPasskey()
	v.keepsCodes()
	if !strings.Contains(v.words(), "You are signed in") {
		v.t.Fatalf("not signed in:\n%s", v.words())
	}
}
