package idp_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// MF-10: what proves something in one transaction proves nothing in another.
func TestAttackPasskeyAnswerInAnotherTransaction(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		first, second := b.toFactor(), b.toFactor()
		answer := d.get(t, first.options())
		b.follow(b.choose(second, "passkey", "response", answer)).says("That did not work")
		if !b.session("acme").Pending {
			t.Error("the other transaction's answer is accepted")
		}
		// The same form, with the state of the other transaction.
		_, fields := first.way("passkey", "response", answer)
		to, _ := b.toFactor().way("passkey")
		b.post(to, fields).wants(http.StatusBadRequest, "already_used")
	})
}

func TestAttackPasskeyAnswerReplayed(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.toFactor()
		answer := d.get(t, page.options())
		b.choose(page, "passkey", "response", answer).location()
		b.choose(page, "passkey", "response", answer).wants(http.StatusBadRequest, "already_used")
		next := b.toFactor()
		if s := b.session("acme"); s.Pending {
			next.says("Confirm it is you")
			b.follow(b.choose(next, "passkey", "response", answer)).says("That did not work")
		}
	})
}

func TestAttackAnswerThatWasWrongIsTriedAgain(t *testing.T) {
	f := newHouse(t).withFactors()
	d := f.enrol("acme", f.alice())
	f.requires(storage.LevelMFA)
	b := f.browser()
	page := b.toFactor()
	right := d.get(t, page.options())
	b.choose(page, "passkey", "response", "{}").location()
	b.choose(page, "passkey", "response", right).wants(http.StatusBadRequest, "already_used")
	if !b.session("acme").Pending {
		t.Error("a challenge was answered twice")
	}
}

func TestAttackFactorInAnotherBrowser(t *testing.T) {
	f := newHouse(t).withFactors()
	secret := f.app("acme", f.alice())
	f.requires(storage.LevelMFA)
	page := f.browser().toFactor()
	mallory := f.browser()
	mallory.choose(page, "code", "code", f.code(secret)).wants(http.StatusBadRequest, "other_browser")
	mallory.get(strings.TrimSuffix(page.path, "/factor")).wants(http.StatusBadRequest, "other_browser")
}

func TestAttackAnotherPersonsFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		f.app("acme", alice)
		f.enrol("acme", alice)
		mallory := f.invite("acme", "mallory@acme.test", storage.RoleMember)
		d, secret := f.enrol("acme", mallory), f.app("acme", mallory)
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.follow(b.choose(b.toFactor(), "code", "code", f.code(secret)))
		page.says("That did not work")
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("That did not work")
		if !b.session("acme").Pending {
			t.Error("another person's factor is accepted")
		}
	})
}

func TestAttackBruteForceThroughThePages(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		secret := f.app("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.toFactor()
		for range 5 {
			page = b.follow(b.choose(page, "code", "code", "000000"))
			page.says("That did not work")
		}
		page = b.follow(b.choose(page, "code", "code", f.code(secret)))
		page.says("There were too many tries")
		// Another browser, another transaction: it is the person who waits.
		other := f.browser()
		other.follow(other.choose(other.toFactor(), "code", "code", f.code(secret))).says("There were too many tries")
		f.clock.Forward(30 * time.Second)
		b.follow(b.choose(page, "code", "code", f.code(secret))).says("wants access to")
		if !slices.Contains(f.events("acme"), "factor.refused too_many_tries") {
			t.Errorf("trail %v", f.events("acme"))
		}
	})
}

// TestAttackPatientGuessingThroughThePages: time does not help any more, and the page
// does not say that it would; a passkey does.
func TestAttackPatientGuessingThroughThePages(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		secret, d := f.app("acme", alice), f.enrol("acme", alice)
		f.requires(storage.LevelMFA)
		for range storage.MaxTries {
			_, err := f.store.Tenant(f.tenants["acme"]).TakeTry(t.Context(), alice.ID, idp.FactorTries, 0, f.clock.Now())
			f.must(err)
		}
		f.clock.Forward(idp.FactorPause)
		b := f.browser()
		page := b.toFactor()
		for range 3 {
			page = b.follow(b.choose(page, "code", "code", f.code(secret)))
			page.says("Too many codes were wrong. Use a passkey, or ask an administrator to reset your second factors.")
		}
		recorded := slices.DeleteFunc(f.events("acme"), func(ev string) bool { return !strings.HasPrefix(ev, "factor.refused") })
		if diff := cmp.Diff([]string{"factor.refused locked"}, recorded); diff != "" {
			t.Errorf("in one minute the trail has %s", diff)
		}
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("wants access to")
	})
}

