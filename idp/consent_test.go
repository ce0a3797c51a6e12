package idp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// changeApp changes the app and its version.
func (h *house) changeApp(f func(*storage.Client)) {
	h.t.Helper()
	c, err := h.store.Client(h.t.Context(), "app")
	h.must(err)
	f(&c)
	h.must(h.store.UpdateClient(h.t.Context(), c, audit.ClientUpdated(h.t.Context(), h.clock.Now(), c)))
}

func TestAttackAppChangesWhileThePersonReads(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	h.changeApp(func(c *storage.Client) { c.Name = "Something else" })
	again := b.submit(consent, "decision", "allow")
	if again.Code != http.StatusOK || !strings.Contains(again.text(), "Something else") || len(h.engine.approved) != 0 {
		t.Fatalf("status %d, approved %+v: %s", again.Code, h.engine.approved, again.text())
	}
	b.submit(again, "decision", "allow").location()
	if len(h.engine.approved) != 1 || h.engine.approved[0].version != 2 {
		t.Errorf("approved %+v", h.engine.approved)
	}
}

func TestAttackShownVersionEdited(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	to, fields := b.signIn("alice@acme.test").form()
	h.changeApp(func(c *storage.Client) { c.Name = "Something else" })
	version, mac, _ := strings.Cut(fields.Get("verifier"), ".")
	if version != "1" {
		t.Fatalf("verifier %q", fields.Get("verifier"))
	}
	fields.Set("decision", "allow")
	fields.Set("verifier", "2."+mac)
	b.post(to, fields).wants(http.StatusBadRequest, "already_used")
	if len(h.engine.approved) != 0 {
		t.Errorf("approved %+v", h.engine.approved)
	}
}

func TestAppThatChangedCanStillBeDenied(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	consent := b.signIn("alice@acme.test")
	h.changeApp(func(c *storage.Client) { c.Name = "Something else" })
	if to := b.submit(consent, "decision", "deny").location(); to != "https://app.example/cb?error=access_denied" {
		t.Errorf("to %q", to)
	}
}

func TestConsentPageShowsWhatTheClaimsParameterImplies(t *testing.T) {
	h := newHouse(t)
	h.request.Scopes, h.engine.implied = []string{"openid", "monitor:read"}, []string{"email", "offline_access"}
	consent := h.browser().signIn("alice@acme.test")
	for _, want := range []string{"See your monitors", "See your e-mail address", "30 days"} {
		if !strings.Contains(consent.text(), want) {
			t.Errorf("the consent page lacks %q: %s", want, consent.text())
		}
	}
}

// What the page says of the app, and what the engine says of it, may have been
// read at two moments: approved is the older one, and so it is asked again.
func TestAttackAppChangesWhileThePageIsMade(t *testing.T) {
	h := newHouse(t)
	h.changeApp(func(c *storage.Client) { c.Name = "Something else" })
	b := h.browser()
	h.engine.behind = 1
	consent := b.signIn("alice@acme.test")
	h.engine.behind = 0
	if p := b.submit(consent, "decision", "allow"); p.Code != http.StatusOK || len(h.engine.approved) != 0 {
		t.Errorf("status %d, approved %+v", p.Code, h.engine.approved)
	}
}
