package keyapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/apikey/keyapi"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

const product = `
resources:
  monitors:
    description: Monitors and their check runs
    actions:
      read:   {scope: "monitor:read", description: "See your monitors"}
      create: {scope: "monitor:create", description: "Create monitors"}
  alerts:
    description: Alerts
    actions:
      write: {scope: "alert:write", description: "Change your alerts"}
scopes:
  "monitoring:admin": {description: "Do everything in your monitoring", sensitive: true, implies: ["monitor:read", "monitor:create", "alert:write"]}
roles:
  owner: ["*"]
  admin: ["*"]
  member: ["monitor:read", "monitor:create", "api-keys:read", "api-keys:write"]
  viewer: ["monitor:read", "api-keys:read"]
keys:
  default: live
  profiles:
    live:
      prefix: "up_live_"
      scopes: ["monitor:read"]
      default_lifetime: 90d
      max_lifetime: 1y
      create: member
      service_keys: true
      rotation: {every: 30d, grace: 72h, max_grace: 7d, warn_before: 24h}
    shown:
      format: jwt
      scopes: ["monitor:read"]
      lifetimes: [never, 30d]
      default_lifetime: 30d
      create: owner
      max_per_owner: 2
      reveal: {allowed: true, max_age: 5m}
      rotation: {grace: 0s, max_grace: 0s}
`

// world is a deployment on a real store: two tenants, their people, and the API over
// HTTP.
type world struct {
	t     *testing.T
	store *sqlstore.Store
	keys  *apikey.Keys
	url   string
	mux   http.Handler
	log   *lockedBuffer

	acme, globex storage.Tenant
	mu           sync.Mutex
	now          time.Time
	people       map[string]manage.Principal // by access token
	away         bool                        // the store does not answer to streams
	reads        int                         // looks of streams at the store
	over         bool                        // tokens are over their rate
	again        []bool                      // of each credential that was looked at
	worst        func()                      // called when a key is about to be stored; may be nil

	pulses chan pulse // of the streams, in the order in which they began
}

// The people's access tokens.
const (
	alice  = "token-of-alice"  // owner of acme
	bob    = "token-of-bob"    // member
	victor = "token-of-victor" // viewer
	carol  = "token-of-carol"  // owner of globex
	robot  = "token-of-robot"  // a machine of acme
)

func newWorld(t *testing.T, change ...func(*keyapi.Config)) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, now: start, people: map[string]manage.Principal{}, pulses: make(chan pulse, 16), log: &lockedBuffer{}}
	dsn := storagetest.File(t, sqlstore.Migrate)
	var err error
	w.store, err = sqlstore.Open(ctx, sqlstore.Config{DSN: dsn})
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	must(t, w.store.Prepare(ctx, start))
	w.acme, w.globex = w.tenant("acme"), w.tenant("globex")
	for _, c := range []storage.Client{
		{ID: "app", Name: "App", AuthMethod: storage.AuthNone, GrantTypes: []string{storage.GrantAuthorizationCode}, RedirectURIs: []string{"https://app.test/cb"}, CreatedAt: start},
		{ID: "robot", Name: "Robot", AuthMethod: storage.AuthBasic, ServiceTenant: w.acme.ID, CreatedAt: start},
	} {
		must(t, w.store.CreateClient(ctx, c, event("client.created")))
	}
	for token, p := range map[string]struct {
		of   storage.Tenant
		role storage.Role
	}{alice: {w.acme, storage.RoleOwner}, bob: {w.acme, storage.RoleMember}, victor: {w.acme, storage.RoleViewer}, carol: {w.globex, storage.RoleOwner}} {
		w.person(token, p.of, p.role)
	}
	w.people[robot] = manage.Principal{Tenant: w.acme.ID, TenantSlug: "acme", Client: "robot", Scopes: []string{"monitor:read", "api-keys:read", "api-keys:write"}}
	w.serve(change)
	return w
}

