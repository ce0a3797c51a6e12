package idp_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// people is a house in which the connection of acme, and only that one, names a claim.
type people struct {
	*house
	// meanwhile runs once, right before somebody is changed.
	meanwhile func()
}

// over is the house's store.
type over struct {
	*flaky
	p *people
}

func (o over) Tenant(id storage.TenantID) storage.TenantStore {
	return overTenant{o.flaky.Tenant(id), o.p}
}

type overTenant struct {
	storage.TenantStore
	p *people
}

func (o overTenant) UpdateUser(ctx context.Context, u storage.User, ev storage.Event) error {
	if run := o.p.meanwhile; run != nil {
		o.p.meanwhile = nil
		run()
	}
	return o.TenantStore.UpdateUser(ctx, u, ev)
}

func roleHouse(t *testing.T) *people {
	t.Helper()
	return peopleOf(newHouse(t))
}

func peopleOf(house *house) *people {
	h := &people{house: house}
	h.configure = func(cfg *idp.Config) { cfg.Store = over{h.store, h} }
	h.start(base)
	h.nameClaim("acme", "access_level")
	return h
}

// says makes a provider say something of everybody; nil: nothing.
func (h *house) says(slug, claim string, value any) {
	h.op[slug].Person[claim] = value
	if value == nil {
		delete(h.op[slug].Person, claim)
	}
}

// nameClaim changes which claim a connection takes roles from.
func (h *house) nameClaim(slug, claim string) {
	h.t.Helper()
	h.change(slug, func(c *storage.Connection) { c.RoleClaim = claim })
}

// roleOf is the role of a tenant's only person.
func (h *house) roleOf(slug string) storage.Role {
	h.t.Helper()
	users := h.users(slug)
	if len(users) != 1 {
		h.t.Fatalf("%d people in %s", len(users), slug)
	}
	return users[0].Role
}

// arriving is what a browser gets when its person comes back from the provider.
func (b *browser) arriving(email string) page {
	b.h.t.Helper()
	return b.get(b.h.provider(b.toProvider(b.open(), email)))
}

// addOwner gives a tenant an owner besides whoever the tests sign in.
func (h *house) addOwner(slug string) storage.User {
	h.t.Helper()
	now := h.clock.Now()
	u := storage.User{ID: storage.NewUserID(now), Role: storage.RoleOwner, Email: "olga@elsewhere.test", CreatedAt: now, Version: 1}
	h.must(h.store.Tenant(h.tenants[slug]).CreateUser(h.t.Context(), u, nil, audit.UserInvited(h.t.Context(), now, u)))
	return u
}

var rules = []storage.RoleRule{{Value: "g-1", Role: storage.RoleOwner}, {Value: "g-2", Role: storage.RoleMember}, {Value: "g-2", Role: storage.RoleViewer}}

