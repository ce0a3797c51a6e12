package orgapi_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/idp/orgapi"
	"github.com/watchgate/watchgate/internal/manage"
)

func TestPolicyIsChangedFieldByField(t *testing.T) {
	w := newWorld(t)
	r := w.does(http.StatusOK, adam, "GET", "/v1/policy", "")
	var p orgapi.Policy
	r.into(t, &p)
	if p.SessionLifetime != 86400 || p.SessionIdle != 3600 || p.Clients != nil || p.RequireLevel != "none" || p.CredentialMFAAge != 3600 {
		t.Errorf("at first: %+v", p)
	}
	tag := r.header.Get("ETag")
	w.does(http.StatusOK, alice, "PATCH", "/v1/policy", `{"session_lifetime":3600,"require_level":"phr","credential_mfa_age":600,"sign_out_everything":true,"contact":"it@acme.test"}`, "If-Match", tag).into(t, &p)
	if p.SessionLifetime != 3600 || p.SessionIdle != 3600 || p.RequireLevel != "phr" || p.CredentialMFAAge != 600 || !p.SignOutEverything || p.Contact != "it@acme.test" {
		t.Errorf("changed: %+v", p)
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	tag := w.does(http.StatusOK, alice, "GET", "/v1/policy", "").header.Get("ETag")
	for body, fields := range map[string]string{
		`{"session_lifetime":86401}`: "session_lifetime", `{"session_idle":0}`: "session_idle", `{"credential_mfa_age":59}`: "credential_mfa_age",
		`{"require_level":"high"}`: "require_level", `{"clients":["nosuch"]}`: "clients[0]", `{"clients":[]}`: "clients",
		`{"contact":"a\u202eb"}`: "contact", `{"session_lifetime":null,"require_level":null}`: "require_level session_lifetime", `{"break_glass_until":null}`: "break_glass_until",
	} {
		if r := w.refused(manage.Invalid, alice, "PATCH", "/v1/policy", body); r.fields() != fields {
			t.Errorf("%s: %s", body, r.body)
		}
	}
	w.does(http.StatusOK, alice, "PATCH", "/v1/policy", `{"contact":"it"}`, "If-Match", tag)
	w.refused(manage.PreconditionFailed, alice, "PATCH", "/v1/policy", `{"contact":"me"}`, "If-Match", tag)
	w.does(http.StatusOK, alice, "PATCH", "/v1/policy", `{"contact":null,"clients":null,"credential_mfa_age":null}`)
}

func TestBreakGlassIsOpenForATimeAndEverybodyKnows(t *testing.T) {
	w := newWorld(t)
	var p orgapi.Policy
	w.does(http.StatusOK, alice, "POST", "/v1/policy/break-glass", `{"for":3600,"reason":"the provider is down"}`).into(t, &p)
	if p.BreakGlassUntil == nil || !p.BreakGlassUntil.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", p)
	}
	if ev := w.event(w.acme.ID, "break_glass.opened"); ev.Details["reason"] != "the provider is down" || ev.ActorID != string(w.people[alice].User) {
		t.Errorf("%+v", ev)
	}
	if !slices.Contains(w.mails(), "break_glass "+alice+"@acme.test") {
		t.Errorf("sent %v", w.mails())
	}
	w.does(http.StatusOK, alice, "DELETE", "/v1/policy/break-glass", "").into(t, &p)
	if p.BreakGlassUntil != nil {
		t.Errorf("%+v", p)
	}
	w.event(w.acme.ID, "break_glass.closed")
	w.does(http.StatusOK, alice, "DELETE", "/v1/policy/break-glass", "")
	for _, body := range []string{`{"for":86401,"reason":"x"}`, `{"for":60}`, `{"for":60,"reason":"a\nb"}`} {
		w.refused(manage.Invalid, alice, "POST", "/v1/policy/break-glass", body)
	}
}
