package orgapi_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/watchgate/watchgate/idp/orgapi"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

func (w *world) user(token string) string { return "/v1/users/" + string(w.people[token].User) }

// sessions are how many sessions a person has.
func (w *world) sessions(token string) int {
	w.t.Helper()
	var list manage.Collection[orgapi.Session]
	w.does(http.StatusOK, alice, "GET", "/v1/sessions?user="+string(w.people[token].User), "").into(w.t, &list)
	return len(list.Items)
}

func TestRoleIsChangedAtTheVersionThatIsMeant(t *testing.T) {
	w := newWorld(t)
	r := w.does(http.StatusOK, adam, "GET", w.user(bob), "")
	tag := r.header.Get("ETag")
	var p orgapi.Person
	w.does(http.StatusOK, adam, "PATCH", w.user(bob), `{"role":"admin"}`, "If-Match", tag).into(t, &p)
	if p.Role != "admin" || len(p.Connections) != 1 {
		t.Errorf("%+v", p)
	}
	w.refused(manage.PreconditionFailed, adam, "PATCH", w.user(bob), `{"role":"viewer"}`, "If-Match", tag)
	if r := w.refused(manage.Invalid, adam, "PATCH", w.user(bob), `{"email":"x","role":"boss"}`); r.fields() != "email role" {
		t.Error(r.body)
	}
	if ev := w.event(w.acme.ID, "user.updated"); ev.ActorID != string(w.people[adam].User) || ev.User != w.people[bob].User {
		t.Errorf("the trail says %+v", ev)
	}
}

// TestAdminTakesTheOwnersPlace is what the role of an admin is not good for.
func TestAdminTakesTheOwnersPlace(t *testing.T) {
	w := newWorld(t)
	w.refused(manage.Forbidden, adam, "PATCH", w.user(adam), `{"role":"owner"}`)
	w.refused(manage.Forbidden, adam, "PATCH", w.user(alice), `{"role":"member"}`)
	w.refused(manage.Forbidden, adam, "PATCH", w.user(alice), `{"disabled":true}`)
	w.refused(manage.Forbidden, adam, "POST", w.user(alice)+"/reset-factors", "")
	w.refused(manage.Forbidden, adam, "POST", "/v1/users", `{"email":"mine@acme.test","role":"owner"}`)
	w.does(http.StatusNoContent, adam, "POST", w.user(alice)+"/end-sessions", "") // it gives nobody anything
	w.does(http.StatusOK, alice, "PATCH", w.user(adam), `{"role":"owner"}`)
	w.does(http.StatusOK, adam, "PATCH", w.user(alice), `{"role":"member"}`)
}

func TestLastOwnerStays(t *testing.T) {
	w := newWorld(t)
	for _, patch := range []string{`{"role":"admin"}`, `{"disabled":true}`} {
		w.refused(manage.LastOwner, alice, "PATCH", w.user(alice), patch)
	}
	w.does(http.StatusOK, alice, "PATCH", w.user(adam), `{"role":"owner"}`)
	w.does(http.StatusOK, alice, "PATCH", w.user(alice), `{"role":"admin"}`)
	w.refused(manage.LastOwner, adam, "PATCH", w.user(adam), `{"disabled":true}`)
}

// TestTwoOwnersTakeEachOthersRoleAtOnce: one of them stays.
func TestTwoOwnersTakeEachOthersRoleAtOnce(t *testing.T) {
	w := newWorld(t)
	w.does(http.StatusOK, alice, "PATCH", w.user(adam), `{"role":"owner"}`)
	var both sync.WaitGroup
	for who, whom := range map[string]string{alice: adam, adam: alice} {
		both.Go(func() { w.ask(who, "PATCH", w.user(whom), `{"role":"member"}`) })
	}
	both.Wait()
	owners, err := w.store.Tenant(w.acme.ID).Owners(t.Context())
	must(t, err)
	if len(owners) != 1 {
		t.Errorf("%d owners", len(owners))
	}
}

func TestWhoIsDisabledIsOutEverywhere(t *testing.T) {
	w := newWorld(t)
	if n := w.sessions(bob); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	var p orgapi.Person
	w.does(http.StatusOK, adam, "PATCH", w.user(bob), `{"disabled":true}`).into(t, &p)
	if !p.Disabled || p.DisabledAt == nil || w.sessions(bob) != 0 {
		t.Errorf("%+v, %d sessions", p, w.sessions(bob))
	}
	w.does(http.StatusOK, adam, "PATCH", w.user(bob), `{"disabled":false}`).into(t, &p)
	if p.Disabled || w.sessions(bob) != 0 {
		t.Errorf("enabled again: %+v, %d sessions", p, w.sessions(bob))
	}
	for _, kind := range []string{"user.disabled", "user.enabled", "sessions.ended"} {
		if ev := w.event(w.acme.ID, kind); ev.ActorID != string(w.people[adam].User) {
			t.Errorf("%s by %s", kind, ev.ActorID)
		}
	}
}

