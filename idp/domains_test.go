package idp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/storage"
)

// twoWays is a house in which acme has a second provider, for the domain contractors.test.
func twoWays(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	op := optest.New(t, h.clock.Now)
	op.Person = map[string]any{"sub": "mallory-sub", "email": "mallory@contractors.test", "email_verified": true, "name": "Mallory"}
	h.addConnection("acme", "contractors", "contractors.test", op)
	return h
}

// requireSSO lets people of acme.test in through con_acme alone.
func (h *house) requireSSO() {
	h.t.Helper()
	h.putDomain("acme", storage.Domain{Name: "acme.test", Connection: "con_acme", VerifiedAt: h.clock.Now(), SSORequired: true})
}

func TestAttackAddressOfAnEnforcedDomainThroughAnotherConnection(t *testing.T) {
	h := twoWays(t)
	h.requireSSO()
	for _, verified := range []any{true, false, nil} {
		h.says("contractors", "email", "ceo@acme.test")
		h.says("contractors", "email_verified", verified)
		p := h.browser().arriving("mallory@contractors.test")
		p.wants(http.StatusForbidden, "sso_required")
		if !strings.Contains(p.text(), "acme") || !strings.Contains(p.text(), "support@watch.example") {
			t.Errorf("the page names neither connection nor contact: %s", p.text())
		}
	}
	h.nobody()
}

func TestEnforcedDomainLetsItsOwnConnectionIn(t *testing.T) {
	h := twoWays(t)
	h.requireSSO()
	h.browser().signIn("alice@acme.test")
	h.browser().signIn("mallory@contractors.test")
	if n := len(h.users("acme")); n != 2 {
		t.Errorf("%d people", n)
	}
}

func TestDomainThatIsNotEnforcedOrNotThisTenantsIsFree(t *testing.T) {
	for name, set := range map[string]func(h *house){
		"not enforced": func(*house) {},
		"another tenant's": func(h *house) {
			h.putDomain("globex", storage.Domain{Name: "globex.test", Connection: "con_globex", VerifiedAt: h.clock.Now(), SSORequired: true})
			h.says("contractors", "email", "ceo@globex.test")
		},
		"only claimed": func(h *house) {
			h.putDomain("acme", storage.Domain{Name: "claimed.test", Connection: "con_acme", Token: "t", SSORequired: true})
			h.says("contractors", "email", "ceo@claimed.test")
		},
	} {
		h := twoWays(t)
		h.says("contractors", "email", "ceo@acme.test")
		set(h)
		if p := h.browser().arriving("mallory@contractors.test"); p.Code != http.StatusSeeOther {
			t.Errorf("%s: status %d, %s", name, p.Code, p.text())
		}
	}
}

func TestHomeRealmIsFoundThroughVerifiedDomainsOnly(t *testing.T) {
	h := newHouse(t)
	h.putDomain("acme", storage.Domain{Name: "claimed.test", Connection: "con_acme", Token: "t"})
	b := h.browser()
	if p := b.submit(b.get(b.open()), "email", "alice@claimed.test"); p.Code == http.StatusSeeOther && strings.HasPrefix(p.location(), h.op["acme"].Issuer) {
		t.Error("a domain that nobody has proved leads to a provider")
	}
}
