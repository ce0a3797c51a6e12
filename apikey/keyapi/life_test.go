package keyapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

func TestARotationHasTheGraceThatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]time.Duration{
		``: 72 * time.Hour, `{}`: 72 * time.Hour, `{"grace":"1h"}`: time.Hour, `{"grace":"2d"}`: 48 * time.Hour, `{"grace":"0s"}`: 0,
	} {
		k := w.create(alice, `{"name":"ci"}`)
		r := w.ask(alice, http.MethodPost, k.at()+"/rotate", body)
		next := secretOf(t, r)
		if r.status != http.StatusCreated || next.ID == k.ID || next.Secret == "" || r.header.Get("Location") != next.at() {
			t.Fatalf("%s: %d %s", body, r.status, r.body)
		}
		if got := r.object(t); got["predecessor"] != k.ID || got["old_ends_at"] != start.Add(want).Format(time.RFC3339) {
			t.Errorf("%s: %s", body, r.body)
		}
		status := http.StatusOK
		if want == 0 {
			status = http.StatusUnauthorized
		}
		if r := w.ask(k.Secret, http.MethodGet, k.at(), ""); r.status != status {
			t.Errorf("%s: the old key: %d %s", body, r.status, r.body)
		}
		if r := w.ask(next.Secret, http.MethodGet, next.at(), ""); r.status != http.StatusOK {
			t.Errorf("%s: the new key: %d %s", body, r.status, r.body)
		}
	}
}

