package introspect_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
	secret   = "resource-server-secret"
)

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

// world is a deployment on a real store: tenants acme and globex with a person
// each, two clients, and resource servers.
type world struct {
	t          testing.TB
	store      *sqlstore.Store
	statements atomic.Int64
	clock      time.Time
	mux        *web.Mux
	server     *introspect.Server
	forget     func() // ends the node
	log        bytes.Buffer

	acme, globex storage.Tenant
	alice        storage.User
	connection   storage.Connection
	session      storage.Session
	spa, m2m     storage.Client
	api          storage.ResourceServer
	grant        storage.GrantID // of the last token
}

func TestMain(m *testing.M) { pgtest.Main(m) }

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, filepath.Join(t.TempDir(), "watchgate.db"))
}

func newWorldOn(t testing.TB, dsn string) *world {
	t.Helper()
	w := &world{t: t, clock: start}
	ctx := context.Background()
	must(t, sqlstore.Migrate(ctx, dsn))
	var err error
	w.store, err = sqlstore.Open(ctx, sqlstore.Config{DSN: dsn, OnRoundTrip: func(n int) { w.statements.Add(int64(n)) }})
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	must(t, w.store.Prepare(ctx, start))
	w.people(ctx)
	w.apps(ctx)
	w.mount(introspect.Config{Store: w.store})
	return w
}

// mount puts an edge with the endpoint in front.
func (w *world) mount(cfg introspect.Config) {
	cfg.Issuer, cfg.Now = issuer, func() time.Time { return w.clock }
	w.mux = web.NewMux(web.Config{Log: web.NewLog(&w.log, slog.LevelInfo)})
	w.server = introspect.New(cfg)
	w.server.Mount(w.mux)
}

// remember mounts the endpoint with a node that holds a lease of the store, until
// w.forget is called. A store has one node at a time.
func (w *world) remember(cfg introspect.Config) {
	w.t.Helper()
	joined := make(chan struct{})
	cfg.Node = coherence.New(coherence.Config{Feed: announced{w.store, sync.OnceFunc(func() { close(joined) })}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cfg.Node.Run(ctx) }()
	w.forget = sync.OnceFunc(func() {
		cancel()
		must(w.t, <-ended)
	})
	w.t.Cleanup(w.forget)
	<-joined
	w.mount(cfg)
}

// announced says when whoever joined holds a lease: that is, when it waits.
type announced struct {
	storage.Feed
	joined func()
}

func (a announced) Join(ctx context.Context) (storage.Membership, error) {
	m, err := a.Feed.Join(ctx)
	return membership{m, a.joined}, err
}

type membership struct {
	storage.Membership
	joined func()
}

func (m membership) Wait(ctx context.Context) error {
	m.joined()
	return m.Membership.Wait(ctx)
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

// resourceServer registers one that offers monitor:read and alert:write.
func (w *world) resourceServer(id storage.ResourceServerID, change func(*storage.ResourceServer)) storage.ResourceServer {
	w.t.Helper()
	rs := storage.ResourceServer{
		ID: id, Name: "API", Audience: audience, Secrets: []storage.Secret{token.Seal(secret, start, time.Time{})}, CreatedAt: start,
		Scopes: []storage.Scope{{Name: "monitor:read", Description: "See"}, {Name: "alert:write", Description: "Change"}},
	}
	change(&rs)
	must(w.t, w.store.CreateResourceServer(context.Background(), rs, event("resource_server.created")))
	return rs
}

// issue gives alice's app a token through a code, as the token endpoint does.
func (w *world) issue(change func(*storage.AccessToken)) string {
	w.t.Helper()
	ctx := context.Background()
	secret := token.New(token.Access, start.Add(time.Hour))
	ref, err := token.Parse(token.Access, secret)
	must(w.t, err)
	codeRef, err := token.Parse(token.Code, token.New(token.Code, start.Add(time.Minute)))
	must(w.t, err)
	a := storage.AccessToken{
		Ref: ref, ID: "tok_1", Grant: storage.NewGrantID(start), Client: w.spa.ID, User: w.alice.ID, Connection: w.connection.ID,
		Scopes: []string{"openid", "monitor:read", "alert:write"}, IssuedAt: start, ExpiresAt: start.Add(time.Hour),
		Auth: storage.Authentication{AuthTime: start.Add(-time.Minute), ACR: "mfa", AMR: []string{"pwd", "otp"}},
	}
	change(&a)
	w.grant = a.Grant
	acme := w.store.Tenant(w.acme.ID)
	must(w.t, acme.IssueCode(ctx, storage.IssueCode{Code: storage.Code{
		Ref: codeRef, Grant: a.Grant, User: a.User, Client: a.Client, Session: w.session.ID, Connection: w.connection.ID,
		RedirectURI: "https://app.example.com/cb", Scopes: a.Scopes, CreatedAt: start, ExpiresAt: start.Add(time.Minute),
	}}, event("code.issued")))
	must(w.t, acme.RedeemCode(ctx, storage.RedeemCode{Code: codeRef, At: start, Access: a, Grant: storage.Grant{
		ID: a.Grant, User: a.User, Client: a.Client, Session: a.Session, Connection: a.Connection, Scopes: a.Scopes,
		CreatedAt: start, ExpiresAt: start.Add(30 * 24 * time.Hour),
	}}, event("code.redeemed")))
	return secret
}

// logger writes to the world's log.
func (w *world) logger() *slog.Logger { return web.NewLog(&w.log, slog.LevelInfo) }

func plain(*storage.AccessToken) {}

// ask sends a form as demo-api; credentials can be changed by edit.
func (w *world) ask(form url.Values, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/oauth2/introspect", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("demo-api", secret)
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

// as makes a request another resource server's.
func as(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(id, secret) }
}

func event(kind string) storage.Event {
	return storage.Event{ID: storage.NewEventID(start), Time: start, Kind: kind, Outcome: "success", ActorKind: "system"}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
