package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/process"
)

// policy runs the operator's command for acme's policy.
func (w *managed) policy(t *testing.T, flags ...string) {
	t.Helper()
	args := append([]string{"tenant", "policy", w.acme.slug, "--data-dir", w.dev.Dir}, flags...)
	must[string](t)(process.Run(t.Context(), nil, args...))
}

// weak is an owner's token after a sign-in with one factor, which nobody is given
// unless the policy did not ask for two at that time.
func (w *managed) weak(t *testing.T) string {
	t.Helper()
	w.policy(t, "--credentials-without-mfa")
	p := &product{dev: w.dev, server: w.f}
	token := p.signInAt(t, w.f.browser(w.app), w.app, alice, "user_no_mfa="+alice).Access
	w.policy(t, "--no-credentials-without-mfa")
	return token
}

// organization calls f for every operation that needs a scope, with a request that an
// owner could make.
func (w *managed) organization(t *testing.T, scope string, f func(t *testing.T, q question)) {
	t.Helper()
	n := 0
	for _, o := range w.operations(t) {
		if !o.needs(scope) {
			continue
		}
		n++
		t.Run(o.String(), func(t *testing.T) {
			q := question{operation: o, path: w.acme.filled(t, w, o), body: w.plainBody(o)}
			f(t, q)
			w.tidy(t, w.acme, q, answer{header: http.Header{}})
		})
	}
	if n < 10 {
		t.Errorf("only %d operations need %s", n, scope)
	}
}

func TestWhoIsNeitherOwnerNorAdminSeesNothingOfTheOrganization(t *testing.T) {
	w := newManaged(t)
	for role, login := range map[string]string{"member": bob, "viewer": victor} {
		token := w.f.signIn(t, w.f.browser(w.app), w.app, login).Access
		for _, scope := range []string{"organization:read", "organization:write"} {
			w.organization(t, scope, func(t *testing.T, q question) {
				wantProblem(t, q.String()+" by a "+role, w.ask(t, q, token), http.StatusForbidden, "insufficient-scope")
			})
		}
	}
}

func TestAKeyReadsTheOrganizationAndChangesNothing(t *testing.T) {
	w := newManaged(t)
	key := w.mighty(t, w.acme)
	w.organization(t, "organization:read", func(t *testing.T, q question) {
		wantStatus(t, q.String(), w.ask(t, q, key), http.StatusOK)
	})
	w.organization(t, "organization:write", func(t *testing.T, q question) {
		wantProblem(t, q.String(), w.ask(t, q, key), http.StatusForbidden, "forbidden")
	})
}

func TestWhoChangesTheOrganizationHasProvedASecondFactor(t *testing.T) {
	w := newManaged(t)
	token := w.weak(t)
	w.organization(t, "organization:read", func(t *testing.T, q question) {
		wantStatus(t, q.String(), w.ask(t, q, token), http.StatusOK)
	})
	w.organization(t, "organization:write", func(t *testing.T, q question) {
		a := w.ask(t, q, token)
		wantProblem(t, q.String(), a, http.StatusUnauthorized, "mfa-required")
		challenge := a.header.Get("WWW-Authenticate")
		for _, word := range []string{`error="insufficient_user_authentication"`, `acr_values="mfa"`, `max_age="3600"`} {
			if !strings.Contains(challenge, word) {
				t.Errorf("%s is challenged with %s", q, challenge)
			}
		}
	})
}
