package keyapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// TestWhoIssuesKeysHasProvedASecondFactor is a stolen access token of a session in
// which only the first one was (MF-01): it makes no key and reads none, and it can still
// end one.
func TestWhoIssuesKeysHasProvedASecondFactor(t *testing.T) {
	w := newWorld(t)
	k := w.create(bob, `{"name":"ci"}`)
	for name, weaken := range map[string]func(){
		"one factor": func() { p := w.people[bob]; p.Level = storage.LevelNone; w.people[bob] = p },
		"two, long ago": func() {
			p := w.people[bob]
			p.Level, p.MFATime = storage.LevelMFA, start.Add(-2*time.Hour)
			w.people[bob] = p
		},
	} {
		weaken()
		for _, c := range []struct{ method, path, body string }{
			{"POST", "/v1/auth/keys", `{"name":"more"}`}, {"PATCH", k.at(), `{"allowed_ips":null}`}, {"POST", k.at() + "/rotate", `{}`}, {"POST", k.at() + "/reveal", ""},
		} {
			r := w.ask(bob, c.method, c.path, c.body)
			want := `error="insufficient_user_authentication", acr_values="mfa", max_age="3600"`
			if r.kind() != "mfa-required" || !strings.Contains(r.header.Get("WWW-Authenticate"), want) {
				t.Errorf("%s: %s %s: %d %s %s", name, c.method, c.path, r.status, r.body, r.header.Get("WWW-Authenticate"))
			}
		}
		if r := w.ask(bob, "GET", k.at(), ""); r.status != http.StatusOK {
			t.Errorf("%s: reading: %d", name, r.status)
		}
	}
	if r := w.ask(k.Secret, "POST", "/v1/auth/keys", `{"name":"of a key"}`); r.kind() == "mfa-required" {
		t.Errorf("a key has no sign-in behind it: %s", r.body)
	}
	if r := w.ask(bob, "DELETE", k.at(), ""); r.status != http.StatusNoContent {
		t.Errorf("revoking: %d %s", r.status, r.body)
	}
}