// MF-09: what the factor step asks for cannot be gone round.
func TestAttackFactorStepSkipped(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.app("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.toFactor()
		to, fields := page.way("code")
		login := strings.TrimSuffix(to, "/factor")
		fields.Set("decision", "allow")
		for _, form := range []string{"/consent", "/tenant", ""} {
			b.post(login+form, fields)
		}
		b.post(login+"/consent", fields).wants(http.StatusBadRequest, "already_used")
		b.get(login).says("Confirm it is you")
		if len(f.engine.approved) != 0 || !b.session("acme").Pending {
			t.Errorf("approved %v", f.engine.approved)
		}
	})
}

func TestAttackPendingSessionIsUsed(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.app("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		b.toFactor()
		if current, err := f.server.Current(b.request()); err != nil || len(current) != 0 {
			t.Errorf("signed in by %v, %v", current, err)
		}
		b.get(b.open()).says("Work e-mail") // to another app
		if p := b.get("/stepup"); p.Code != http.StatusUnauthorized {
			t.Errorf("a step-up of a pending session: %d", p.Code)
		}
		b.follow(b.get("/login?return_to=/mine")).says("Work e-mail")
		if len(f.engine.approved) != 0 {
			t.Errorf("approved %v", f.engine.approved)
		}
	})
}

func TestAttackPolicyThatComesMeanwhile(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.app("acme", f.alice())
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		b := f.browser()
		b.signIn("alice@acme.test")
		f.requires(storage.LevelMFA)
		b.follow(b.get(b.open())).says("Confirm it is you")
		f.need = storage.Need{}
		b.follow(b.get("/stepup")).says("Confirm it is you")
	})
}

// MF-08: a thief of a session adds no factor.
func TestAttackEnrolmentWithoutFreshAuthentication(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		alice := f.alice()
		b := f.browser()
		b.signIn("alice@acme.test")
		f.clock.Forward(30 * time.Minute)
		for _, purpose := range []storage.LoginPurpose{storage.PurposeEnrolPasskey, storage.PurposeEnrolTOTP, storage.PurposeRecoveryCodes} {
			f.purpose = purpose
			p := b.follow(b.get("/stepup"))
			if to := p.location(); !strings.HasPrefix(to, f.op["acme"].Issuer) {
				t.Fatalf("%s: not sent to the provider, but to %q", purpose, to)
			}
			if asked := f.asked(p); asked.Get("prompt") != "login" {
				t.Errorf("%s: asked %v", purpose, asked)
			}
		}
		f.op["acme"].Claims = func(c map[string]any) { c["auth_time"] = f.clock.Now().Add(-20 * time.Minute).Unix() }
		b.get(f.provider(b.follow(b.get("/stepup")).location())).wants(http.StatusBadRequest, "upstream_stale")
		if w := f.ways("acme", alice); !w.None() {
			t.Errorf("%+v", w)
		}
	})
}

func TestAttackEnrolmentByWhoeverHasNotProvedTheirFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		alice := f.alice()
		f.app("acme", alice)
		b := f.browser()
		b.signIn("alice@acme.test") // with the password that was stolen
		f.purpose = storage.PurposeEnrolPasskey
		page := b.follow(b.get("/stepup"))
		page.says("Confirm it is you")
		to, fields := page.way("passkey", "response", "{}")
		b.post(strings.TrimSuffix(to, "factor")+"enrol", fields).wants(http.StatusBadRequest, "already_used")
		page = b.follow(b.get("/stepup"))
		to, fields = page.way("app")
		b.post(strings.TrimSuffix(to, "factor")+"enrol", fields).wants(http.StatusBadRequest, "already_used")
		if w := f.ways("acme", alice); w.Passkeys != 0 || w.TOTP != 1 {
			t.Errorf("%+v", w)
		}
	})
}

func TestAttackEnrolmentOnTheWayInAnOldSession(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		f.alice()
		b := f.browser()
		b.signIn("alice@acme.test")
		f.clock.Forward(30 * time.Minute)
		f.request.ACRValues = []string{"mfa"}
		p := b.follow(b.get(b.open()))
		if asked := f.asked(p); asked.Get("prompt") != "login" || !asked.Has("max_age") {
			t.Fatalf("asked %v", asked)
		}
		b.follow(b.get(f.provider(p.location()))).says("Add a second factor")
	})
}

