package idp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// SE-07, MF-02: a level is judged by evidence; a provider that says the word has said
// nothing.
func TestAttackProviderSaysTheNameOfALevel(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.app("acme", f.alice())
		f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
		f.request.EssentialACR = []string{"phr", "mfa"}
		for _, acr := range []string{"phr", "mfa"} {
			f.op["acme"].Claims = func(c map[string]any) { c["acr"] = acr; c["auth_time"] = f.clock.Now().Unix() }
			b := f.browser()
			b.toFactor().says("Confirm it is you")
			if s := b.session("acme"); s.ACR != "" || s.ContextFor([]string{acr}) != "" {
				t.Errorf("%s: acr %q, and the app is told %q", acr, s.ACR, s.ContextFor([]string{acr}))
			}
		}
	})
}

// Whoever was invited and came through their provider later is out when the provider
// has thrown them out: by the passkey, and by an e-mailed link.
func TestAttackLeaverComesBackWithoutTheProvider(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.saysAuthTime()
		u := f.invite("acme", "alice@acme.test", storage.RoleAdmin)
		f.browser().signIn("alice@acme.test")
		d := f.enrol("acme", u)
		b := f.browser()
		page := b.typed("whoever@nowhere.example")
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options())))
		if b.cookie(f.sessionCookie("acme")) != "" {
			t.Error("signed in by the passkey")
		}
		f.must(f.renameUser("alice@nowhere.example")) // of which nobody's provider is known
		f.browser().typed("alice@nowhere.example")
		if mails := f.delivered("alice@nowhere.example"); len(mails) != 0 {
			t.Errorf("a link was sent: %v", kinds(mails))
		}
	})
}

// A code that somebody was talked out of enrols nothing where a passkey is there, and
// needed.
func TestAttackCodeWhereAPasskeyIsNeeded(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		secret := f.app("acme", alice)
		f.enrol("acme", alice)
		f.requires(storage.LevelPHR)
		thief := f.browser()
		page := thief.toFactor()
		if strings.Contains(page.Body.String(), `value="code"`) {
			t.Error("a code is asked for")
		}
		to, fields := page.way("recovery")
		fields.Set("way", "code")
		fields.Set("code", f.code(secret))
		thief.post(to, fields).wants(http.StatusBadRequest, "bad_request")
		if s, w := thief.session("acme"), f.ways("acme", alice); !s.Pending || w.Passkeys != 1 {
			t.Errorf("pending %v, %+v", s.Pending, w)
		}
	})
}

// What was proved by a factor that an administrator has removed meanwhile is worth
// nothing.
func TestAttackProofThatOutlivesItsFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		u := f.invite("globex", dora, storage.RoleAdmin)
		d := f.enrol("globex", u)
		b := f.browser()
		b.typed(dora)
		page := b.follow(b.opened(f.linkTo(dora)))
		parked := b.choose(page, "passkey", "response", d.get(t, page.options()))
		tenant := f.store.Tenant(f.tenants["globex"])
		all, err := tenant.ListFactors(t.Context(), u.ID)
		f.must(err)
		for _, x := range all {
			f.must(tenant.RemoveFactor(t.Context(), u.ID, x.ID, userUpdated(f, u)))
		}
		b.follow(parked)
		if b.cookie(f.sessionCookie("globex")) != "" {
			t.Error("signed in")
		}
	})
}

// Nobody is a verified person of another tenant's domain.
func TestAttackVerifiedAddressOfAnotherTenantsDomain(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		h.says("acme", "email", "carol@globex.test")
		h.says("acme", "email_verified", true)
		h.browser().signIn("alice@acme.test")
		if u := h.users("acme")[0]; u.Email != "carol@globex.test" || u.EmailVerified {
			t.Errorf("%s, verified: %v", u.Email, u.EmailVerified)
		}
	})
}

// A session that is renewed again and again does not keep a factor for ever.
func TestAttackFactorOfLongAgo(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		secret := f.app("acme", f.alice())
		f.requires(storage.LevelMFA)
		b := f.browser()
		b.follow(b.choose(b.toFactor(), "code", "code", f.code(secret)))
		for hour := 0; !b.session("acme").Pending; hour++ {
			f.clock.Forward(59 * time.Minute)
			f.request.Prompt = []string{"login"}
			b.follow(b.get(f.provider(b.follow(b.get(b.open())).location())))
			s := b.session("acme")
			if age := f.clock.Now().Sub(s.MFAAt); !s.Pending && age > 24*time.Hour {
				t.Fatalf("after %d hours the factor is %v old, and good", hour, age)
			} else if s.Pending && hour < 20 {
				t.Fatalf("the factor is worth nothing after %d hours", hour)
			}
		}
	})
}

// An owner whose address nobody can write to keeps no owner out, and nobody from
// enrolling.
func TestAddressThatIsNoneStopsNothing(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		u := f.invite("acme", "boss@acme.test", storage.RoleOwner)
		f.invite("acme", `ACME\carl`, storage.RoleOwner)
		d := f.enrol("acme", u)
		f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = f.clock.Now().Add(time.Hour) })
		b := f.browser()
		page := b.follow(b.get("/login/break-glass"))
		if p := b.choose(page, "passkey", "response", d.get(t, page.options())); p.Code != http.StatusSeeOther {
			t.Errorf("break-glass: %d", p.Code)
		}
		if len(f.delivered("boss@acme.test")) == 0 {
			t.Error("the owner who can be told was not")
		}
	})
}
