package authz_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// from sends a request from another address.
func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

// What a client may not have is in the trail, and no flood of it.
func TestRefusalsAreInTheTrailOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	cc := func(pairs ...string) func(...func(*http.Request)) {
		return func(edit ...func(*http.Request)) {
			w.post("/oauth2/token", form(append([]string{"grant_type", "client_credentials"}, pairs...)...), append([]func(*http.Request){as("m2m")}, edit...)...)
		}
	}
	for name, c := range map[string]struct {
		kind, reason string
		try          func(...func(*http.Request))
	}{
		"foreign token to revoke": {"token.refused", "unauthorized_client", func(edit ...func(*http.Request)) {
			w.post("/oauth2/revoke", form("token", got.Access), append([]func(*http.Request){as("other")}, edit...)...)
		}},
		"scope":    {"token.refused", "invalid_scope", cc("scope", "admin")},
		"resource": {"token.refused", "invalid_target", cc("resource", "https://x.example.com")},
		"secret": {"client.auth_failed", "invalid_client", func(edit ...func(*http.Request)) {
			w.machine(append(edit, with("m2m", "wrong"))...)
		}},
		"unknown client": {"authorize.refused", "unknown_client", func(edit ...func(*http.Request)) {
			w.do(get("/oauth2/authorize?"+request("client_id", "nobody").Encode(), edit...))
		}},
	} {
		count := func() int { return w.reasons(c.kind, c.reason) }
		for range 3 {
			c.try()
		}
		if n := count(); n != 1 {
			t.Errorf("%s: %d events after three refusals, want 1", name, n)
		}
		c.try(from("198.51.100.7:5"))
		if n := count(); n != 2 {
			t.Errorf("%s: %d events with one from another address, want 2", name, n)
		}
		w.pass(time.Minute)
		c.try()
		if n := count(); n != 3 {
			t.Errorf("%s: %d events a minute later, want 3", name, n)
		}
	}
}

// reasons counts the events of a kind with a reason in the platform's trail.
func (w *world) reasons(kind, reason string) (n int) {
	w.Helper()
	events, err := w.store.PlatformEvents(w.Context(), "", 1000)
	w.must(err)
	for _, ev := range events {
		if ev.Kind == kind && ev.Reason == reason {
			n++
		}
	}
	return n
}

// deaf is a store whose platform trail takes nothing, while the rest answers.
type deaf struct{ *sqlstore.Store }

func (deaf) AppendPlatformEvent(context.Context, storage.Event) error { return errors.New("disk full") }

// A refusal that cannot be recorded is an outage.
func TestRefusalThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	w.mountOn(issuer, deaf{w.store})
	w.unavailable("secret", w.machine(with("m2m", "wrong")))
	w.unavailable("scope", w.post("/oauth2/token", form("grant_type", "client_credentials", "scope", "admin"), as("m2m")))
	w.unavailable("foreign token", w.post("/oauth2/revoke", form("token", got.Access), as("other")))
	w.unavailable("unknown client", w.authorize(request("client_id", "nobody")))
}

// Nobody's app, and resources that are nobody's: each request costs one look at
// the client, and all of them together a list of resources a second.
func TestAttackUnknownResourcesCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const requests = 50
	storm := func() {
		for i := range requests {
			w.authorize(request("client_id", fmt.Sprint("nobody", i), "resource", fmt.Sprint("https://", i, ".example.com")))
		}
	}
	if n := w.counted(storm); n > requests+2 {
		t.Errorf("%d round trips for %d requests: want one each, a list and an event", n, requests)
	}
	w.pass(time.Second)
	if n := w.counted(storm); n > requests+1 {
		t.Errorf("%d round trips for %d requests a second later: want one each and a list", n, requests)
	}
	fresh := storage.ResourceServer{ID: "new", Audience: "https://new.example.com", CreatedAt: start, Version: 1}
	w.must(w.store.CreateResourceServer(w.Context(), fresh, event("resource_server.created")))
	w.pass(time.Second)
	w.begins(request("resource", fresh.Audience).Encode())
}

// RFC 9110 section 9.2.1: a link checker's question gets no code and begins no
// sign-in.
func TestAttackHeadAtTheAuthorizationEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.known()
	w.response(w.authorize(request(), cookie), callback)
	codes, begun := w.recorded("code.issued"), len(w.browse.begun)
	for _, cookies := range [][]*http.Cookie{nil, {cookie}} {
		r := httptest.NewRequest("HEAD", "/oauth2/authorize?"+request().Encode(), nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		var rec *httptest.ResponseRecorder
		if n := w.counted(func() { rec = w.do(r) }); n != 0 {
			t.Errorf("%d round trips", n)
		}
		if rec.Code != 405 || rec.Header().Get("Location") != "" {
			t.Errorf("%d %v", rec.Code, rec.Header())
		}
	}
	if w.recorded("code.issued") != codes || len(w.browse.begun) != begun {
		t.Error("a HEAD had an effect")
	}
}
