package guard_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/introspect/guard"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// world is Watchgate's introspection endpoint over a database, with two tenants, and
// a guard that asks it.
type world struct {
	t       *testing.T
	clock   *clock
	store   *sqlstore.Store
	tenants map[string]storage.TenantID
	asked   atomic.Int64
	server  *httptest.Server
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// migrated is an empty database, as a file: migrating takes longer than most tests.
var migrated = sync.OnceValue(func() []byte {
	dir, err := os.MkdirTemp("", "guard-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	dsn := filepath.Join(dir, "w.db")
	if err := sqlstore.Migrate(context.Background(), dsn); err != nil {
		panic(err)
	}
	file, err := os.ReadFile(dsn)
	if err != nil {
		panic(err)
	}
	return file
})

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), tenants: map[string]storage.TenantID{}}
	dsn := filepath.Join(t.TempDir(), "w.db")
	must(t, os.WriteFile(dsn, migrated(), 0o600))
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	must(t, err)
	w.store = store
	t.Cleanup(func() { must(t, store.Close()) })
	w.seed()
	mux := web.NewMux(web.Config{Now: w.clock.now})
	introspect.New(introspect.Config{Store: store, Issuer: issuer, Now: w.clock.now}).Mount(mux)
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) seed() {
	w.t.Helper()
	ctx, now := w.t.Context(), w.clock.now()
	for _, slug := range []string{"acme", "globex"} {
		tenant := storage.Tenant{ID: storage.NewTenantID(now), Slug: slug, Name: slug, CreatedAt: now, Version: 1}
		w.tenants[slug] = tenant.ID
		must(w.t, w.store.CreateTenant(ctx, tenant, audit.TenantCreated(ctx, now, tenant)))
		client := storage.Client{
			ID: storage.ClientID("m2m-" + slug), Name: slug, AuthMethod: storage.AuthBasic, GrantTypes: []string{storage.GrantClientCredentials},
			Scopes: []string{"monitor:read", "alert:write", "billing:read"}, ServiceTenant: tenant.ID,
			Secrets: []storage.Secret{token.Seal("s", now, time.Time{})}, CreatedAt: now, Version: 1,
		}
		must(w.t, w.store.CreateClient(ctx, client, audit.ClientCreated(ctx, now, client)))
	}
	rs := storage.ResourceServer{
		ID: "api", Name: "API", Audience: "https://api.example.com/", CreatedAt: now, Version: 1,
		Secrets: []storage.Secret{token.Seal("secret", now, time.Time{})},
		Scopes:  []storage.Scope{{Name: "monitor:read", Description: "x"}, {Name: "alert:write", Description: "x"}},
	}
	must(w.t, w.store.CreateResourceServer(ctx, rs, audit.ResourceServerCreated(ctx, now, rs)))
}

func (w *world) guard(change func(*guard.Config)) *guard.Guard {
	w.t.Helper()
	cfg := guard.Config{Issuer: issuer, Endpoint: w.server.URL + "/oauth2/introspect", ClientID: "api", Secret: "secret", Now: w.clock.now}
	if change != nil {
		change(&cfg)
	}
	return newGuard(w.t, cfg)
}

