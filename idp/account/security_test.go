package account_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/idp/account"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

const remove = "/account/acme/factors/"

func TestFactorsAreListed(t *testing.T) {
	b := newWorld(t).browser()
	s := b.proved("acme", "alice")
	b.get("/account/acme/security").says("You have none.", "Add a passkey", "Add an authenticator app")
	b.app("acme", s.User, "Alice's phone")
	b.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA })
	p := b.get("/account/acme/security")
	p.says("Alice's phone", "Authenticator app, added 1 minute ago", "Acme asks everybody for a second factor", "Has to stay", "You have none that work")
	p.hides(">Remove<")
}

func TestWhoeverRemovesAFactorProvesOneFirst(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	f, secret := b.app("acme", s.User, "Old phone")
	page := remove + string(f.ID)
	b.get(page).says("Old phone", "First confirm that it is you", "It is your only one")
	back := b.code(b.follow(b.agree(page)), secret)
	if len(b.factorsOf("acme", s.User)) != 1 {
		t.Fatal("the factor went without a proof")
	}
	back.says("Old phone", "Remove it")
	back.hides("First confirm")
	b.follow(b.agree(page)).says("The factor is removed.", "You have none.")
	if sent := b.mailed(mail.FactorRemoved); len(sent) != 1 || sent[0].To != "alice@acme.test" || !strings.Contains(sent[0].Text, "Old phone") {
		t.Errorf("mails: %v", sent)
	}
	if !slices.Contains(b.trail("acme"), "factor.removed") {
		t.Errorf("trail: %v", b.trail("acme"))
	}
}

func TestProofForARemovalIsNotOld(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice", func(s *storage.Session) { s.Level, s.MFAAt = storage.LevelMFA, s.AuthTime })
	f, _ := b.app("acme", s.User, "Old phone")
	b.clock.Forward(10 * time.Minute)
	if to := b.agree(remove + string(f.ID)).location(); !strings.HasPrefix(to, "/login/log_") || len(b.factorsOf("acme", s.User)) != 1 {
		t.Errorf("leads to %s", to)
	}
}

func TestProofAloneRemovesNothing(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice", func(s *storage.Session) { s.Level, s.MFAAt = storage.LevelMFA, s.AuthTime })
	f, _ := b.app("acme", s.User, "Old phone")
	page := remove + string(f.ID)
	if to := b.post(page, "csrf", b.token(page), "step", "prove").location(); to != page {
		t.Errorf("leads to %s", to)
	}
	if len(b.factorsOf("acme", s.User)) != 1 {
		t.Error("the factor is gone")
	}
}

// proved is a session in which a second factor was proved just now.
func (b *browser) proved(slug, name string) storage.Session {
	b.Helper()
	return b.signIn(slug, name, func(s *storage.Session) { s.Level, s.MFAAt = storage.LevelMFA, s.AuthTime })
}

func TestAttackRemovingTheLastFactorThatThePolicyAsksFor(t *testing.T) {
	b := newWorld(t).browser()
	s := b.proved("acme", "alice")
	f, _ := b.app("acme", s.User, "Only phone")
	other, _ := b.app("acme", s.User, "Second phone")
	b.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA })
	b.follow(b.agree(remove + string(f.ID))).says("The factor is removed.")
	page := remove + string(other.ID)
	b.get(page).says("This factor has to stay")
	b.follow(b.post(page, "csrf", b.token("/account/acme/security"), "step", "do")).says("This factor has to stay")
	if left := b.factorsOf("acme", s.User); len(left) != 1 || left[0].ID != other.ID {
		t.Errorf("left: %d", len(left))
	}
}

// Attack: two removals at once, of which each counts on the other's factor.
func TestAttackRemovingBothLastFactorsAtOnce(t *testing.T) {
	onBoth(t, func(w *world) {
		b := w.browser()
		s := b.proved("acme", "alice")
		w.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA })
		for range 5 {
			for len(w.factorsOf("acme", s.User)) < 2 {
				w.app("acme", s.User, "Phone")
			}
			s = b.proved("acme", "alice")
			token := b.token("/account/acme/security")
			var ready, done sync.WaitGroup
			ready.Add(2)
			for _, f := range w.factorsOf("acme", s.User) {
				done.Go(func() {
					ready.Done()
					ready.Wait()
					b.post(remove+string(f.ID), "csrf", token, "step", "do")
				})
			}
			done.Wait()
			if left := w.factorsOf("acme", s.User); len(left) != 1 {
				w.Fatalf("%d factors are left", len(left))
			}
		}
	})
}

func TestAttackFactorOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	bob, carol := w.browser().signIn("acme", "bob"), w.browser().signIn("globex", "carol")
	ofBob, _ := w.app("acme", bob.User, "Bob's")
	ofCarol, _ := w.app("globex", carol.User, "Carol's")
	b := w.browser()
	alice := b.proved("acme", "alice")
	w.app("acme", alice.User, "Alice's")
	alice = b.proved("acme", "alice")
	for _, id := range []storage.FactorID{ofBob.ID, ofCarol.ID, "fac_made_up"} {
		b.get(remove+string(id)).refuses(http.StatusNotFound, "not_found")
		b.post(remove+string(id), "csrf", b.token("/account/acme/security"), "step", "do").refuses(http.StatusNotFound, "not_found")
	}
	if len(w.factorsOf("acme", bob.User)) != 1 || len(w.factorsOf("globex", carol.User)) != 1 {
		t.Error("a factor is gone")
	}
}

func TestWhoeverHasNoFactorAuthenticatesAnewBeforeTheFirst(t *testing.T) {
	b := newWorld(t).browser()
	b.signIn("acme", "alice")
	for kind, then := range map[string]string{"passkey": "Add a passkey", "app": "Set up your authenticator app"} {
		b.clock.Forward(20 * time.Minute)
		p := b.get("/account/acme/security")
		if !strings.Contains(p.Header().Get("Content-Security-Policy"), "form-action 'self' https:") {
			t.Error("the form cannot lead to a provider")
		}
		p = b.post("/account/acme/security/"+kind, "csrf", b.token("/account/acme/security"))
		for strings.HasPrefix(p.location(), "/") {
			p = b.get(p.location())
		}
		to, err := url.Parse(p.location())
		b.must(err)
		if !strings.HasPrefix(p.location(), b.op["acme"].Issuer) || (to.Query().Get("prompt") != "login" && to.Query().Get("max_age") == "") {
			t.Errorf("%s leads to %s", kind, to)
		}
		b.provider(p).says(then)
	}
}

func TestWhoeverHasAFactorProvesItBeforeTheNext(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	_, secret := b.app("acme", s.User, "Phone")
	b.clock.Forward(20 * time.Minute)
	for path, then := range map[string]string{
		"passkey": "Add a factor", "app": "Set up your authenticator app", "codes": "Make new recovery codes?",
	} {
		p := b.follow(b.post("/account/acme/security/"+path, "csrf", b.token("/account/acme/security")))
		p.says("Confirm it is you")
		b.code(p, secret).says(then)
		b.clock.Forward(20 * time.Minute)
	}
}

func TestChangedFactorsOfferToEndTheOtherSessions(t *testing.T) {
	b := newWorld(t).browser()
	s := b.proved("acme", "alice")
	f, _ := b.app("acme", s.User, "Phone")
	b.app("acme", s.User, "Tablet")
	b.get("/account/acme/security").hides("End all other sessions")
	b.world.browser().signIn("acme", "alice")
	b.get("/account/acme/security").says("Your factors have changed", "there is one", "End all other sessions")
	b.clock.Forward(20 * time.Minute)
	b.get("/account/acme/security").hides("End all other sessions")
	s = b.proved("acme", "alice")
	after := b.agree(remove + string(f.ID))
	b.follow(after).says("Your factors have changed", "End all other sessions")
}

func TestWithoutAProverNothingIsOffered(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	s := b.proved("acme", "alice")
	f, _ := w.app("acme", s.User, "Phone")
	w.start(func(c *account.Config) { c.Prover = nil })
	p := b.get("/account/acme/security")
	p.says("Phone")
	p.hides("Add a passkey", "Make new codes", ">Remove<")
	b.get(remove+string(f.ID)).refuses(http.StatusNotFound, "not_found")
}
