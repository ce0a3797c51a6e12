package account_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const security = "/account/acme/security"

func TestFactorIsRenamed(t *testing.T) {
	onBoth(t, func(w *world) {
		b := w.browser()
		s := b.signIn("acme", "alice")
		f, secret := b.app("acme", s.User, "Authenticator app")
		name := remove + string(f.ID) + "/name"
		b.get(security).says("Rename Authenticator app")
		b.get(name).says("Authenticator app", "to tell your factors apart")
		long := strings.Repeat("ü", 64)
		for _, to := range []string{"  Zoë’s <phone> ", long} {
			b.follow(b.post(name, "csrf", b.token(name), "name", to)).says("The factor has its new name.", strings.TrimSpace(to))
		}
		if all := b.factorsOf("acme", s.User); len(all) != 1 || all[0].Name != long || !slices.Contains(b.trail("acme"), "factor.renamed") {
			t.Errorf("factors %+v, trail %v", all, b.trail("acme"))
		}
		b.code(b.follow(b.agree(remove+string(f.ID))), secret).says("Remove it") // it works as before
	})
}

func TestNamesThatWouldMisleadAreRefused(t *testing.T) {
	b := newWorld(t).browser()
	s := b.signIn("acme", "alice")
	f, _ := b.app("acme", s.User, "Phone")
	name := remove + string(f.ID) + "/name"
	csrf := b.token(name)
	for said, words := range map[string]string{
		" \t ": "Give it a name.", "": "Give it a name.", strings.Repeat("ü", 65): "at most 64 characters",
		"a\tb": "in one line", "a\nb": "in one line", "a\x00": "", "\u202eenohp": "in one line", "a\u2028b": "in one line", "a\xff": "",
	} {
		p := b.post(name, "csrf", csrf, "name", said)
		if p.says(words); p.Code == http.StatusSeeOther {
			t.Errorf("%q is taken", said)
		}
	}
	if all := b.factorsOf("acme", s.User); all[0].Name != "Phone" {
		t.Errorf("it is called %q", all[0].Name)
	}
}

func TestAttackRenamingWithoutTheTokenOrAFactorOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	ofBob, _ := w.app("acme", w.browser().signIn("acme", "bob").User, "Bob's")
	ofCarol, _ := w.app("globex", w.browser().signIn("globex", "carol").User, "Carol's")
	b := w.browser()
	f, _ := b.app("acme", b.signIn("acme", "alice").User, "Alice's")
	csrf := b.token(remove + string(f.ID) + "/name")
	for _, id := range []string{string(ofBob.ID), string(ofCarol.ID), "fac_made_up"} {
		b.get(remove+id+"/name").refuses(http.StatusNotFound, "not_found")
		b.post(remove+id+"/name", "csrf", csrf, "name", "mine").refuses(http.StatusNotFound, "not_found")
	}
	own := remove + string(f.ID) + "/name"
	b.post(own, "name", "forged").refuses(http.StatusForbidden, "cross_site_request")
	if p := b.do(http.MethodPost, own, strings.NewReader("name=forged&csrf="+csrf), "cross-site"); p.Code != http.StatusForbidden {
		t.Errorf("from another site: status %d", p.Code)
	}
	for _, f := range append(w.factorsOf("acme", ofBob.User), append(w.factorsOf("globex", ofCarol.User), w.factorsOf("acme", f.User)...)...) {
		if !strings.HasSuffix(f.Name, "'s") {
			t.Errorf("a factor is called %q", f.Name)
		}
	}
}
