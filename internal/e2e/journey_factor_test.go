package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// authenticatorApp makes the codes of one seed.
type authenticatorApp struct {
	secret string
	used   int64 // the last step whose code was shown
}

// code is one that was not shown before. The server takes a code one step early, which
// spares the test the wait that a person has.
func (a *authenticatorApp) code(t *testing.T) string {
	t.Helper()
	const step = 30 // seconds
	a.used = max(time.Now().Unix()/step, a.used+1)
	return must[string](t)(totp.GenerateCode(a.secret, time.Unix(a.used*step, 0)))
}

// element is the text of a part of the page, once it is seen.
func (v visitor) element(selector chromedp.CSS) string {
	v.t.Helper()
	if err := chromedp.Do(v, chromedp.WaitVisible(selector)); err != nil {
		v.t.Fatalf("%s at %s: %v", selector, v.at(), err)
	}
	return must[string](v.t)(chromedp.Run(v, chromedp.Text(selector)))
}

// setsUpAnApp enrols an authenticator app at the page that offers it, and returns it
// with the recovery codes that come with a first factor.
func (v visitor) setsUpAnApp() (*authenticatorApp, []string) {
	v.t.Helper()
	v.press(`button[name="way"][value="app"]`)
	v.look("authenticator app", "Set up your authenticator app")
	a := &authenticatorApp{secret: strings.ReplaceAll(v.element("#totp-secret"), " ", "")}
	v.enters("#code", a.code(v.t), "#factor-app")
	return a, v.keepsCodes()
}

// keepsCodes notes the recovery codes, and goes on.
func (v visitor) keepsCodes() []string {
	v.t.Helper()
	v.look("recovery codes", "Keep these recovery codes")
	codes := strings.Fields(v.element("#recovery-codes"))
	if len(codes) != 10 {
		v.t.Fatalf("there are %d recovery codes", len(codes))
	}
	v.press("#codes-kept")
	return codes
}

// enters types into a field and sends its form.
func (v visitor) enters(field chromedp.CSS, text string, button chromedp.CSS) {
	v.t.Helper()
	v.types(field, text)
	v.press(button)
}

// recovers uses a recovery code, which is offered to whoever cannot use anything else.
func (v visitor) recovers(code string) {
	v.t.Helper()
	if err := chromedp.Do(v, chromedp.Click(chromedp.CSS("details summary"))); err != nil {
		v.t.Fatal(err)
	}
	v.enters("#recovery", code, "#factor-recovery")
}

// proven checks how the app is told that somebody signed in: with which acr, where it
// asked for one, and with which methods.
func (v visitor) proven(tok tokens, acr string, methods ...string) {
	v.t.Helper()
	told := v.server.introspect(v.t, v.api, tok.Access).json(v.t)
	for where, claims := range map[string]map[string]any{"the ID token": tok.claims(v.t), "introspection": told} {
		amr, _ := claims["amr"].([]any)
		for _, m := range methods {
			if !slices.Contains(amr, any(m)) {
				v.t.Errorf("%s has amr %v, without %q", where, amr, m)
			}
		}
		if got, _ := claims["acr"].(string); got != acr && acr != "" {
			v.t.Errorf("%s has acr %q, not %q", where, got, acr)
		}
	}
}

// oneFactor is the acr of the demo identity provider for a password.
const oneFactor = "urn:watchgate:demo:password"

// strongEnough is what an app sends that wants a second factor.
var strongEnough = []string{"acr_values", "mfa"}

// factorStory is what alice does with her second factor, browser by browser.
type factorStory struct {
	*journey
	*product
	phone *authenticatorApp
	shown string // the code that she entered last
	codes []string
}