func TestRoleByTheConnectionsRules(t *testing.T) {
	many := make([]any, 501)
	for i := range many {
		many[i] = "member"
	}
	large := slices.Repeat([]any{strings.Repeat("x", 200)}, 400)
	for name, c := range map[string]struct {
		claim    string
		rules    []storage.RoleRule
		unmapped storage.Role
		said     map[string]any
		role     storage.Role
		reason   string
	}{
		"no claim is named":              {"", rules, "", map[string]any{"": "g-1", "role": "owner"}, storage.RoleMember, ""},
		"the role's own name":            {"r", nil, "", map[string]any{"r": "admin"}, storage.RoleAdmin, ""},
		"a list: the most of it":         {"r", nil, "", map[string]any{"r": []any{"x", "viewer", "admin", "member"}}, storage.RoleAdmin, ""},
		"a rule":                         {"r", rules, "", map[string]any{"r": []any{"g-2"}}, storage.RoleMember, ""},
		"the highest of several rules":   {"r", rules, "", map[string]any{"r": []any{"g-2", "g-1"}}, storage.RoleOwner, ""},
		"rules, and the role's own name": {"r", rules, "", map[string]any{"r": "owner"}, "", idp.ReasonNoRule},
		"another spelling":               {"r", rules, "", map[string]any{"r": []any{"G-1", "g-1 ", " g-1", "g‑1"}}, "", idp.ReasonNoRule},
		"the beginning of a value":       {"r", rules, "", map[string]any{"r": []any{"g-", "g-12"}}, "", idp.ReasonNoRule},
		"a rule for no role of ours":     {"r", []storage.RoleRule{{Value: "root", Role: "operator"}}, "", map[string]any{"r": "root"}, "", idp.ReasonNoRule},
		"no rule":                        {"r", rules, "", map[string]any{"r": []any{"g-9"}}, "", idp.ReasonNoRule},
		"no rule, and a role for it":     {"r", rules, storage.RoleViewer, map[string]any{"r": []any{"g-9"}}, storage.RoleViewer, ""},
		"no rule, and no such role":      {"r", rules, "operator", map[string]any{"r": []any{"g-9"}}, "", idp.ReasonNoRule},
		"an empty list":                  {"r", rules, "", map[string]any{"r": []any{}}, "", idp.ReasonNoRule},
		"an empty text":                  {"r", nil, "", map[string]any{"r": ""}, "", idp.ReasonNoRule},
		"absent":                         {"r", rules, storage.RoleViewer, map[string]any{"R": "g-1"}, "", idp.ReasonAbsent},
		"nothing":                        {"r", rules, storage.RoleViewer, map[string]any{"r": nil}, "", idp.ReasonWrongType},
		"a number":                       {"r", rules, storage.RoleViewer, map[string]any{"r": 1.0}, "", idp.ReasonWrongType},
		"an object":                      {"r", rules, storage.RoleViewer, map[string]any{"r": map[string]any{"g-1": true}}, "", idp.ReasonWrongType},
		"a list of lists":                {"r", nil, "", map[string]any{"r": []any{[]any{"owner"}}}, "", idp.ReasonWrongType},
		"one of a list is no text":       {"r", nil, "", map[string]any{"r": []any{"owner", 1.0}}, "", idp.ReasonWrongType},
		"too many":                       {"r", nil, storage.RoleViewer, map[string]any{"r": many}, "", idp.ReasonOversized},
		"as many as there may be":        {"r", nil, "", map[string]any{"r": many[:500]}, storage.RoleMember, ""},
		"one that is too long":           {"r", nil, "", map[string]any{"r": []any{"owner", strings.Repeat("x", 201)}}, "", idp.ReasonOversized},
		"too much in all":                {"r", nil, "", map[string]any{"r": large}, "", idp.ReasonOversized},
		"a nested claim":                 {"/realm/roles", nil, "", map[string]any{"realm": map[string]any{"roles": []any{"admin"}}}, storage.RoleAdmin, ""},
		"an element of a list":           {"/orgs/1/role", nil, "", map[string]any{"orgs": []any{map[string]any{}, map[string]any{"role": "viewer"}}}, storage.RoleViewer, ""},
		"an escaped path":                {"/a~1b/~0x", nil, "", map[string]any{"a/b": map[string]any{"~x": "viewer"}}, storage.RoleViewer, ""},
		"a path that leads nowhere":      {"/realm/roles/x", nil, "", map[string]any{"realm": map[string]any{"roles": "admin"}}, "", idp.ReasonAbsent},
		"a path past the end":            {"/orgs/01", nil, "", map[string]any{"orgs": []any{"viewer", "owner"}}, "", idp.ReasonAbsent},
		"a namespaced claim":             {"https://acme.test/roles", nil, "", map[string]any{"https://acme.test/roles": []any{"member"}}, storage.RoleMember, ""},
	} {
		con := storage.Connection{
			RoleClaim: c.claim, DefaultRole: storage.RoleMember, Settings: storage.ConnectionSettings{RoleRules: c.rules, UnmappedRole: c.unmapped},
		}
		role, reason := idp.MapRole(con, idp.RoleValuesOf(con, c.said))
		if role != c.role || reason != c.reason {
			t.Errorf("%s: %q, %q; want %q, %q", name, role, reason, c.role, c.reason)
		}
	}
	for problem := range map[string]bool{idp.ReasonOverage: true, "something new": true} {
		con := storage.Connection{RoleClaim: "r", Settings: storage.ConnectionSettings{UnmappedRole: storage.RoleOwner}}
		if role, reason := idp.MapRole(con, idp.RoleValues{Present: true, Values: []string{"owner"}, Problem: problem}); role != "" || reason != problem {
			t.Errorf("%s: %q, %q", problem, role, reason)
		}
	}
	if role, _ := idp.MapRole(storage.Connection{DefaultRole: "operator"}, idp.RoleValues{}); role != storage.RoleViewer {
		t.Errorf("a default role that is none of a tenant's gives %q", role)
	}
}