func TestAGraceThatIsNoneIsNamed(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	for _, body := range []string{`{"grace":"soon"}`, `{"grace":"-1h"}`, `{"grace":""}`, `{"grace":72}`, `{"grace":"30d"}`} {
		if r := w.ask(alice, http.MethodPost, k.at()+"/rotate", body); r.status != http.StatusUnprocessableEntity || r.fields() != "grace" {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := w.ask(alice, http.MethodGet, k.at(), "").object(t); r["successor"] != nil {
		t.Errorf("a refused rotation made a successor: %v", r)
	}
}

func TestAKeyIsShownAgainOnlyWhereItsProfileAllowsIt(t *testing.T) {
	w := newWorld(t)
	shown, live := w.create(alice, `{"name":"a","profile":"shown"}`), w.create(alice, `{"name":"b"}`)
	r := w.ask(alice, http.MethodPost, shown.at()+"/reveal", "")
	if r.status != http.StatusOK || r.object(t)["secret"] != shown.Secret {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := w.ask(alice, http.MethodPost, live.at()+"/reveal", ""); r.status != http.StatusForbidden || r.kind() != "not-allowed" {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.advance(6 * time.Minute)
	r = w.ask(alice, http.MethodPost, shown.at()+"/reveal", "")
	if r.status != http.StatusUnauthorized || r.kind() != "reauthenticate" || !strings.Contains(r.header.Get("WWW-Authenticate"), `max_age="300"`) {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if r := w.ask(alice, http.MethodGet, shown.at()+"/reveal", ""); r.status != http.StatusMethodNotAllowed {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestASuccessorIsFetchedWithTheOldKeyOnce(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci","expires_in":"1y"}`)
	if r := w.ask(k.Secret, http.MethodPost, k.at()+"/successor", ""); r.status != http.StatusNotFound {
		t.Errorf("before there is one: %d %s", r.status, r.body)
	}
	w.advance(30 * 24 * time.Hour)
	must(t, w.keys.Tick(context.Background()))
	for who, want := range map[string]int{alice: 403, bob: 404, carol: 404} {
		if r := w.ask(who, http.MethodPost, k.at()+"/successor", ""); r.status != want {
			t.Errorf("%s: %d %s", who, r.status, r.body)
		}
	}
	r := w.ask(k.Secret, http.MethodPost, k.at()+"/successor", "", "Idempotency-Key", "pick-up")
	next := secretOf(t, r)
	if r.status != http.StatusCreated || next.Secret == "" || next.ID == k.ID {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if again := w.ask(k.Secret, http.MethodPost, k.at()+"/successor", "", "Idempotency-Key", "pick-up"); again.body != r.body {
		t.Errorf("a retry after a lost answer: %d %s", again.status, again.body)
	}
	if r := w.ask(k.Secret, http.MethodPost, k.at()+"/successor", ""); r.status != http.StatusGone || r.kind() != "gone" {
		t.Errorf("a second time: %d %s", r.status, r.body)
	}
	if r := w.ask(next.Secret, http.MethodGet, next.at(), ""); r.status != http.StatusOK {
		t.Errorf("the successor does not work: %d %s", r.status, r.body)
	}
}

func TestUseIsAddedUp(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	id := storage.KeyID(k.ID)
	today, before := start.Truncate(24*time.Hour), start.Truncate(24*time.Hour).AddDate(0, 0, -3)
	must(t, w.store.Tenant(w.acme.ID).NoteKeyUses(context.Background(), []storage.KeyUse{
		{Key: id, Day: today, IP: "192.0.2.7", Scope: "monitor:read", ResourceServer: "api", Calls: 5, LastAt: start},
		{Key: id, Day: today, IP: "192.0.2.8", Scope: "monitor:read", ResourceServer: "api", Calls: 2, LastAt: start.Add(-time.Hour)},
		{Key: id, Day: before, IP: "192.0.2.7", Scope: "alert:write", ResourceServer: "other", Calls: 1, LastAt: start.AddDate(0, 0, -3)},
		{Key: id, Day: before, Refused: "scope", IP: "192.0.2.7", Scope: "alert:write", ResourceServer: "api", Calls: 4, LastAt: start.AddDate(0, 0, -3)},
	}))
	got := w.ask(alice, http.MethodGet, k.at()+"/usage", "").object(t)
	count := func(what string, calls float64, at time.Time) any {
		return map[string]any{"what": what, "calls": calls, "last_at": at.Format(time.RFC3339)}
	}
	old := start.AddDate(0, 0, -3)
	want := map[string]any{
		"id": k.ID, "since": "2026-08-24", "last_used_at": "2026-11-22T10:30:00Z", "calls": 8.0, "refused": 4.0,
		"addresses": []any{count("192.0.2.7", 6, start), count("192.0.2.8", 2, start.Add(-time.Hour))},
		"scopes":    []any{count("monitor:read", 7, start), count("alert:write", 1, old)},
		"refusals":  []any{count("scope", 4, old)},
		"days": []any{
			map[string]any{"day": "2026-11-22", "calls": 7.0, "refused": 0.0}, map[string]any{"day": "2026-11-19", "calls": 1.0, "refused": 4.0},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := w.ask(alice, http.MethodGet, k.at()+"/usage?since=2026-11-22", "").object(t); got["calls"] != 7.0 || got["since"] != "2026-11-22" {
		t.Errorf("since today: %v", got)
	}
	for _, since := range []string{"yesterday", "2026-13-01", "2026-11-22T10:30:00Z"} {
		if r := w.ask(alice, http.MethodGet, k.at()+"/usage?since="+since, ""); r.status != http.StatusBadRequest || r.fields() != "since" {
			t.Errorf("%s: %d %s", since, r.status, r.body)
		}
	}
}

func TestWorkThatRunsUnderAKeyEndsWithIt(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	r := w.ask(k.Secret, http.MethodPost, k.at()+"/executions", `{"name":"eu-west-1"}`)
	e := r.object(t)
	id, _ := e["id"].(string)
	if r.status != http.StatusCreated || !strings.HasPrefix(id, "exe_") || e["key"] != k.ID || e["ended_at"] != nil || r.header.Get("Location") != k.at()+"/executions/"+id {
		t.Fatalf("%d %v %s", r.status, r.header, r.body)
	}
	second := w.ask(k.Secret, http.MethodPost, k.at()+"/executions", `{"name":"us-east-1"}`).object(t)["id"].(string)
	for range 2 {
		if r := w.ask(k.Secret, http.MethodDelete, k.at()+"/executions/"+id, ""); r.status != http.StatusNoContent {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if r := w.ask(k.Secret, http.MethodDelete, k.at()+"/executions/"+string(storage.NewExecutionID(start)), ""); r.status != http.StatusNotFound {
		t.Errorf("%d %s", r.status, r.body)
	}
	w.advance(time.Minute)
	w.ask(alice, http.MethodDelete, k.at(), "")
	items := w.ask(alice, http.MethodGet, k.at()+"/executions", "").object(t)["items"].([]any)
	if len(items) != 2 {
		t.Fatalf("%v", items)
	}
	for _, item := range items {
		e := item.(map[string]any)
		if want := map[string]string{id: "2026-11-22T10:30:00Z", second: "2026-11-22T10:31:00Z"}[e["id"].(string)]; e["ended_at"] != want {
			t.Errorf("%v, want the end %s", e, want)
		}
	}
	if r := w.ask(alice, http.MethodPost, k.at()+"/executions", `{"name":"late"}`); r.status != http.StatusGone {
		t.Errorf("under a dead key: %d %s", r.status, r.body)
	}
}

func TestASecretIsToldOnceAndLoggedNever(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci","webhook_url":"https://hooks.example.com/x"}`)
	next := secretOf(t, w.ask(k.Secret, http.MethodPost, k.at()+"/rotate", ``))
	shown := w.create(alice, `{"name":"ci","profile":"shown"}`)
	w.ask(alice, http.MethodPost, shown.at()+"/reveal", "")
	secrets := []string{k.Secret, shown.Secret, "whsec_"}
	if next.Secret != "" {
		secrets = append(secrets, next.Secret)
	}
	for _, path := range []string{keys + "?state=all", k.at(), shown.at(), k.at() + "/usage", k.at() + "/executions"} {
		for _, form := range []string{"application/json", "application/ld+json"} {
			r := w.ask(alice, http.MethodGet, path, "", "Accept", form)
			for _, s := range append(secrets, `"secret"`) {
				if r.status != http.StatusOK || strings.Contains(r.body, s) {
					t.Errorf("GET %s: %d %s", path, r.status, r.body)
				}
			}
		}
	}
	w.ask(k.Secret+"x", http.MethodGet, keys, "")
	w.ask(alice, http.MethodPost, keys, `{"name":"`+k.Secret+`","scopes":["`+k.Secret+`"]}`)
	for _, s := range append(secrets, alice) {
		if strings.Contains(w.log.String(), s) {
			t.Errorf("the log has %.10s...:\n%s", s, w.log)
		}
	}
	if w.log.String() == "" {
		t.Error("nothing is logged: nothing was tested")
	}
}
