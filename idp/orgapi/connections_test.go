package orgapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/orgapi"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

func TestConnectionStartsDisabledAtTheAddressesOfItsDraft(t *testing.T) {
	w := newWorld(t)
	var presets orgapi.Presets
	w.does(http.StatusOK, adam, "GET", "/v1/connection-presets", "").into(t, &presets)
	if len(presets.Presets) != 5 || !strings.HasPrefix(presets.Draft.RedirectURI, issuer+"/login/callback/con_") {
		t.Fatalf("%+v", presets)
	}
	body := strings.TrimSuffix(generic, "}") + `,"draft":"` + presets.Draft.Draft + `"}`
	r := w.does(http.StatusCreated, adam, "POST", "/v1/connections", body)
	var con orgapi.Connection
	r.into(t, &con)
	if con.Enabled || con.DisabledAt == nil || con.RedirectURI != presets.Draft.RedirectURI || con.DefaultRole != "member" || r.header.Get("ETag") != `"1"` {
		t.Errorf("made: %s", r.body)
	}
	w.refused(manage.AlreadyExists, adam, "POST", "/v1/connections", body)
	if r := w.refused(manage.Invalid, carol, "POST", "/v1/connections", body); r.fields() != "draft" {
		t.Errorf("another tenant's draft: %s", r.body)
	}
	path := "/v1/connections/" + con.ID
	w.does(http.StatusOK, adam, "POST", path+"/enable", "").into(t, &con)
	if !con.Enabled || con.Version != 2 {
		t.Errorf("enabled: %+v", con)
	}
	w.does(http.StatusOK, adam, "POST", path+"/enable", "").into(t, &con)
	if con.Version != 2 {
		t.Errorf("again: %+v", con)
	}
	w.does(http.StatusOK, adam, "POST", path+"/disable", "").into(t, &con)
	if con.Enabled {
		t.Errorf("disabled: %+v", con)
	}
	actor := w.event(w.acme.ID, "connection.disabled")
	if actor.ActorKind != "user" || actor.ActorID != string(w.people[adam].User) {
		t.Errorf("the trail says %+v", actor)
	}
}

func TestConnectionThatDoesNotFitItsPreset(t *testing.T) {
	w := newWorld(t)
	for body, fields := range map[string]string{
		`{"name":"a","preset":"okta","fields":{"domain":"acme.okta.com"}}`:                                                                       "fields.client_id fields.client_secret",
		`{"name":"a","preset":"entra","fields":{"directory_id":"common","client_id":"x","client_secret":"y"}}`:                                   "fields.client_id fields.client_secret_expires fields.directory_id",
		`{"name":"a","fields":{"issuer":"http://id.acme.example","client_id":"x","client_secret":"y","colour":"red"}}`:                           "fields.colour fields.issuer",
		`{"name":"a","fields":{"issuer":"https://id.example","client_id":"x","client_secret":"y"},"role_claim":"nickname"}`:                      "role_claim",
		`{"name":"a","fields":{"issuer":"https://id.example","client_id":"x","client_secret":"y"},"role_rules":[{"value":"a","role":"member"}]}`: "role_claim",
	} {
		r := w.refused(manage.Invalid, alice, "POST", "/v1/connections", body)
		if r.fields() != fields {
			t.Errorf("%s: %s", body, r.body)
		}
		if strings.Contains(r.body, `"y"`) {
			t.Errorf("the answer repeats the secret: %s", r.body)
		}
	}
}

