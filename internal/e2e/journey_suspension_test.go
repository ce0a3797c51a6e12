package e2e

import (
	"net/http"
	"testing"
)

// suspensionStory is carol, whose organization is suspended and resumed.
type suspensionStory struct {
	visitor
	*product
	tok tokens
	key madeKey
}

// TestJourneyThroughASuspension: everything of the organization stops at once, its
// people read why, and afterwards what was given to machines for good works again.
func TestJourneyThroughASuspension(t *testing.T) {
	t.Parallel()
	j, p := demoJourney(t)
	s := &suspensionStory{visitor: j.visitor(t), product: p}
	p.operate(t, "tenant", "policy", "globex", "--contact", "billing@watchgate.test")
	s.signsIn()
	s.suspends()
	s.resumes()
}

func (s *suspensionStory) globex(credential string) int {
	s.t.Helper()
	return s.call(s.t, credential, http.MethodGet, "/t/globex/monitors", nil).status
}

// signsIn gets tokens with all that they can have, and a key.
func (s *suspensionStory) signsIn() {
	s.t.Helper()
	r := s.asks("scope", "openid email monitor:read api-keys:write offline_access")
	s.identifies(carol, byMFA)
	s.consents()
	s.tok = s.arrives(r)
	s.key = s.newKey(s.t, s.tok.Access, fields{"name": "of carol", "scopes": []string{"monitor:read"}})
	s.opens("before the suspension", s.tok.Access, http.StatusOK)
	s.opens("before the suspension", s.key.Secret, http.StatusOK)
}

// opens checks what the API answers, and that introspection says the same.
func (s *suspensionStory) opens(when, credential string, status int) {
	s.t.Helper()
	if got := s.globex(credential); got != status {
		s.t.Errorf("%s the API answers %d, not %d", when, got, status)
	}
	s.wantActive(when, credential, status == http.StatusOK)
}

// suspends has the operator suspend the organization.
func (s *suspensionStory) suspends() {
	t := s.t
	t.Helper()
	s.journey.operate(t, "tenant", "suspend", "globex", "--reason", "Invoice 4711 was not paid")
	s.opens("after the suspension", s.tok.Access, http.StatusUnauthorized)
	s.opens("after the suspension", s.key.Secret, http.StatusUnauthorized)
	s.wantNoRefresh("after the suspension", s.tok.Refresh)
	s.wantActive("a machine of another organization", s.journey.server.machineToken(t, demoM2M), true)

	why := []string{"Your organization is suspended", "Invoice 4711 was not paid", "billing@watchgate.test", "Reference"}
	s.visits("/account")
	s.look("suspended account", why...)
	s.asks()
	s.needs("Work e-mail") // the session opens nothing
	s.types("#email", carol)
	s.press("#login-submit")
	s.look("suspended", why...)
}

// resumes has the operator undo it.
func (s *suspensionStory) resumes() {
	t := s.t
	t.Helper()
	s.journey.operate(t, "tenant", "resume", "globex")
	s.opens("the key, after all", s.key.Secret, http.StatusOK)
	s.opens("the access token from before, after all,", s.tok.Access, http.StatusUnauthorized)
	again := tokensOf(t, s.journey.server.refresh(t, s.journey.app.credentials, s.tok.Refresh))
	s.opens("a refreshed token", again.Access, http.StatusOK)

	r := s.asks("prompt", "login")
	s.plays(carol, byMFA)
	s.opens("a token of a new sign-in", s.arrives(r).Access, http.StatusOK)
}
