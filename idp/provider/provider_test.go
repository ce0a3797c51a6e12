package provider

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

const (
	directory   = "4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14"
	application = "b8e0d6f2-1c4a-4e7b-93d5-6a2f8c0e1b37"
)

// answers are good ones, of each preset.
var answers = map[storage.Preset]map[string]string{
	storage.PresetOkta:  {"domain": "acme.okta.com", "client_id": "0oa1b2c3d4E5f6G7h8i9", "client_secret": "s3cret"},
	storage.PresetEntra: {"directory_id": directory, "client_id": application, "client_secret": "a~8Q.secret_Value", "client_secret_expires": "2027-03-14"},
	storage.PresetAuth0: {"domain": "acme.eu.auth0.com", "client_id": "a1B2c3D4", "client_secret": "s3cret"},
	storage.PresetGoogle: {
		"client_id": "123-abc.apps.googleusercontent.com", "client_secret": "GOCSPX-s3cret", "domains": "acme.com",
	},
	storage.PresetOIDC: {"issuer": "https://id.acme.example/realms/acme", "client_id": "watchgate", "client_secret": "s3cret"},
}

// with are the good answers of a preset with some changed.
func with(name storage.Preset, changes map[string]string) map[string]string {
	all := map[string]string{}
	for _, from := range []map[string]string{answers[name], changes} {
		for k, v := range from {
			all[k] = v
		}
	}
	return all
}

func build(t *testing.T, name storage.Preset, changes map[string]string) (storage.Connection, []Problem) {
	t.Helper()
	p, ok := Find(string(name))
	if !ok {
		t.Fatalf("no preset %q", name)
	}
	return p.Build(with(name, changes))
}

func TestConnectionOfEachPreset(t *testing.T) {
	plain := []string{"openid", "email", "profile"}
	for name, want := range map[storage.Preset]storage.Connection{
		storage.PresetOkta: {
			Issuer: "https://acme.okta.com", ClientID: "0oa1b2c3d4E5f6G7h8i9", Scopes: []string{"openid", "email", "profile", "groups"},
			Settings: storage.ConnectionSettings{MFA: storage.UpstreamMFA{AskFor: []string{"urn:okta:loa:2fa:any"}}},
		},
		storage.PresetEntra: {
			Issuer: "https://login.microsoftonline.com/" + directory + "/v2.0", ClientID: application, Scopes: plain,
			SecretExpiresAt: time.Date(2027, 3, 14, 0, 0, 0, 0, time.UTC),
			Settings:        storage.ConnectionSettings{DirectoryIDs: []string{directory}},
		},
		storage.PresetAuth0: {
			Issuer: "https://acme.eu.auth0.com/", ClientID: "a1B2c3D4", Scopes: plain,
			Settings: storage.ConnectionSettings{MFA: storage.UpstreamMFA{AskFor: []string{"http://schemas.openid.net/pape/policies/2007/06/multi-factor"}}},
		},
		storage.PresetGoogle: {
			Issuer: "https://accounts.google.com", ClientID: "123-abc.apps.googleusercontent.com", Scopes: plain,
			Settings: storage.ConnectionSettings{HostedDomains: []string{"acme.com"}},
		},
		storage.PresetOIDC: {Issuer: "https://id.acme.example/realms/acme", ClientID: "watchgate", Scopes: plain},
	} {
		t.Run(string(name), func(t *testing.T) {
			want.Kind, want.Preset, want.CreateUsers, want.DefaultRole = storage.OIDC, name, true, storage.RoleMember
			got, problems := build(t, name, nil)
			if diff := cmp.Diff(want, got); diff != "" || len(problems) > 0 {
				t.Errorf("%v\n%s", problems, diff)
			}
		})
	}
}

