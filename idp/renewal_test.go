package idp_test

import (
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// session is the browser's session in a tenant, as it is stored.
func (b *browser) session(slug string) storage.LiveSession {
	b.h.t.Helper()
	hash := sha256.Sum256([]byte(b.cookie(b.h.sessionCookie(slug))))
	all, err := b.h.store.SessionsByHandle(b.h.t.Context(), [][]byte{hash[:]})
	b.h.must(err)
	if len(all) != 1 {
		b.h.t.Fatalf("%d sessions", len(all))
	}
	return all[0]
}

// again signs the browser in once more at acme's provider.
func (b *browser) again() page {
	b.h.t.Helper()
	return b.get(b.get(b.h.provider(b.toProvider(b.open(), "alice@acme.test"))).location())
}

func TestSigningInAgainKeepsWhatHangsOnTheSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	before, handle := b.session("acme"), b.cookie(h.sessionCookie("acme"))
	h.clock.Forward(30 * time.Minute)
	h.op["acme"].Person["acr"] = "urn:two"
	b.again()
	after := b.session("acme")
	if after.ID != before.ID || !after.EndedAt.IsZero() || after.ACR != "urn:two" || !after.ExpiresAt.Equal(h.clock.Now().Add(24*time.Hour)) {
		t.Errorf("before %+v\nafter  %+v", before.Session, after.Session)
	}
	thief := h.browser()
	thief.setCookie(h.sessionCookie("acme"), handle)
	if thief.signedIn() {
		t.Error("the old handle still works")
	}
	if kinds := h.events("acme"); slices.Contains(kinds, "session.ended sign_in") {
		t.Errorf("events = %v", kinds)
	}
}

func TestSigningInAgainAfterSilenceKeepsTheSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	before := b.session("acme")
	h.clock.Forward(2 * time.Hour)
	b.again()
	if after := b.session("acme"); after.ID != before.ID {
		t.Error("the apps of somebody who was away for two hours lose their access when they come back")
	}
}

func TestAttackRow101SignInOverSomebodyElsesSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	before, handle := b.session("acme"), b.cookie(h.sessionCookie("acme"))
	h.op["acme"].Person = map[string]any{"sub": "bob-sub", "email": "bob@acme.test"}
	b.again()
	after := b.session("acme")
	if after.ID == before.ID || after.User == before.User {
		t.Errorf("before %+v\nafter  %+v", before.Session, after.Session)
	}
	thief := h.browser()
	thief.setCookie(h.sessionCookie("acme"), handle)
	if thief.signedIn() || thief.session("acme").EndedAt.IsZero() {
		t.Error("alice's session outlives bob's sign-in")
	}
	events, err := h.store.Tenant(h.tenants["acme"]).Events(t.Context(), "", 50)
	h.must(err)
	ended := slices.IndexFunc(events, func(ev storage.Event) bool { return ev.Kind == "session.ended" && ev.Reason == "sign_in" })
	if ended < 0 || events[ended].User != before.User || events[ended].Session != before.ID {
		t.Errorf("events = %+v", events)
	}
}

// A session that is over, and with it every token, does not come back.
func TestAttackSessionPastItsEndIsRevived(t *testing.T) {
	h := newHouse(t)
	for name, end := range map[string]func(b *browser){
		"a day passed": func(*browser) { h.clock.Forward(24 * time.Hour) },
		"signed out": func(b *browser) {
			to, fields := b.get("/oauth2/logout").form()
			b.post(to, fields)
		},
	} {
		b := h.browser()
		b.signIn("alice@acme.test")
		before, handle := b.session("acme"), b.cookie(h.sessionCookie("acme"))
		end(b)
		b.setCookie(h.sessionCookie("acme"), handle)
		b.again()
		if b.session("acme").ID == before.ID {
			t.Errorf("%s: the session is alive again", name)
		}
	}
}

func TestAttackSessionThatEndsDuringTheSignInIsRevived(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	before := b.session("acme")
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	h.store.read = func() {
		now := h.clock.Now()
		h.must(h.store.Tenant(h.tenants["acme"]).EndSession(t.Context(), before.ID, now, audit.SignedOut(t.Context(), now, before.User, before.ID, "operator")))
	}
	b.get(back).location()
	if after := b.session("acme"); after.ID == before.ID || !after.EndedAt.IsZero() {
		t.Errorf("before %+v\nafter  %+v", before.Session, after.Session)
	}
}
