package profiles_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/examples/profiles"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/storage"
)

const day = 24 * time.Hour

// product reads a file as a server does.
func product(t *testing.T, name string) (*catalogue.File, *apikey.Profiles) {
	t.Helper()
	body, err := profiles.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := catalogue.Parse(name+".yaml", body)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := apikey.ParseProfiles(f.Keys, f.Catalogue, f.Name)
	if err != nil {
		t.Fatal(err)
	}
	return f, keys
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// permissions are a file's resources with their actions, and checks that each scope
// is resource:action.
func permissions(t *testing.T, f *catalogue.File) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range f.Catalogue.Resources() {
		var actions []string
		for _, a := range r.Actions {
			actions = append(actions, a.Name)
			equal(t, "scope of an action", a.Scope, r.Name+":"+a.Name)
		}
		out[r.Name] = strings.Join(actions, " ")
	}
	delete(out, "organization") // which is in every catalogue
	return out
}

// ofRole are the product's scopes that a role permits, with the given ending.
func ofRole(f *catalogue.File, role storage.Role, ending string) []string {
	return slices.DeleteFunc(f.Catalogue.Permitted(role), func(s string) bool {
		return !strings.HasSuffix(s, ending) || strings.HasPrefix(s, "organization:")
	})
}

func TestEveryShippedProductIsWithoutAProblem(t *testing.T) {
	equal(t, "names", profiles.Names(), []string{"sites", "upstat", "uptime", "uptimepulse", "uptybots"})
	for _, name := range profiles.Names() {
		t.Run(name, func(t *testing.T) {
			f, _ := product(t, name)
			for _, role := range []storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer} {
				if len(f.Catalogue.Permitted(role)) == 0 {
					t.Errorf("the role %s may nothing", role)
				}
			}
			if !slices.Contains(f.Catalogue.Permitted(storage.RoleOwner), catalogue.ScopeKeysWrite) {
				t.Error("nobody can make keys")
			}
			if slices.Contains(f.Catalogue.Permitted(storage.RoleViewer), catalogue.ScopeKeysWrite) {
				t.Error("a viewer can make keys")
			}
		})
	}
	if _, err := profiles.Read("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a product that is not there: %v", err)
	}
}

func TestUpstat(t *testing.T) {
	f, keys := product(t, "upstat")
	crud := "read create update delete"
	equal(t, "CRUD permissions on every resource", permissions(t, f), map[string]string{
		"monitors": crud, "incidents": crud, "heartbeats": crud, "catalog": crud, "on-call": crud, "runbooks": crud,
		"status-pages": crud, "maintenance": crud, "api-keys": "read write",
	})
	equal(t, "errors", f.Errors, catalogue.ErrorCodes{Unauthenticated: "authentication_error", Forbidden: "permission_error"})
	p := keys.Default()
	equal(t, "format", p.Format, apikey.JWT)
	reads := slices.DeleteFunc(ofRole(f, storage.RoleOwner, ":read"), func(s string) bool { return s == catalogue.ScopeKeysRead })
	equal(t, "read on all by default", slices.Sorted(slices.Values(p.Scopes)), reads)
	equal(t, "as many as there are resources", len(reads), 8)
	equal(t, "lifetimes", p.Lifetimes, []time.Duration{0, 30 * day, 60 * day, 90 * day, 365 * day})
	equal(t, "an owner makes one", p.MayCreate(storage.RoleOwner), true)
	equal(t, "an admin makes one", p.MayCreate(storage.RoleAdmin), false)
	equal(t, "a machine makes one", p.ServiceKeys, false)
	equal(t, "account-scoped", p.AccountKeys, true)
	for _, role := range []storage.Role{storage.RoleAdmin, storage.RoleMember, storage.RoleViewer} {
		equal(t, "scopes for tokens of "+string(role), ofRole(f, role, catalogue.ScopeKeysRead), []string{})
	}
	equal(t, "a token manages tokens", p.Allows(catalogue.ScopeKeysWrite), false)
	equal(t, "reveal", p.Reveal, true)
	equal(t, "fresh authentication", p.RevealMaxAge, 5*time.Minute)
	equal(t, "regenerate: the old one dies at once", p.Rotation, apikey.Rotation{})
}

func TestUptime(t *testing.T) {
	f, keys := product(t, "uptime")
	both := "read write"
	equal(t, "read and write on every resource", permissions(t, f), map[string]string{
		"monitors": both, "alerts": both, "status-pages": both, "maintenance": both, "team": both, "api-keys": both,
	})
	equal(t, "one does not include the other", f.Catalogue.Expand([]string{"monitors:write"}), []string{"monitors:write"})
	p := keys.Default()
	equal(t, "prefix", p.Prefix, "uptime_")
	equal(t, "format", p.Format, apikey.Opaque)
	equal(t, "no expiry where none is asked for", p.DefaultLifetime, 0)
	for _, d := range []time.Duration{0, time.Hour, 720 * time.Hour, 3 * 365 * day} {
		equal(t, "optional expiry "+d.String(), p.Offers(d), true)
	}
	equal(t, "a viewer lists keys", f.Catalogue.Effective([]string{catalogue.ScopeKeysRead}, storage.RoleViewer), []string{catalogue.ScopeKeysRead})
	equal(t, "a key may read keys", p.Allows(catalogue.ScopeKeysRead), true)
}

