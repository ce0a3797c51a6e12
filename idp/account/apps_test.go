package account_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
)

const apps = "/account/acme/apps"

func TestAppsAreListedInWords(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	s := b.signIn("acme", "alice")
	b.get(apps).says("No app has access at the moment.")
	w.grant("acme", s, false)
	w.clock.Forward(2 * time.Minute)
	p := b.get(apps)
	p.says("Status board", "Not verified", "Since 2 minutes ago", "Confirm who you are when you sign in", "See your monitors Sensitive")
	p.hides("Also while you are away")
	w.grant("acme", s, true)
	p = b.get(apps)
	p.says("Also while you are away", "Since 2 minutes ago")
	if n := strings.Count(p.Body.String(), "Status board</bdi></h2>") + strings.Count(p.Body.String(), "See your monitors"); n != 1 {
		t.Errorf("the app is there several times: %s", p.text())
	}
}

func TestWithdrawingAConsentKillsTheTokens(t *testing.T) {
	onBoth(t, func(w *world) {
		b := w.browser()
		s := b.signIn("acme", "alice")
		within, offline := w.grant("acme", s, false), w.grant("acme", s, true)
		ofBob := w.grant("acme", w.browser().signIn("acme", "bob"), true)
		b.get(apps+"/board").says("What this breaks", "See your monitors", "while you are away", "board")
		if w.dead(within) != "" {
			w.Fatal("the question alone did it")
		}
		if to := b.post(apps+"/board", "csrf", b.token(apps+"/board")).location(); to != apps+"/board" || w.dead(within) != "" {
			w.Fatalf("without a yes: leads to %s", to)
		}
		b.follow(b.agree(apps+"/board")).says("access has ended", "No app has access at the moment.")
		if w.dead(within) != "grant_revoked" || w.dead(offline) != "grant_revoked" || w.dead(ofBob) != "" {
			w.Errorf("within %q, offline %q, of somebody else %q", w.dead(within), w.dead(offline), w.dead(ofBob))
		}
		_, live, err := w.store.AuthorizeView(w.Context(), "board", "app.example", "", [][]byte{s.Handle})
		w.must(err)
		if live[0].Consent != nil || !slices.Contains(w.trail("acme"), "consent.withdrawn") {
			w.Errorf("consent %v, trail %v", live[0].Consent, w.trail("acme"))
		}
	})
}

// TestApprovalWithoutAccessIsListedAndWithdrawn: what an app gets again without asking
// is the person's to see, and to take back.
func TestApprovalWithoutAccessIsListedAndWithdrawn(t *testing.T) {
	onBoth(t, func(w *world) {
		phone := w.browser().signIn("acme", "alice")
		w.grant("acme", phone, false)
		w.grant("acme", w.browser().signIn("acme", "bob"), false)
		b := w.browser()
		b.signIn("acme", "alice")
		b.get(apps).hides("No access now")
		b.follow(b.agree(sessions + "/" + string(phone.ID)))
		b.get(apps).says("Status board", "No access now", "gets this again without asking you", "See your monitors")
		b.get(apps+"/board").says("It has no access at Acme now", "See your monitors", "it asks you")
		b.get(apps + "/board").hides("What this breaks")
		b.follow(b.agree(apps+"/board")).says("access has ended", "No app has access at the moment.")
		bob, err := w.tenant("acme").UsersByEmail(w.Context(), "bob@acme.test")
		w.must(err)
		left, err := w.tenant("acme").ListConsents(w.Context(), bob[0].ID)
		if w.must(err); len(left) != 1 {
			w.Errorf("of somebody else there are %d left", len(left))
		}
	})
}

// TestApprovalFromBeforeTheAppChangedIsNotListed: it answers for nothing, the app has to
// ask again.
func TestApprovalFromBeforeTheAppChangedIsNotListed(t *testing.T) {
	w := newWorld(t)
	phone := w.browser().signIn("acme", "alice")
	w.grant("acme", phone, false)
	b := w.browser()
	b.signIn("acme", "alice")
	b.follow(b.agree(sessions + "/" + string(phone.ID)))
	b.get(apps).says("No access now")
	app, err := w.store.Client(w.Context(), "board")
	w.must(err)
	app.Name = "Another board"
	w.must(w.store.UpdateClient(w.Context(), app, audit.ClientUpdated(w.Context(), w.clock.Now(), app)))
	b.get(apps).says("No app has access at the moment.")
	b.get(apps+"/board").refuses(http.StatusNotFound, "not_found")
}

func TestAttackAppOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	ofBob := w.grant("acme", w.browser().signIn("acme", "bob"), true)
	ofCarol := w.grant("globex", w.browser().signIn("globex", "carol"), true)
	b := w.browser()
	b.signIn("acme", "alice")
	for _, id := range []string{"board", "made-up", "https:%2F%2Fx%2Fy"} {
		b.get(apps+"/"+id).refuses(http.StatusNotFound, "not_found")
		b.post(apps+"/"+id, "csrf", b.token("/account/acme/security"), "step", "do").refuses(http.StatusNotFound, "not_found")
	}
	if w.dead(ofBob)+w.dead(ofCarol) != "" {
		t.Error("a token is dead")
	}
}
