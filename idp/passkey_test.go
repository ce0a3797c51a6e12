package idp_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

const dora = "dora@small.example"

// typed begins a sign-in and types an address.
func (b *browser) typed(email string) page {
	b.h.t.Helper()
	return b.follow(b.submit(b.get(b.open()+"/email"), "email", email))
}

// opened opens a link and presses its button.
func (b *browser) opened(link string) page {
	b.h.t.Helper()
	return b.post(link, nil)
}

func TestLinkAndPasskeySignIn(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		b.typed("Dora@Small.example").says("we have sent a link")
		link := f.linkTo(dora)
		b.get(link).says("Go on with your sign-in")
		page := b.follow(b.opened(link))
		page.says("Confirm it is you")
		if len(b.cookies()) != 1 { // the transaction's
			t.Errorf("the link alone gave %v", b.cookies())
		}
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("wants access to")
		s := b.session("globex")
		if s.Level != storage.LevelPHR || s.Pending || !s.AuthTime.Equal(f.clock.Now()) || s.Connection != "con_passkey_globex" {
			t.Errorf("level %q, connection %s", s.Level, s.Connection)
		}
		for _, want := range []string{"link.sent sign_in", "link.used sign_in", "address.proved"} {
			if !slices.Contains(f.events("globex"), want) {
				t.Errorf("no %s in %v", want, f.events("globex"))
			}
		}
	})
}

func TestPasskeyAtOnceInPlaceOfTheLink(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		page := b.typed("whoever@nowhere.example") // the passkey says who it is
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("wants access to")
		if s := b.session("globex"); s.Level != storage.LevelPHR || s.UserInfo.Email != dora {
			t.Errorf("%s, level %q", s.UserInfo.Email, s.Level)
		}
	})
}

func TestInvitedPersonEnrolsAPasskey(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		u := f.invite("globex", dora, storage.RoleAdmin)
		link := f.link("globex", u, storage.LinkInvite)
		b, d := f.browser(), newDevice()
		b.get(link).says("You are invited")
		page := b.follow(b.opened(link))
		page.says("Add a passkey")
		if strings.Contains(page.text(), "authenticator app") {
			t.Error("an app alone would be one factor")
		}
		shown := b.choose(page, "passkey", "response", d.create(t, page.options()))
		if len(b.cookies()) != 1 {
			t.Errorf("signed in before the recovery codes: %v", b.cookies())
		}
		_, next := shown.codes()
		b.follow(b.get(next)).says("You are signed in")
		if s := b.session("globex"); s.Level != storage.LevelPHR || s.UserInfo.Role != storage.RoleAdmin || !s.UserInfo.EmailProved() {
			t.Errorf("level %q, role %q, proved %v", s.Level, s.UserInfo.Role, s.UserInfo.EmailProved())
		}
	})
}

// An e-mail is no factor: with a link, an app's code is the one factor that there is.
func TestLinkAndCodeAreOneFactor(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		f.request.Scopes = []string{"openid"}
		u := f.invite("acme", dora, storage.RoleMember)
		secret := f.app("acme", u)
		b := f.browser()
		b.typed(dora)
		b.follow(b.choose(b.follow(b.opened(f.linkTo(dora))), "code", "code", f.code(secret))).says("wants access to")
		if s := b.session("acme"); s.Level != storage.LevelNone {
			t.Errorf("level %q", s.Level)
		}
		f.requires(storage.LevelMFA)
		f.clock.Forward(time.Minute)
		other := f.browser()
		other.typed(dora)
		page := other.follow(other.choose(other.follow(other.opened(f.linkTo(dora))), "code", "code", f.code(secret)))
		page.says("Add a passkey")
		if s := other.session("acme"); !s.Pending {
			t.Error("signed in by one factor")
		}
		other.follow(other.choose(page, "passkey", "response", newDevice().create(t, page.options()))).says("wants access to")
		if s := other.session("acme"); s.Pending || s.Level != storage.LevelPHR {
			t.Errorf("pending %v, level %q", s.Pending, s.Level)
		}
	})
}

func TestLocalPersonIsAskedForAPasskeyAgain(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		d := f.enrol("globex", f.invite("globex", dora, storage.RoleMember))
		b := f.browser()
		page := b.typed(dora)
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("wants access to")
		f.clock.Forward(30 * time.Minute)
		f.need, f.purpose = storage.Need{Level: storage.LevelMFA, Since: f.clock.Now()}, storage.PurposeEnrolTOTP
		page = b.follow(b.get("/stepup"))
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("Set up your authenticator app")
		if s := b.session("globex"); !s.AuthTime.Equal(f.clock.Now()) {
			t.Errorf("auth_time %v", s.AuthTime)
		}
	})
}

func TestAddressIsConfirmedByItsLink(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		u := f.invite("globex", dora, storage.RoleOwner)
		link := f.link("globex", u, storage.LinkVerify)
		b := f.browser()
		b.get(link).says("Confirm your address")
		b.opened(link).says("Address confirmed")
		if got := f.person("globex", dora); !got.EmailProved() {
			t.Errorf("%+v", got)
		}
		if len(b.cookies()) != 0 {
			t.Errorf("the link signed in: %v", b.cookies())
		}
	})
}