// TestAdminMakesThemselvesAnOwnerThroughAConnection is the attack in which whoever may
// change connections lets a provider of their own say who is an owner.
func TestAdminMakesThemselvesAnOwnerThroughAConnection(t *testing.T) {
	w := newWorld(t)
	with := func(more string) string { return strings.TrimSuffix(generic, "}") + "," + more + "}" }
	for name, body := range map[string]string{
		"default role": with(`"default_role":"owner"`), "a rule": with(`"role_claim":"groups","role_rules":[{"value":"x","role":"owner"}]`),
		"unmapped": with(`"role_claim":"groups","role_rules":[{"value":"x","role":"admin"}],"unmapped_role":"owner"`), "a role's own name": with(`"role_claim":"groups"`),
	} {
		if r := w.refused(manage.Forbidden, adam, "POST", "/v1/connections", body); r.status == http.StatusCreated {
			t.Error(name)
		}
		w.does(http.StatusCreated, alice, "POST", "/v1/connections", body)
	}
	plain := w.connected(adam)
	for _, patch := range []string{`{"default_role":"owner"}`, `{"role_claim":"groups"}`, `{"role_claim":"groups","role_rules":[{"value":"x","role":"owner"}]}`} {
		w.refused(manage.Forbidden, adam, "PATCH", plain, patch)
	}
	mapped := w.does(http.StatusCreated, alice, "POST", "/v1/connections", with(`"role_claim":"groups","role_rules":[{"value":"x","role":"owner"}]`)).header.Get("Location")
	for _, patch := range []string{`{"client_id":"other"}`, `{"role_rules":[{"value":"mine","role":"owner"}]}`, `{"allow_guests":true}`, `{"directory_ids":["4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14"]}`} {
		w.refused(manage.Forbidden, adam, "PATCH", mapped, patch)
	}
	w.does(http.StatusOK, adam, "PATCH", mapped, `{"name":"Renamed"}`)
	w.does(http.StatusOK, adam, "PATCH", plain, `{"default_role":"admin","create_users":false}`)
}

// TestClientSecretIsSentToAnotherProvider is the attack in which an administrator, who
// does not know the secret, has it sent to a server of theirs (FO-23).
func TestClientSecretIsSentToAnotherProvider(t *testing.T) {
	w := newWorld(t)
	path := w.connected(alice)
	for _, patch := range []string{`{"issuer":"https://evil.example"}`, `{"preset":"okta"}`, `{"client_secret":"x"}`, `{"enabled":true}`} {
		w.refused(manage.Invalid, alice, "PATCH", path, patch)
	}
}

func TestSecretsAreNeverAnswered(t *testing.T) {
	w := newWorld(t)
	path := w.connected(alice)
	bodies := []string{w.does(http.StatusOK, alice, "POST", path+"/rotate-secret", `{"client_secret":"s3cret-that-comes-next","expires_at":"2027-01-31T15:04:05Z"}`).body}
	for _, at := range []string{path, "/v1/connections", "/v1/connections?limit=1"} {
		for _, accept := range []string{"application/json", "application/ld+json"} {
			bodies = append(bodies, w.does(http.StatusOK, alice, "GET", at, "", "Accept", accept).body)
		}
	}
	bodies = append(bodies, w.does(http.StatusOK, alice, "POST", path+"/rotate-secret", `{"promote":true}`).body)
	for _, body := range bodies {
		if strings.Contains(body, "s3cret") || strings.Contains(body, "sealed") {
			t.Error(body)
		}
	}
}

func TestClientSecretIsRotatedWithOverlap(t *testing.T) {
	w := newWorld(t)
	path := w.connected(alice)
	r := w.refused(manage.Invalid, alice, "POST", path+"/rotate-secret", `{"promote":true}`)
	if !strings.Contains(r.body, "No secret was added") {
		t.Error(r.body)
	}
	var con orgapi.Connection
	w.does(http.StatusOK, alice, "POST", path+"/rotate-secret", `{"client_secret":"next","expires_at":"2027-01-31T15:04:05Z"}`).into(t, &con)
	if !con.NextSecret || con.SecretExpiresAt == nil || con.Version != 2 {
		t.Errorf("%+v", con)
	}
	w.refused(manage.PreconditionFailed, alice, "POST", path+"/rotate-secret", `{"promote":true}`, "If-Match", `"1"`)
	w.does(http.StatusOK, alice, "POST", path+"/rotate-secret", `{"promote":true}`, "If-Match", `"2"`).into(t, &con)
	if con.NextSecret || con.SecretExpiresAt == nil {
		t.Errorf("%+v", con)
	}
	for _, body := range []string{`{}`, `{"client_secret":"x","promote":true}`, `{"client_secret":"x","expires_at":"2020-01-31T15:04:05Z"}`} {
		w.refused(manage.Invalid, alice, "POST", path+"/rotate-secret", body)
	}
}