// asked are the parameters of a request to a provider.
func (f *factory) asked(p page) url.Values {
	f.t.Helper()
	u, err := url.Parse(p.location())
	f.must(err)
	return u.Query()
}

// SE-02, row 101: the handle from before a factor is worth nothing after it.
func TestAttackSessionFixationAtStepUp(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		secret := f.app("acme", f.alice())
		b := f.browser()
		b.signIn("alice@acme.test")
		planted := b.cookie(f.sessionCookie("acme"))
		f.need = storage.Need{Level: storage.LevelMFA}
		b.choose(b.follow(b.get("/stepup")), "code", "code", f.code(secret)).location()
		if b.cookie(f.sessionCookie("acme")) == planted {
			t.Error("the handle stayed")
		}
		mallory := f.browser()
		mallory.setCookie(f.sessionCookie("acme"), planted)
		if p := mallory.get("/stepup"); p.Code != http.StatusUnauthorized {
			t.Errorf("the old handle works: %d", p.Code)
		}
	})
}

func TestAttackStepUpOfASessionThatHasEnded(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		secret := f.app("acme", f.alice())
		b := f.browser()
		b.signIn("alice@acme.test")
		f.need = storage.Need{Level: storage.LevelMFA}
		page := b.follow(b.get("/stepup"))
		f.must(f.server.End(t.Context(), b.session("acme"), "admin"))
		b.choose(page, "code", "code", f.code(secret)).wants(http.StatusBadRequest, "session_expired")
	})
}

func TestAttackFactorOfADisabledPerson(t *testing.T) {
	f := newHouse(t).withFactors()
	alice := f.alice()
	secret := f.app("acme", alice)
	f.requires(storage.LevelMFA)
	b := f.browser()
	page := b.toFactor()
	f.disable("acme", "alice@acme.test")
	b.choose(page, "code", "code", f.code(secret)).wants(http.StatusForbidden, "user_suspended")
}

// A level that was proved by a passkey is not made recent by a code.
func TestAttackOldPasskeyMadeFreshByACode(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		alice := f.alice()
		d, secret := f.enrol("acme", alice), f.app("acme", alice)
		b := f.browser()
		b.signIn("alice@acme.test")
		f.need = storage.Need{Level: storage.LevelPHR}
		page := b.follow(b.get("/stepup"))
		b.choose(page, "passkey", "response", d.get(t, page.options())).location()
		f.clock.Forward(30 * time.Minute)
		f.need = storage.Need{Level: storage.LevelPHR, Since: f.clock.Now()}
		b.follow(b.choose(b.follow(b.get("/stepup")), "code", "code", f.code(secret)))
		if s := b.session("acme"); f.need.Met(s.Session) || s.Level != storage.LevelPHR {
			t.Errorf("level %q at %v", s.Level, s.MFAAt)
		}
	})
}

func TestAttackGarbageInAFactorForm(t *testing.T) {
	f := newHouse(t).withFactors()
	f.app("acme", f.alice())
	f.requires(storage.LevelMFA)
	b := f.browser()
	for _, way := range []string{"", "passkey", "app", "codes", "provider", "x"} {
		p := b.choose(b.toFactor(), way)
		if p.Code != http.StatusBadRequest && p.Code != http.StatusSeeOther {
			t.Errorf("way %q: %d", way, p.Code)
		}
		if !b.session("acme").Pending {
			t.Fatalf("way %q signed in", way)
		}
	}
	page := b.toFactor()
	to, fields := page.way("code", "code", strings.Repeat("9", 60_000))
	if p := b.post(to, fields); p.Code != http.StatusSeeOther {
		t.Errorf("a long code: %d", p.Code)
	}
	if !b.session("acme").Pending {
		t.Error("signed in")
	}
}

func TestAttackFactorFromAnotherSite(t *testing.T) {
	f := newHouse(t).withFactors()
	secret := f.app("acme", f.alice())
	f.requires(storage.LevelMFA)
	b := f.browser()
	to, fields := b.toFactor().way("code", "code", f.code(secret))
	b.postFrom(to, fields, "cross-site").wants(http.StatusForbidden, "cross_site_request")
	if !b.session("acme").Pending {
		t.Error("signed in")
	}
}
