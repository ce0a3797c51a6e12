package e2e

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

const sixMonths = 6 * 30 * oneDay

// sitesRoles are the scopes that each role has in its team.
var sitesRoles = map[storage.Role][]string{
	storage.RoleOwner:  {"checks:delete", "checks:read", "checks:run", "issues:read", "sites:delete", "sites:read", "sites:write", "teams:read", "teams:write"},
	storage.RoleAdmin:  {"checks:delete", "checks:read", "checks:run", "issues:read", "sites:delete", "sites:read", "sites:write", "teams:read", "teams:write"},
	storage.RoleMember: {"checks:read", "checks:run", "issues:read", "sites:read", "sites:write", "teams:read"},
	storage.RoleViewer: {"checks:read", "issues:read", "sites:read", "teams:read"},
}

// sitesScopes are all scopes of a token.
var sitesScopes = sitesRoles[storage.RoleOwner]

// sites is the product with the team's owner.
type sites struct {
	*product
	owner   string // alice's access token
	full    madeKey
	company *company
}

func TestProductSites(t *testing.T) {
	s := &sites{product: startProduct(t, "sites")}
	s.owner = s.person(t, alice)
	s.company = s.newCompany(t, "sites.test")
	s.full = s.newKey(t, s.owner, fields{"name": "everything", "scopes": sitesScopes})
	t.Run("tokens are personal", s.personal)
	t.Run("tokens live six months", s.lifetime)
	t.Run("the owner's e-mail address has to be verified", s.verified)
	t.Run("each scope is one team permission", s.scopes)
	t.Run("nobody gives a token more than their role has", s.noMoreThanTheRole)
	t.Run("the role still decides", s.roleDecides)
	t.Run("404 for another team's objects", s.otherTeam)
}

// calls are calls of the demo API by the scope that they need. Nobody can make a check
// or an issue there, so that those are not found.
func (s *sites) calls(t *testing.T) map[string][]demoCall {
	t.Helper()
	const all = "/t/acme/"
	there := func(resource string) string {
		return all + resource + "/" + s.call(t, s.full.Secret, http.MethodPost, all+resource, fields{"name": "there"}).text("id")
	}
	site, team := there("sites"), there("teams")
	made, changed := fields{"name": "made"}, fields{"name": "changed"}
	return map[string][]demoCall{
		"teams:read":    {{http.MethodGet, all + "teams", nil, 200}, {http.MethodGet, team, nil, 200}},
		"teams:write":   {{http.MethodPost, all + "teams", made, 201}, {http.MethodPut, team, changed, 200}, {http.MethodDelete, all + "teams/none", nil, 404}},
		"sites:read":    {{http.MethodGet, all + "sites", nil, 200}, {http.MethodGet, site, nil, 200}},
		"sites:write":   {{http.MethodPost, all + "sites", made, 201}, {http.MethodPut, site, changed, 200}},
		"sites:delete":  {{http.MethodDelete, all + "sites/none", nil, 404}},
		"checks:read":   {{http.MethodGet, all + "checks", nil, 200}, {http.MethodGet, all + "checks/none", nil, 404}},
		"checks:run":    {{http.MethodPost, all + "checks/none/run", nil, 404}},
		"checks:delete": {{http.MethodDelete, all + "checks/none", nil, 404}},
		"issues:read":   {{http.MethodGet, all + "issues", nil, 200}, {http.MethodGet, all + "issues/none", nil, 404}},
	}
}

// check makes every call with a token that may some, and asks introspection.
func (s *sites) check(t *testing.T, secret string, may ...string) {
	t.Helper()
	for scope, calls := range s.calls(t) {
		for _, c := range calls {
			want := http.StatusForbidden
			if slices.Contains(may, scope) {
				want = c.allowed
			}
			wantStatus(t, c.method+" "+c.path+", which needs "+scope, s.call(t, secret, c.method, c.path, c.body), want)
		}
	}
	scope, _ := s.asked(t, secret, "tenant", "acme")["scope"].(string)
	if d := cmp.Diff(slices.Sorted(slices.Values(may)), slices.Sorted(slices.Values(strings.Fields(scope)))); d != "" {
		t.Errorf("introspection's scope (-want +got):\n%s", d)
	}
}

func (s *sites) personal(t *testing.T) {
	me := s.v1(t, s.owner, http.MethodGet, "/whoami", nil).text("user")
	k := s.newKey(t, s.owner, fields{"scopes": []string{"sites:read"}})
	if !regexp.MustCompile(`^sites_[0-9a-hjkmnp-tv-z]{16}_[0-9A-Za-z]{49}$`).MatchString(k.Secret) || k.Owner != me || !strings.HasPrefix(me, "usr_") {
		t.Errorf("token %s of %s, made by %s", k.Hint, k.Owner, me)
	}
	if a := s.asked(t, k.Secret); a["sub"] != me || a["username"] != alice || a["tenant"] != "acme" {
		t.Errorf("introspection: %v", a)
	}
	a := s.v1(t, s.owner, http.MethodPost, "/keys", fields{"name": "nobody's", "scopes": []string{"sites:read"}, "service": true})
	wantStatus(t, "a token of nobody", a, http.StatusForbidden)
	machine := tokensOf(t, s.server.post(t, "/oauth2/token", demoM2M, with(machineForm(), "scope", "sites:read api-keys:write"))).Access
	wantStatus(t, "a token for a machine", s.v1(t, machine, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"sites:read"}}), http.StatusForbidden)

	bobs, another := s.person(t, bob), s.newKey(t, s.person(t, bob), fields{"scopes": []string{"sites:read"}})
	wantProblem(t, "somebody else's token", s.v1(t, bobs, http.MethodGet, k.path(), nil), http.StatusNotFound, "not-found")
	if keys := s.listed(t, bobs, "?state=all&limit=100"); len(keys) != 1 || keys[0].ID != another.ID {
		t.Errorf("a member's list: %+v", keys)
	}
}

