package main

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

const (
	directoryID   = "4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14"
	applicationID = "b8e0d6f2-1c4a-4e7b-93d5-6a2f8c0e1b37"
)

// operatorOf runs commands about one deployment with a tenant acme.
type operatorOf struct {
	t    *testing.T
	file string
}

func newOperator(t *testing.T) operatorOf {
	o := operatorOf{t, deploymentFile(t)}
	o.row("tenant", "create", "acme", "--name", "Acme")
	return o
}

func (o operatorOf) call(args ...string) outcome {
	o.t.Helper()
	return call(o.t, map[string]string{"WATCHGATE_CLIENT_SECRET": "s3cret"}, append(args, "--config", o.file)...)
}

// row is the first row of what a command says.
func (o operatorOf) row(args ...string) map[string]string {
	o.t.Helper()
	return rows(o.t, map[string]string{"WATCHGATE_CLIENT_SECRET": "s3cret"}, append(args, "--config", o.file)...)[0]
}

// connect makes a connection of a preset that nobody looks at, and returns its id.
func (o operatorOf) connect(preset string, flags ...string) string {
	o.t.Helper()
	fields := map[string][]string{
		"okta":  {"--domain", "acme.okta.com", "--client-id", "0oa1b2c3d4E5f6G7h8i9"},
		"entra": {"--directory", directoryID, "--client-id", applicationID, "--secret-ends", "2099-03-14"},
		"oidc":  {"--issuer", "https://id.acme.example", "--client-id", "us"},
	}
	return o.row(slices.Concat([]string{"connection", "create", "acme", "--name", preset, "--preset", preset, "--off"}, fields[preset], flags)...)["id"]
}

func TestSettingsOfAConnectionByFlags(t *testing.T) {
	o := newOperator(t)
	id := o.connect("entra", "--allow-guests", "--mfa-acr", "c1,c2", "--no-create-users")
	expect := func(want map[string]string, flags ...string) {
		t.Helper()
		if len(flags) > 0 {
			o.row(slices.Concat([]string{"connection", "set", "acme", id}, flags)...)
		}
		row := o.row("connection", "show", "acme", id)
		for what, value := range want {
			if row[what] != value {
				t.Errorf("%v: %s is %q, want %q", flags, what, row[what], value)
			}
		}
	}
	expect(map[string]string{"lets in guests": "yes", "asks Graph for groups": "no", "second factor by acr": "c1 c2", "creates people": "no"})
	expect(map[string]string{"lets in guests": "no", "asks Graph for groups": "yes", "second factor by acr": "c1 c2", "creates people": "no"},
		"--no-allow-guests", "--groups-from-graph")
	expect(map[string]string{"resistant to phishing": "c2", "asked for as acr": "c1", "scopes": "openid email"},
		"--mfa-phishing-resistant", "c2", "--mfa-ask-for", "c1", "--scope", "openid,email")
	expect(map[string]string{"secret ends": "2099-12-24"}, "--secret-ends", "2099-12-24")
	expect(map[string]string{"secret ends": "-"}, "--secret-ends", "")
	expect(map[string]string{"role claim": "groups", "role rules": "a=b=admin c=member", "resistant to phishing": "c2"},
		"--role-claim", "groups", "--role-rule", "a=b=admin", "--role-rule", "c=member")
}

func TestAnEmptyWordTakesBackWhatWasSaid(t *testing.T) {
	o := newOperator(t)
	id := o.connect("okta", "--mfa-acr", "gold", "--role-claim", "groups", "--role-rule", "a=admin")
	before := o.row("connection", "show", "acme", id)
	if before["asked for as acr"] == "" || before["second factor by acr"] != "gold" {
		t.Fatalf("before: %v", before)
	}
	after := o.row("connection", "set", "acme", id, "--mfa-acr", "", "--mfa-ask-for=", "--role-rule", "")
	for _, what := range []string{"asked for as acr", "second factor by acr", "role rules"} {
		if after[what] != "" {
			t.Errorf("%s is still %q", what, after[what])
		}
	}
	if after["role claim"] != "groups" || after["scopes"] != before["scopes"] {
		t.Errorf("something else changed: %v", after)
	}
}

func TestConnectionSetSaysWhatIsWrong(t *testing.T) {
	o := newOperator(t)
	id := o.connect("okta")
	for word, flags := range map[string][]string{
		"say what changes": {}, "preset entra": {"--allow-guests"}, "VALUE=ROLE": {"--role-rule", "x"}, "owner, admin": {"--unmapped-role", "boss"},
		"write the day": {"--secret-ends", "2027-13-14"},
	} {
		if said := o.call(append([]string{"connection", "set", "acme", id}, flags...)...); said.code != 1 || !strings.Contains(said.err, word) {
			t.Errorf("%v: %+v, want %q", flags, said, word)
		}
	}
}

// TestAddressesToPaste: each provider is given the addresses that it can use, and no others.
func TestAddressesToPaste(t *testing.T) {
	o := newOperator(t)
	for preset, want := range map[string][]bool{"okta": {true, false, true}, "entra": {true, false, false}, "oidc": {true, true, false}} {
		id := o.connect(preset)
		row := o.row("connection", "show", "acme", id)
		for i, name := range []string{"redirect URI", "back-channel logout URI", "logout endpoint URL"} {
			if has := strings.HasSuffix(row[name], id); has != want[i] {
				t.Errorf("%s, %s: %q", preset, name, row[name])
			}
		}
	}
}

