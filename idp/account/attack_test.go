package account_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// forms are all that change something, for alice and her other session.
func forms(other string) []string {
	return []string{
		"/account/acme/address", "/account/acme/security/passkey", "/account/acme/security/app", "/account/acme/security/codes",
		sessions + "/others", sessions + "/" + other, apps + "/board",
	}
}

func TestAttackCrossSitePost(t *testing.T) {
	w := newWorld(t)
	other := w.browser().signIn("acme", "alice")
	b := w.browser()
	ref := w.grant("acme", b.signIn("acme", "alice"), true)
	form := url.Values{"csrf": {b.token("/account/acme/security")}, "step": {"do"}}.Encode()
	for _, path := range forms(string(other.ID)) {
		for _, site := range []string{"cross-site", "same-site"} {
			b.do(http.MethodPost, path, strings.NewReader(form), site).refuses(http.StatusForbidden, "access_denied")
		}
	}
	if w.ended("acme", other.ID) || w.dead(ref) != "" {
		t.Error("something was done")
	}
}

func TestAttackPostWithoutTheToken(t *testing.T) {
	w := newWorld(t)
	other := w.browser().signIn("acme", "alice")
	b := w.browser()
	ref := w.grant("acme", b.signIn("acme", "alice"), true)
	token := b.token("/account/acme/security")
	for _, path := range forms(string(other.ID)) {
		for _, csrf := range []string{"", "x", token[1:], token + "x"} {
			b.post(path, "csrf", csrf, "step", "do").refuses(http.StatusForbidden, "access_denied")
		}
	}
	if w.ended("acme", other.ID) || w.dead(ref) != "" {
		t.Error("something was done")
	}
}

// Attack: the attacker plants a token of a session of their own.
func TestAttackTokenOfAnotherSession(t *testing.T) {
	w := newWorld(t)
	attacker, sameTenant := w.browser(), w.browser()
	attacker.signIn("globex", "mallory")
	other := sameTenant.signIn("acme", "alice")
	b := w.browser()
	ref := w.grant("acme", b.signIn("acme", "alice"), true)
	for _, token := range []string{attacker.token("/account/globex/security"), sameTenant.token("/account/acme/security")} {
		for _, path := range forms(string(other.ID)) {
			b.post(path, "csrf", token, "step", "do").refuses(http.StatusForbidden, "access_denied")
		}
	}
	if w.ended("acme", other.ID) || w.dead(ref) != "" {
		t.Error("something was done")
	}
}

// Attack: one browser, two organizations; the page of the one acts on the other.
func TestAttackTokenOfTheBrowsersOtherTenant(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	ref := w.grant("acme", b.signIn("acme", "alice"), true)
	b.signIn("globex", "alice")
	b.post(apps+"/board", "csrf", b.token("/account/globex/security"), "step", "do").refuses(http.StatusForbidden, "access_denied")
	if w.dead(ref) != "" {
		t.Error("the token is dead")
	}
}

func TestAttackTokenOfAPageFromBeforeAProof(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	s := b.signIn("acme", "alice")
	f, secret := w.app("acme", s.User, "Phone")
	before := b.token("/account/acme/security")
	b.code(b.follow(b.agree(remove+string(f.ID))), secret)
	b.post(remove+string(f.ID), "csrf", before, "step", "do").refuses(http.StatusForbidden, "access_denied")
	if len(w.factorsOf("acme", s.User)) != 1 {
		t.Error("the factor is gone")
	}
}

func TestAttackSessionOfOneTenantAtAnother(t *testing.T) {
	w := newWorld(t)
	carol := w.browser().signIn("globex", "carol")
	b := w.browser()
	b.signIn("acme", "alice")
	token := b.token("/account/acme/security")
	for _, path := range []string{"", "/security", "/sessions", "/apps", "/sessions/" + string(carol.ID)} {
		known, made := b.get("/account/globex"+path), b.get("/account/made-up"+path)
		for _, p := range []page{known, made} {
			if p.Code != http.StatusNotFound {
				t.Errorf("%s: status %d", path, p.Code)
			}
			p.hides("Globex", "carol", "/account/globex")
		}
		if known.Body.String() != made.Body.String() {
			t.Errorf("%s: a tenant that there is answers otherwise than one that there is not", path)
		}
	}
	if p := b.post("/account/globex/sessions/"+string(carol.ID), "csrf", token, "step", "do"); p.Code != http.StatusNotFound || w.ended("globex", carol.ID) {
		t.Errorf("status %d", p.Code)
	}
}

// Attack: a link that makes our page say that something happened.
func TestAttackLinkThatSaysSomething(t *testing.T) {
	w := newWorld(t)
	b, other := w.browser(), w.browser()
	b.signIn("acme", "alice")
	s := w.browser().signIn("acme", "alice")
	other.signIn("acme", "alice")
	foreign := other.agree(sessions + "/" + string(s.ID)).location()
	for _, path := range []string{sessions + "?said=others_ended", sessions + "?said=others_ended.x", foreign} {
		b.get(path).hides("ended.")
	}
	other.get(foreign).says("That session has ended.")
	other.get(strings.Replace(foreign, "said=ended", "said=others_ended", 1)).hides("have ended.")
}

func TestAttackGETChangesNothing(t *testing.T) {
	w := newWorld(t)
	other := w.browser().signIn("acme", "alice")
	b := w.browser()
	s := b.proved("acme", "alice")
	f, _ := w.app("acme", s.User, "Phone")
	ref, before := w.grant("acme", s, true), len(w.trail("acme"))
	query := "?step=do&csrf=" + b.token("/account/acme/security")
	for _, path := range append(forms(string(other.ID)), remove+string(f.ID)) {
		b.get(path + query)
		b.do(http.MethodHead, path+query, nil, "")
	}
	w.clock.Forward(time.Second)
	if w.ended("acme", other.ID) || w.dead(ref) != "" || len(w.factorsOf("acme", s.User)) != 1 || len(w.trail("acme")) != before {
		t.Errorf("something was done: %v", w.trail("acme"))
	}
}

// Attack: a session of before the policy was tightened, by one factor, goes on here.
func TestAttackSessionBelowThePolicy(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	_, secret := b.app("acme", s.User, "Phone")
	token := b.token("/account/acme/security")
	b.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA })
	for _, path := range []string{"", "/security", "/sessions", "/apps", "/sessions/others"} {
		if to := b.get("/account/acme" + path).location(); !strings.HasPrefix(to, "/login/log_") {
			t.Errorf("%s leads to %s", path, to)
		}
	}
	if to := b.post("/account/acme/security/app", "csrf", token, "step", "do").location(); !strings.HasPrefix(to, "/login/log_") {
		t.Errorf("a form leads to %s", to)
	}
	b.code(b.follow(b.get("/account/acme/security")), secret).says("Phone", "Add an authenticator app")
	b.get("/account/acme/sessions").says("This")
	b.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelPHR })
	if to := b.get("/account/acme").location(); !strings.HasPrefix(to, "/login/log_") {
		t.Errorf("a factor that is not enough leads to %s", to)
	}
}
