package idp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRefusedStepsAreRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		code   string
		tenant bool // in the tenant's trail, not in the platform's
		step   func(h *house, b *browser)
	}{
		"callback in another browser": {"other_browser", true, func(h *house, b *browser) {
			h.browser().get(h.provider(b.toProvider(b.open(), "alice@acme.test")))
		}},
		"callback on another connection's path": {"upstream_invalid", true, func(h *house, b *browser) {
			back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
			b.get(strings.Replace(back, "con_acme", "con_globex", 1))
		}},
		"callback replayed": {"already_used", true, func(h *house, b *browser) {
			back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
			b.get(back)
			b.get(back)
		}},
		"cross-site consent": {"cross_site_request", true, func(h *house, b *browser) {
			to, fields := b.signIn("alice@acme.test").form()
			b.postFrom(to, fields, "cross-site")
		}},
		"consent without a verifier": {"already_used", true, func(h *house, b *browser) {
			to, _ := b.signIn("alice@acme.test").form()
			b.post(to, nil)
		}},
		"transaction that is done": {"already_used", true, func(h *house, b *browser) {
			consent := b.signIn("alice@acme.test")
			b.submit(consent, "decision", "deny")
			b.submit(consent, "decision", "allow")
		}},
		"e-mail form without a verifier": {"already_used", false, func(h *house, b *browser) { b.post(b.open(), nil) }},
		"first page in another browser":  {"other_browser", false, func(h *house, b *browser) { h.browser().get(b.open()) }},
		"transaction that has expired": {"session_expired", false, func(h *house, b *browser) {
			login := b.open()
			h.clock.Forward(time.Hour)
			b.get(login)
		}},
		"unknown transaction": {"session_expired", false, func(h *house, b *browser) { b.get("/login/callback/con_acme?state=log_1.x&code=c") }},
		"no state":            {"bad_request", false, func(h *house, b *browser) { b.get("/login/callback/con_acme?code=c") }},
		"cross-site e-mail of nobody": {"cross_site_request", false, func(h *house, b *browser) {
			b.postFrom("/login/log_1", nil, "cross-site")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c.step(h, h.browser())
			tenant, platform := slices.Contains(h.events("acme"), "sign_in.refused "+c.code), slices.Contains(h.strays(), c.code)
			if tenant != c.tenant || platform == c.tenant {
				t.Errorf("tenant %v, platform %v", h.events("acme"), h.strays())
			}
		})
	}
}

func TestAttackFloodOfRefusedSteps(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for range 20 {
		b.get("/login/log_unknown").wants(http.StatusBadRequest, "session_expired")
	}
	if n := len(h.strays()); n != 1 {
		t.Errorf("%d events for one address in a minute", n)
	}
	h.clock.Forward(time.Minute)
	b.get("/login/log_unknown")
	if n := len(h.strays()); n != 2 {
		t.Errorf("%d events after another minute", n)
	}
}