func TestDomainThatAnOperatorVouchedForHasNoRecord(t *testing.T) {
	o := newOperator(t)
	id := o.connect("okta")
	o.call("domain", "add", "acme", id, "acme.example", "--vouch")
	for _, args := range [][]string{{"domain", "add", "acme", id, "acme.example"}, {"domain", "verify", "acme", "acme.example"}} {
		if said := o.call(args...); said.code != 0 || !strings.Contains(said.out, "vouched for acme.example") || strings.Contains(said.out, "watchgate-verification") {
			t.Errorf("%v: %+v", args, said)
		}
	}
}

func TestDomainSaysWhatItDoes(t *testing.T) {
	o := newOperator(t)
	id, other := o.connect("okta"), o.connect("oidc")
	if said := o.call("domain", "add", "acme", id, "acme.example"); !strings.Contains(said.out, "watchgate-verification=") {
		t.Fatalf("%+v", said)
	}
	if said := o.call("domain", "add", "acme", other, "acme.example"); !strings.Contains(said.out, "--connection "+other) {
		t.Errorf("with another connection: %+v", said)
	}
	if said := o.call("domain", "set", "acme", "acme.example"); said.code != 1 || !strings.Contains(said.err, "--sso-required") {
		t.Errorf("nothing to change: %+v", said)
	}
	said := o.call("domain", "set", "acme", "acme.example", "--sso-required")
	for _, words := range []string{"every other way in is closed", "begins when the domain is verified", "okta is disabled"} {
		if !strings.Contains(said.out, words) {
			t.Errorf("%+v, want %q", said, words)
		}
	}
}

// TestOwnersOfATenantWithAProviderComeInPastIt: what they come in through is there when
// it is opened.
func TestOwnersOfATenantWithAProviderComeInPastIt(t *testing.T) {
	o := newOperator(t)
	o.connect("okta")
	if said := o.call("tenant", "break-glass", "acme"); said.code != 1 || !strings.Contains(said.err, "--reason") {
		t.Errorf("without a reason: %+v", said)
	}
	if said := o.call("tenant", "break-glass", "acme", "--reason", "Okta is down"); said.code != 0 || !strings.Contains(said.out, "/login/break-glass") {
		t.Fatalf("%+v", said)
	}
	kinds := []string{}
	for _, row := range rows(t, nil, "connection", "list", "acme", "--config", o.file) {
		kinds = append(kinds, row["kind"])
	}
	if !slices.Contains(kinds, string(storage.Passkey)) || o.row("tenant", "show", "acme")["break-glass until"] == "" {
		t.Errorf("connections of the kinds %v", kinds)
	}
}

func TestAdviceStandsBelowWhatWasSeen(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 40))
	r := findings([]idp.Finding{
		{Check: "discovery", Verdict: idp.VerdictOK, Detail: "It answers."},
		{Check: "keys", Verdict: idp.VerdictFailed, Detail: long, Remedy: "Do this."},
	})
	var out bytes.Buffer
	if err := r.write(&out, false); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for _, line := range lines {
		if len(line) > foldedAt+30 {
			t.Errorf("a line of %d characters: %q", len(line), line)
		}
	}
	if !strings.Contains(out.String(), "-> Do this.\n") || strings.Contains(lines[0], "WHAT TO DO") || strings.Count(out.String(), "word") != 40 {
		t.Errorf("printed:\n%s", out.String())
	}
	if got := r.objects().([]map[string]string)[1]["what to do"]; got != "Do this." {
		t.Errorf("the JSON advises %q", got)
	}
}

func TestOutcomeOfATrialInWords(t *testing.T) {
	for want, came := range map[string]idp.TrialReport{
		"a@acme.example would have the role admin.\nSecond factor proved there: no.": {Email: "a@acme.example", Role: storage.RoleAdmin},
		"Whoever tried would be refused (absent).":                                   {RoleReason: "absent"},
		"The sign-in came to nothing, so that there is nobody to speak of.":          {},
	} {
		if got := outcomeOf(came); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	claims := map[string]any{"hd": "acme.example", "groups": []string{"a", "b"}}
	if got := claimsOf(idp.TrialReport{Claims: claims}); got != "\nThe provider said:\n  groups: [\"a\",\"b\"]\n  hd: \"acme.example\"" {
		t.Errorf("%q", got)
	}
}

// TestListOfSessionsSaysWho: a session's person is known by their address, too, and one
// whose second factor is missing is none yet.
func TestListOfSessionsSaysWho(t *testing.T) {
	o := newOperator(t)
	con := storage.ConnectionID(o.connect("okta"))
	cfg, err := readConfig(o.file, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDeployment(t.Context(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	tenant, err := d.store.TenantBySlug(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	for email, pending := range map[string]bool{"alice@acme.example": false, "bob@acme.example": true} {
		u := storage.User{ID: storage.NewUserID(now()), Email: email, Role: storage.RoleMember, CreatedAt: now(), Version: 1}
		s := storage.Session{
			ID: storage.NewSessionID(now()), User: u.ID, Connection: con, Handle: []byte(email), Pending: pending, CreatedAt: now(), LastSeenAt: now(),
			ExpiresAt: now().Add(time.Hour), IdleTimeout: time.Hour,
		}
		err = errors.Join(err, d.store.Tenant(tenant.ID).SignIn(t.Context(), storage.SignIn{
			Identity: storage.Identity{Connection: con, Issuer: "https://acme.okta.com", Subject: email}, User: u, Create: true, Session: s,
		}, audit.SignedIn(t.Context(), now(), u, s, true)))
	}
	d.close()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, row := range rows(t, nil, "session", "list", "acme", "--config", o.file) {
		got[row["email"]] = row["second factor"]
	}
	if want := map[string]string{"alice@acme.example": "none", "bob@acme.example": "still missing"}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
