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

	cast
	grant storage.GrantID // of the last token
}

// cast is who is in every world.
type cast struct {
	acme, globex storage.Tenant
	alice        storage.User
	connection   storage.Connection
	session      storage.Session
	spa, m2m     storage.Client
	api          storage.ResourceServer
}

func TestMain(m *testing.M) { pgtest.Main(m) }

// newWorld is a world on SQLite.
func newWorld(t testing.TB) *world {
	t.Helper()
	dsn := filepath.Join(t.TempDir(), "watchgate.db")
	return newWorldOn(t, dsn, sqliteMaster.copyTo(t, dsn))
}

func newPostgresWorld(t testing.TB) *world {
	t.Helper()
	dsn := pgtest.Template(t, "introspect", func(dsn string) error {
		postgresCast = populate(t, dsn)
		return nil
	})
	return newWorldOn(t, dsn, postgresCast)
}

// newWorldOn is a world on a database that a cast is in.
func newWorldOn(t testing.TB, dsn string, c cast) *world {
	t.Helper()
	w := &world{t: t, clock: start, cast: c}
	w.open(dsn)
	t.Cleanup(func() { must(t, w.store.Close()) })
	w.mount(introspect.Config{Store: w.store})
	return w
}

func (w *world) open(dsn string) {
	w.t.Helper()
	var err error
	w.store, err = sqlstore.Open(context.Background(), sqlstore.Config{DSN: dsn, OnRoundTrip: func(n int) { w.statements.Add(int64(n)) }})
	must(w.t, err)
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
	must(w.t, acme.IssueCode(ctx, storage.IssueCode{Handle: w.session.Handle, Code: storage.Code{
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