// link mails a link that any browser may open, as an invitation does.
func (f *factory) link(slug string, u storage.User, p storage.LinkPurpose) string {
	f.t.Helper()
	secret, now, t := token.NewSecret(), f.clock.Now(), f.tenants[slug]
	kind := map[storage.LinkPurpose]mail.Kind{storage.LinkInvite: mail.Invitation, storage.LinkVerify: mail.VerifyAddress}[p]
	url := idp.LinkURL(base, t, secret)
	m, err := f.box.Prepare(t, mail.Message{Kind: kind, To: u.Email, Fields: map[string]string{"link": url, "tenant": slug, "by": "Olga"}})
	f.must(err)
	l := storage.EmailLink{Hash: hashed(secret), User: u.ID, Email: u.Email, Purpose: p, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
	f.must(f.store.Tenant(t).CreateEmailLink(f.t.Context(), l, m, audit.LinkSent(f.t.Context(), now, u.ID, p)))
	return strings.TrimPrefix(url, base)
}

func TestBreakGlassSignsAnOwnerInAndAlarmsEveryOwner(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		owner, d := f.owner()
		f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = f.clock.Now().Add(time.Hour) })
		b := f.browser()
		page := b.follow(b.get("/login/break-glass"))
		page.says("Emergency sign-in")
		b.follow(b.choose(page, "passkey", "response", d.get(t, page.options()))).says("You are signed in")
		s := b.session("acme")
		if s.User != owner.ID || s.Connection != "con_passkey_acme" || s.Level != storage.LevelPHR {
			t.Errorf("%s through %s, level %q", s.User, s.Connection, s.Level)
		}
		if !slices.Contains(f.events("acme"), "break_glass.used") {
			t.Errorf("trail %v", f.events("acme"))
		}
		for _, to := range []string{"alice@acme.test", "olga@elsewhere.test"} {
			if diff := cmp.Diff(true, slices.Contains(kinds(f.delivered(to)), "break_glass")); diff != "" {
				t.Errorf("%s was not told", to)
			}
		}
	})
}

// owner is an owner of acme with an enforced provider and a passkey. There is another
// owner, and a connection for passkeys.
func (f *factory) owner() (storage.User, *device) {
	f.t.Helper()
	alice := f.alice()
	alice.Role = storage.RoleOwner
	f.must(f.store.Tenant(f.tenants["acme"]).UpdateUser(f.t.Context(), alice, audit.UserUpdated(f.t.Context(), f.clock.Now(), alice)))
	f.addOwner("acme")
	f.invite("acme", "pat@small.example", storage.RoleMember)
	f.requireSSO()
	return alice, f.enrol("acme", alice)
}

func TestBreakGlassSaysTheSameWhereItIsClosed(t *testing.T) {
	onBothWithFactors(t, func(t *testing.T, f *factory) {
		_, owners := f.owner()
		members := f.enrol("acme", f.person("acme", "pat@small.example"))
		try := func(d *device) page {
			b := f.browser()
			page := b.follow(b.get("/login/break-glass"))
			return b.choose(page, "passkey", "response", d.get(t, page.options()))
		}
		for name, until := range map[string]time.Time{"off": {}, "over": f.clock.Now()} {
			f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = until })
			try(owners).wants(http.StatusForbidden, "break_glass_closed")
			try(members).wants(http.StatusForbidden, "break_glass_closed")
			_ = name
		}
		f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = f.clock.Now().Add(time.Hour) })
		try(members).wants(http.StatusForbidden, "break_glass_closed")
		if mails := f.delivered("olga@elsewhere.test"); len(mails) != 0 {
			t.Errorf("mails %v", mails)
		}
	})
}

func TestBreakGlassWithoutItsConnectionSaysSo(t *testing.T) {
	f := newHouse(t).withFactors()
	_, d := f.owner()
	f.policy("acme", func(p *storage.TenantPolicy) { p.BreakGlassUntil = f.clock.Now().Add(time.Hour) })
	ctx, tenant := t.Context(), f.store.Tenant(f.tenants["acme"])
	con, err := tenant.Connection(ctx, "con_passkey_acme")
	f.must(err)
	con.DisabledAt = f.clock.Now()
	f.must(tenant.UpdateConnection(ctx, con, audit.ConnectionUpdated(ctx, f.clock.Now(), con)))
	b := f.browser()
	page := b.follow(b.get("/login/break-glass"))
	b.choose(page, "passkey", "response", d.get(t, page.options())).wants(http.StatusForbidden, "break_glass_not_set_up")
}

func TestPasskeysAreNotOfferedAtAnIPAddress(t *testing.T) {
	f := newHouseAt(t, "http://127.0.0.1:8080").withFactorsAt("http://127.0.0.1:8080")
	f.saysAuthTime()
	b := f.browserAt("http://127.0.0.1:8080")
	p := b.follow(b.submit(b.get(strings.TrimPrefix(b.get("/start").location(), "http://127.0.0.1:8080")+"/email"), "email", dora))
	p.says("we have sent a link")
	if strings.Contains(p.Body.String(), "<script>") {
		t.Error("a passkey is asked for")
	}
}

func TestFactorThatMayBeRemoved(t *testing.T) {
	passkey, app := storage.Factor{ID: "p", Kind: storage.FactorPasskey}, storage.Factor{ID: "a", Kind: storage.FactorTOTP}
	for _, c := range []struct {
		level storage.Level
		con   storage.ConnectionKind
		all   []storage.Factor
		id    storage.FactorID
		want  bool
	}{
		{storage.LevelNone, storage.OIDC, []storage.Factor{app}, "a", true},
		{storage.LevelMFA, storage.OIDC, []storage.Factor{app}, "a", false},
		{storage.LevelMFA, storage.OIDC, []storage.Factor{app, passkey}, "p", true},
		{storage.LevelPHR, storage.OIDC, []storage.Factor{app, passkey}, "p", false},
		{storage.LevelPHR, storage.OIDC, []storage.Factor{app, passkey}, "a", true},
		{storage.LevelNone, storage.Passkey, []storage.Factor{app, passkey}, "p", false},
		{storage.LevelNone, storage.Passkey, []storage.Factor{app, passkey}, "a", true},
	} {
		if got := idp.Removable(storage.TenantPolicy{RequireLevel: c.level}, c.con, c.all, c.id); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