func TestRoleFollowsTheProviderAtEachSignIn(t *testing.T) {
	onBoth(t, func(t *testing.T, house *house) {
		h := peopleOf(house)
		h.addOwner("globex")
		for _, c := range []struct {
			said any
			want storage.Role
		}{{"admin", storage.RoleAdmin}, {"viewer", storage.RoleViewer}, {[]any{"everyone", "member"}, storage.RoleMember}} {
			h.says("acme", "access_level", c.said)
			h.browser().signIn("alice@acme.test")
			if got := h.roleOf("acme"); got != c.want {
				t.Errorf("%v: %q, want %q", c.said, got, c.want)
			}
		}
	})
}

// What the provider no longer says is no longer so: nobody keeps a role that they had.
func TestAttackRoleThatTheProviderTookAway(t *testing.T) {
	for reason, said := range map[string]any{
		idp.ReasonAbsent: nil, idp.ReasonNoRule: []any{"everyone"}, idp.ReasonWrongType: map[string]any{"owner": true},
		idp.ReasonOversized: slices.Repeat([]any{"owner"}, 501),
	} {
		t.Run(reason, func(t *testing.T) {
			h := roleHouse(t)
			h.says("acme", "access_level", "admin")
			h.browser().signIn("alice@acme.test")
			h.says("acme", "access_level", said)
			b := h.browser()
			p := b.arriving("alice@acme.test")
			p.wants(http.StatusForbidden, "no_role")
			if !strings.Contains(p.text(), "support@watch.example") || !strings.Contains(p.text(), "Reference") {
				t.Errorf("the page does not say whom to ask: %s", p.text())
			}
			if got := h.events("acme"); !slices.Contains(got, "roles.missing "+reason) || !slices.Contains(got, "sign_in.refused no_role") {
				t.Errorf("events = %v", got)
			}
			if b.cookie(h.sessionCookie("acme")) != "" {
				t.Error("there is a session all the same")
			}
		})
	}
}

func TestNobodyNewWithoutARole(t *testing.T) {
	h := roleHouse(t)
	tenant, err := h.store.TenantBySlug(t.Context(), "acme")
	h.must(err)
	tenant.Policy.Contact = "it@acme.test, or room 12"
	h.must(h.store.UpdateTenant(t.Context(), tenant, audit.TenantUpdated(t.Context(), h.clock.Now(), tenant)))
	p := h.browser().arriving("alice@acme.test")
	p.wants(http.StatusForbidden, "no_role")
	if !strings.Contains(p.text(), "it@acme.test, or room 12") || len(h.users("acme")) != 0 {
		t.Errorf("users %v, page %s", h.users("acme"), p.text())
	}
	h.change("acme", func(c *storage.Connection) { c.Settings.UnmappedRole = storage.RoleViewer })
	h.says("acme", "access_level", []any{"everyone"})
	h.browser().signIn("alice@acme.test")
	if got := h.roleOf("acme"); got != storage.RoleViewer {
		t.Errorf("%q", got)
	}
}

