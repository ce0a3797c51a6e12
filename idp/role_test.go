package idp_test

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn"
	"github.com/watchgate/watchgate/internal/flow"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// directory is what the providers' own directories say of everybody, beside the
// standard claims.
type directory struct {
	idp.Connector
	says map[string]any
}

func (d directory) Finish(ctx context.Context, cb idp.UpstreamCallback) (idp.Subject, error) {
	s, err := d.Connector.Finish(ctx, cb)
	if err == nil {
		s.Claims = maps.Clone(s.Claims)
		maps.Copy(s.Claims, d.says)
	}
	return s, err
}

// people is a house in which the connection of acme, and only that one, names a claim.
type people struct {
	*house
	says map[string]any // by both providers, of everybody
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

func roleHouse(t *testing.T, says map[string]any) *people {
	t.Helper()
	h := &people{house: newHouse(t), says: says}
	clients := map[string]*http.Client{}
	for _, op := range h.op {
		clients[op.Issuer] = op.Client
	}
	real := oidcconn.Connect(oidcconn.Config{Client: &http.Client{Transport: byHost(clients)}, Opener: h.sealer, Now: h.clock.now})
	server, err := idp.New(idp.Config{
		Base: base, Store: over{h.store, h}, Steps: flow.New(bytes.Repeat([]byte{2}, 32)), CookieKey: bytes.Repeat([]byte{3}, 32), Now: h.clock.now,
		Connect: func(ctx context.Context, tenant storage.TenantID, c storage.Connection) (idp.Connector, error) {
			con, err := real(ctx, tenant, c)
			return directory{con, says}, err
		},
	})
	h.must(err)
	server.SetAuthorizer(h.engine)
	h.server, h.mux = server, web.NewMux(web.Config{Now: h.clock.now, HTTPS: strings.HasPrefix(base, "https"), ErrorPage: errorPage})
	server.Mount(h.mux)
	h.mux.Page("GET /start", func(w http.ResponseWriter, r *http.Request) error {
		req := h.request
		req.At = h.clock.now()
		return server.Begin(w, r, req)
	})
	h.nameClaim("acme", "access_level")
	return h
}

// nameClaim changes which claim a connection takes roles from.
func (h *house) nameClaim(slug, claim string) {
	h.t.Helper()
	tenant := h.store.Tenant(h.tenants[slug])
	con, err := tenant.Connection(h.t.Context(), storage.ConnectionID("con_"+slug))
	h.must(err)
	con.RoleClaim = claim
	h.must(tenant.UpdateConnection(h.t.Context(), con, audit.ConnectionUpdated(h.t.Context(), h.clock.now(), con)))
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

func TestRoleIsWhatTheConnectionsClaimSaysAtEachSignIn(t *testing.T) {
	says := map[string]any{}
	h := roleHouse(t, says)
	for _, c := range []struct {
		name string
		said any
		want storage.Role
	}{
		{"nothing is said of somebody new", nil, storage.RoleMember},
		{"more", "admin", storage.RoleAdmin},
		{"less", "viewer", storage.RoleViewer},
		{"a list: the most of it", []any{"everyone", "member", "admin"}, storage.RoleAdmin},
		{"nothing is said of somebody known", nil, storage.RoleAdmin},
		{"no role", "superuser", storage.RoleAdmin},
		{"another spelling", "Owner", storage.RoleAdmin},
		{"an empty text", "", storage.RoleAdmin},
		{"an empty list", []any{}, storage.RoleAdmin},
		{"a list of lists", []any{[]any{"owner"}, map[string]any{"owner": true}}, storage.RoleAdmin},
		{"an object", map[string]any{"owner": "owner"}, storage.RoleAdmin},
		{"a number", 1.0, storage.RoleAdmin},
		{"the least", []any{"viewer"}, storage.RoleViewer},
	} {
		says["access_level"] = c.said
		if c.said == nil {
			delete(says, "access_level")
		}
		h.browser().signIn("alice@acme.test")
		if got := h.roleOf("acme"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRoleOfSomebodyNewIsTheirClaims(t *testing.T) {
	h := roleHouse(t, map[string]any{"access_level": "owner"})
	h.browser().signIn("alice@acme.test")
	if got := h.roleOf("acme"); got != storage.RoleOwner {
		t.Errorf("%q", got)
	}
}

// A provider that no role is taken from can say what it likes, and so can a provider
// under the name of another one's claim.
func TestAttackRoleFromAConnectionThatNamesNoClaim(t *testing.T) {
	h := roleHouse(t, map[string]any{"access_level": "owner", "role": "owner", "": "owner"})
	h.browser().signIn("carol@globex.test")
	if got := h.roleOf("globex"); got != storage.RoleMember {
		t.Errorf("the connection names no claim: %q", got)
	}
	h.nameClaim("globex", "globex_role")
	h.browser().signIn("carol@globex.test")
	if got := h.roleOf("globex"); got != storage.RoleMember {
		t.Errorf("the claim is another connection's: %q", got)
	}
}

// A change that narrows has to be known to every node before anybody hears of it. A
// sign-in waits for nobody, so the change is one of its own, and is stored first.
func TestRoleThatChangesIsStoredBeforeTheSignIn(t *testing.T) {
	h := roleHouse(t, map[string]any{"access_level": "owner"})
	h.browser().signIn("alice@acme.test")
	h.browser().signIn("alice@acme.test")
	if got := h.events("acme"); slices.Contains(got, "user.updated") {
		t.Fatalf("nothing changed: %v", got)
	}
	alice, before := h.users("acme")[0].ID, 0
	h.meanwhile = func() {
		sessions, err := h.store.Tenant(h.tenants["acme"]).ListSessions(t.Context(), alice, h.clock.now())
		h.must(err)
		before = len(sessions)
	}
	h.says["access_level"] = "viewer"
	h.browser().signIn("alice@acme.test")
	if got := h.events("acme"); before != 2 || !slices.Contains(got, "user.updated") {
		t.Errorf("%d sessions when the role changed, want 2; %v", before, got)
	}
}

// The conflict is with somebody who disables the person between the reading and the
// writing: the second attempt sees that.
func TestRoleIsDecidedAnewWhenThePersonChangesMeanwhile(t *testing.T) {
	h := roleHouse(t, map[string]any{})
	b := h.browser()
	b.signIn("alice@acme.test")
	h.says["access_level"] = "owner"
	h.meanwhile = func() {
		u := h.users("acme")[0]
		u.DisabledAt = h.clock.now()
		h.must(h.store.Tenant(h.tenants["acme"]).UpdateUser(t.Context(), u, audit.UserDisabled(t.Context(), h.clock.now(), u)))
	}
	b.get(h.provider(b.toProvider(b.open(), "alice@acme.test"))).wants(http.StatusForbidden, "user_suspended")
	if got := h.roleOf("acme"); got != storage.RoleMember {
		t.Errorf("%q for somebody who is disabled", got)
	}
}

func TestAppsLearnNothingOfTheRoleClaim(t *testing.T) {
	h := roleHouse(t, map[string]any{"access_level": "owner"})
	h.browser().signIn("alice@acme.test")
	u := h.users("acme")[0]
	if _, ok := u.Claims["access_level"]; ok || u.Claims["email"] != "alice@acme.test" {
		t.Errorf("claims: %v", u.Claims)
	}
}