// What people paste is read where it can mean one thing only.
func TestPastedAnswersAreRead(t *testing.T) {
	for _, c := range []struct {
		preset  storage.Preset
		changes map[string]string
		issuer  string
	}{
		{storage.PresetOkta, map[string]string{"domain": "https://acme.okta.com"}, "https://acme.okta.com"},
		{storage.PresetOkta, map[string]string{"domain": " https://ACME.okta.com/ "}, "https://acme.okta.com"},
		{storage.PresetOkta, map[string]string{"domain": "acme-admin.okta.com"}, "https://acme.okta.com"},
		{storage.PresetOkta, map[string]string{"domain": "https://acme-admin.okta.com/admin/dashboard"}, "https://acme.okta.com"},
		{storage.PresetOkta, map[string]string{"domain": "acme-admin.oktapreview.com"}, "https://acme.oktapreview.com"},
		{storage.PresetOkta, map[string]string{"domain": "login-admin.acme.com"}, "https://login-admin.acme.com"},
		{storage.PresetOkta, map[string]string{"domain": "http://login.acme.com"}, "https://login.acme.com"},
		{storage.PresetOkta, map[string]string{"authorization_server": "default"}, "https://acme.okta.com/oauth2/default"},
		{storage.PresetOkta, map[string]string{"domain": "https://acme.okta.com/oauth2/default"}, "https://acme.okta.com/oauth2/default"},
		{storage.PresetOkta, map[string]string{"domain": "https://acme.okta.com/oauth2/default", "authorization_server": "default"}, "https://acme.okta.com/oauth2/default"},
		{storage.PresetOkta, map[string]string{"authorization_server": "https://acme.okta.com/oauth2/aus1/"}, "https://acme.okta.com/oauth2/aus1"},
		{storage.PresetEntra, map[string]string{"directory_id": strings.ToUpper(directory)}, "https://login.microsoftonline.com/" + directory + "/v2.0"},
		{storage.PresetEntra, map[string]string{"directory_id": "https://login.microsoftonline.com/" + directory + "/oauth2/v2.0/token"}, "https://login.microsoftonline.com/" + directory + "/v2.0"},
		{storage.PresetAuth0, map[string]string{"domain": "https://acme.eu.auth0.com/"}, "https://acme.eu.auth0.com/"},
		{storage.PresetAuth0, map[string]string{"domain": "Login.Acme.com"}, "https://login.acme.com/"},
		{storage.PresetOIDC, map[string]string{"issuer": " https://ID.acme.example/A/ "}, "https://ID.acme.example/A/"},
		{storage.PresetOIDC, map[string]string{"issuer": "http://127.0.0.1:8081"}, "http://127.0.0.1:8081"},
	} {
		con, problems := build(t, c.preset, c.changes)
		if con.Issuer != c.issuer || len(problems) > 0 {
			t.Errorf("%s %v: issuer %q, %v", c.preset, c.changes, con.Issuer, problems)
		}
	}
}

func TestOktaCustomServersAreNotAskedForGroups(t *testing.T) {
	con, _ := build(t, storage.PresetOkta, map[string]string{"authorization_server": "default"})
	if slices.Contains(con.Scopes, "groups") {
		t.Errorf("scopes %v: a custom server refuses a scope that it does not have", con.Scopes)
	}
}

func TestWorkspaceDomains(t *testing.T) {
	con, problems := build(t, storage.PresetGoogle, map[string]string{"domains": "Acme.com, @acme.org;\n acme.com https://bücher.example/"})
	want := []string{"acme.com", "acme.org", "xn--bcher-kva.example"}
	if diff := cmp.Diff(want, con.Settings.HostedDomains); diff != "" || len(problems) > 0 {
		t.Errorf("%v %s", problems, diff)
	}
}

