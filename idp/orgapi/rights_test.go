package orgapi_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/manage"
)

// Who may what. An operation that is in none of the lists fails the test.
var (
	forReaders = []string{
		"GET /v1/connection-presets", "GET /v1/connections", "GET /v1/connections/{id}", "GET /v1/connections/{id}/tests/{test}", "GET /v1/domains", "GET /v1/domains/{name}",
		"GET /v1/users", "GET /v1/users/{id}", "GET /v1/sessions", "GET /v1/policy", "POST /v1/connections/{id}/doctor", "POST /v1/connections/{id}/try-mapping",
	}
	forWriters = []string{
		"POST /v1/connections", "PATCH /v1/connections/{id}", "POST /v1/connections/{id}/enable", "POST /v1/connections/{id}/disable",
		"POST /v1/connections/{id}/rotate-secret", "POST /v1/connections/{id}/tests", "POST /v1/domains", "PATCH /v1/domains/{name}", "DELETE /v1/domains/{name}",
		"POST /v1/domains/{name}/verify", "POST /v1/users", "PATCH /v1/users/{id}", "POST /v1/users/{id}/end-sessions", "POST /v1/users/{id}/reset-factors",
		"DELETE /v1/sessions/{id}",
	}
	forOwners = []string{"PATCH /v1/policy", "POST /v1/policy/break-glass", "DELETE /v1/policy/break-glass"}
)

// bodies are those of operations that want one.
var bodies = map[string]string{
	"POST /v1/connections": generic, "PATCH /v1/connections/{id}": `{"name":"x"}`, "POST /v1/connections/{id}/rotate-secret": `{"client_secret":"x"}`,
	"POST /v1/connections/{id}/try-mapping": `{"claims":{}}`, "POST /v1/domains": `{"name":"DOM.example","connection":"CON"}`, "PATCH /v1/domains/{name}": `{"sso_required":false}`,
	"POST /v1/users": `{"email":"USR@new.example"}`, "PATCH /v1/users/{id}": `{"role":"viewer"}`, "PATCH /v1/policy": `{"contact":"it"}`,
	"POST /v1/policy/break-glass": `{"for":60,"reason":"it is down"}`,
}

