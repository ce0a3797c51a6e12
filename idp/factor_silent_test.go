package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// silent makes acme's provider say of nobody when it authenticated them, whatever it is
// asked.
func (f *factory) silent() {
	f.op["acme"].Claims = func(c map[string]any) { delete(c, "auth_time") }
}

// back goes to the provider that a page sends to, which is asked for a new
// authentication, and returns.
func (b *browser) back(f *factory, p page) page {
	b.h.t.Helper()
	if asked := f.asked(p); asked.Get("prompt") != "login" || asked.Get("max_age") == "" {
		b.h.t.Errorf("asked %v", asked)
	}
	return b.follow(b.get(f.provider(p.location())))
}

func TestFirstFactorOfSomebodyWhoseProviderNeverSaysWhen(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.silent()
		f.requires(storage.LevelMFA)
		b, d := f.browser(), newDevice()
		page := b.back(f, b.toFactor())
		page.says("Add a second factor")
		_, next := b.choose(page, "passkey", "response", d.create(t, page.options())).codes()
		b.follow(b.get(next)).says("wants access to")
		if s := b.session("acme"); s.Level != storage.LevelPHR || s.Pending || !s.AuthTime.IsZero() {
			t.Errorf("level %q, pending %v, auth_time %v", s.Level, s.Pending, s.AuthTime)
		}
	})
}

func TestFirstFactorForAnOwnPageWhereTheProviderNeverSaysWhen(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		f.silent()
		b, d := f.browser(), newDevice()
		b.signIn("alice@acme.test")
		f.clock.Forward(30 * time.Minute)
		f.purpose = storage.PurposeEnrolPasskey
		page := b.back(f, b.follow(b.get("/stepup")))
		_, next := b.choose(page, "passkey", "response", d.create(t, page.options())).codes()
		if to := b.follow(b.get(next)).location(); !strings.HasPrefix(to, "/mine") {
			t.Errorf("ends at %q", to)
		}
		if w := f.ways("acme", f.person("acme", "alice@acme.test")); w.Passkeys != 1 {
			t.Errorf("%+v", w)
		}
	})
}

// MF-08 where the provider never says when: a session is no new authentication, with
// the provider's page left open in another tab either.
func TestAttackFirstFactorByASessionThatWasThere(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		f.silent()
		b := f.browser()
		b.signIn("alice@acme.test")
		f.clock.Forward(30 * time.Minute)
		f.request.ACRValues = []string{"mfa"}
		login := b.get(b.open()).location() // the session answers, but for the factor
		out := b.follow(b.get(login))
		for _, page := range []string{"/tenant", "", "/email"} {
			p := b.get(login + page)
			if strings.Contains(p.text(), "Add a second factor") {
				t.Errorf("%s: %s", page, p.text())
			}
		}
		p := b.get(login + "/tenant")
		to, fields := p.form()
		fields.Set("tenant", "acme")
		if again := b.follow(b.post(to, fields)); !strings.HasPrefix(again.location(), f.op["acme"].Issuer) {
			t.Errorf("to %q", again.location())
		}
		b.get(f.provider(out.location())).wants(http.StatusBadRequest, "already_used")
		if w := f.ways("acme", f.person("acme", "alice@acme.test")); !w.None() {
			t.Errorf("%+v", w)
		}
	})
}

// An app that limits the age of the authentication gets one that is proved, or none:
// also where the session was new enough, and the provider says nothing any more.
func TestAttackNoProofOfANewAuthenticationForAFirstFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.saysAuthTime()
		b, age := f.browser(), int64(3600)
		b.signIn("alice@acme.test")
		f.clock.Forward(30 * time.Minute)
		f.silent()
		f.request.ACRValues, f.request.MaxAge = []string{"mfa"}, &age
		b.get(f.provider(b.follow(b.get(b.open())).location())).wants(http.StatusBadRequest, "upstream_stale")
	})
}

// Who has a factor proves it, and is no newcomer by their provider's silence.
func TestAttackAnotherFactorByTheProvidersSilence(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		f.app("acme", f.alice())
		f.silent()
		b := f.browser()
		b.signIn("alice@acme.test")
		f.purpose = storage.PurposeEnrolPasskey
		b.follow(b.get("/stepup")).says("Confirm it is you")
	})
}