// What could mean two things, or nothing, is refused in words, at its field.
func TestAnswersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		preset      storage.Preset
		field, said string
		words       string
	}{
		{storage.PresetOkta, "domain", "", "Okta domain is missing"},
		{storage.PresetOkta, "domain", "okta", "no domain"},
		{storage.PresetOkta, "domain", "10.0.0.1", "no domain"},
		{storage.PresetOkta, "domain", "https://user@acme.okta.com", "no domain"},
		{storage.PresetOkta, "domain", "acme.okta.com:8443", "no domain"},
		{storage.PresetOkta, "domain", "javascript://acme.okta.com", "no address of a web site"},
		{storage.PresetOkta, "domain", "acme.okta.com/app/UserHome", "domain alone"},
		{storage.PresetOkta, "domain", "acme.okta.com?x=1", "no domain"},
		{storage.PresetOkta, "authorization_server", "a/b", "letters and digits"},
		{storage.PresetOkta, "client_id", "0oa 1b2", "no blanks"},
		{storage.PresetOkta, "client_id", "", "Client ID is missing"},
		{storage.PresetOkta, "client_secret", "", "Client secret is missing"},
		{storage.PresetOkta, "client_secret", "two words", "blank"},
		{storage.PresetOkta, "issuer", "https://acme.okta.com", "no such field"},
		{storage.PresetOkta, "domain", strings.Repeat("a", maxField) + ".com", "too long"},
		{storage.PresetEntra, "directory_id", "common", "stands for every directory"},
		{storage.PresetEntra, "directory_id", "https://login.microsoftonline.com/organizations/v2.0", "stands for every directory"},
		{storage.PresetEntra, "directory_id", "acme.onmicrosoft.com", "directory's ID"},
		{storage.PresetEntra, "directory_id", "4f1c2a7e", "looks like"},
		{storage.PresetEntra, "client_id", "watchgate", "looks like"},
		{storage.PresetEntra, "client_id", directory, "the same"},
		{storage.PresetEntra, "client_secret", "5e9d3c1b-7a2f-4e60-8b1d-c0f2a3948576", "Secret ID"},
		{storage.PresetEntra, "client_secret_expires", "3/4/2027", "year-month-day"},
		{storage.PresetEntra, "client_secret_expires", "", "Day on which the secret ends is missing"},
		{storage.PresetAuth0, "domain", "acme.eu.auth0.com/dashboard", "domain alone"},
		{storage.PresetAuth0, "organization", "acme", "org_"},
		{storage.PresetGoogle, "client_id", "123", ".apps.googleusercontent.com"},
		{storage.PresetGoogle, "domains", "", "missing"},
		{storage.PresetGoogle, "domains", "acme.com gmail.com", "everybody's"},
		{storage.PresetGoogle, "domains", "acme", "no domain"},
		{storage.PresetGoogle, "domains", "alice@acme.com", "no domain"},
		{storage.PresetOIDC, "issuer", "http://id.acme.example", "https://"},
		{storage.PresetOIDC, "issuer", "id.acme.example", "whole address"},
		{storage.PresetOIDC, "issuer", "https://id.acme.example/.well-known/openid-configuration", "value of issuer"},
		{storage.PresetOIDC, "issuer", "https://id.acme.example?x", "question mark"},
		{storage.PresetOIDC, "issuer", "https://a:b@id.acme.example", "user name"},
		{storage.PresetOIDC, "issuer", "http://127.0.0.1.evil.example", "https://"},
	} {
		con, problems := build(t, c.preset, map[string]string{c.field: c.said})
		at := slices.IndexFunc(problems, func(p Problem) bool { return p.Field == c.field && strings.Contains(p.Text, c.words) })
		if at < 0 || con.Issuer != "" {
			t.Errorf("%s %s = %.60q: %v", c.preset, c.field, c.said, problems)
		}
	}
}

