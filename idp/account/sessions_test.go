package account_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

const sessions = "/account/acme/sessions"

// onPhone is how a phone calls itself.
func onPhone(s *storage.Session) {
	s.IP, s.Level, s.MFAAt = "2001:db8::1", storage.LevelPHR, s.AuthTime
	s.UserAgent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
}

func TestSessionsAreListed(t *testing.T) {
	w := newWorld(t)
	w.browser().signIn("acme", "alice", onPhone)
	w.browser().signIn("acme", "alice", func(s *storage.Session) { s.UserAgent, s.IP, s.Pending = "", "", true })
	w.browser().signIn("acme", "bob", func(s *storage.Session) { s.IP = "198.51.100.99" })
	w.clock.Forward(10 * time.Minute)
	b := w.browser()
	b.signIn("acme", "alice")
	p := b.get(sessions)
	p.says("Firefox on Windows This one", "192.0.2.7", "Safari on an iPhone", "2001:db8::1", "10 minutes ago", "Okta of acme", "resists phishing",
		"Unknown device Not complete", "Not known", "End all others")
	p.hides("198.51.100.99")
	if present, phone := strings.Index(p.text(), "This one"), strings.Index(p.text(), "iPhone"); present > phone {
		t.Error("the present one is not the first")
	}
}

func TestEndingOneSession(t *testing.T) {
	onBoth(t, func(w *world) {
		phone := w.browser()
		s := phone.signIn("acme", "alice", onPhone)
		within, offline := w.grant("acme", s, false), w.grant("acme", s, true)
		b := w.browser()
		mine := b.signIn("acme", "alice")
		page := sessions + "/" + string(s.ID)
		b.get(page).says("End this session?", "Safari on an iPhone", "lose the access", "Status board")
		b.follow(b.agree(page)).says("That session has ended.")
		if w.dead(within) != "session_ended" || w.dead(offline) != "" || w.ended("acme", mine.ID) {
			w.Errorf("within %q, offline %q", w.dead(within), w.dead(offline))
		}
		if to := phone.get(sessions).location(); !strings.HasPrefix(to, "/login?") {
			w.Errorf("the phone is led to %s", to)
		}
		if !slices.Contains(w.trail("acme"), "session.ended") {
			w.Errorf("%v", w.trail("acme"))
		}
		b.get(page).refuses(http.StatusNotFound, "not_found")
	})
}

func TestEndingTheOthers(t *testing.T) {
	onBoth(t, func(w *world) {
		phone, b := w.browser(), w.browser()
		s := phone.signIn("acme", "alice", onPhone)
		pending := w.browser().signIn("acme", "alice", func(s *storage.Session) { s.Pending = true })
		bob := w.browser().signIn("acme", "bob")
		ref := w.grant("acme", s, false)
		mine := b.signIn("acme", "alice")
		b.get(sessions+"/others").says("You stay signed in in this browser", "Safari on an iPhone")
		b.follow(b.agree(sessions + "/others")).says("All your other sessions have ended.")
		if w.dead(ref) == "" || !w.ended("acme", s.ID) || !w.ended("acme", pending.ID) || w.ended("acme", mine.ID) || w.ended("acme", bob.ID) {
			w.Errorf("token %q, phone %v, pending %v, mine %v, bob %v", w.dead(ref), w.ended("acme", s.ID), w.ended("acme", pending.ID), w.ended("acme", mine.ID), w.ended("acme", bob.ID))
		}
		if sent := w.mailed(mail.SessionsEnded); len(sent) != 1 || sent[0].To != "alice@acme.test" {
			w.Errorf("mails: %v", sent)
		}
		if to := phone.get("/account/acme").location(); !strings.HasPrefix(to, "/login?") {
			w.Errorf("the phone is led to %s", to)
		}
		if to := b.get(sessions + "/others").location(); to != sessions {
			w.Errorf("with no others, it leads to %s", to)
		}
	})
}

