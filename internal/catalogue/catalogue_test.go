package catalogue_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/storage"
)

const product = `
resources:
  monitor:
    description: Monitors and their check runs
    actions:
      read: {scope: "monitor:read", description: "See your monitors"}
      create: {scope: "monitor:create", description: "Create monitors"}
      update: {scope: "monitor:update", description: "Change monitors"}
      delete: {scope: "monitor:delete", description: "Delete monitors", sensitive: true}
      write: {scope: "monitor:write", description: "Create, change and delete monitors", implies: [create, update, "monitor:delete"]}
  checks:
    description: Checks
    actions:
      run: {scope: "checks:run", description: "Run checks"}
scopes:
  "monitoring:admin":
    description: Do everything in your monitoring
    sensitive: true
    implies: ["monitor:read", "monitor:write"]
roles:
  owner: ["*"]
  admin: ["monitoring:admin", "api-keys:read"]
  viewer: ["monitor:read"]
errors: {unauthenticated: authentication_error, forbidden: permission_error}
keys:
  default: live
`

func parse(t *testing.T, body string) *catalogue.File {
	t.Helper()
	f, err := catalogue.Parse("product.yaml", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestScopesAreExpandedByWhatTheyDeclare(t *testing.T) {
	c := parse(t, product).Catalogue
	for _, q := range []struct{ scopes, want string }{
		{"", ""},
		{"checks:run", "checks:run"},
		{"monitor:write", "monitor:create monitor:delete monitor:update monitor:write"},
		{"monitoring:admin", "monitor:create monitor:delete monitor:read monitor:update monitor:write monitoring:admin"},
		{"monitor:write monitor:create monitor:write", "monitor:create monitor:delete monitor:update monitor:write"},
		{"unknown checks:run", "checks:run unknown"},
	} {
		equal(t, "Expand "+q.scopes, c.Expand(strings.Fields(q.scopes)), append([]string{}, strings.Fields(q.want)...))
	}
}

func TestRolePermitsWhatItListsAndWhatThatImplies(t *testing.T) {
	c := parse(t, product).Catalogue
	for _, q := range []struct {
		scopes string
		role   storage.Role
		want   string
	}{
		{"monitoring:admin checks:run", storage.RoleOwner, "checks:run monitor:create monitor:delete monitor:read monitor:update monitor:write monitoring:admin"},
		{"monitor:delete checks:run", storage.RoleAdmin, "monitor:delete"},
		{"monitoring:admin", storage.RoleViewer, "monitor:read"},
		{"monitor:write", storage.RoleViewer, ""},
		{"monitor:read", storage.RoleMember, ""},     // the file does not name that role
		{"monitor:read", storage.Role("nobody"), ""}, // there is no such role
		{"monitor:write", "", "monitor:create monitor:delete monitor:update monitor:write"},
		{"unknown", "", ""}, // it was taken out
		{"unknown openid", storage.RoleOwner, ""},
		{"api-keys:write api-keys:read", storage.RoleAdmin, "api-keys:read"},
		{"api-keys:write", storage.RoleOwner, "api-keys:write"},
	} {
		equal(t, q.scopes+" as "+string(q.role), c.Effective(strings.Fields(q.scopes), q.role), append([]string{}, strings.Fields(q.want)...))
	}
}

func TestQuestionsDoNotChangeTheCatalogue(t *testing.T) {
	c := parse(t, product).Catalogue
	asked := []string{"monitor:write", "checks:run"}
	first := c.Expand(asked)
	for i := range first {
		first[i] = "spoilt"
	}
	equal(t, "what was asked", asked, []string{"monitor:write", "checks:run"})
	equal(t, "again", c.Expand(asked), []string{"checks:run", "monitor:create", "monitor:delete", "monitor:update", "monitor:write"})
}

// TestAttackScopeBySpelling: what looks like a pattern, a prefix or a parent is a
// name like any other.
func TestAttackScopeBySpelling(t *testing.T) {
	c := parse(t, `
resources:
  monitor:
    description: Monitors
    actions:
      read: {scope: "monitor:read", description: "See your monitors"}
      all: {scope: "monitor:*", description: "An odd name"}
      any: {scope: "monitor", description: "Another odd name"}
      deep: {scope: "monitor:read:all", description: "A third odd name"}
      write: {scope: "monitor:write", description: "Change your monitors"}
scopes:
  "*:read": {description: "A fourth odd name"}
  "Monitor:Read": {description: "A fifth odd name"}
roles:
  owner: ["*"]
  admin: ["monitor:*", "monitor", "*:read", "monitor:read:all", "Monitor:Read", "monitor:write"]
`).Catalogue
	for _, s := range []string{"monitor:*", "monitor", "*:read", "monitor:read:all", "Monitor:Read", "monitor:write"} {
		equal(t, s, c.Expand([]string{s}), []string{s})
	}
	equal(t, "a role with odd names", c.Effective([]string{"monitor:read"}, storage.RoleAdmin), []string{})
}

func TestScopesOfTheKeysAPIAreInEveryCatalogue(t *testing.T) {
	for name, c := range map[string]*catalogue.Catalogue{"declared": parse(t, product).Catalogue, "none": nil} {
		var got []storage.Scope
		for _, s := range c.Scopes() {
			if strings.HasPrefix(s.Name, "api-keys:") {
				got = append(got, s)
			}
		}
		equal(t, name, got, []storage.Scope{
			{Name: "api-keys:read", Description: "See your API keys and how they are used"},
			{Name: "api-keys:write", Description: "Create, change and revoke API keys, with any of your rights", Sensitive: true},
		})
		equal(t, name, c.Permissions([]string{"api-keys:write"}), map[string][]string{"api-keys": {"write"}})
	}
}

func TestScopesOfTheKeysAPIInAProductsOwnWords(t *testing.T) {
	c := parse(t, `
resources:
  api-keys:
    description: Access keys
    actions:
      read: {scope: "api-keys:read", description: "See the keys"}
scopes:
  "api-keys:write": {description: "Make keys", sensitive: false}
roles: {owner: ["*"]}
`).Catalogue
	equal(t, "scopes", c.Scopes()[:2], []storage.Scope{
		{Name: "api-keys:read", Description: "See the keys"},
		{Name: "api-keys:write", Description: "Make keys", Sensitive: true}, // whatever a file says
	})
	equal(t, "resources", c.Resources()[:1], []catalogue.Resource{
		{Name: "api-keys", Description: "Access keys", Actions: []catalogue.Action{{Name: "read", Scope: "api-keys:read"}}},
	})
}

func TestOwnersAndAdministratorsAdministerWhateverAFileSays(t *testing.T) {
	c := parse(t, `
resources:
  monitors: {description: Monitors, actions: {read: {scope: "monitors:read", description: "See monitors"}}}
roles: {owner: ["monitors:read"], admin: ["monitors:read"], member: ["monitors:read"]}
`).Catalogue
	for role, want := range map[storage.Role][]string{
		storage.RoleOwner: {"organization:read", "organization:write"}, storage.RoleAdmin: {"organization:read", "organization:write"},
		storage.RoleMember: {}, storage.RoleViewer: {},
	} {
		equal(t, string(role), c.Effective([]string{"organization:read", "organization:write"}, role), want)
	}
}

func TestWithoutACatalogueNothingIsImpliedOrRestricted(t *testing.T) {
	var c *catalogue.Catalogue
	asked := []string{"b", "a"}
	equal(t, "Expand", c.Expand(asked), asked)
	equal(t, "Effective", c.Effective(asked, storage.RoleViewer), asked)
	equal(t, "Known", c.Known("anything"), true)
	equal(t, "Permitted", c.Permitted(storage.RoleOwner), nil)
	equal(t, "Resources", len(c.Resources()), 2)
}

func TestPermissionsAreScopesInOtherWords(t *testing.T) {
	c := parse(t, product).Catalogue
	p := map[string][]string{"monitor": {"create", "read"}, "checks": {"run"}}
	scopes, err := c.FromPermissions(map[string][]string{"monitor": {"read", "create", "read"}, "checks": {"run"}})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "scopes", scopes, []string{"checks:run", "monitor:create", "monitor:read"})
	equal(t, "permissions", c.Permissions(append(scopes, "monitoring:admin", "unknown", "monitor:read")), p)
	for _, bad := range []struct {
		p    map[string][]string
		want catalogue.UnknownPermission
	}{
		{map[string][]string{"monitor": {"read"}, "nothing": {"read"}}, catalogue.UnknownPermission{Resource: "nothing"}},
		{map[string][]string{"monitor": {"read", "fly"}}, catalogue.UnknownPermission{Resource: "monitor", Action: "fly"}},
		{map[string][]string{"checks": {"checks:run"}}, catalogue.UnknownPermission{Resource: "checks", Action: "checks:run"}},
	} {
		var unknown *catalogue.UnknownPermission
		if scopes, err := c.FromPermissions(bad.p); !errors.As(err, &unknown) || *unknown != bad.want || scopes != nil {
			t.Errorf("%v: %v, %v", bad.p, scopes, err)
		}
	}
}

func TestPermittedIsAllThatARoleMay(t *testing.T) {
	c := parse(t, product).Catalogue
	equal(t, "viewer", c.Permitted(storage.RoleViewer), []string{"monitor:read"})
	equal(t, "member", c.Permitted(storage.RoleMember), []string{})
	equal(t, "owner", len(c.Permitted(storage.RoleOwner)), len(c.Scopes()))
}

func TestFileSaysItsErrorCodesAndHandsTheKeysOn(t *testing.T) {
	f := parse(t, product)
	equal(t, "codes", f.Errors, catalogue.ErrorCodes{Unauthenticated: "authentication_error", Forbidden: "permission_error"})
	if f.Name != "product.yaml" || f.Keys == nil || f.Keys.Content[1].Value != "live" {
		t.Errorf("name %q, keys %+v", f.Name, f.Keys)
	}
	f = parse(t, "roles: {owner: [\"*\"]}\nerrors: {forbidden: no}\n")
	equal(t, "codes", f.Errors, catalogue.ErrorCodes{Unauthenticated: "unauthenticated", Forbidden: "no"})
	if f.Keys != nil {
		t.Error("keys are there")
	}
}

// BenchmarkEffective is what a cold introspection pays.
func BenchmarkEffective(b *testing.B) {
	f, err := catalogue.Parse("product.yaml", []byte(product))
	if err != nil {
		b.Fatal(err)
	}
	scopes := []string{"monitoring:admin", "checks:run"}
	for b.Loop() {
		if got := f.Catalogue.Effective(scopes, storage.RoleAdmin); !slices.Contains(got, "monitor:read") {
			b.Fatal(got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(product))
	f.Add([]byte("roles: &a {owner: [*a]}"))
	f.Add([]byte("resources: {a: {actions: {b: {scope: c, implies: [b, b, c]}}}}\n---\n"))
	f.Add([]byte("scopes:\n  ? [a]\n  : b\nroles: {owner: {}}\n"))
	f.Add([]byte("<<: {roles: 1}\n!!binary x: y"))
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := catalogue.Parse("f", body)
		if err != nil {
			checkProblems(t, err)
			return
		}
		for _, s := range file.Catalogue.Scopes() {
			all := file.Catalogue.Expand([]string{s.Name})
			if !slices.Contains(all, s.Name) || !slices.IsSorted(all) || s.Description == "" {
				t.Fatalf("%+v: %v", s, all)
			}
			for _, role := range []storage.Role{"", storage.RoleOwner, storage.RoleViewer} {
				for _, e := range file.Catalogue.Effective([]string{s.Name}, role) {
					if !slices.Contains(all, e) {
						t.Fatalf("%s as %q gives %s", s.Name, role, e)
					}
				}
			}
		}
	})
}

// checkProblems fails the test unless an error is problems, each on a line of its own.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	var all catalogue.Problems
	if !errors.As(err, &all) || len(all) == 0 || strings.Count(err.Error(), "\n") != len(all)-1 {
		t.Fatalf("%T with %d problems: %v", err, len(all), err)
	}
	for _, p := range all {
		if !strings.HasPrefix(p.String(), "f:") || p.Text == "" || p.Line < 0 {
			t.Fatalf("%q", fmt.Sprint(p))
		}
	}
}
