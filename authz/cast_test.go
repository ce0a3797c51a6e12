package authz_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// postgresCast is who is in the template database. pgtest.Template orders its
// reading after its making.
var postgresCast cast

// master is a database file with a cast in it, which every world on SQLite begins
// with a copy of: making one takes longer than most tests.
type master struct {
	mu   sync.Mutex
	file []byte
	cast cast
}

var sqliteMaster master

// copyTo makes the file dsn, and returns who is in it.
func (m *master) copyTo(t *testing.T, dsn string) cast {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		first := filepath.Join(t.TempDir(), "first.db")
		m.cast = populate(t, first)
		file, err := os.ReadFile(first)
		fatal(err)
		m.file = file
	}
	fatal(os.WriteFile(dsn, m.file, 0o600))
	return m.cast
}

// populate migrates a database and puts a cast into it.
func populate(t *testing.T, dsn string) cast {
	t.Helper()
	fatal(migrate(dsn))
	w := &world{T: t, clock: start}
	w.store = open(dsn, func(int) {})
	w.must(w.store.Prepare(t.Context(), start))
	w.people()
	w.apps()
	w.must(w.store.Close())
	return w.cast
}

func (w *world) people() {
	ctx := context.Background()
	w.acme = storage.Tenant{ID: storage.NewTenantID(start), Slug: "acme", Name: "Acme", CreatedAt: start, Version: 1}
	w.globex = storage.Tenant{ID: storage.NewTenantID(start), Slug: "globex", Name: "Globex", CreatedAt: start, Version: 1}
	w.idp = storage.Connection{ID: storage.NewConnectionID(start), Kind: storage.OIDC, Issuer: "https://idp.acme.test", CreatedAt: start, Version: 1}
	w.idpG = storage.Connection{ID: storage.NewConnectionID(start), Kind: storage.OIDC, Issuer: "https://idp.globex.test", CreatedAt: start, Version: 1}
	w.alice = storage.User{
		ID: storage.NewUserID(start), Role: storage.RoleOwner, Email: "alice@acme.test", EmailVerified: true, CreatedAt: start, Version: 1,
		Claims: map[string]any{
			"name": "Alice A", "given_name": "Alice", "family_name": "A", "middle_name": "M", "nickname": "al", "preferred_username": "alice",
			"profile": "https://acme.test/alice", "picture": "https://acme.test/alice.png", "website": "https://alice.test", "gender": "female",
			"birthdate": "1990-01-02", "zoneinfo": "Europe/Berlin", "locale": "en-GB", "updated_at": 1700000000.0,
			"address":      map[string]any{"formatted": "1 Road", "country": "DE", "planet": "earth", "region": ""},
			"phone_number": "+49 30 1", "phone_number_verified": true, "groups": []any{"internal"}, "nothing": nil,
		},
	}
	w.carol = storage.User{ID: storage.NewUserID(start), Role: storage.RoleOwner, Email: "carol@globex.test", CreatedAt: start, Version: 1}
	w.must(w.store.CreateTenant(ctx, w.acme, event("tenant.created")))
	w.must(w.store.CreateTenant(ctx, w.globex, event("tenant.created")))
	w.must(w.store.Tenant(w.acme.ID).CreateConnection(ctx, w.idp, event("connection.created")))
	w.must(w.store.Tenant(w.globex.ID).CreateConnection(ctx, w.idpG, event("connection.created")))
	// Alice is not the last owner, so that she can be disabled.
	bob := storage.User{ID: storage.NewUserID(start), Role: storage.RoleOwner, Email: "bob@acme.test", CreatedAt: start, Version: 1}
	w.must(w.store.Tenant(w.acme.ID).CreateUser(ctx, bob, nil, event("user.created")))
}

var allScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access", "monitor:read", "alert:write"}

func (w *world) apps() {
	ctx := context.Background()
	w.web_ = w.client("web", nil)
	w.spa = w.client("spa", func(c *storage.Client) { c.AuthMethod, c.Secrets = storage.AuthNone, nil })
	w.client("post", func(c *storage.Client) { c.AuthMethod = storage.AuthPost })
	w.client("other", nil)
	w.client("nopkce", func(c *storage.Client) { c.PKCEOptional = true })
	w.client("m2m", func(c *storage.Client) {
		c.GrantTypes, c.ServiceTenant = []string{storage.GrantClientCredentials}, w.acme.ID
	})
	w.client("native", func(c *storage.Client) {
		c.AuthMethod, c.Secrets = storage.AuthNone, nil
		c.RedirectURIs = []string{"http://127.0.0.1/cb", "http://localhost/callback", "com.example.app:/cb", "https://app.example.com/q?a=b"}
	})
	for _, rs := range []storage.ResourceServer{
		{ID: "api", Name: "API", Audience: audience, Scopes: []storage.Scope{{Name: "monitor:read"}, {Name: "alert:write"}}},
		{ID: "mcp", Name: "MCP", Audience: "https://mcp.example.com/", Scopes: []storage.Scope{{Name: "monitor:read"}}},
		{ID: "globex-api", Name: "G", Audience: "https://globex.example.com", TenantID: w.globex.ID, Scopes: []storage.Scope{{Name: "secret:read"}}},
		{ID: "gone", Name: "Gone", Audience: "https://gone.example.com", DisabledAt: start},
	} {
		rs.CreatedAt, rs.Version = start, 1
		rs.Secrets = []storage.Secret{token.Seal(secret, start, time.Time{})}
		w.must(w.store.CreateResourceServer(ctx, rs, event("resource_server.created")))
	}
}
