package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/npmtest"
	"github.com/watchgate/watchgate/internal/walk"
)

// rowsOf reads the JSON of an operator's command.
func rowsOf(t *testing.T, out string) []map[string]string {
	t.Helper()
	var rows []map[string]string
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		t.Fatalf("no rows: %s", out)
	}
	return rows
}

// productCase is a product with the people who come from it.
type productCase struct {
	of    atProduct
	admin []string // the groups that make an administrator; none: nobody is one by groups
	role  string   // of whoever has these groups
	// says: the product tells of a second factor.
	says bool
}

var productCases = map[string]productCase{
	"Okta":                  {okta, []string{"Everyone", "watchgate-admins"}, "admin", true},
	"Okta, a custom server": {oktaServer, []string{"watchgate-admins"}, "admin", true},
	"Entra ID":              {entra, []string{adminGroup}, "admin", true},
	"Auth0":                 {auth0, []string{"boss"}, "admin", true},
	"Google":                {google, nil, "member", false},
}

// needSecondFactor is acme's policy.
func (s *site) needSecondFactor(t *testing.T) {
	t.Helper()
	s.operate(t, "tenant", "policy", "acme", "--require-level", "mfa")
}

func TestSignInThroughEachProduct(t *testing.T) {
	for name, c := range productCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := withProduct(t, c.of)
			who := npmtest.Person{Login: ada, Groups: c.admin, MFA: true}
			first := p.signIn(t, p.anyone(), who)
			sub := p.checkPerson(t, first, c.role)
			if again := p.checkPerson(t, p.signIn(t, p.anyone(), who), c.role); again != sub {
				t.Errorf("the same person is %s and %s", sub, again)
			}
			// A change at the provider takes effect at the next sign-in.
			if c.admin != nil {
				p.refusedNow(t, npmtest.Person{Login: ada, Groups: []string{"accounting"}})
			}
		})
	}
}

// checkPerson looks at whom a token is about, and returns their sub.
func (p *productAt) checkPerson(t *testing.T, tok tokens, role string) string {
	t.Helper()
	a := p.introspect(t, p.api, tok.Access)
	if a.text("username") != ada || a.text("tenant") != "acme" {
		t.Errorf("introspection = %s", a)
	}
	if got := p.role(t, ada); got != role {
		t.Errorf("the role is %q, not %q", got, role)
	}
	return a.text("sub")
}

// refusedNow sees that somebody who has been here does not get in any more.
func (p *productAt) refusedNow(t *testing.T, who npmtest.Person) {
	t.Helper()
	page := p.arrive(t, p.anyone(), p.web.trip().path(), who)
	if page.Ended || page.Status != 403 || !strings.Contains(page.Text(), noRole) {
		t.Errorf("%+v: %s (%d): %s", who, page.URL, page.Status, page.Text())
	}
}

func TestSecondFactorIsJudgedByTheProvidersEvidence(t *testing.T) {
	for name, c := range productCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := withProduct(t, c.of)
			p.needSecondFactor(t)
			p.notYet(t, npmtest.Person{Login: "bob@npm.test", Groups: c.admin}, c.says)
			who := npmtest.Person{Login: ada, Groups: c.admin, MFA: true}
			if !c.says {
				p.notYet(t, who, false)
				return
			}
			if a := p.introspect(t, p.api, p.signIn(t, p.anyone(), who, "acr_values", "mfa").Access); a.text("acr") != "mfa" {
				t.Errorf("with a second factor there: %s", a)
			}
		})
	}
}

// notYet takes somebody to where a second factor is missing: they are not in, and can
// add one. A provider that never says when somebody signed in is asked once more.
func (p *productAt) notYet(t *testing.T, who npmtest.Person, says bool) {
	t.Helper()
	b := p.anyone()
	page := p.arrive(t, b, p.web.trip().path(), who)
	if !says {
		page = must[*walk.Page](t)(page.Press(t.Context(), "sign-in", who.Form()))
	}
	if page.Ended || page.Has("consent-approve") || !strings.Contains(page.Text(), "Add a second factor") {
		t.Errorf("%+v: %s (%d): %s", who, page.URL, page.Status, page.Text())
	}
	if page := must[*walk.Page](t)(b.Get(t.Context(), p.issuer+"/login")); strings.Contains(page.Text(), "You are signed in") {
		t.Errorf("%+v is signed in with one factor", who)
	}
}

// TestSecondFactorThereIsAskedForWhenAnAppWantsIt comes in with a password, and steps up
// at the provider.
func TestSecondFactorThereIsAskedForWhenAnAppWantsIt(t *testing.T) {
	p := withProduct(t, okta)
	b, groups := p.anyone(), []string{"watchgate-admins"}
	weak := p.introspect(t, p.api, p.signIn(t, b, npmtest.Person{Login: ada, Groups: groups}).Access)
	if acr := weak.text("acr"); acr == "mfa" || acr == "urn:okta:loa:2fa:any" {
		t.Errorf("with a password alone: %s", weak)
	}
	strong := npmtest.Person{Login: ada, Groups: groups, MFA: true}
	a := p.introspect(t, p.api, p.signIn(t, b, strong, "acr_values", "mfa", "prompt", "login").Access)
	if a.text("acr") != "mfa" || a.text("sub") != weak.text("sub") {
		t.Errorf("with a second factor there: %s", a)
	}
}

