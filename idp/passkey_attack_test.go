package idp_test

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func hashed(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// An attacker learns nothing of who has an account.
func TestAttackWhoHasAnAccount(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		look := func(email string) string {
			b := f.browser()
			login := b.open()
			form := b.get(login + "/email")
			p := b.submit(form, "email", email)
			if p.Code != http.StatusSeeOther {
				t.Errorf("%s: %d", email, p.Code)
			}
			shown := b.follow(p)
			text := strings.ReplaceAll(options.ReplaceAllString(shown.Body.String(), ""), email, "")
			for _, secret := range hidden.FindAllStringSubmatch(text, -1) {
				text = strings.ReplaceAll(text, secret[2], "")
			}
			return strings.ReplaceAll(text, strings.TrimPrefix(login, "/login/"), "")
		}
		known := look(dora)
		unknown := look("zora@small.example")
		if diff := cmp.Diff(known, unknown); diff != "" {
			t.Error(diff)
		}
		if n := len(f.delivered("zora@small.example")); n != 0 {
			t.Errorf("%d mails to somebody unknown", n)
		}
	})
}

// The answer is written before anybody looks whether there is such a person.
func TestAttackTimingOfAKnownAddress(t *testing.T) {
	f := newHouse(t).withFactors()
	f.invite("globex", dora, storage.RoleMember)
	gate, configure := make(chan struct{}), f.configure
	f.configure = func(cfg *idp.Config) {
		configure(cfg)
		cfg.Store = holding{f.store, gate}
	}
	f.start(base)
	b := f.browser()
	b.typed(dora).says("we have sent a link") // while the lookup waits
	close(gate)
	if len(f.delivered(dora)) != 1 {
		t.Error("no mail after that")
	}
}

func TestAttackLinksAreSentWithoutEnd(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.invite("globex", dora, storage.RoleMember)
		for i := range 10 {
			f.browser().typed([]string{dora, strings.ToUpper(dora)}[i%2]).says("we have sent a link")
			f.server.Wait()
		}
		if n := len(f.delivered(dora)); n != 3 {
			t.Errorf("%d mails, want 3", n)
		}
		f.clock.Forward(15 * time.Minute)
		f.browser().typed(dora)
		if n := len(f.delivered(dora)); n != 4 {
			t.Errorf("%d mails after the pause, want 4", n)
		}
	})
}

func TestAttackLinkTwice(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		b.typed(dora)
		link := f.linkTo(dora)
		b.opened(link).location()
		b.opened(link).wants(http.StatusBadRequest, "link_expired")
		b.get(link).wants(http.StatusBadRequest, "link_expired")
	})
}

func TestAttackSixteenOpenOneLink(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		link := f.link("globex", f.invite("globex", dora, storage.RoleMember), storage.LinkInvite)
		var all sync.WaitGroup
		var winners atomic.Int64
		for range 16 {
			b := f.browser()
			all.Go(func() {
				if b.opened(link).Code == http.StatusSeeOther {
					winners.Add(1)
				}
			})
		}
		all.Wait()
		if winners.Load() != 1 {
			t.Errorf("%d of 16 went on with one link", winners.Load())
		}
	})
}

func TestAttackLinkInAnotherBrowser(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		b.typed(dora)
		link := f.linkTo(dora)
		f.browser().opened(link).wants(http.StatusBadRequest, "other_browser")
		b.follow(b.opened(link)).says("Confirm it is you") // and it still works where it was asked for
	})
}

func TestAttackLinkAfterItsTime(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		u := f.invite("globex", dora, storage.RoleMember)
		f.enrol("globex", u)
		b := f.browser()
		b.typed(dora)
		link, invitation := f.linkTo(dora), f.link("globex", u, storage.LinkInvite)
		f.clock.Forward(15 * time.Minute)
		b.opened(link).wants(http.StatusBadRequest, "link_expired")
		b.get(link).wants(http.StatusBadRequest, "link_expired")
		f.clock.Forward(24 * time.Hour)
		b.opened(invitation).wants(http.StatusBadRequest, "link_expired")
	})
}