func TestUptimepulse(t *testing.T) {
	f, keys := product(t, "uptimepulse")
	equal(t, "scopes", f.Catalogue.Scopes(), []storage.Scope{
		{Name: "alert:write", Description: "Create and acknowledge alerts"},
		{Name: "api-keys:read", Description: "See your API keys and how they are used"},
		{Name: "api-keys:write", Description: "Create, change and revoke API keys, with any of your rights", Sensitive: true},
		{Name: "config:admin", Description: "Change how your monitoring is set up", Sensitive: true},
		{Name: "monitor:read", Description: "See your monitors, alerts and check runs"},
		{Name: "monitoring:admin", Description: "Do everything in your monitoring", Sensitive: true},
		{Name: "organization:read", Description: "See your organization's people, sessions and sign-in settings"},
		{Name: "organization:write", Description: "Change who can sign in to your organization, and with which role", Sensitive: true},
	})
	c := f.Catalogue
	equal(t, "monitoring:admin is over what it lists", c.Expand([]string{"monitoring:admin"}),
		[]string{"alert:write", "config:admin", "monitor:read", "monitoring:admin"})
	equal(t, "a member", c.Permitted(storage.RoleMember), []string{"alert:write", "api-keys:read", "api-keys:write", "monitor:read"})
	equal(t, "a viewer", c.Permitted(storage.RoleViewer), []string{"api-keys:read", "monitor:read"})
	equal(t, "an admin", c.Permitted(storage.RoleAdmin), c.Permitted(storage.RoleOwner))

	live, test := keys.Default(), second(keys.Profile("test"))
	equal(t, "prefixes", []string{live.Prefix, test.Prefix}, []string{"up_live_", "up_test_"})
	equal(t, "rotation", live.Rotation, apikey.Rotation{Every: 90 * day, Grace: 72 * time.Hour, MaxGrace: 7 * day, WarnBefore: day})
	equal(t, "allow-list for production keys", live.AllowedIPs, apikey.AddressesOptional)
	equal(t, "allow-list for test keys", test.AllowedIPs, apikey.AddressesNone)
	equal(t, "keys of a workspace", live.ServiceKeys, true)
	equal(t, "live plain HTTP, which the demo speaks", live.HTTPSOnly, false)
	// What scripts send: {"name":"ci","scopes":["monitor:read"],"expires_in":"720h"}
	month, err := apikey.ParseLifetime("720h")
	if err != nil || !live.Offers(month) || !live.Allows("monitor:read") || !live.MayCreate(storage.RoleMember) {
		t.Errorf("a script's key is refused: %v", err)
	}
	equal(t, "more than a year", live.Offers(366*day), false)
	equal(t, "for ever", live.Offers(0), false)
}

func second(p apikey.Profile, ok bool) apikey.Profile {
	if !ok {
		return apikey.Profile{}
	}
	return p
}

func TestSites(t *testing.T) {
	f, keys := product(t, "sites")
	equal(t, "scopes", permissions(t, f), map[string]string{
		"teams": "read write", "sites": "read write delete", "checks": "read run delete", "issues": "read", "api-keys": "read write",
	})
	p := keys.Default()
	equal(t, "six months, and nothing else", p.Lifetimes, []time.Duration{180 * day})
	equal(t, "six months where nothing is asked for", p.DefaultLifetime, 180*day)
	equal(t, "the owner's e-mail must be verified", p.VerifiedEmail, true)
	equal(t, "personal: nobody else's", p.ServiceKeys, false)
	for _, q := range []struct {
		role  storage.Role
		scope string
		may   bool
	}{
		{storage.RoleOwner, "teams:write", true}, {storage.RoleAdmin, "sites:delete", true},
		{storage.RoleMember, "checks:run", true}, {storage.RoleMember, "sites:delete", false}, {storage.RoleMember, "teams:write", false},
		{storage.RoleViewer, "issues:read", true}, {storage.RoleViewer, "checks:run", false},
	} {
		got := f.Catalogue.Effective([]string{q.scope}, q.role)
		equal(t, "the role decides: "+q.scope+" for "+string(q.role), len(got) == 1, q.may)
		equal(t, "a token may be asked for with "+q.scope, p.Allows(q.scope), true)
	}
}

func TestUptybots(t *testing.T) {
	_, keys := product(t, "uptybots")
	p := keys.Default()
	equal(t, "prefix", p.Prefix, "upty_")
	equal(t, "kept as a hash only", p.Format, apikey.Opaque)
	equal(t, "shown once", p.Reveal, false)
	equal(t, "at most per account", p.MaxPerOwner, 10)
	equal(t, "headers", p.Headers, []apikey.Header{apikey.HeaderXAPIKey, apikey.HeaderBearer})
	equal(t, "rate of a key", p.Rate, limit.Rate{Requests: 120, Per: time.Minute, Burst: 30})
	equal(t, "HTTPS only", p.HTTPSOnly, true)
	equal(t, "without any grace", p.Rotation, apikey.Rotation{})
}