// issue returns an access token of a tenant, good for an hour.
func (w *world) issue(tenant string, scopes ...string) string {
	w.t.Helper()
	now := w.clock.now()
	raw := token.New(token.Access, now.Add(time.Hour))
	ref, err := token.Parse(token.Access, raw)
	must(w.t, err)
	a := storage.AccessToken{
		Ref: ref, ID: storage.NewTokenID(now), Client: storage.ClientID("m2m-" + tenant), Scopes: scopes, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	must(w.t, w.store.Tenant(w.tenants[tenant]).IssueToken(w.t.Context(), storage.IssueToken{Token: a, ClientVersion: 1, TenantVersion: 1}, audit.TokenIssued(w.t.Context(), now, a)))
	return raw
}

func (w *world) revoke(tenant, raw string) {
	w.t.Helper()
	ref, err := token.Parse(token.Access, raw)
	must(w.t, err)
	now := w.clock.now()
	must(w.t, w.store.Tenant(w.tenants[tenant]).RevokeToken(w.t.Context(), ref, now, audit.TokenRevoked(w.t.Context(), now, storage.AccessToken{Ref: ref})))
}

// check is a decision, and how many questions it cost.
func (w *world) check(g *guard.Guard, raw string, need guard.Need, questions int64, want error) guard.Principal {
	w.t.Helper()
	before := w.asked.Load()
	p, err := g.Check(w.t.Context(), raw, need)
	if n := w.asked.Load() - before; !errors.Is(err, want) || n != questions {
		w.t.Errorf("for %+v: %v after %d questions; want %v after %d", need, err, n, want, questions)
	}
	return p
}

func TestTokenOpensItsOwnTenant(t *testing.T) {
	w := newWorld(t)
	g := w.guard(nil)
	raw := w.issue("acme", "monitor:read", "billing:read")
	for _, tenant := range []string{"acme", string(w.tenants["acme"])} {
		p := w.check(g, raw, guard.Need{Tenant: tenant, Scope: "monitor:read"}, 1, nil)
		if p.Tenant != "acme" || p.TenantID != string(w.tenants["acme"]) || p.Subject != "m2m-acme" || p.ClientID != "m2m-acme" || p.Username != "" ||
			len(p.Scopes) != 1 || p.TokenID == "" || !p.ExpiresAt.Equal(w.clock.now().Add(time.Hour)) || !p.AuthTime.IsZero() {
			t.Errorf("%+v", p)
		}
	}
	w.check(g, raw, guard.Need{AnyTenant: true}, 1, nil)
	w.check(g, raw, guard.Need{Tenant: "acme", Scope: "billing:read"}, 1, guard.ErrInsufficientScope) // another API's
	w.check(g, raw, guard.Need{Tenant: "acme", MaxAge: time.Minute}, 1, guard.ErrInsufficientAuthentication)
}

func TestTokenOfAnotherTenantFindsNothing(t *testing.T) {
	w := newWorld(t)
	g := w.guard(nil)
	raw := w.issue("acme", "monitor:read")
	for _, tenant := range []string{"globex", string(w.tenants["globex"]), "no-such-tenant", "Acme"} {
		w.check(g, raw, guard.Need{Tenant: tenant, Scope: "monitor:read"}, 2, guard.ErrOtherTenant)
		if r := call(api(g.Require("monitor:read", tenantFromPath)), "GET", "/t/"+tenant+"/monitors", bearer(raw)...); r.status != 404 || r.code(t) != "not_found" {
			t.Errorf("%s: %d %s", tenant, r.status, r.body)
		}
	}
	w.revoke("acme", raw)
	w.check(g, raw, guard.Need{Tenant: "globex"}, 2, guard.ErrInvalidToken)
}

func TestDeadTokenIsInvalid(t *testing.T) {
	w := newWorld(t)
	g := w.guard(nil)
	revoked, expired := w.issue("acme", "monitor:read"), w.issue("acme", "monitor:read")
	w.check(g, revoked, acme, 1, nil)
	w.revoke("acme", revoked)
	w.check(g, revoked, acme, 2, guard.ErrInvalidToken)
	w.clock.move(time.Hour)
	for _, raw := range []string{
		revoked, expired, "garbage", token.New(token.Access, w.clock.now().Add(time.Hour)), token.New(token.Refresh, w.clock.now().Add(time.Hour)),
		"eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
	} {
		w.check(g, raw, acme, 2, guard.ErrInvalidToken)
		w.check(g, raw, guard.Need{AnyTenant: true}, 1, guard.ErrInvalidToken)
	}
}

func TestRevocationIsSeenWithinTheCachesAge(t *testing.T) {
	w := newWorld(t)
	g := w.guard(func(c *guard.Config) { c.Cache.MaxAge = 5 * time.Second })
	raw := w.issue("acme", "monitor:read")
	w.check(g, raw, acme, 1, nil)
	w.revoke("acme", raw)
	w.clock.move(4 * time.Second)
	w.check(g, raw, acme, 0, nil)
	w.clock.move(time.Second)
	w.check(g, raw, acme, 2, guard.ErrInvalidToken)
}

func TestPingFindsATypoInTheSecret(t *testing.T) {
	w := newWorld(t)
	must(t, w.guard(nil).Ping(t.Context()))
	for name, change := range map[string]func(*guard.Config){
		"secret": func(c *guard.Config) { c.Secret = "Secret" },
		"id":     func(c *guard.Config) { c.ClientID = "apis" },
		"client": func(c *guard.Config) { c.ClientID, c.Secret = "m2m-acme", "s" },
	} {
		if err := w.guard(change).Ping(t.Context()); !errors.Is(err, guard.ErrOwnCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