func (s *sites) lifetime(t *testing.T) {
	for what, body := range map[string]fields{"by default": {}, "when asked for": {"expires_in": "6mo"}, "in hours": {"expires_in": "4320h"}} {
		body["scopes"] = []string{"sites:read"}
		k := s.newKey(t, s.owner, body)
		if k.life() != sixMonths {
			t.Errorf("%s: made for %s, want %s", what, k.life(), sixMonths)
		}
		wantStatus(t, what, s.call(t, k.Secret, http.MethodGet, "/t/acme/sites", nil), http.StatusOK)
	}
	for _, asked := range []string{"never", "1h", "30d", "5mo", "181d", "7mo", "1y"} {
		a := s.v1(t, s.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"sites:read"}, "expires_in": asked})
		if wantProblem(t, asked, a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "expires_in" {
			t.Errorf("%s: %s", asked, a)
		}
	}
	k := s.newKey(t, s.owner, fields{"scopes": []string{"sites:read"}})
	for what, end := range map[string]any{"for ever": nil, "a year": k.CreatedAt.Add(365 * oneDay)} {
		a := s.v1(t, s.owner, http.MethodPatch, k.path(), fields{"expires_at": end})
		if wantProblem(t, "longer: "+what, a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "expires_at" {
			t.Errorf("longer: %s: %s", what, a)
		}
	}
}

func (s *sites) verified(t *testing.T) {
	body := fields{"name": "mine", "scopes": []string{"sites:read"}}
	for _, role := range []storage.Role{storage.RoleMember, storage.RoleOwner} {
		name := "una-" + string(role)
		una := s.company.person(t, name, role, false)
		if who := s.v1(t, una, http.MethodGet, "/whoami", nil); who.text("role") != string(role) {
			t.Fatalf("whoami: %s", who)
		}
		wantProblem(t, "a token without a verified address", s.v1(t, una, http.MethodPost, "/keys", body), http.StatusForbidden, "email-not-verified")
		if keys := s.listed(t, una, "?state=all&owner=me"); len(keys) != 0 {
			t.Errorf("there are %d tokens", len(keys))
		}
		// Verified at the provider, it counts from the next sign-in on.
		una = s.company.person(t, name, role, true)
		k := s.newKey(t, una, maps.Clone(body))
		wantStatus(t, "with a verified address", s.call(t, k.Secret, http.MethodGet, "/t/acme/sites", nil), http.StatusOK)

		una = s.company.person(t, name, role, false)
		wantProblem(t, "regenerate with an address that is no longer verified", s.v1(t, una, http.MethodPost, k.path()+"/rotate", nil), http.StatusForbidden, "email-not-verified")
		wantProblem(t, "another token", s.v1(t, una, http.MethodPost, "/keys", body), http.StatusForbidden, "email-not-verified")
	}
}

func (s *sites) scopes(t *testing.T) {
	for _, scope := range sitesScopes {
		t.Run(scope, func(t *testing.T) {
			k := s.newKey(t, s.owner, fields{"scopes": []string{scope}})
			resource, action, _ := strings.Cut(scope, ":")
			if d := cmp.Diff(map[string][]string{resource: {action}}, k.Permissions); d != "" {
				t.Errorf("permissions (-want +got):\n%s", d)
			}
			s.check(t, k.Secret, scope)
		})
	}
	t.Run("all of them", func(t *testing.T) {
		s.check(t, s.full.Secret, sitesScopes...)
		site := "/t/acme/sites/" + s.call(t, s.full.Secret, http.MethodPost, "/t/acme/sites", fields{"name": "there"}).text("id")
		wantStatus(t, "delete of a site", s.call(t, s.full.Secret, http.MethodDelete, site, nil), http.StatusNoContent)
		wantStatus(t, "a site that was deleted", s.call(t, s.full.Secret, http.MethodGet, site, nil), http.StatusNotFound)
	})
	for _, scope := range []string{"issues:write", "checks:write", "teams:delete", "sites:*"} {
		a := s.v1(t, s.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{scope}})
		wantProblem(t, "no such scope as "+scope, a, http.StatusUnprocessableEntity, "invalid")
	}
	a := s.v1(t, s.owner, http.MethodPost, "/keys", fields{"name": "no"})
	wantProblem(t, "a token without scopes", a, http.StatusUnprocessableEntity, "invalid")
}