// TestJourneyWithASecondFactor: the steps are one story, each in a browser that knows
// nothing of those before.
func TestJourneyWithASecondFactor(t *testing.T) {
	t.Parallel()
	j, p := demoJourney(t)
	s := &factorStory{journey: j, product: p}
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"an app asks for a factor, and she sets one up", s.enrols},
		{"an app asks for what issues keys, and she enters a code", s.stepsUp},
		{"a code that was used is refused, and a recovery code is not", s.recoversOnce},
		{"a recovery code that was used is refused", s.recoversTwice},
	} {
		if !t.Run(step.name, step.do) {
			return
		}
	}
}

func (s *factorStory) enrols(t *testing.T) {
	v := s.visitor(t)
	r := v.asks()
	v.identifies(alice, byPassword)
	v.consents()
	v.proven(v.arrives(r), oneFactor, "pwd")

	r = v.asks(strongEnough...) // nobody asks again who she is
	v.look("enrolment", "Add a second factor", "Passkeys cannot be used at this server’s address.", alice)
	v.press(`button[value="cancel"]`)
	if q := v.answered(r); q.Get("error") != "unmet_authentication_requirements" || q.Has("code") {
		t.Errorf("whoever declines sends the app %v", q)
	}

	r = v.asks(strongEnough...)
	s.phone, s.codes = v.setsUpAnApp()
	v.proven(v.arrives(r), "mfa", "pwd", "otp", "mfa")
}

func (s *factorStory) stepsUp(t *testing.T) {
	v := s.visitor(t)
	r := v.asks()
	v.identifies(alice, byPassword)
	weak := v.arrives(r)
	v.proven(weak, oneFactor, "pwd")

	body := fields{"name": "of a person", "scopes": []string{"monitor:read"}}
	r = v.asks("scope", "openid api-keys:write monitor:read")
	v.look("code", "Confirm it is you", "Status board", alice, "Code from your authenticator app")
	s.shown = s.phone.code(t)
	v.enters("#code", s.shown, "#factor-code")
	v.consents()
	strong := v.arrives(r)
	v.proven(strong, "", "pwd", "otp", "mfa")
	r = v.asks(strongEnough...) // which she proved a moment ago
	v.proven(v.arrives(r), "mfa", "pwd", "otp", "mfa")
	s.newKey(t, strong.Access, body)
	wantStatus(t, "a key for whoever has not asked for that scope", s.v1(t, weak.Access, http.MethodPost, "/keys", body), http.StatusForbidden)
}

// toFactor signs in with a password, up to the question for a second factor.
func (s *factorStory) toFactor(t *testing.T) (visitor, trip) {
	t.Helper()
	v := s.visitor(t)
	r := v.asks(strongEnough...)
	v.identifies(alice, byPassword)
	v.needs("Confirm it is you")
	return v, r
}

func (s *factorStory) recoversOnce(t *testing.T) {
	v, r := s.toFactor(t)
	v.enters("#code", s.shown, "#factor-code")
	v.look("replayed", "Confirm it is you", "That did not work.")
	v.recovers(s.codes[0])
	v.proven(v.arrives(r), "mfa", "pwd", "mfa")
	v.mailed(alice, "recovery_used", "A recovery code of yours was used", "9 are left.")
}

func (s *factorStory) recoversTwice(t *testing.T) {
	v, r := s.toFactor(t)
	v.recovers(s.codes[0])
	v.needs("Confirm it is you", "That did not work.")
	v.recovers(s.codes[1])
	v.arrives(r)
}

// mailed opens the last mail of a kind, once it was sent.
func (v visitor) mailed(to, kind string, words ...string) {
	v.t.Helper()
	await(v.t, "the mail "+kind, func() bool {
		v.visits("/dev/mail")
		return strings.Contains(v.words(), kind)
	})
	row := must[string](v.t)(chromedp.Run(v, chromedp.Evaluate[string](
		`[...document.querySelectorAll("tr")].find(r => r.querySelector("code")?.textContent === "`+kind+`").querySelector("a").href`)))
	v.open(row)
	v.look("mail "+kind, append(words, to)...)
}
