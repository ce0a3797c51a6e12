package idp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

func TestPolicyAsksForAFactorAfterTheProvider(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		secret := f.app("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.toFactor()
		page.says("Confirm it is you")
		before, handle := b.session("acme"), b.cookie(f.sessionCookie("acme"))
		if !before.Pending {
			t.Error("the session is not pending")
		}
		b.follow(b.choose(page, "code", "code", f.code(secret))).says("wants access to")
		after := b.session("acme")
		if after.ID != before.ID || after.Pending || after.Level != storage.LevelMFA || !after.MFAAt.Equal(f.clock.Now()) {
			t.Errorf("pending %v, level %q at %v", after.Pending, after.Level, after.MFAAt)
		}
		if !slices.Contains(after.AMR, "otp") || !slices.Contains(after.AMR, "mfa") {
			t.Errorf("amr %v", after.AMR)
		}
		if b.cookie(f.sessionCookie("acme")) == handle {
			t.Error("the handle is the one from before (SE-02)")
		}
		if !slices.Contains(f.events("acme"), "factor.proved") {
			t.Errorf("trail %v", f.events("acme"))
		}
	})
}

func TestPasskeyProvesTheFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("acme", f.alice())
		f.requires(storage.LevelPHR)
		b := f.browser()
		page := b.toFactor()
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("wants access to")
		if s := b.session("acme"); s.Level != storage.LevelPHR || s.Pending || !slices.Contains(s.AMR, "hwk") {
			t.Errorf("level %q, amr %v", s.Level, s.AMR)
		}
	})
}

func TestFirstFactorIsEnrolledOnTheWay(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.saysAuthTime()
		f.requires(storage.LevelMFA)
		b, d := f.browser(), newDevice()
		page := b.toFactor()
		page.says("Add a second factor")
		shown := b.choose(page, "passkey", "response", d.create(t, page.options()))
		codes, next := shown.codes()
		if len(codes) != 10 {
			t.Errorf("%d recovery codes", len(codes))
		}
		b.follow(b.get(next)).says("wants access to")
		if s := b.session("acme"); s.Level != storage.LevelPHR || s.Pending {
			t.Errorf("level %q, pending %v", s.Level, s.Pending)
		}
		if diff := cmp.Diff([]string{"factor_added", "new_recovery"}, kinds(f.delivered("alice@acme.test"))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAuthenticatorAppIsEnrolledOnTheWayWithoutScripts(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.saysAuthTime()
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.follow(b.choose(b.toFactor(), "app"))
		secret := strings.ReplaceAll(seed.FindStringSubmatch(page.Body.String())[1], " ", "")
		if !strings.Contains(page.Body.String(), "<svg viewBox=") {
			t.Error("no QR code")
		}
		again := b.follow(b.choose(page, "code", "code", "000000"))
		again.says("That did not work")
		if got := strings.ReplaceAll(seed.FindStringSubmatch(again.Body.String())[1], " ", ""); got != secret {
			t.Error("after a wrong code the seed is another")
		}
		_, next := b.choose(again, "code", "code", f.code(secret)).codes()
		b.follow(b.get(next)).says("wants access to")
		if s := b.session("acme"); s.Level != storage.LevelMFA || s.Pending {
			t.Errorf("level %q, pending %v", s.Level, s.Pending)
		}
	})
}

func TestAnotherWayToEnrolCanBeChosen(t *testing.T) {
	f := newHouse(t).withFactors()
	f.saysAuthTime()
	f.requires(storage.LevelMFA)
	b := f.browser()
	page := b.follow(b.choose(b.toFactor(), "app"))
	b.follow(b.choose(page, "other")).says("Add a passkey")
}

func TestPageIsTheSameWhenItIsLoadedAgain(t *testing.T) {
	f := newHouse(t).withFactors()
	d := f.enrol("acme", f.alice())
	f.requires(storage.LevelMFA)
	b := f.browser()
	login := b.open()
	first := b.follow(b.get(f.provider(b.toProvider(login, "alice@acme.test"))))
	second := b.get(login)
	if first.options() != second.options() {
		t.Error("the second page asks for something else")
	}
	b.follow(b.choose(first, "passkey", "response", d.get(t, first.options()))).says("wants access to")
}

func TestWrongCodeSaysSoAndAsksAgain(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		secret := f.app("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.follow(b.choose(b.toFactor(), "code", "code", "000000"))
		page.says("That did not work")
		if !slices.Contains(f.events("acme"), "factor.refused wrong") {
			t.Errorf("trail %v", f.events("acme"))
		}
		b.follow(b.choose(page, "code", "code", f.code(secret))).says("wants access to")
	})
}

func TestRecoveryCodeStandsInForAFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		f.app("acme", alice)
		codes, err := f.factors.NewRecoveryCodes(t.Context(), f.tenants["acme"], alice.ID)
		f.must(err)
		f.requires(storage.LevelMFA)
		b := f.browser()
		b.follow(b.choose(b.toFactor(), "recovery", "code", codes[3])).says("wants access to")
		if w := f.ways("acme", alice); w.RecoveryCodes != 9 {
			t.Errorf("%d are left", w.RecoveryCodes)
		}
		if !slices.Contains(kinds(f.delivered("alice@acme.test")), "recovery_used") || !slices.Contains(f.events("acme"), "recovery_code.used") {
			t.Error("nobody was told")
		}
	})
}

// Whoever has lost their passkey where one is required enrols another after a recovery
// code, and is not signed in before.
func TestRecoveryWhereAPasskeyIsRequired(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		f.enrol("acme", alice)
		codes, err := f.factors.NewRecoveryCodes(t.Context(), f.tenants["acme"], alice.ID)
		f.must(err)
		f.requires(storage.LevelPHR)
		b, d := f.browser(), newDevice()
		page := b.follow(b.choose(b.toFactor(), "recovery", "code", codes[0]))
		if b.signedIn() || !b.session("acme").Pending {
			t.Error("signed in by a recovery code where a passkey is required")
		}
		page.says("Add a passkey")
		b.follow(b.choose(page, "passkey", "response", d.create(t, page.options()))).says("wants access to")
		if w := f.ways("acme", alice); w.Passkeys != 2 {
			t.Errorf("%+v", w)
		}
	})
}

func TestAppThatNeedsMoreGetsItInTheSessionThatIsThere(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		secret := f.app("acme", f.alice())
		b := f.browser()
		b.signIn("alice@acme.test")
		id := b.session("acme").ID
		f.request.ACRValues = []string{"mfa"}
		page := b.follow(b.get(b.open()))
		page.says("Confirm it is you")
		b.follow(b.choose(page, "code", "code", f.code(secret))).says("wants access to")
		if s := b.session("acme"); s.ID != id || s.Level != storage.LevelMFA {
			t.Errorf("level %q", s.Level)
		}
		b.get(b.open()).location() // and is not asked again
	})
}

func TestCredentialScopeNeedsARecentFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		secret := f.app("acme", alice)
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialMFAAge = 10 * time.Minute })
		b := f.browser()
		b.follow(b.choose(b.toFactor(), "code", "code", f.code(secret))).says("wants access to")
		b.get(b.open()).location()
		f.clock.Forward(12 * time.Minute)
		b.follow(b.get(b.open())).says("Confirm it is you")
	})
}

func TestGivingUpTellsTheApp(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.app("acme", f.alice())
		f.request.EssentialACR = []string{"mfa"}
		b := f.browser()
		to := b.choose(b.toFactor(), "cancel").location()
		if to != "https://app.example/cb?error=unmet_authentication_requirements" || len(f.engine.approved) != 0 {
			t.Errorf("to %q, approved %v", to, f.engine.approved)
		}
	})
}

func TestWithoutFactorsInTheDeploymentTheAppIsTold(t *testing.T) {
	h := newHouse(t)
	h.request.EssentialACR = []string{"mfa"}
	b := h.browser()
	login := b.open()
	p := b.follow(b.get(h.provider(b.toProvider(login, "alice@acme.test"))))
	if to := p.location(); to != "https://app.example/cb?error=unmet_authentication_requirements" {
		t.Errorf("to %q", to)
	}
}

func TestProviderIsAskedAgainWhereItCanBe(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.app("acme", f.alice())
		f.proves(func(m *storage.UpstreamMFA) { m.AMR, m.AskFor = []string{"otp"}, []string{"urn:acme:two"} })
		f.requires(storage.LevelMFA)
		b := f.browser()
		page := b.toFactor()
		page.says("Ask acme again")
		f.says("acme", "amr", []any{"otp"})
		p := b.upstream(b.choose(page, "provider"))
		p.says("wants access to")
		if asked := f.op["acme"].Asked().Get("acr_values"); asked != "urn:acme:two" {
			t.Errorf("asked for %q", asked)
		}
		if s := b.session("acme"); s.Level != storage.LevelMFA || s.Pending {
			t.Errorf("level %q", s.Level)
		}
	})
}