func (s *sites) noMoreThanTheRole(t *testing.T) {
	bobs := s.person(t, bob)
	for _, scope := range sitesScopes {
		a := s.v1(t, bobs, http.MethodPost, "/keys", fields{"name": "a member's", "scopes": []string{scope}})
		if slices.Contains(sitesRoles[storage.RoleMember], scope) {
			s.check(t, keyOf(t, a).Secret, scope)
		} else {
			wantProblem(t, scope+" for a member", a, http.StatusForbidden, "scope-exceeds")
		}
	}
	mixed := s.v1(t, bobs, http.MethodPost, "/keys", fields{"name": "a member's", "scopes": []string{"sites:read", "sites:delete"}})
	wantProblem(t, "one scope too many", mixed, http.StatusForbidden, "scope-exceeds")
	wantStatus(t, "a viewer's token", s.v1(t, s.person(t, victor), http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"sites:read"}}), http.StatusForbidden)
}

// roleDecides follows one token through the roles of its owner, who gets another at
// each sign-in. Nothing about the token itself changes.
func (s *sites) roleDecides(t *testing.T) {
	dora := s.company.person(t, "dora", storage.RoleOwner, true)
	k := s.newKey(t, dora, fields{"name": "dora's", "scopes": sitesScopes})
	s.check(t, k.Secret, sitesScopes...)
	for _, role := range []storage.Role{storage.RoleViewer, storage.RoleMember, storage.RoleAdmin, storage.RoleViewer, storage.RoleOwner} {
		t.Run(string(role), func(t *testing.T) {
			dora = s.company.person(t, "dora", role, true)
			s.check(t, k.Secret, sitesRoles[role]...)
			got := s.v1(t, dora, http.MethodGet, k.path(), nil)
			if got.status != http.StatusOK || len(got.json(t)["scopes"].([]any)) != len(sitesScopes) {
				t.Errorf("the token itself is %s", got)
			}
		})
	}
	t.Run("a viewer changes no token", func(t *testing.T) {
		dora = s.company.person(t, "dora", storage.RoleViewer, true)
		for what, a := range map[string]answer{
			"create": s.v1(t, dora, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"sites:read"}}),
			"edit":   s.v1(t, dora, http.MethodPatch, k.path(), fields{"name": "no"}),
			"rotate": s.v1(t, dora, http.MethodPost, k.path()+"/rotate", nil),
		} {
			wantStatus(t, what, a, http.StatusForbidden)
		}
	})
}

func (s *sites) otherTeam(t *testing.T) {
	carols := s.newKey(t, s.person(t, carol), fields{"name": "carol's", "scopes": sitesScopes})
	site := s.call(t, carols.Secret, http.MethodPost, "/t/globex/sites", fields{"name": "carol's"}).text("id")
	theirs, nobodys := "/t/globex/sites/"+site, "/t/acme/sites/none"
	wantStatus(t, "the site in its own team", s.call(t, carols.Secret, http.MethodGet, theirs, nil), http.StatusOK)
	missing := s.call(t, s.full.Secret, http.MethodGet, nobodys, nil)
	wantStatus(t, "a site of nobody", missing, http.StatusNotFound)
	for _, try := range []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, theirs, nil}, {http.MethodPut, theirs, fields{"name": "mine"}}, {http.MethodDelete, theirs, nil},
		{http.MethodGet, "/t/globex/sites", nil}, {http.MethodPost, "/t/globex/sites", fields{"name": "mine"}}, {http.MethodPost, "/t/globex/checks/none/run", nil},
		{http.MethodGet, "/t/no-such-team/sites", nil}, {http.MethodGet, "/t/no-such-team/sites/" + site, nil},
	} {
		a := s.call(t, s.full.Secret, try.method, try.path, try.body)
		if a.status != http.StatusNotFound || a.text("error") != missing.text("error") || a.text("error_description") != missing.text("error_description") {
			t.Errorf("%s %s answers %s, and for nobody's: %s", try.method, try.path, a, missing)
		}
	}
	if a := s.asked(t, s.full.Secret, "tenant", "globex"); len(a) != 1 || a["active"] != false {
		t.Errorf("introspection for the other team: %v", a)
	}
	if got := s.call(t, carols.Secret, http.MethodGet, theirs, nil); got.text("name") != "carol's" {
		t.Errorf("the other team's site is now %s", got)
	}
	for what, a := range map[string]answer{
		"see": s.v1(t, s.owner, http.MethodGet, carols.path(), nil), "edit": s.v1(t, s.owner, http.MethodPatch, carols.path(), fields{"name": "mine"}),
		"rotate": s.v1(t, s.owner, http.MethodPost, carols.path()+"/rotate", nil), "revoke": s.v1(t, s.owner, http.MethodDelete, carols.path(), nil),
		"usage": s.v1(t, s.owner, http.MethodGet, carols.path()+"/usage", nil),
	} {
		wantProblem(t, what+" another team's token", a, http.StatusNotFound, "not-found")
	}
	wantStatus(t, "the other team's token", s.call(t, carols.Secret, http.MethodGet, theirs, nil), http.StatusOK)
}