// A provider that no role is taken from can say what it likes, and so can a provider
// under the name of another one's claim.
func TestAttackRoleFromAConnectionThatNamesNoClaim(t *testing.T) {
	h := roleHouse(t)
	for _, claim := range []string{"access_level", "role", "roles", "groups"} {
		h.says("globex", claim, "owner")
	}
	h.browser().signIn("carol@globex.test")
	if got := h.roleOf("globex"); got != storage.RoleMember {
		t.Errorf("the connection names no claim: %q", got)
	}
	h.nameClaim("globex", "globex_role")
	h.browser().arriving("carol@globex.test").wants(http.StatusForbidden, "no_role")
	if got := h.roleOf("globex"); got != storage.RoleMember {
		t.Errorf("the claim is another connection's: %q", got)
	}
}

func TestLastOwnerStaysOne(t *testing.T) {
	onBoth(t, func(t *testing.T, house *house) {
		h := peopleOf(house)
		h.says("acme", "access_level", "owner")
		h.browser().signIn("alice@acme.test")
		h.says("acme", "access_level", "viewer")
		h.browser().signIn("alice@acme.test")
		if got := h.roleOf("acme"); got != storage.RoleOwner || !slices.Contains(h.events("acme"), "role.kept last_owner") {
			t.Errorf("%q, %v", got, h.events("acme"))
		}
		olga := h.addOwner("acme")
		h.browser().signIn("alice@acme.test")
		for _, u := range h.users("acme") {
			if want := map[bool]storage.Role{true: storage.RoleOwner, false: storage.RoleViewer}[u.ID == olga.ID]; u.Role != want {
				t.Errorf("%s is %s, want %s", u.Email, u.Role, want)
			}
		}
	})
}

// A change that narrows has to be known to every node before anybody hears of it. A
// sign-in waits for nobody, so the change is one of its own, and is stored first.
func TestRoleThatChangesIsStoredBeforeTheSignIn(t *testing.T) {
	h := roleHouse(t)
	h.addOwner("acme")
	h.says("acme", "access_level", "owner")
	h.browser().signIn("alice@acme.test")
	h.browser().signIn("alice@acme.test")
	if got := h.events("acme"); slices.Contains(got, "user.updated") {
		t.Fatalf("nothing changed: %v", got)
	}
	alice, before := h.person("acme", "alice@acme.test").ID, 0
	h.meanwhile = func() {
		sessions, err := h.store.Tenant(h.tenants["acme"]).ListSessions(t.Context(), alice, h.clock.Now())
		h.must(err)
		before = len(sessions)
	}
	h.says("acme", "access_level", "viewer")
	h.browser().signIn("alice@acme.test")
	if got := h.events("acme"); before != 2 || !slices.Contains(got, "user.updated") {
		t.Errorf("%d sessions when the role changed, want 2; %v", before, got)
	}
}

// person is who has an address in a tenant.
func (h *house) person(slug, email string) storage.User {
	h.t.Helper()
	for _, u := range h.users(slug) {
		if u.Email == email {
			return u
		}
	}
	h.t.Fatalf("nobody is %s", email)
	return storage.User{}
}

// The conflict is with somebody who disables the person between the reading and the
// writing: the second attempt sees that.
func TestRoleIsDecidedAnewWhenThePersonChangesMeanwhile(t *testing.T) {
	h := roleHouse(t)
	b := h.browser()
	h.says("acme", "access_level", "member")
	b.signIn("alice@acme.test")
	h.says("acme", "access_level", "owner")
	h.meanwhile = func() {
		u := h.users("acme")[0]
		u.DisabledAt = h.clock.Now()
		h.must(h.store.Tenant(h.tenants["acme"]).UpdateUser(t.Context(), u, audit.UserDisabled(t.Context(), h.clock.Now(), u)))
	}
	b.arriving("alice@acme.test").wants(http.StatusForbidden, "user_suspended")
	if got := h.roleOf("acme"); got != storage.RoleMember {
		t.Errorf("%q for somebody who is disabled", got)
	}
}

func TestAppsLearnNothingOfTheRoleClaim(t *testing.T) {
	h := roleHouse(t)
	h.nameClaim("acme", "nickname") // of all claims, one that apps are told
	h.says("acme", "nickname", "owner")
	h.browser().signIn("alice@acme.test")
	if diff := cmp.Diff(map[string]any{"email": "alice@acme.test", "email_verified": true, "name": "Alice Archer"}, h.users("acme")[0].Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}