func TestConnectionIsChangedAtTheVersionThatIsMeant(t *testing.T) {
	w := newWorld(t)
	path := w.connected(alice)
	var con orgapi.Connection
	w.does(http.StatusOK, alice, "PATCH", path, `{"name":"Other","role_claim":"/realm_access/roles","role_rules":[{"value":"a","role":"admin"}],"unmapped_role":"viewer","mfa_amr":["mfa"],"scopes":["openid","groups"]}`, "If-Match", `"1"`).into(t, &con)
	if con.Name != "Other" || con.RoleClaim != "/realm_access/roles" || len(con.RoleRules) != 1 || con.UnmappedRole != "viewer" || con.Version != 2 || len(con.Scopes) != 2 {
		t.Errorf("%+v", con)
	}
	w.refused(manage.PreconditionFailed, alice, "PATCH", path, `{"name":"Late"}`, "If-Match", `"1"`)
	w.does(http.StatusOK, alice, "PATCH", path, `{"name":"Other"}`).into(t, &con)
	if con.Version != 2 {
		t.Error("a change of nothing is one")
	}
	w.does(http.StatusOK, alice, "PATCH", path, `{"role_claim":null,"role_rules":null,"unmapped_role":"none","mfa_amr":null}`).into(t, &con)
	if con.RoleClaim != "" || len(con.RoleRules) != 0 || con.UnmappedRole != "none" || len(con.MFAAMR) != 0 {
		t.Errorf("%+v", con)
	}
	if r := w.refused(manage.Invalid, alice, "PATCH", path, `{"name":null,"create_users":null}`); r.fields() != "create_users name" {
		t.Error(r.body)
	}
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.findings = []idp.Finding{{Check: "discovery", Verdict: idp.VerdictFailed, Detail: "It does not answer.", Remedy: "Start it."}}
	path := w.connected(alice)
	var out orgapi.Examination
	w.does(http.StatusOK, adam, "POST", path+"/doctor", "").into(t, &out)
	if out.Works || len(out.Findings) != 2 || out.Findings[0].Detail != issuer+"/login/callback/"+idOf(path) || out.Findings[1].Remedy != "Start it." {
		t.Errorf("%+v", out)
	}
	if r := w.ask(alice, "POST", "/v1/connections/con_"+strings.TrimPrefix(string(w.acme.ID), "ten_")+"/doctor", ""); r.kind() != "invalid" {
		t.Errorf("people without a provider: %s", r.body)
	}
}

func TestTrialIsWaitedForAndReported(t *testing.T) {
	w := newWorld(t)
	path := w.connected(alice)
	r := w.does(http.StatusCreated, alice, "POST", path+"/tests", "")
	var test orgapi.ConnectionTest
	r.into(t, &test)
	at := r.header.Get("Location")
	if test.State != "waiting" || test.URL != issuer+"/login/test/"+string(w.acme.ID)+"/"+test.ID || at != path+"/tests/"+test.ID {
		t.Errorf("%s, %+v", at, test)
	}
	stored, err := w.store.Tenant(w.acme.ID).ConnectionTest(t.Context(), storage.TestID(test.ID), start)
	must(t, err)
	stored.DoneAt = start
	stored.Report = []byte(`{"findings":[{"check":"claims","verdict":"ok","detail":"Fine."}],"claims":{"groups":["a"]},"role_reason":"no_rule","email":"a@b.example"}`)
	must(t, w.store.Tenant(w.acme.ID).PutConnectionTest(t.Context(), stored, event("connection.tested")))
	w.does(http.StatusOK, adam, "GET", at, "").into(t, &test)
	if test.State != "done" || test.Report == nil || test.Report.Role != "none" || test.Report.RoleReason != "no_rule" || !test.Report.Works {
		t.Errorf("%+v", test)
	}
	other := w.connected(alice)
	w.refused(manage.NotFound, alice, "GET", other+"/tests/"+test.ID, "")
	w.set(func() {
		w.now = start.Add(25 * time.Hour)
		p := w.people[alice]
		p.MFATime = w.now
		w.people[alice] = p
	})
	w.refused(manage.NotFound, alice, "GET", at, "")
}