func TestProviderThatConfirmsNothingLeadsBack(t *testing.T) {
	f := newHouse(t).withFactors()
	f.app("acme", f.alice())
	f.proves(func(m *storage.UpstreamMFA) { m.AMR, m.AskFor = []string{"otp"}, []string{"urn:acme:two"} })
	f.requires(storage.LevelMFA)
	b := f.browser()
	b.upstream(b.choose(b.toFactor(), "provider")).says("Confirm it is you")
	if b.signedIn() {
		t.Error("signed in")
	}
}

func TestStepUpComesBackToThePage(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		secret := f.app("acme", f.alice())
		b := f.browser()
		b.signIn("alice@acme.test")
		f.need = storage.Need{Level: storage.LevelMFA, Since: f.clock.Now()}
		page := b.follow(b.get("/stepup"))
		page.says("Confirm it is you")
		if to := b.choose(page, "code", "code", f.code(secret)).location(); to != "/mine?tab=2" {
			t.Errorf("back to %q", to)
		}
		if to := b.follow(b.get("/stepup")).location(); to != "/mine?tab=2" { // there is nothing more to ask
			t.Errorf("then to %q", to)
		}
	})
}

func TestStepUpAsksTheProviderForAFreshAuthentication(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.alice()
		b := f.browser()
		b.signIn("alice@acme.test")
		f.clock.Forward(30 * time.Minute)
		f.need = storage.Need{Fresh: f.clock.Now().Add(-time.Minute)}
		away := b.follow(b.get("/stepup"))
		if to := b.get(f.provider(away.location())).location(); to != "/mine?tab=2" {
			t.Errorf("to %q", to)
		}
		asked := f.op["acme"].Asked()
		if asked.Get("prompt") != "login" || !asked.Has("max_age") {
			t.Errorf("asked %v", asked)
		}
	})
}

func TestFactorIsAddedAndCodesRenewedOnRequest(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		b := f.browser()
		b.signIn("alice@acme.test")
		f.purpose = storage.PurposeEnrolTOTP
		page := b.follow(b.get("/stepup"))
		secret := strings.ReplaceAll(seed.FindStringSubmatch(page.Body.String())[1], " ", "")
		_, next := b.choose(page, "code", "code", f.code(secret)).codes()
		if to := b.follow(b.get(next)).location(); to != "/mine?tab=2" {
			t.Errorf("to %q", to)
		}
		f.purpose = storage.PurposeEnrolPasskey
		page = b.follow(b.get("/stepup"))
		page.says("Add a factor")
		if to := b.follow(b.choose(page, "passkey", "response", newDevice().create(t, page.options()))).location(); to != "/mine?tab=2" {
			t.Errorf("to %q", to)
		}
		f.purpose = storage.PurposeRecoveryCodes
		page = b.follow(b.get("/stepup"))
		page.says("You have 10 that work")
		codes, next := b.choose(page, "codes").codes()
		if to := b.follow(b.get(next)).location(); to != "/mine?tab=2" || len(codes) != 10 {
			t.Errorf("to %q", to)
		}
		if w := f.ways("acme", alice); w.Passkeys != 1 || w.TOTP != 1 || w.RecoveryCodes != 10 {
			t.Errorf("%+v", w)
		}
	})
}

func TestStepUpLeadsOnlyToOwnPaths(t *testing.T) {
	f := newHouse(t).withFactors()
	for _, to := range []string{"https://evil.test/", "//evil.test", "mine", ""} {
		if err := f.server.StepUp(nil, nil, storage.LiveSession{}, storage.Need{}, storage.PurposeNone, to); err == nil {
			t.Errorf("%q is accepted", to)
		}
	}
}

func TestFactorPagesNameTheirScriptAndNoOther(t *testing.T) {
	f := newHouse(t).withFactors()
	f.enrol("acme", f.alice())
	f.requires(storage.LevelMFA)
	policy := f.browser().toFactor().Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestStoreThatGoesAwayAtTheFactorStep(t *testing.T) {
	f := newHouse(t).withFactors()
	secret := f.app("acme", f.alice())
	f.requires(storage.LevelMFA)
	b := f.browser()
	page := b.toFactor()
	f.store.goAway(true)
	b.choose(page, "code", "code", f.code(secret)).wants(http.StatusServiceUnavailable, "temporarily_unavailable")
	f.store.goAway(false)
	b.follow(b.choose(page, "code", "code", f.code(secret))).says("wants access to")
}