// serve wires the product together as the program does.
func (w *world) serve(change []func(*keyapi.Config)) {
	file, err := catalogue.Parse("product.yaml", []byte(product))
	must(w.t, err)
	profiles, err := apikey.ParseProfiles(file.Keys, file.Catalogue, "product.yaml")
	must(w.t, err)
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{7}, 32)})
	must(w.t, err)
	w.keys = apikey.New(apikey.Config{
		Store: keyStore{w.store, w}, Profiles: profiles, Catalogue: file.Catalogue, Sealer: sealer, Now: w.clock, Issuer: "https://auth.example.com", Signer: w.signer(sealer),
	})
	log := web.NewLog(w.log, slog.LevelDebug)
	mux := web.NewMux(web.Config{Log: log})
	desk := desk{w, file.Catalogue}
	frame := manage.New(mux, manage.Config{
		Issuer: "https://auth.example.com", Auth: desk, Opener: w.store, Tenants: w.store, Sealer: sealer, Now: w.clock, Log: log,
		Tick:  func(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }, // signs of life are the frame's
		Codes: manage.Codes{Unauthenticated: "unauthenticated", Forbidden: "forbidden"},
	})
	cfg := keyapi.Config{Keys: w.keys, Catalogue: file.Catalogue, Finder: finder{w}, Auth: desk, Now: w.clock, Ticker: w.ticker}
	for _, c := range change {
		c(&cfg)
	}
	keyapi.New(frame, cfg)
	w.mux = mux
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	w.url = server.URL
}

func (w *world) signer(sealer *seal.Sealer) apikey.Signer {
	s, err := signer.New(context.Background(), signer.Config{Keys: w.store, Sealer: sealer, Now: w.clock, Log: slog.New(slog.DiscardHandler), Use: storage.SignAPIKeys})
	must(w.t, err)
	return s
}

func (w *world) tenant(slug string) storage.Tenant {
	t := storage.Tenant{ID: storage.NewTenantID(start), Slug: slug, Name: slug, CreatedAt: start}
	must(w.t, w.store.CreateTenant(context.Background(), t, event("tenant.created")))
	t, err := w.store.TenantByID(context.Background(), t.ID)
	must(w.t, err)
	return t
}

// person makes somebody who is signed in.
func (w *world) person(token string, of storage.Tenant, role storage.Role) {
	ctx, tenant := context.Background(), w.store.Tenant(of.ID)
	c := storage.Connection{ID: storage.NewConnectionID(start), Kind: storage.OIDC, Name: "IdP", Issuer: "https://idp.test", CreatedAt: start}
	must(w.t, tenant.CreateConnection(ctx, c, event("connection.created")))
	u := storage.User{ID: storage.NewUserID(start), Role: role, Email: token + "@" + of.Slug + ".test", EmailVerified: true, CreatedAt: start}
	handle := sha256.Sum256([]byte(token))
	must(w.t, tenant.SignIn(ctx, storage.SignIn{
		Identity: storage.Identity{Connection: c.ID, Issuer: c.Issuer, Subject: token}, User: u, Create: true,
		Session: storage.Session{
			ID: storage.NewSessionID(start), User: u.ID, Connection: c.ID, Handle: handle[:],
			AuthTime: start, CreatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(24 * time.Hour), IdleTimeout: time.Hour,
		},
	}, event("session.started")))
	w.people[token] = manage.Principal{Tenant: of.ID, TenantSlug: of.Slug, User: u.ID, Role: role, Client: "app", AuthTime: start, AMR: []string{"pwd", "otp"}, Level: storage.LevelMFA, MFATime: start}
}

// disable ends a person.
func (w *world) disable(token string) {
	w.t.Helper()
	p := w.people[token]
	tenant := w.store.Tenant(p.Tenant)
	u, err := tenant.User(context.Background(), p.User)
	must(w.t, err)
	u.DisabledAt = w.clock()
	must(w.t, tenant.UpdateUser(context.Background(), u, event("user.disabled")))
}

// role gives a person another role.
func (w *world) role(token string, role storage.Role) {
	w.t.Helper()
	p := w.people[token]
	tenant := w.store.Tenant(p.Tenant)
	u, err := tenant.User(context.Background(), p.User)
	must(w.t, err)
	u.Role = role
	must(w.t, tenant.UpdateUser(context.Background(), u, event("user.updated")))
}