func TestMappingIsTriedOnASample(t *testing.T) {
	w := newWorld(t)
	path := w.connected(alice)
	w.does(http.StatusOK, alice, "PATCH", path, `{"role_claim":"groups","role_rules":[{"value":"ops","role":"admin"}]}`)
	for body, want := range map[string]orgapi.MappedRole{
		`{"claims":{"groups":["dev","ops"]}}`:                    {Present: true, Values: []string{"dev", "ops"}, Role: "admin"},
		`{"claims":{"groups":["dev"]}}`:                          {Present: true, Values: []string{"dev"}, Role: "none", Reason: "no_rule"},
		`{"claims":{"groups":["dev"]},"unmapped_role":"viewer"}`: {Present: true, Values: []string{"dev"}, Role: "viewer"},
		`{"claims":{}}`:           {Values: []string{}, Role: "none", Reason: "absent"},
		`{"claims":{"groups":7}}`: {Present: true, Values: []string{}, Role: "none", Reason: "wrong_type"},
		`{"claims":{"a":{"b":["x"]}},"role_claim":"/a/b","role_rules":[{"value":"x","role":"owner"}]}`: {Present: true, Values: []string{"x"}, Role: "owner"},
		`{"id_token":"eyJhbGciOiJub25lIn0.eyJncm91cHMiOlsib3BzIl19.x"}`:                                {Present: true, Values: []string{"ops"}, Role: "admin"},
	} {
		var got orgapi.MappedRole
		w.does(http.StatusOK, adam, "POST", path+"/try-mapping", body).into(t, &got)
		if got.Present != want.Present || got.Role != want.Role || got.Reason != want.Reason || strings.Join(got.Values, " ") != strings.Join(want.Values, " ") {
			t.Errorf("%s: %+v", body, got)
		}
	}
	entra := w.does(http.StatusCreated, alice, "POST", "/v1/connections", `{"name":"Entra","preset":"entra","role_claim":"groups","role_rules":[{"value":"ops","role":"admin"}],
		"fields":{"directory_id":"4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14","client_id":"0b7e5c1d-2f3a-4b6c-8d9e-1a2b3c4d5e6f","client_secret":"s~cret","client_secret_expires":"2027-10-01"}}`).header.Get("Location")
	for body, reason := range map[string]string{
		`{"claims":{"_claim_names":{"groups":"src1"},"_claim_sources":{"src1":{"endpoint":"https://graph.example"}}}}`: "overage", `{"claims":{"hasgroups":true}}`: "overage",
		`{"claims":{"hasgroups":true},"role_claim":"roles"}`: "absent", `{"claims":{}}`: "absent",
	} {
		var got orgapi.MappedRole
		w.does(http.StatusOK, adam, "POST", entra+"/try-mapping", body).into(t, &got)
		if got.Reason != reason || got.Present || got.Role != "none" {
			t.Errorf("%s: %+v", body, got)
		}
	}
	for _, body := range []string{`{"id_token":"nonsense"}`, `{"id_token":"a.b.c","claims":{}}`} {
		if r := w.refused(manage.Invalid, alice, "POST", path+"/try-mapping", body); r.fields() != "id_token" {
			t.Error(r.body)
		}
	}
}