func TestAttackLinkThatNobodySent(t *testing.T) {
	f := newHouse(t).withFactors()
	u := f.invite("globex", dora, storage.RoleMember)
	link := f.link("globex", u, storage.LinkInvite)
	secret := link[strings.LastIndex(link, "/")+1:]
	b := f.browser()
	for _, path := range []string{
		"/login/link/" + string(f.tenants["globex"]) + "/" + token.NewSecret(),
		"/login/link/" + string(f.tenants["acme"]) + "/" + secret, // another tenant's
		"/login/link/ten_x/" + secret, "/login/link/" + string(f.tenants["globex"]) + "/x",
	} {
		b.get(path).wants(http.StatusBadRequest, "link_expired")
		b.opened(path).wants(http.StatusBadRequest, "link_expired")
	}
	if len(b.cookies()) != 0 {
		t.Errorf("cookies %v", b.cookies())
	}
}

// Programs that read mail open links: nothing comes of it.
func TestAttackMailScannerOpensTheLink(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		b.typed(dora)
		link := f.linkTo(dora)
		for range 3 {
			f.browser().get(link).says("Go on with your sign-in")
		}
		b.follow(b.opened(link)).says("Confirm it is you")
	})
}

func TestAttackLinkFromAnotherSite(t *testing.T) {
	f := newHouse(t).withFactors()
	link := f.link("globex", f.invite("globex", dora, storage.RoleMember), storage.LinkInvite)
	b := f.browser()
	b.postFrom(link, nil, "cross-site").wants(http.StatusForbidden, "cross_site_request")
	b.follow(b.opened(link)).says("Add a passkey")
}

// MF-07: whoever reads the mail and has no factor of the person is not signed in.
func TestAttackLinkAloneSignsNobodyIn(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		b.typed(dora)
		page := b.follow(b.opened(f.linkTo(dora)))
		mallorys := newDevice()
		b.follow(b.choose(page, "passkey", "response", mallorys.get(t, page.options()))).says("That did not work")
		page = b.get(strings.TrimSuffix(page.path, "/factor"))
		to, fields := page.way("passkey", "response", "{}")
		b.post(strings.TrimSuffix(to, "factor")+"enrol", fields).wants(http.StatusBadRequest, "already_used")
		b.get(b.open()).says("Work e-mail")
		if len(f.engine.approved) != 0 {
			t.Errorf("approved %v", f.engine.approved)
		}
	})
}

func TestAttackLinkAfterTheAddressChanged(t *testing.T) {
	f := newHouse(t).withFactors()
	u := f.invite("globex", dora, storage.RoleMember)
	link := f.link("globex", u, storage.LinkInvite)
	verify := f.link("globex", u, storage.LinkVerify)
	u.Email = "new@small.example"
	f.must(f.store.Tenant(f.tenants["globex"]).UpdateUser(t.Context(), u, userUpdated(f, u)))
	f.browser().opened(link).wants(http.StatusBadRequest, "link_expired")
	f.browser().opened(verify)
	if got := f.person("globex", "new@small.example"); got.EmailProved() {
		t.Error("another address counts as proved")
	}
}

func TestAttackConfirmingSomebodyElsesAddress(t *testing.T) {
	f := newHouse(t).withFactors()
	f.alice()
	u := f.invite("acme", dora, storage.RoleMember)
	link := f.link("acme", u, storage.LinkVerify)
	f.policy("acme", func(p *storage.TenantPolicy) { p.CredentialsWithoutMFA = true })
	b := f.browser()
	b.signIn("alice@acme.test")
	b.opened(link).wants(http.StatusForbidden, "other_person")
	if got := f.person("acme", dora); got.EmailProved() {
		t.Error("confirmed")
	}
}

// MF-09: a passkey is no way round an enforced provider.
func TestAttackPasskeyPastTheProvider(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		alice := f.alice()
		d := f.enrol("acme", alice)
		f.invite("acme", "pat@small.example", storage.RoleMember) // acme has a connection for passkeys
		b := f.browser()
		page := b.typed("alice@private.example")
		again := b.follow(b.choose(page, "passkey", "response", d.get(t, page.options())))
		again.says("That passkey did not work here")
		if len(b.cookies()) != 1 || len(f.engine.approved) != 0 {
			t.Errorf("cookies %v", b.cookies())
		}
		if len(f.delivered("alice@acme.test")) != 1 { // of the passkey
			t.Error("a link was sent")
		}
	})
}

