package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/npmtest"
)

// sessionStory is bob at two browsers. What happens in the second shows in the first.
type sessionStory struct {
	visitor         // the first browser
	second  visitor // the other one
}

// TestJourneyOfASession ends sessions from another browser, and at last everything.
func TestJourneyOfASession(t *testing.T) {
	t.Parallel()
	j, _ := demoJourney(t)
	s := &sessionStory{j.visitor(t), j.visitor(t)}
	first, wiki := s.signsIn(), startRelyingParty(t, j.server.issuer, "wiki", j.operate)
	s.uses(wiki)
	s.second.visits("/account/acme/sessions")
	s.second.identifies(bob, byMFA)
	s.second.look("sessions", "This one", "(demo identity provider)", "Where you are signed in at Acme Monitoring")

	s.endsTheOther()
	s.isOut("the token of the session that was ended", first)
	await(t, "the app to be told", func() bool { s.open(wiki.URL); return strings.Contains(s.words(), nobodySignedIn) })
	away := s.signsIn("scope", s.app.scope+" offline_access")
	s.endsAllOthers()
	s.isOut("the token of one of all others", tokens{})
	s.wantActive("what may act while he is away", away.Access, true)
	away = tokensOf(t, s.server.refresh(t, s.app.credentials, away.Refresh))

	s.operate(t, "tenant", "policy", "acme", "--sign-out-everything")
	s.signsIn()
	s.second.signsOut()
	s.isOut("what may act while he is away, after he signed out of everything", away)
	s.wantNoRefresh("what may act while he is away, after he signed out of everything", away.Refresh)
}

// signsIn gets tokens in the first browser, which has no session.
func (s *sessionStory) signsIn(more ...string) tokens {
	s.t.Helper()
	r := s.asks(more...)
	s.identifies(bob, byPassword)
	if !strings.Contains(s.words(), backAtTheApp) { // what is remembered is not asked
		s.consents()
	}
	tok := s.arrives(r)
	s.wantActive("a token of a moment ago", tok.Access, true)
	return tok
}

// uses signs in to an app that is not ours, which nobody has to be asked for any more.
func (s *sessionStory) uses(app *npmtest.RelyingParty) {
	s.t.Helper()
	s.open(app.SignInURL())
	s.consents()
	s.needs(someSignedIn)
}

// isOut checks that the first browser has no session, and a token no life.
func (s *sessionStory) isOut(what string, tok tokens) {
	s.t.Helper()
	if tok.Access != "" {
		s.wantActive(what, tok.Access, false)
	}
	s.knowsNobody()
	s.asks()
	s.needs("Work e-mail")
}

// endsTheOther ends the first browser's session at the list in the second.
func (s *sessionStory) endsTheOther() {
	s.t.Helper()
	v := s.second
	v.press(`ul.sessions a:not([href$="/oauth2/logout"])`)
	v.look("end one", "End this session?", "These apps lose the access that they got in it", "Status board", "App wiki")
	v.press("#do")
	v.needs("Sessions", "This one")
	if n := must[int](v.t)(chromedp.Run(v, chromedp.Evaluate[int](`document.querySelectorAll("ul.sessions > li").length`))); n != 1 {
		v.t.Errorf("%d sessions are left:\n%s", n, v.words())
	}
}

// endsAllOthers ends them in the second browser, and reads the mail about it.
func (s *sessionStory) endsAllOthers() {
	s.t.Helper()
	v := s.second
	v.visits("/account/acme/sessions")
	v.press("#end-others")
	v.look("end all others", "End all other sessions?", "You stay signed in in this browser")
	v.press("#do")
	v.needs("This one")
	v.mailed(bob, "sessions_ended", "sessions")
	v.visits("/account/acme/sessions")
	v.needs("This one")
}

// signsOut signs out of the server, which says what it ends.
func (v visitor) signsOut() {
	v.t.Helper()
	v.visits("/oauth2/logout")
	v.needs("Sign out?")
	v.press("#logout-confirm")
	if !strings.Contains(v.words(), "Signed out") {
		v.t.Fatalf("not signed out:\n%s", v.words())
	}
}