func TestSessionsAreListedInPagesAndEnded(t *testing.T) {
	w := newWorld(t)
	var page manage.Collection[orgapi.Session]
	seen := map[string]bool{}
	for cursor := ""; ; cursor = "&cursor=" + page.NextCursor {
		page = manage.Collection[orgapi.Session]{}
		w.does(http.StatusOK, adam, "GET", "/v1/sessions?limit=3"+cursor, "").into(t, &page)
		for _, s := range page.Items {
			seen[s.ID] = true
			if s.IP != "192.0.2.1" || s.Level != "mfa" || s.UserAgent != "a browser" {
				t.Errorf("%+v", s)
			}
		}
		if page.NextCursor == "" {
			break
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d sessions", len(seen))
	}
	if ld := w.does(http.StatusOK, adam, "GET", "/v1/sessions?limit=3", "", "Accept", "application/ld+json").object(t); ld["totalItems"] != 4.0 {
		t.Errorf("%v in all", ld["totalItems"])
	}
	one := "/v1/sessions/" + page.Items[0].ID
	w.does(http.StatusNoContent, adam, "DELETE", one, "")
	w.refused(manage.NotFound, adam, "DELETE", one, "")
}

func TestPersonIsSignedOutEverywhere(t *testing.T) {
	w := newWorld(t)
	w.does(http.StatusNoContent, adam, "POST", w.user(bob)+"/end-sessions", `{"offline_access":true}`)
	if w.sessions(bob) != 0 || !slices.Contains(w.mails(), "sessions_ended "+bob+"@acme.test") {
		t.Errorf("%d sessions, sent %v", w.sessions(bob), w.mails())
	}
	w.does(http.StatusNoContent, adam, "POST", w.user(bob)+"/end-sessions", "")
}

func TestLostFactorsAreRemoved(t *testing.T) {
	w := newWorld(t)
	store, who := w.store.Tenant(w.acme.ID), w.people[bob].User
	f := storage.Factor{ID: storage.NewFactorID(start), User: who, Kind: storage.FactorTOTP, Name: "Phone", SealedSecret: []byte("sealed"), CreatedAt: start, Version: 1}
	must(t, store.AddFactor(t.Context(), f, event("factor.added")))
	must(t, store.ReplaceRecoveryCodes(t.Context(), who, [][]byte{make([]byte, 32)}, start, event("recovery_codes.replaced")))
	var p orgapi.Person
	w.does(http.StatusOK, adam, "GET", w.user(bob), "").into(t, &p)
	if len(p.Factors) != 1 || p.Factors[0].Name != "Phone" || p.RecoveryCodes != 1 {
		t.Errorf("%+v", p)
	}
	w.does(http.StatusNoContent, adam, "POST", w.user(bob)+"/reset-factors", "")
	w.does(http.StatusOK, adam, "GET", w.user(bob), "").into(t, &p)
	if len(p.Factors) != 0 || p.RecoveryCodes != 0 || w.sessions(bob) != 0 {
		t.Errorf("%+v, %d sessions", p, w.sessions(bob))
	}
	if ev := w.event(w.acme.ID, "factor.removed"); ev.ActorID != string(w.people[adam].User) || !slices.Contains(w.mails(), "factor_removed "+bob+"@acme.test") {
		t.Errorf("%+v, sent %v", ev, w.mails())
	}
}

func TestInvitedPersonGetsALinkOnce(t *testing.T) {
	w := newWorld(t)
	body := `{"email":"grace@new.example","role":"admin"}`
	r := w.does(http.StatusCreated, adam, "POST", "/v1/users", body, "Idempotency-Key", "1")
	again := w.does(http.StatusCreated, adam, "POST", "/v1/users", body, "Idempotency-Key", "1")
	if again.body != r.body {
		t.Errorf("sent again: %s", again.body)
	}
	var p orgapi.Person
	r.into(t, &p)
	if p.Role != "admin" || p.EmailVerified || len(p.Connections) != 1 {
		t.Errorf("%+v", p)
	}
	if mails := w.mails(); !slices.Equal(mails, []string{"invitation grace@new.example"}) {
		t.Errorf("sent %v", mails)
	}
	m := w.sent[0]
	if !strings.HasPrefix(m.Fields["link"], issuer+"/login/link/"+string(w.acme.ID)+"/") || m.Fields["by"] != adam+"@acme.test" || m.Fields["tenant"] != "acme" {
		t.Errorf("%v", m.Fields)
	}
	if strings.Contains(r.body, idOf(m.Fields["link"])) {
		t.Error("the answer has the link")
	}
	w.refused(manage.AlreadyExists, adam, "POST", "/v1/users", `{"email":"GRACE@new.example"}`)
	for _, email := range []string{"grace", "Grace <g@new.example>", "a@b@new.example", "g@new.example\\r\\nBcc: x"} {
		if r := w.refused(manage.Invalid, adam, "POST", "/v1/users", `{"email":"`+email+`"}`); r.fields() != "email" {
			t.Errorf("%s: %s", email, r.body)
		}
	}
}

func TestNobodyIsInvitedPastAnEnforcedProvider(t *testing.T) {
	w := newWorld(t)
	con := w.connected(alice)
	w.does(http.StatusOK, alice, "POST", con+"/enable", "")
	w.proved("acme.example", idOf(con))
	w.does(http.StatusOK, alice, "PATCH", "/v1/domains/acme.example", `{"sso_required":true}`)
	if r := w.refused(manage.Invalid, alice, "POST", "/v1/users", `{"email":"grace@ACME.example"}`); r.fields() != "email" {
		t.Error(r.body)
	}
}