func TestAttackLocalAccountPastSingleSignOn(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("acme", f.invite("acme", "pat@acme.test", storage.RoleMember))
		f.requireSSO()
		b := f.browser()
		page := b.typed("pat@private.example")
		b.choose(page, "passkey", "response", d.get(t, page.options())).wants(http.StatusForbidden, "sso_required")
		link := f.link("acme", f.person("acme", "pat@acme.test"), storage.LinkInvite)
		f.browser().opened(link).wants(http.StatusForbidden, "sso_required")
	})
}

// The purpose of a break-glass transaction is worth nothing on another way.
func TestAttackBreakGlassTransactionOnAnotherWay(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("acme", f.invite("acme", "pat@acme.test", storage.RoleMember))
		f.requireSSO()
		b := f.browser()
		login := b.get("/login/break-glass").location()
		page := b.follow(b.submit(b.get(login+"/email"), "email", "pat@private.example"))
		page.says("we have sent a link")
		b.choose(page, "passkey", "response", d.get(t, page.options())).wants(http.StatusForbidden, "sso_required")
	})
}

func TestAttackBreakGlassTransactionThroughAnotherConnection(t *testing.T) {
	h := twoWays(t)
	f := h.withFactors()
	f.requireSSO()
	f.says("contractors", "email", "ceo@acme.test")
	f.says("contractors", "email_verified", true)
	b := f.browser()
	login := b.get("/login/break-glass").location()
	b.get(f.provider(b.toProvider(login, "mallory@contractors.test"))).wants(http.StatusForbidden, "sso_required")
}

func TestAttackBreakGlassByAPasskeyThatVerifiesNobody(t *testing.T) {
	f := newHouse(t).withFactors()
	_, d := f.owner()
	f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = f.clock.Now().Add(time.Hour) })
	d.auth.Options.UserNotVerified = true
	b := f.browser()
	page := b.follow(b.get("/login/break-glass"))
	b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("That passkey did not work here")
	if slices.Contains(f.events("acme"), "break_glass.used") {
		t.Error("signed in")
	}
}

func TestAttackBreakGlassByACode(t *testing.T) {
	f := newHouse(t).withFactors()
	f.owner()
	f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = f.clock.Now().Add(time.Hour) })
	b := f.browser()
	page := b.follow(b.get("/login/break-glass"))
	b.follow(b.choose(page, "code", "code", "123456")).says("That passkey did not work here")
	b.follow(b.choose(page, "recovery", "code", "x")).wants(http.StatusBadRequest, "already_used")
}

func TestAttackPasskeyAnswerOfTheLinkPageReplayed(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		page := b.typed(dora)
		answer := d.get(t, page.options())
		b.choose(page, "passkey", "response", answer).location()
		b.choose(page, "passkey", "response", answer).wants(http.StatusBadRequest, "already_used")
		mallory := f.browser()
		hers := mallory.typed(dora)
		mallory.follow(mallory.choose(hers, "passkey", "response", answer)).says("That passkey did not work here")
	})
}

// MF-07: two codes of one app are no two factors, and the mail is none.
func TestAttackLinkAndTwoCodes(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.request.Scopes = []string{"openid"}
		secret := f.app("acme", f.invite("acme", dora, storage.RoleMember))
		b := f.browser()
		b.typed(dora)
		b.follow(b.choose(b.follow(b.opened(f.linkTo(dora))), "code", "code", f.code(secret))).says("wants access to")
		f.clock.Forward(time.Minute)
		f.need = storage.Need{Level: storage.LevelMFA}
		to, fields := b.follow(b.get("/stepup")).way("code", "code", f.code(secret))
		b.follow(b.post(strings.TrimSuffix(to, "enrol")+"factor", fields))
		if s := b.session("acme"); s.Level != storage.LevelNone {
			t.Errorf("level %q", s.Level)
		}
	})
}