func TestWhoeverEndsSessionsAuthenticatedLately(t *testing.T) {
	w := newWorld(t)
	other := w.browser().signIn("acme", "alice", onPhone)
	b := w.browser()
	b.signIn("acme", "alice")
	w.clock.Forward(17 * time.Minute)
	for _, page := range []string{sessions + "/" + string(other.ID), sessions + "/others"} {
		b.get(page).says("First confirm that it is you")
		p := b.get(b.agree(page).location())
		to, err := url.Parse(p.location())
		w.must(err)
		if !strings.HasPrefix(p.location(), w.op["acme"].Issuer) || (to.Query().Get("prompt") != "login" && to.Query().Get("max_age") == "") || w.ended("acme", other.ID) {
			t.Fatalf("%s leads to %s, ended %v", page, to, w.ended("acme", other.ID))
		}
		p = b.provider(p)
		p.hides("First confirm")
		p.says("?")
		w.clock.Forward(17 * time.Minute)
	}
	b.get(sessions) // activity
	b.provider(b.get(b.agree(sessions + "/others").location()))
	b.follow(b.agree(sessions + "/others")).says("All your other sessions have ended.")
}

func TestWhoeverHasAFactorEndsSessionsByIt(t *testing.T) {
	w := newWorld(t)
	other, b := w.browser().signIn("acme", "alice", onPhone), w.browser()
	_, secret := w.app("acme", other.User, "Phone")
	b.signIn("acme", "alice")
	w.clock.Forward(20 * time.Minute)
	page := sessions + "/" + string(other.ID)
	b.code(b.follow(b.agree(page)), secret).says("End this session?", "End it")
	b.follow(b.agree(page)).says("That session has ended.")
	if !w.ended("acme", other.ID) {
		t.Error("it goes on")
	}
}

func TestEndingThePresentSessionIsSigningOut(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	page := sessions + "/" + string(s.ID)
	if to := b.get(page).location(); to != "/oauth2/logout" {
		t.Errorf("leads to %s", to)
	}
	if to := b.post(page, "csrf", b.token("/account/acme/security"), "step", "do").location(); to != "/oauth2/logout" || b.ended("acme", s.ID) {
		t.Errorf("leads to %s", to)
	}
}

func TestAttackEndingSomebodyElsesSession(t *testing.T) {
	w := newWorld(t)
	bob, carol := w.browser().signIn("acme", "bob"), w.browser().signIn("globex", "carol")
	b := w.browser()
	b.signIn("acme", "alice")
	for _, id := range []storage.SessionID{bob.ID, carol.ID, "ses_made_up"} {
		page := sessions + "/" + string(id)
		b.get(page).refuses(http.StatusNotFound, "not_found")
		b.post(page, "csrf", b.token("/account/acme/security"), "step", "do").refuses(http.StatusNotFound, "not_found")
	}
	if w.ended("acme", bob.ID) || w.ended("globex", carol.ID) {
		t.Error("a session has ended")
	}
}

func TestAttackSignedOutBrowserComesBack(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	s := b.signIn("acme", "alice")
	token := b.token("/account/acme/security")
	live, err := w.store.SessionsByHandle(t.Context(), [][]byte{s.Handle})
	w.must(err)
	w.must(w.server.End(t.Context(), live[0], "user"))
	for _, path := range []string{"/account", "/account/acme", sessions, "/account/acme/apps", "/account/acme/security"} {
		if to := b.get(path).location(); !strings.HasPrefix(to, "/login?") {
			t.Errorf("%s leads to %s", path, to)
		}
	}
	if to := b.post("/account/acme/address", "csrf", token).location(); !strings.HasPrefix(to, "/login?") {
		t.Errorf("a form leads to %s", to)
	}
}

func TestAttackPendingSessionSeesNothing(t *testing.T) {
	w := newWorld(t)
	other := w.browser().signIn("acme", "alice", onPhone)
	b := w.browser()
	b.signIn("acme", "alice", func(s *storage.Session) { s.Pending = true })
	for _, path := range []string{"/account", "/account/acme", sessions, sessions + "/" + string(other.ID), "/account/acme/security", "/account/acme/apps"} {
		p := b.get(path)
		if to := p.location(); !strings.HasPrefix(to, "/login?") {
			t.Errorf("%s leads to %s", path, to)
		}
		p.hides("alice")
	}
}
