package introspect_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
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
func (m *master) copyTo(t testing.TB, dsn string) cast {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		first := filepath.Join(t.TempDir(), "first.db")
		m.cast = populate(t, first)
		file, err := os.ReadFile(first)
		must(t, err)
		m.file = file
	}
	must(t, os.WriteFile(dsn, m.file, 0o600))
	return m.cast
}

// populate migrates a database and puts a cast into it.
func populate(t testing.TB, dsn string) cast {
	t.Helper()
	ctx := context.Background()
	must(t, sqlstore.Migrate(ctx, dsn))
	w := &world{t: t, clock: start}
	w.open(dsn)
	must(t, w.store.Prepare(ctx, start))
	w.people(ctx)
	w.apps(ctx)
	must(t, w.store.Close())
	return w.cast
}

func (w *world) people(ctx context.Context) {
	w.acme = storage.Tenant{ID: storage.NewTenantID(start), Slug: "acme", Name: "Acme", CreatedAt: start}
	w.globex = storage.Tenant{ID: storage.NewTenantID(start), Slug: "globex", Name: "Globex", CreatedAt: start}
	w.connection = storage.Connection{ID: storage.NewConnectionID(start), Kind: storage.OIDC, Name: "IdP", Issuer: "https://idp.acme.test", CreatedAt: start}
	w.alice = storage.User{ID: storage.NewUserID(start), Role: storage.RoleOwner, Email: "alice@acme.test", EmailVerified: true, CreatedAt: start}
	w.session = storage.Session{
		ID: storage.NewSessionID(start), User: w.alice.ID, Connection: w.connection.ID, Handle: bytes.Repeat([]byte{1}, 32),
		AuthTime: start, CreatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(24 * time.Hour), IdleTimeout: time.Hour,
	}
	must(w.t, w.store.CreateTenant(ctx, w.acme, event("tenant.created")))
	must(w.t, w.store.CreateTenant(ctx, w.globex, event("tenant.created")))
	acme := w.store.Tenant(w.acme.ID)
	must(w.t, acme.CreateConnection(ctx, w.connection, event("connection.created")))
	must(w.t, acme.SignIn(ctx, storage.SignIn{
		Identity: storage.Identity{Connection: w.connection.ID, Issuer: w.connection.Issuer, Subject: "alice"},
		User:     w.alice, Create: true, Session: w.session,
	}, event("session.started")))
	// Alice is not the last owner, so that she can be disabled.
	bob := storage.User{ID: storage.NewUserID(start), Role: storage.RoleOwner, Email: "bob@acme.test", CreatedAt: start}
	must(w.t, acme.CreateUser(ctx, bob, nil, event("user.created")))
}

func (w *world) apps(ctx context.Context) {
	w.spa = storage.Client{
		ID: "demo-spa", Name: "App", AuthMethod: storage.AuthNone, GrantTypes: []string{storage.GrantAuthorizationCode},
		RedirectURIs: []string{"https://app.example.com/cb"}, CreatedAt: start,
	}
	w.m2m = storage.Client{ID: "demo-m2m", Name: "Runner", AuthMethod: storage.AuthBasic, ServiceTenant: w.acme.ID, CreatedAt: start}
	for _, c := range []storage.Client{w.spa, w.m2m} {
		must(w.t, w.store.CreateClient(ctx, c, event("client.created")))
	}
	w.api = w.resourceServer("demo-api", func(*storage.ResourceServer) {})
}