// operations are those of the document, but for those that are every deployment's.
func (w *world) operations() []string {
	w.t.Helper()
	raw, err := w.frame.OpenAPI()
	must(w.t, err)
	var doc struct{ Paths map[string]map[string]any }
	must(w.t, json.Unmarshal(raw, &doc))
	var out []string
	for path, item := range doc.Paths {
		for method := range item {
			if !strings.HasPrefix(path, "/v1/auth/") {
				out = append(out, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(out)
	return out
}

// things are objects of a tenant, by the collection that paths name them in.
func (w *world) things(token string) map[string]string {
	w.t.Helper()
	w.made++
	slug := w.people[token].TenantSlug + strconv.Itoa(w.made)
	con := w.connected(token)
	test := idOf(w.does(http.StatusCreated, token, "POST", con+"/tests", "").header.Get("Location"))
	w.does(http.StatusCreated, token, "POST", "/v1/domains", `{"name":"`+slug+`.example","connection":"`+idOf(con)+`"}`)
	who := w.does(http.StatusCreated, token, "POST", "/v1/users", `{"email":"somebody@`+slug+`.test"}`).header.Get("Location")
	sessions, err := w.store.Tenant(w.people[token].Tenant).PageSessions(w.t.Context(), "", 1, w.clock())
	must(w.t, err)
	return map[string]string{"connections": idOf(con), "test": test, "domains": slug + ".example", "users": idOf(who), "sessions": string(sessions[0].ID)}
}

var inPath = regexp.MustCompile(`/v1/([a-z]+)/\{(id|name)\}`)

// at is an operation's path with objects in it.
func at(path string, things map[string]string) string {
	if found := inPath.FindStringSubmatch(path); found != nil {
		path = strings.Replace(path, "{"+found[2]+"}", things[found[1]], 1)
	}
	return strings.ReplaceAll(path, "{test}", things["test"])
}

func (w *world) try(token, op string, things map[string]string) reply {
	method, path, _ := strings.Cut(op, " ")
	w.made++
	fresh := "x" + strconv.Itoa(w.made)
	body := strings.NewReplacer("CON", things["connections"], "DOM", fresh, "USR", fresh).Replace(bodies[op])
	return w.ask(token, method, at(path, things), body)
}

func TestRolesOfEveryOperation(t *testing.T) {
	for _, op := range newWorld(t).operations() {
		w := newWorld(t)
		may := []string{alice}
		switch {
		case slices.Contains(forReaders, op):
			may = append(may, adam, key, robot)
		case slices.Contains(forWriters, op):
			may = append(may, adam)
		case !slices.Contains(forOwners, op):
			t.Errorf("%s is in none of the lists: say who may", op)
		}
		for _, token := range []string{alice, adam, bob, victor, key, robot} {
			things := w.things(alice)
			r := w.try(token, op, things)
			if allowed := slices.Contains(may, token); allowed != (r.status != http.StatusForbidden) || r.status >= 500 {
				t.Errorf("%s by %s: %d %s", op, token, r.status, r.body)
			}
		}
	}
}

// TestWeakSignInChangesTheOrganization is a stolen token of a session without a second
// factor (MF-01).
func TestWeakSignInChangesTheOrganization(t *testing.T) {
	w := newWorld(t)
	things := w.things(alice)
	w.set(func() { p := w.people[alice]; p.MFATime = start.Add(-2 * time.Hour); w.people[alice] = p })
	for _, op := range w.operations() {
		r := w.try(alice, op, things)
		asked := slices.Contains(forWriters, op) || slices.Contains(forOwners, op)
		if asked != (r.kind() == string(manage.MFARequired)) {
			t.Errorf("%s: %d %s", op, r.status, r.body)
		}
		if asked && !strings.Contains(r.header.Get("WWW-Authenticate"), `acr_values="mfa", max_age="3600"`) {
			t.Errorf("%s: %s", op, r.header.Get("WWW-Authenticate"))
		}
	}
	tenant, err := w.dir.Tenant(t.Context(), "acme")
	must(t, err)
	tenant.Policy.CredentialsWithoutMFA = true
	must(t, w.store.UpdateTenant(t.Context(), tenant, event("tenant.updated")))
	w.does(http.StatusOK, alice, "PATCH", "/v1/policy", `{"contact":"it"}`)
}

// TestObjectsOfAnotherTenant: they are as what does not exist (TN-12).
func TestObjectsOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	theirs := w.things(carol)
	nobodys := map[string]string{}
	for name, id := range theirs {
		nobodys[name] = id[:len(id)-4] + "0000"
	}
	nobodys["domains"] = "nosuch.example"
	own := w.things(alice)
	tried := 0
	same := func(op string, foreign, missing map[string]string) {
		tried++
		a, b := w.try(alice, op, foreign), w.try(alice, op, missing)
		if a.status != b.status || a.status < 400 || scrubbed(a, foreign) != scrubbed(b, missing) {
			t.Errorf("%s: %d %s\nbut what does not exist: %d %s", op, a.status, a.body, b.status, b.body)
		}
	}
	for _, op := range w.operations() {
		if strings.Contains(op, "{") {
			same(op, theirs, nobodys)
		}
		if strings.Contains(op, "{test}") {
			mixed := func(of map[string]string) map[string]string {
				return map[string]string{"connections": own["connections"], "test": of["test"]}
			}
			same(op, mixed(theirs), mixed(nobodys))
		}
	}
	same("POST /v1/domains", theirs, nobodys)
	if tried < 20 {
		t.Errorf("only %d attempts", tried)
	}
	for _, path := range []string{"/v1/connections/" + theirs["connections"], "/v1/users/" + theirs["users"], "/v1/domains/" + theirs["domains"]} {
		w.does(http.StatusOK, carol, "GET", path, "")
	}
	for _, list := range []string{"connections", "users", "sessions", "domains"} {
		body := w.does(http.StatusOK, alice, "GET", "/v1/"+list+"?limit=100", "").body
		if strings.Contains(body, theirs[list]) || !strings.Contains(body, own[list]) {
			t.Errorf("%s: %s", list, body)
		}
	}
	body := w.does(http.StatusOK, alice, "GET", "/v1/sessions?user="+string(w.people[carol].User), "").body
	if strings.Contains(body, "ses_") {
		t.Error(body)
	}
}

var requestID = regexp.MustCompile(`urn:watchgate:request:[a-z0-9]+`)

func scrubbed(r reply, sent map[string]string) string {
	body := requestID.ReplaceAllString(r.body, "")
	for name, id := range sent {
		body = strings.ReplaceAll(body, id, name)
	}
	return body
}

func TestWhoIsNobodyMayNothing(t *testing.T) {
	w := newWorld(t)
	for _, op := range w.operations() {
		if r := w.try("garbage", op, map[string]string{"connections": "1", "users": "1", "domains": "1", "sessions": "1", "test": "1"}); r.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", op, r.status)
		}
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	w := newWorld(t)
	page := w.does(http.StatusOK, alice, "GET", "/v1/docs", "").body
	for _, op := range w.operations() {
		_, path, _ := strings.Cut(op, " ")
		if !strings.Contains(page, path) {
			t.Errorf("the page does not speak of %s", op)
		}
	}
	r := w.does(http.StatusCreated, alice, "POST", "/v1/connections", exampleOf(t, w, "/v1/connections"))
	if strings.Contains(r.body, "a-secret-of-the-provider") {
		t.Error(r.body)
	}
	w.does(http.StatusCreated, alice, "POST", "/v1/users", exampleOf(t, w, "/v1/users"))
	w.does(http.StatusOK, alice, "POST", "/v1/policy/break-glass", exampleOf(t, w, "/v1/policy/break-glass"))
}

// exampleOf is the body that the document shows for a POST.
func exampleOf(t *testing.T, w *world, path string) string {
	t.Helper()
	raw, err := w.frame.OpenAPI()
	must(t, err)
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Example json.RawMessage }
			}
		}
	}
	must(t, json.Unmarshal(raw, &doc))
	return string(doc.Paths[path]["post"].RequestBody.Content["application/json"].Example)
}
