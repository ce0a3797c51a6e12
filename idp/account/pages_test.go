package account_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp/account"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

func TestOverviewSaysWhoSomebodyIs(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("acme", "alice")
	if to := b.get("/account").location(); to != "/account/acme" {
		t.Fatalf("leads to %s", to)
	}
	p := b.get("/account/acme")
	p.says("alice", "alice@acme.test", "Confirmed", "Acme", "Member", "You got it when you first signed in", "Okta of acme")
	p.hides("Other organizations", "Confirm the address")
	if p.Header().Get("Cache-Control") != "no-store" || !strings.Contains(p.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%v", p.Header())
	}
}

func TestRoleSaysWhereItComesFrom(t *testing.T) {
	w := newWorld(t)
	con, err := w.tenant("acme").Connection(t.Context(), "con_acme")
	w.must(err)
	con.RoleClaim = "groups"
	w.must(w.tenant("acme").UpdateConnection(t.Context(), con, audit.ConnectionUpdated(t.Context(), w.clock.Now(), con)))
	b := w.browser()
	b.signIn("acme", "alice")
	b.get("/account/acme").says("Your identity provider says so each time that you sign in")
}

func TestWhoeverIsNotSignedInIsLedToTheSignIn(t *testing.T) {
	b := newWorld(t).browser()
	for path, back := range map[string]string{"/account": "%2Faccount", "/account/acme/sessions": "%2Faccount%2Facme%2Fsessions"} {
		if to := b.get(path).location(); to != "/login?return_to="+back {
			t.Errorf("%s leads to %s", path, to)
		}
	}
	if to := b.post("/account/acme/sessions/others", "csrf", "x", "step", "do").location(); to != "/login?return_to=%2Faccount" {
		t.Errorf("a form leads to %s", to)
	}
}

func TestSwitcherShowsEachOrganizationOfTheBrowser(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("acme", "alice")
	b.clock.Forward(time.Second)
	b.signIn("globex", "carol")
	b.get("/account").says("Choose whose you want to see", "Acme", "alice@acme.test", "Globex", "carol@globex.test")
	b.get("/account/globex").says("carol@globex.test", "Other organizations")
	b.get("/account/acme").hides("carol@globex.test", "Globex")
}

func TestActivityKeepsASessionAlive(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	b.clock.Forward(50 * time.Minute)
	b.get("/account/acme")
	b.clock.Forward(50 * time.Minute)
	if p := b.get("/account/acme"); p.Code != http.StatusOK || b.ended("acme", s.ID) {
		t.Errorf("status %d", p.Code)
	}
}

func TestSuspendedTenantSaysSoAndWhomToAsk(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("acme", "alice")
	b.change("acme", func(t *storage.Tenant) { t.SuspendedAt, t.SuspendReason = b.clock.Now(), "The invoice is unpaid." })
	for _, path := range []string{"/account", "/account/acme", "/account/acme/sessions"} {
		p := b.get(path)
		p.refuses(http.StatusForbidden, "tenant_suspended")
		p.says("The invoice is unpaid.", "support@watch.example")
		p.hides("alice@acme.test")
	}
}

func TestDisabledPersonIsRefused(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	u, err := b.tenant("acme").User(t.Context(), s.User)
	b.must(err)
	u.DisabledAt = b.clock.Now()
	b.must(b.tenant("acme").UpdateUser(t.Context(), u, audit.UserDisabled(t.Context(), b.clock.Now(), u)))
	b.policy("acme", func(p *storage.TenantPolicy) { p.Contact = "it@acme.test" })
	p := b.get("/account/acme")
	p.refuses(http.StatusForbidden, "user_suspended")
	p.says("it@acme.test")
}

func TestStoreThatIsAwayIsNoSignOut(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("acme", "alice")
	b.store.away = true
	b.get("/account/acme").refuses(http.StatusServiceUnavailable, "temporarily_unavailable")
	b.get("/account").refuses(http.StatusServiceUnavailable, "temporarily_unavailable")
}

// unconfirmed makes somebody's address one that nobody has confirmed.
func (b *browser) unconfirmed(user storage.UserID) {
	b.Helper()
	u, err := b.tenant("acme").User(b.Context(), user)
	b.must(err)
	u.EmailVerified = false
	b.must(b.tenant("acme").UpdateUser(b.Context(), u, audit.UserUpdated(b.Context(), b.clock.Now(), u)))
}

func TestAddressIsConfirmedByAMailedLink(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	b.unconfirmed(s.User)
	b.get("/account/acme").says("Not confirmed")
	b.follow(b.post("/account/acme/address", "csrf", b.token("/account/acme"))).says("A mail is on its way")
	sent := b.mailed(mail.VerifyAddress)
	if len(sent) != 1 || sent[0].To != "alice@acme.test" {
		t.Fatalf("mails: %v", sent)
	}
	_, link, _ := strings.Cut(sent[0].Text, base+"/login/link/")
	link = "/login/link/" + strings.Fields(link)[0]
	b.get(link).says("Confirm your address")
	b.post(link)
	b.get("/account/acme").says("Confirmed", "You opened a link that we sent there.")
}

func TestAttackManyMailsToOneAddress(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	b.unconfirmed(s.User)
	for range 3 {
		b.follow(b.post("/account/acme/address", "csrf", b.token("/account/acme"))).says("A mail is on its way")
	}
	b.follow(b.post("/account/acme/address", "csrf", b.token("/account/acme"))).says("Use the newest mail")
	if sent := b.mailed(mail.VerifyAddress); len(sent) != 3 {
		t.Errorf("%d mails", len(sent))
	}
	b.clock.Forward(21 * time.Minute)
	b.follow(b.post("/account/acme/address", "csrf", b.token("/account/acme"))).says("A mail is on its way")
}

func TestAddressIsNotConfirmedWhereNobodySendsMails(t *testing.T) {
	w := newWorld(t)
	w.start(func(c *account.Config) { c.Post = nil })
	b := w.browser()
	s := b.signIn("acme", "alice")
	b.unconfirmed(s.User)
	p := b.get("/account/acme")
	p.says("Not confirmed")
	p.hides("Confirm the address")
	b.post("/account/acme/address", "csrf", b.token("/account/acme/security")).refuses(http.StatusNotFound, "not_found")
}

func TestGETOfAForm(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("acme", "alice")
	for _, path := range []string{"/address", "/security/passkey", "/security/app", "/security/codes"} {
		if p := b.get("/account/acme" + path); p.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: status %d", path, p.Code)
		}
	}
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	good := account.Config{Base: base, Store: w.store, People: w.server, Now: w.clock.Now, CookieKey: make([]byte, sha256.Size)}
	if _, err := account.New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*account.Config){
		"base": func(c *account.Config) { c.Base = base + "/" }, "scheme": func(c *account.Config) { c.Base = "ftp://x" },
		"URL": func(c *account.Config) { c.Base = ":" }, "store": func(c *account.Config) { c.Store = nil },
		"key": func(c *account.Config) { c.CookieKey = c.CookieKey[:31] },
	} {
		c := good
		spoil(&c)
		if _, err := account.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