func TestPeopleWithoutARuleAreRefused(t *testing.T) {
	for name, of := range map[string]atProduct{"Okta": okta, "Entra ID": entra, "Auth0": auth0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := withProduct(t, of)
			p.refused(t, npmtest.Person{Login: ada, Groups: []string{"accounting"}}, noRole)
			// The name of a role, and a rule's value in other letters, are no rule.
			p.refused(t, npmtest.Person{Login: ada, Groups: []string{"admin", "Watchgate-Admins", strings.ToUpper(adminGroup), "Boss"}}, noRole)
			p.refused(t, npmtest.Person{Login: ada, Claims: map[string]any{"groups": nil, acmeRoles: nil}}, noRole)
		})
	}
}

// lie is what a token of a product says that must not let anybody in.
type lie struct {
	claims map[string]any
	words  string
}

const (
	distrust = "We could not trust the answer"
	noRole   = "gives you no role"
)

// lies are told beside what is true of everybody: their product's claims, and the groups
// of an administrator.
var lies = map[string]map[string]lie{
	"Okta": {
		"groups that are no list": {map[string]any{"groups": map[string]any{"watchgate-admins": true}}, noRole},
		"groups that are numbers": {map[string]any{"groups": []int{1}}, noRole},
		"no groups":               {map[string]any{"groups": nil}, noRole},
	},
	"Entra ID": {
		"another directory":    {map[string]any{"tid": otherDirectory}, distrust},
		"no directory":         {map[string]any{"tid": nil}, distrust},
		"a personal account":   {map[string]any{"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}, distrust},
		"nobody":               {map[string]any{"oid": nil}, distrust},
		"a guest":              {map[string]any{"acct": 1}, distrust},
		"another's guest":      {map[string]any{"idp": "https://sts.windows.net/" + otherDirectory + "/"}, distrust},
		"a token of version 1": {map[string]any{"ver": "1.0"}, distrust},
	},
	"Auth0": {
		"another organization":          {map[string]any{"org_id": "org_ofSomebodyElse1"}, distrust},
		"no organization":               {map[string]any{"org_id": nil}, distrust},
		"roles without their namespace": {map[string]any{acmeRoles: nil, "roles": []string{"boss"}}, noRole},
	},
	"Google": {
		"a consumer account":   {map[string]any{"hd": nil}, distrust},
		"another organization": {map[string]any{"hd": "evil.test"}, distrust},
		"its own subdomain":    {map[string]any{"hd": "sub.npm.test"}, distrust},
	},
}

func TestAttackByTheClaimsOfAProduct(t *testing.T) {
	for name, told := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := productCases[name]
			p := withProduct(t, c.of)
			for what, l := range told {
				t.Run(what, func(t *testing.T) {
					liar := strings.NewReplacer(" ", "-", "'", "").Replace(what) + "@npm.test"
					p.refused(t, npmtest.Person{Login: liar, Groups: c.admin, Claims: l.claims}, l.words)
				})
			}
			p.checkPerson(t, p.signIn(t, p.anyone(), npmtest.Person{Login: ada, Groups: c.admin}), c.role)
		})
	}
}

// TestAttackGroupsOverage: of whom Entra's token leaves the groups out, because they are
// too many, nothing is assumed.
func TestAttackGroupsOverage(t *testing.T) {
	p := withProduct(t, entra)
	many := slices.Repeat([]string{adminGroup}, 201)
	p.refused(t, npmtest.Person{Login: ada, Groups: many}, noRole)
	p.signIn(t, p.anyone(), npmtest.Person{Login: ada, Groups: many[:200]})
}

// TestAttackUnverifiedAddressOfADirectory: a person is who their directory says by oid,
// and an address that it does not own takes over nobody.
func TestAttackUnverifiedAddressOfADirectory(t *testing.T) {
	p := withProduct(t, entra)
	groups := []string{adminGroup}
	victim := p.introspect(t, p.api, p.signIn(t, p.anyone(), npmtest.Person{Login: ada, Groups: groups}).Access)
	mallory := npmtest.Person{Login: "mallory@npm.test", Groups: groups, Claims: map[string]any{"email": ada, "xms_edov": false}}
	tok := p.signIn(t, p.anyone(), mallory)
	if a := p.introspect(t, p.api, tok.Access); a.text("sub") == victim.text("sub") {
		t.Errorf("mallory is %s", a)
	}
	info := p.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+tok.Access)
	if info.json(t)["email_verified"] != false {
		t.Errorf("an address that nobody vouches for: %s", info)
	}
}