// suspend suspends a tenant.
func (w *world) suspend(id storage.TenantID) {
	w.t.Helper()
	t, err := w.store.TenantByID(context.Background(), id)
	must(w.t, err)
	t.SuspendedAt = w.clock()
	must(w.t, w.store.UpdateTenant(context.Background(), t, event("tenant.suspended")))
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// desk is the question whom a credential stands for, put to the store itself.
type desk struct {
	w   *world
	cat *catalogue.Catalogue
}

// personScopes are what the people's app was allowed.
var personScopes = []string{"monitor:read", "monitor:create", "alert:write", "monitoring:admin", "api-keys:read", "api-keys:write"}

func (d desk) Authenticate(ctx context.Context, c manage.Credential) (manage.Principal, error) {
	d.w.mu.Lock()
	over := d.w.over
	d.w.again = append(d.w.again, c.Again)
	d.w.mu.Unlock()
	p, ok := d.w.people[c.Token]
	switch {
	case !ok:
		return d.key(ctx, c.Token)
	case over:
		return p, web.Refuse(http.StatusTooManyRequests, "slow_down", "Too often.", nil)
	}
	t, err := d.w.store.TenantByID(ctx, p.Tenant)
	if err != nil || !t.SuspendedAt.IsZero() {
		return p, manage.ErrInactive
	}
	if p.User == "" {
		return p, nil
	}
	u, err := d.w.store.Tenant(p.Tenant).User(ctx, p.User)
	if err != nil || !u.DisabledAt.IsZero() {
		return p, manage.ErrInactive
	}
	p.Role, p.Scopes = u.Role, d.cat.Effective(personScopes, u.Role)
	return p, nil
}

func (d desk) key(ctx context.Context, secret string) (manage.Principal, error) {
	k, err := d.w.store.FindKey(ctx, sha256.Sum256([]byte(secret)))
	if err != nil || k == nil || k.Dead(d.w.clock()) != "" {
		return manage.Principal{}, manage.ErrInactive
	}
	return manage.Principal{
		Tenant: k.Life.TenantID, TenantSlug: k.Life.TenantSlug, User: k.Owner, Role: k.UserInfo.Role, Key: k.ID, Secret: secret,
		Expires: k.ExpiresAt, Scopes: d.cat.Effective(k.Scopes, k.UserInfo.Role),
	}, nil
}

// keyStore is the store as the service sees it; something can happen just before it
// writes.
type keyStore struct {
	*sqlstore.Store
	w *world
}

func (s keyStore) Tenant(id storage.TenantID) storage.TenantStore {
	return tenantStore{s.Store.Tenant(id), s.w}
}

type tenantStore struct {
	storage.TenantStore
	w *world
}

func (s tenantStore) CreateKey(ctx context.Context, in storage.CreateKey, ev storage.Event) error {
	s.w.meet()
	return s.TenantStore.CreateKey(ctx, in, ev)
}

func (s tenantStore) RotateKey(ctx context.Context, in storage.RotateKey, ev storage.Event) error {
	s.w.meet()
	return s.TenantStore.RotateKey(ctx, in, ev)
}

func (w *world) meet() {
	if w.worst != nil {
		w.worst()
	}
}

// finder is the store as streams see it; it can be cut off.
type finder struct{ w *world }

func (f finder) FindKey(ctx context.Context, hash [32]byte) (*storage.LiveKey, error) {
	f.w.mu.Lock()
	away := f.w.away
	f.w.reads++
	f.w.mu.Unlock()
	if away {
		return nil, context.DeadlineExceeded
	}
	return f.w.store.FindKey(ctx, hash)
}

func (w *world) cut(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
}

// pulse is the heart of a stream.
type pulse struct {
	beats chan time.Time
	over  chan struct{} // closed when the stream has ended
}

// ticker hands the pulse of each stream to the test.
func (w *world) ticker(time.Duration) (<-chan time.Time, func()) {
	p := pulse{make(chan time.Time), make(chan struct{})}
	w.pulses <- p
	return p.beats, func() { close(p.over) }
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// object reads the body as JSON.
func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("no JSON object: %d %s", r.status, r.body)
	}
	return out
}

// fields are what a problem calls wrong.
func (r reply) fields() string {
	var p struct{ Errors []struct{ Field string } }
	_ = json.Unmarshal([]byte(r.body), &p)
	var names []string
	for _, e := range p.Errors {
		names = append(names, e.Field)
	}
	return strings.Join(names, " ")
}

// kind is the last part of a problem's type.
func (r reply) kind() string {
	var p struct{ Type string }
	_ = json.Unmarshal([]byte(r.body), &p)
	return strings.TrimSuffix(p.Type[strings.LastIndex(p.Type, "/")+1:], ".md")
}

// ask sends a request; headers are given as name and value in turn.
func (w *world) ask(token, method, path, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	must(w.t, err)
	return reply{res.StatusCode, res.Header, string(out)}
}

// created is a key as it was answered.
type created struct{ ID, Secret, Owner string }

func (k created) at() string { return "/v1/auth/keys/" + k.ID }

// create makes a key, which has to succeed.
func (w *world) create(token, body string) created {
	w.t.Helper()
	r := w.ask(token, http.MethodPost, "/v1/auth/keys", body)
	if r.status != http.StatusCreated {
		w.t.Fatalf("create: %d %s", r.status, r.body)
	}
	return secretOf(w.t, r)
}

func secretOf(t *testing.T, r reply) created {
	t.Helper()
	var k created
	must(t, json.Unmarshal([]byte(r.body), &k))
	return k
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
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
