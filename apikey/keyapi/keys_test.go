package keyapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

const keys = "/v1/auth/keys"

func TestAKeyIsCreatedAsScriptsRelyOnIt(t *testing.T) {
	w := newWorld(t)
	r := w.ask(alice, http.MethodPost, keys, `{"name":"ci","scopes":["monitor:read"],"expires_in":"720h"}`)
	k := r.object(t)
	id, _ := k["id"].(string)
	if r.status != http.StatusCreated || !strings.HasPrefix(id, "key_") || !strings.HasPrefix(k["secret"].(string), "up_live_") {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r.header.Get("Location") != keys+"/"+id || r.header.Get("ETag") != `"1"` || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", r.header)
	}
	want := map[string]any{
		"name": "ci", "profile": "live", "state": "live", "scopes": []any{"monitor:read"}, "permissions": map[string]any{"monitors": []any{"read"}},
		"allowed_ips": []any{}, "service": false, "expires_at": "2026-12-22T10:30:00Z", "created_at": "2026-11-22T10:30:00Z", "last_used_at": nil, "version": 1.0,
	}
	for name, value := range want {
		if d := cmp.Diff(value, k[name]); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if k["owner"] != string(w.people[alice].User) || !strings.HasSuffix(k["hint"].(string), "****") {
		t.Errorf("owner %v, hint %v", k["owner"], k["hint"])
	}
}

func TestLifetimesAreReadAsPeopleWriteThem(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]any{
		`"expires_in":"30d"`:                       "2026-12-22T10:30:00Z",
		`"expires_in":"6mo"`:                       "2027-05-21T10:30:00Z",
		`"expires_in":"1y"`:                        "2027-11-22T10:30:00Z",
		`"expires_in":"1h30m"`:                     "2026-11-22T12:00:00Z",
		`"expires_at":"2026-12-24T18:00:00+01:00"`: "2026-12-24T17:00:00Z",
		`"profile":"shown","expires_in":"never"`:   nil,
		`"profile":"live"`:                         "2027-02-20T10:30:00Z",
	} {
		r := w.ask(alice, http.MethodPost, keys, `{"name":"ci",`+body+`}`)
		if r.status != http.StatusCreated || r.object(t)["expires_at"] != want {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
}

func TestWhatIsWrongWithANewKeyIsNamed(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"name":"ci","expires_in":"soon"}`:                                          "expires_in",
		`{"name":"ci","expires_in":"0h"}`:                                            "expires_in",
		`{"name":"ci","expires_in":"2y"}`:                                            "expires_in",
		`{"name":"ci","expires_in":"never"}`:                                         "expires_in",
		`{"name":"ci","expires_at":"2029-01-01T00:00:00Z"}`:                          "expires_at",
		`{"name":"ci","expires_at":"2020-01-01T00:00:00Z"}`:                          "expires_at",
		`{"name":"ci","expires_at":"tomorrow"}`:                                      "expires_at",
		`{"name":"ci","expires_at":null}`:                                            "expires_at",
		`{"name":"ci","expires_in":"30d","expires_at":"2026-12-24T18:00:00Z"}`:       "expires_at",
		`{"name":"ci","scopes":["monitor:read"],"permissions":{"alerts":["write"]}}`: "permissions",
		`{"name":"ci","permissions":{"rockets":["launch"]}}`:                         "permissions.rockets",
		`{"name":"ci","permissions":{"monitors":["launch"]}}`:                        "permissions.monitors",
		`{"name":"ci","permissions":{}}`:                                             "permissions",
		`{"name":"ci","permissions":{"monitors":[]}}`:                                "permissions",
		`{"name":"ci","scopes":[]}`:                                                  "scopes",
		`{"name":"ci","scopes":["monitor:read","rockets:launch"]}`:                   "scopes[1]",
		`{"name":"ci","profile":"none such"}`:                                        "profile",
		`{"name":"ci","allowed_ips":["192.0.2.0/24","not an address"]}`:              "allowed_ips[1]",
		`{"name":"ci","webhook_url":"http://hooks.example.com/"}`:                    "webhook_url",
		`{"name":"ci","secret":"chosen"}`:                                            "secret",
		`{"name":"ci","Scopes":["monitor:read"]}`:                                    "Scopes",
		`{"scopes":["monitor:read"]}`:                                                "name",
		`{"name":""}`:                                                                "name",
		`{"name":7}`:                                                                 "name",
	} {
		r := w.ask(alice, http.MethodPost, keys, body)
		if r.status != http.StatusUnprocessableEntity || r.kind() != "invalid" || !strings.Contains(" "+r.fields()+" ", " "+want+" ") {
			t.Errorf("%s: %d %s, want %s", body, r.status, r.body, want)
		}
	}
}

func TestSeveralMistakesAreSaidAtOnce(t *testing.T) {
	w := newWorld(t)
	r := w.ask(alice, http.MethodPost, keys, `{"name":"ci","expires_in":"soon","permissions":{"rockets":["launch"]}}`)
	if r.fields() != "expires_in permissions.rockets" {
		t.Errorf("the answer names %q: %s", r.fields(), r.body)
	}
}

func TestPermissionsAreScopesInOtherWords(t *testing.T) {
	w := newWorld(t)
	r := w.ask(alice, http.MethodPost, keys, `{"name":"ci","permissions":{"monitors":["read","create"],"alerts":["write"]}}`)
	if r.status != http.StatusCreated {
		t.Fatalf("%d %s", r.status, r.body)
	}
	k := r.object(t)
	if d := cmp.Diff([]any{"alert:write", "monitor:create", "monitor:read"}, k["scopes"]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"monitors": []any{"create", "read"}, "alerts": []any{"write"}}, k["permissions"]); d != "" {
		t.Error(d)
	}
	// What is not the caller's to give is said in the caller's words, too.
	if r := w.ask(bob, http.MethodPost, keys, `{"name":"ci","permissions":{"alerts":["write"]}}`); r.kind() != "scope-exceeds" || strings.Contains(r.fields(), "scopes") {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestARetryDoesNotMakeASecondKey(t *testing.T) {
	w := newWorld(t)
	body := `{"name":"ci"}`
	first := w.ask(alice, http.MethodPost, keys, body, "Idempotency-Key", "once")
	again := w.ask(alice, http.MethodPost, keys, body, "Idempotency-Key", "once")
	if first.body != again.body || again.status != http.StatusCreated || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d %s\n%d %s", first.status, first.body, again.status, again.body)
	}
	if r := w.ask(alice, http.MethodPost, keys, `{"name":"other"}`, "Idempotency-Key", "once"); r.kind() != "idempotency-mismatch" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if n := len(w.names(alice, "")); n != 1 {
		t.Errorf("there are %d keys", n)
	}
}

// Attack 108: a key that may little makes one that may more, or that outlives it.
func TestAKeyMakesNoMightierKey(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"maker","scopes":["monitor:read","api-keys:write"],"expires_in":"1h"}`)
	for body, want := range map[string]string{
		`{"name":"x","scopes":["monitor:create"],"expires_in":"10m"}`:       "scope-exceeds",
		`{"name":"x","permissions":{"alerts":["write"]},"expires_in":"5m"}`: "scope-exceeds",
		`{"name":"x","scopes":["monitor:read"],"expires_in":"2h"}`:          "lifetime-exceeds",
	} {
		if r := w.ask(k.Secret, http.MethodPost, keys, body); r.status != http.StatusForbidden || r.kind() != want {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	w.create(k.Secret, `{"name":"x","scopes":["monitor:read"],"expires_in":"10m"}`)
}

// names lists a page of keys by name.
func (w *world) names(token, query string) []string {
	w.t.Helper()
	r := w.ask(token, http.MethodGet, keys+query, "")
	if r.status != http.StatusOK {
		w.t.Fatalf("list: %d %s", r.status, r.body)
	}
	var page struct{ Items []struct{ Name string } }
	must(w.t, json.Unmarshal([]byte(r.body), &page))
	names := []string{}
	for _, k := range page.Items {
		names = append(names, k.Name)
	}
	return names
}

func TestKeysAreListedByFilter(t *testing.T) {
	w := newWorld(t)
	later := func(token, body string) created {
		w.advance(time.Millisecond) // ids are ordered by the millisecond
		return w.create(token, body)
	}
	short := later(alice, `{"name":"short","expires_in":"1h"}`)
	gone := later(alice, `{"name":"gone"}`)
	later(alice, `{"name":"shown","profile":"shown"}`)
	later(alice, `{"name":"service","service":true}`)
	later(bob, `{"name":"bob's"}`)
	later(carol, `{"name":"elsewhere"}`)
	w.ask(alice, http.MethodDelete, gone.at(), "")
	w.advance(time.Hour)
	for query, want := range map[string][]string{
		"":                                 {"bob's", "service", "shown"},
		"?state=live":                      {"bob's", "service", "shown"},
		"?state=expired":                   {"short"},
		"?state=revoked":                   {"gone"},
		"?state=all":                       {"bob's", "service", "shown", "gone", "short"},
		"?owner=me":                        {"shown"},
		"?owner=none":                      {"service"},
		"?owner=" + short.Owner:            {"shown"},
		"?owner=" + w.ownerOf(bob):         {"bob's"},
		"?owner=" + w.ownerOf(carol):       {},
		"?profile=shown":                   {"shown"},
		"?profile=nothing":                 {},
		"?owner=me&state=all&profile=live": {"gone", "short"},
	} {
		if d := cmp.Diff(want, w.names(alice, query)); d != "" {
			t.Errorf("%q (-want +got):\n%s", query, d)
		}
	}
	if d := cmp.Diff([]string{"bob's"}, w.names(bob, "?state=all")); d != "" {
		t.Errorf("a member sees more than their own:\n%s", d)
	}
	if d := cmp.Diff([]string{"service"}, w.names(robot, "")); d != "" {
		t.Errorf("a machine sees more than what belongs to nobody:\n%s", d)
	}
}

func (w *world) ownerOf(token string) string { return string(w.people[token].User) }

func TestAFilterThatMeansNothingIsNamed(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string]string{
		"?owner=alice": "owner", "?state=dead": "state", "?limit=0": "limit", "?limit=101": "limit", "?cursor=x": "cursor", "?color=red": "color",
	} {
		if r := w.ask(alice, http.MethodGet, keys+query, ""); r.status != http.StatusBadRequest || r.fields() != want {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
	if r := w.ask(robot, http.MethodGet, keys+"?owner=me", ""); r.status != http.StatusBadRequest || r.fields() != "owner" {
		t.Errorf("a machine's own keys: %d %s", r.status, r.body)
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.advance(time.Millisecond)
		w.create(alice, fmt.Sprintf(`{"name":"key %d"}`, i))
	}
	var got []string
	query := "?limit=2"
	for query != "" {
		got = append(got, w.names(alice, query)...)
		next, _ := w.ask(alice, http.MethodGet, keys+query, "").object(t)["next_cursor"].(string)
		query = ""
		if next != "" {
			query = "?limit=2&cursor=" + next
		}
	}
	if d := cmp.Diff([]string{"key 4", "key 3", "key 2", "key 1", "key 0"}, got); d != "" {
		t.Error(d)
	}
	r := w.ask(alice, http.MethodGet, keys+"?limit=2", "", "Accept", "application/ld+json")
	page := r.object(t)
	view, _ := page["view"].(map[string]any)
	member, _ := page["member"].([]any)
	if page["totalItems"] != 5.0 || len(member) != 2 || view["next"] == nil || view["first"] == nil || view["last"] == nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if k := member[0].(map[string]any); k["@type"] != "ApiKey" || k["@id"] != keys+"/"+k["id"].(string) {
		t.Errorf("a key in JSON-LD: %v", k)
	}
}

func TestAKeyIsPatched(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci","scopes":["monitor:read"],"allowed_ips":["192.0.2.0/24"],"profile":"live"}`)
	r := w.ask(alice, http.MethodPatch, k.at(), `{"name":"nightly","expires_at":"2026-12-01T00:00:00Z","allowed_ips":["2001:db8::/32"]}`, "If-Match", `"1"`)
	got := r.object(t)
	if r.status != http.StatusOK || r.header.Get("ETag") != `"2"` || got["version"] != 2.0 {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}
	if got["name"] != "nightly" || got["expires_at"] != "2026-12-01T00:00:00Z" || fmt.Sprint(got["allowed_ips"]) != "[2001:db8::/32]" || fmt.Sprint(got["scopes"]) != "[monitor:read]" {
		t.Errorf("%s", r.body)
	}
	if r := w.ask(alice, http.MethodPatch, k.at(), `{"allowed_ips":null}`); fmt.Sprint(r.object(t)["allowed_ips"]) != "[]" {
		t.Errorf("null addresses: %d %s", r.status, r.body)
	}
	if r := w.ask(alice, http.MethodPatch, k.at(), `{}`); r.status != http.StatusOK || r.header.Get("ETag") != `"3"` {
		t.Errorf("an empty patch: %d %s", r.status, r.body)
	}
}

func TestNullIsNeverAndNone(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci","profile":"shown","webhook_url":"https://hooks.example.com/x"}`)
	r := w.ask(alice, http.MethodPatch, k.at(), `{"expires_at":null,"webhook_url":null}`)
	if got := r.object(t); r.status != http.StatusOK || got["expires_at"] != nil || got["webhook_url"] != nil {
		t.Errorf("%d %s", r.status, r.body)
	}
	live := w.create(alice, `{"name":"ci"}`)
	if r := w.ask(alice, http.MethodPatch, live.at(), `{"expires_at":null}`); r.status != http.StatusUnprocessableEntity || r.fields() != "expires_at" {
		t.Errorf("for ever, where the profile does not offer it: %d %s", r.status, r.body)
	}
}

func TestWhatIsWrongWithAPatchIsNamed(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	for body, want := range map[string]string{
		`{"id":"key_1"}`: "id", `{"hint":"x"}`: "hint", `{"profile":"shown"}`: "profile", `{"owner":null}`: "owner", `{"service":true}`: "service",
		`{"created_at":"2020-01-01T00:00:00Z"}`: "created_at", `{"last_used_at":null}`: "last_used_at", `{"rotate_at":null}`: "rotate_at",
		`{"revoked_at":"2020-01-01T00:00:00Z"}`: "revoked_at", `{"successor":"key_1"}`: "successor", `{"version":9}`: "version", `{"secret":"x"}`: "secret",
		`{"nothing":1}`: "nothing", `{"name":null}`: "name", `{"name":""}`: "name", `{"name":1}`: "name", `{"scopes":null}`: "scopes", `{"scopes":[]}`: "scopes",
		`{"scopes":["rockets:launch"]}`: "scopes[0]", `{"permissions":{"rockets":["launch"]}}`: "permissions.rockets",
		`{"scopes":["monitor:read"],"permissions":{"monitors":["read"]}}`: "permissions", `{"expires_at":"2020-01-01T00:00:00Z"}`: "expires_at",
		`{"expires_at":"0001-01-01T00:00:00Z"}`: "expires_at", `{"expires_at":"soon"}`: "expires_at", `{"allowed_ips":["nowhere"]}`: "allowed_ips[0]",
		`{"state":"revoked"}`: "state", `{"state":null}`: "state",
	} {
		r := w.ask(alice, http.MethodPatch, k.at(), body)
		if r.status != http.StatusUnprocessableEntity || r.fields() != want {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := w.ask(alice, http.MethodGet, k.at(), ""); r.header.Get("ETag") != `"1"` {
		t.Errorf("a refused patch changed the key: %s", r.body)
	}
	for _, readOnly := range []string{"id", "version"} {
		r := w.ask(alice, http.MethodPatch, k.at(), `{"`+readOnly+`":"x"}`)
		if !strings.Contains(r.body, "cannot be changed") {
			t.Errorf("%s: %s", readOnly, r.body)
		}
	}
}

func TestAPatchIsForTheVersionThatWasRead(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	w.ask(alice, http.MethodPatch, k.at(), `{"name":"first"}`)
	for _, body := range []string{`{"name":"second"}`, `{"permissions":{"monitors":["create"]}}`} {
		if r := w.ask(alice, http.MethodPatch, k.at(), body, "If-Match", `"1"`); r.status != http.StatusPreconditionFailed || r.kind() != "precondition-failed" {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if got := w.names(alice, ""); got[0] != "first" {
		t.Errorf("the name is %q", got)
	}
}

func TestPermissionsArePatchedByResource(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci","scopes":["monitor:read","alert:write","monitoring:admin"]}`)
	for _, step := range []struct{ body, want string }{
		{`{"permissions":{"monitors":["read","create"]}}`, "[alert:write monitor:create monitor:read monitoring:admin]"},
		{`{"permissions":{"alerts":null}}`, "[monitor:create monitor:read monitoring:admin]"},
		{`{"permissions":{"monitors":["create"]}}`, "[monitor:create monitoring:admin]"},
		{`{"permissions":null}`, "[monitoring:admin]"},
	} {
		if r := w.ask(alice, http.MethodPatch, k.at(), step.body); r.status != http.StatusOK || fmt.Sprint(r.object(t)["scopes"]) != step.want {
			t.Errorf("%s: %d %s, want %s", step.body, r.status, r.body, step.want)
		}
	}
}

func TestRevokingTwiceIsRevoking(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	for range 2 {
		if r := w.ask(alice, http.MethodDelete, k.at(), ""); r.status != http.StatusNoContent || r.body != "" {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	r := w.ask(alice, http.MethodGet, k.at(), "").object(t)
	if r["state"] != "revoked" || r["revoked_reason"] != "revoked" || r["revoked_at"] != "2026-11-22T10:30:00Z" {
		t.Errorf("%v", r)
	}
	if r := w.ask(k.Secret, http.MethodGet, k.at(), ""); r.status != http.StatusUnauthorized {
		t.Errorf("the key still works: %d %s", r.status, r.body)
	}
}

// Requirement TN-12, here for people of one tenant, too.
func TestAKeyThatIsNotYoursIsAsOneThatNeverWas(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	work := w.ask(alice, http.MethodPost, k.at()+"/executions", `{"name":"work"}`).object(t)["id"].(string)
	before, err := w.store.Tenant(w.acme.ID).Key(context.Background(), storage.KeyID(k.ID))
	must(t, err)
	never := string(storage.NewKeyID(start))
	for _, a := range []struct{ method, rest, body string }{
		{"GET", "", ""}, {"PATCH", "", `{"name":"mine"}`}, {"PATCH", "", `{"permissions":{"monitors":["create"]}}`}, {"DELETE", "", ""},
		{"POST", "/rotate", `{"grace":"0s"}`}, {"POST", "/reveal", ""}, {"POST", "/successor", ""}, {"GET", "/usage", ""}, {"POST", "/executions", `{"name":"x"}`},
		{"GET", "/executions", ""}, {"DELETE", "/executions/" + work, ""}, {"GET", "/events", ""},
	} {
		for _, who := range []string{carol, bob} {
			theirs, none := w.ask(who, a.method, k.at()+a.rest, a.body), w.ask(who, a.method, keys+"/"+never+a.rest, a.body)
			for _, r := range []*reply{&theirs, &none} {
				r.header.Del("Date")
				r.header.Del("X-Request-Id")
				at := strings.Index(r.body, "urn:watchgate:request:")
				r.body = r.body[:at] + r.body[at+len("urn:watchgate:request:")+16:]
			}
			if theirs.status != http.StatusNotFound || theirs.body != none.body || cmp.Diff(theirs.header, none.header) != "" {
				t.Errorf("%s %s by %s: %+v, and of none %+v", a.method, a.rest, who, theirs, none)
			}
		}
	}
	after, err := w.store.Tenant(w.acme.ID).Key(context.Background(), storage.KeyID(k.ID))
	must(t, err)
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("the attempts changed something:\n%s", d)
	}
}

func TestScopesDecideWhoMayReadAndWrite(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	reader := w.create(alice, `{"name":"reader","scopes":["api-keys:read"]}`)
	for _, a := range []struct {
		who, method, rest, body string
		want                    int
	}{
		{reader.Secret, "GET", "", "", 200}, {reader.Secret, "GET", "/usage", "", 200}, {reader.Secret, "DELETE", "", "", 403},
		{reader.Secret, "PATCH", "", `{"name":"x"}`, 403}, {reader.Secret, "POST", "/rotate", "", 403},
		{k.Secret, "GET", "", "", 200}, {k.Secret, "GET", "/usage", "", 403}, {k.Secret, "DELETE", "", "", 403}, {k.Secret, "GET", "/executions", "", 200},
		{victor, "DELETE", "", "", 403}, {victor, "GET", "", "", 404},
	} {
		if r := w.ask(a.who, a.method, k.at()+a.rest, a.body); r.status != a.want {
			t.Errorf("%s %s by %.12s: %d %s, want %d", a.method, a.rest, a.who, r.status, r.body, a.want)
		}
	}
}