func TestEveryProblemIsSaidAtOnce(t *testing.T) {
	p, _ := Find("entra")
	_, problems := p.Build(map[string]string{"directory_id": "common", "client_id": "x", "client_secret_expires": "soon"})
	var fields []string
	for _, problem := range problems {
		fields = append(fields, problem.Field)
	}
	slices.Sort(fields)
	if diff := cmp.Diff([]string{"client_id", "client_secret", "client_secret_expires", "directory_id"}, slices.Compact(fields)); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsQuoteNoSecret(t *testing.T) {
	for name := range answers {
		_, problems := build(t, name, map[string]string{"client_secret": "hunter2 hunter2"})
		if len(problems) != 1 || strings.Contains(problems[0].Text, "hunter2") {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestSecretIsTakenWithoutTheBlanksAroundIt(t *testing.T) {
	for said, want := range map[string]string{" s3cret\n": "s3cret", "\"quoted'": "\"quoted'", "": ""} {
		if got := Secret(map[string]string{"client_secret": said}); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

func TestPresetsAreWhole(t *testing.T) {
	for _, p := range All() {
		if found, ok := Find(string(p.Name)); !ok || found.Title != p.Title || p.Page != "docs/providers/"+string(p.Name)+".md" {
			t.Errorf("%q: %+v", p.Name, found)
		}
		pastes := []string{}
		for _, s := range p.Steps {
			if !strings.HasSuffix(s.Do, ".") {
				t.Errorf("%s: no sentence: %s", p.Name, s.Do)
			}
			if s.Paste != "" {
				pastes = append(pastes, s.Paste)
			}
		}
		if !slices.Contains(pastes, PasteRedirectURI) {
			t.Errorf("%s: no step has the redirect URI", p.Name)
		}
		for _, f := range p.Fields {
			if f.Label == "" || f.Where == "" || f.Secret != (f.Name == FieldClientSecret) || f.Secret && f.Example != "" {
				t.Errorf("%s: %+v", p.Name, f)
			}
		}
	}
	if p, ok := Find(""); !ok || p.Name != storage.PresetOIDC {
		t.Errorf("no preset is %q", p.Name)
	}
	if _, ok := Find("ping"); ok {
		t.Error("there is a preset that there is not")
	}
}

func TestRemedies(t *testing.T) {
	if got := Remedy(storage.PresetOkta, "client_secret"); !strings.Contains(got, "Okta") {
		t.Errorf("Okta's own: %q", got)
	}
	if got := Remedy(storage.PresetOkta, "pkce"); got != Remedy("", "pkce") || got == "" {
		t.Errorf("one for all: %q", got)
	}
	if got := Remedy("", "nothing"); got != "" {
		t.Errorf("%q", got)
	}
}

func TestAddressesOfAConnection(t *testing.T) {
	a := Addresses{Issuer: "https://auth.example/x", Tenant: "ten_1", Connection: "con_/2"}
	for got, want := range map[string]string{
		a.Paste(PasteRedirectURI): "https://auth.example/x/login/callback/con_%2F2",
		a.Paste(PasteBackchannel): "https://auth.example/x/login/backchannel/ten_1/con_%2F2",
		a.Paste(PasteRevocation):  "https://auth.example/x/login/revocation/ten_1/con_%2F2",
		a.Trial("tst_3"):          "https://auth.example/x/login/test/ten_1/tst_3",
		a.Paste("client_secret"):  "",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, p := range All() {
		for _, s := range p.Steps {
			if s.Paste != "" && a.Paste(s.Paste) == "" {
				t.Errorf("%s: nothing of ours is %q", p.Name, s.Paste)
			}
		}
	}
}

func TestGroupsThatATokenLeavesOut(t *testing.T) {
	entra := storage.Connection{Preset: storage.PresetEntra, RoleClaim: "groups"}
	other, roles, pointer := entra, entra, entra
	other.Preset, roles.RoleClaim, pointer.RoleClaim = storage.PresetOkta, "roles", "/groups"
	over := map[string]any{"_claim_names": map[string]any{"groups": "src1"}}
	for _, c := range []struct {
		con    storage.Connection
		claims map[string]any
		out    bool
	}{
		{entra, over, true}, {pointer, over, true}, {entra, map[string]any{"hasgroups": true}, true}, {entra, map[string]any{"hasgroups": "true"}, true},
		{entra, map[string]any{"hasgroups": false}, false}, {entra, nil, false}, {entra, map[string]any{"_claim_names": map[string]any{"other": "src1"}}, false},
		{entra, map[string]any{"_claim_names": "groups"}, false}, {roles, over, false}, {other, over, false},
	} {
		if got := LeftOut(c.con, c.claims); got != c.out {
			t.Errorf("%s %s %v: %v", c.con.Preset, c.con.RoleClaim, c.claims, got)
		}
	}
}
