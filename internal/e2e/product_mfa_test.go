package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestProductWhoseKeysWantASecondFactor is one of the examples with that added: none
// has it of itself.
func TestProductWhoseKeysWantASecondFactor(t *testing.T) {
	p := startProduct(t, profileWith(t, "uptime", "prefix: uptime_\n", "prefix: uptime_\n      mfa: true\n"))
	p.operate(t, "tenant", "policy", "acme", "--credentials-without-mfa") // what refuses is the profile
	body := fields{"name": "guarded", "scopes": []string{"monitors:read", "api-keys:write"}}
	weak, strong := p.personWithoutMFA(t, alice), p.person(t, alice)
	refused := p.v1(t, weak, http.MethodPost, "/keys", body)
	wantProblem(t, "a key after a sign-in with one factor", refused, http.StatusUnauthorized, "mfa-required")
	wantRefusal(t, "a key after a sign-in with one factor", refused, http.StatusUnauthorized, "unauthenticated")
	if challenge := refused.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `error="insufficient_user_authentication"`) {
		t.Errorf("no step-up (RFC 9470): %s", challenge)
	}
	if keys := p.listed(t, weak, "?state=all"); len(keys) != 0 {
		t.Errorf("there are %d keys", len(keys))
	}
	k := p.newKey(t, strong, body)
	wantStatus(t, "the key", p.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	child := p.v1(t, k.Secret, http.MethodPost, "/keys", fields{"name": "of a key", "scopes": []string{"monitors:read"}})
	wantProblem(t, "a key made with a key, which proves nothing", child, http.StatusUnauthorized, "mfa-required")
	wantProblem(t, "regenerate after a sign-in with one factor", p.v1(t, weak, http.MethodPost, k.path()+"/rotate", nil), http.StatusUnauthorized, "mfa-required")
	wantStatus(t, "the key that was not regenerated", p.call(t, k.Secret, http.MethodGet, "/t/acme/monitors", nil), http.StatusOK)
	wantStatus(t, "revoke after a sign-in with one factor", p.v1(t, weak, http.MethodDelete, k.path(), nil), http.StatusNoContent)
}
