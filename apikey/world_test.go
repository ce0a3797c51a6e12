package apikey_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

const issuer = "https://auth.example.com"

const day = 24 * time.Hour

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

// product is a deployment with a profile for each rule.
const product = `
resources:
  monitor:
    description: Monitors
    actions:
      read:   {scope: "monitor:read", description: "See monitors"}
      create: {scope: "monitor:create", description: "Create monitors"}
      write:  {scope: "monitor:write", description: "Change monitors", implies: [create]}
  config:
    description: Settings
    actions:
      admin:  {scope: "config:admin", description: "Change settings", sensitive: true}
roles:
  owner:  ["*"]
  admin:  ["monitor:read", "monitor:write", "api-keys:read", "api-keys:write"]
  member: ["monitor:read", "monitor:write", "api-keys:read", "api-keys:write"]
  viewer: ["monitor:read", "api-keys:read"]
keys:
  default: live
  profiles:
    live:
      prefix: "up_live_"
      scopes: ["monitor:read", "config:admin"]
      default_lifetime: never
      create: member
      service_keys: true
      rotation: {every: 90d, grace: 72h, max_grace: 7d, warn_before: 24h}
    test:
      prefix: "up_test_"
      scopes: ["monitor:read"]
      allowed_scopes: ["monitor:read"]
      lifetimes: [30d, 60d]
      default_lifetime: 30d
      create: member
    guarded:
      prefix: "up_guard_"
      scopes: ["monitor:read"]
      default_lifetime: 30d
      max_lifetime: 60d
      create: admin
      verified_email: true
      mfa: true
      mfa_max_age: 1h
    few:
      prefix: "few_"
      scopes: ["monitor:read"]
      default_lifetime: never
      create: member
      max_per_owner: 2
    fenced:
      prefix: "fenced_"
      scopes: ["monitor:read"]
      default_lifetime: never
      create: member
      allowed_ips: required
    signed:
      format: jwt
      scopes: ["monitor:read"]
      default_lifetime: never
      create: owner
      service_keys: true
      reveal: {allowed: true, max_age: 5m}
`

func TestMain(m *testing.M) { pgtest.Main(m) }

func migrate(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) }

// world is two tenants and their people, on a real store.
type world struct {
	*testing.T
	store  *sqlstore.Store
	asks   *counted
	sealer *seal.Sealer
	signer *signer.Signer
	file   *catalogue.File
	keys   *apikey.Keys
	reg    *prometheus.Registry
	log    bytes.Buffer
	poster apikey.Poster
	local  bool // webhooks may lead to this machine
	issuer string

	mu    sync.Mutex
	clock time.Time

	acme, globex                    storage.Tenant
	alice, adam, bob, victor, carol storage.User
	connection                      map[storage.TenantID]storage.Connection
}

// counted counts the lookups of keys.
type counted struct {
	*sqlstore.Store
	finds int
}

func (c *counted) FindKey(ctx context.Context, hash [32]byte) (*storage.LiveKey, error) {
	c.finds++
	return c.Store.FindKey(ctx, hash)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, storagetest.File(t, sqlstore.Migrate))
}

// onBoth runs a test on each engine: where a statement has to be the judge of a race.
func onBoth(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) { test(newWorld(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(newWorldOn(t, pgtest.Template(t, "apikey", migrate))) })
}

func newWorldOn(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{T: t, clock: start, issuer: issuer, reg: prometheus.NewRegistry(), connection: map[storage.TenantID]storage.Connection{}}
	var err error
	w.store, err = sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	w.must(err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.must(w.store.Prepare(t.Context(), start))
	w.asks = &counted{Store: w.store}
	w.sealer, err = seal.New([][]byte{bytes.Repeat([]byte{1}, seal.MinMaster)})
	w.must(err)
	w.signer, err = signer.New(t.Context(), signer.Config{
		Keys: w.store, Use: storage.SignAPIKeys, Sealer: w.sealer, Now: w.now, Log: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	w.file, err = catalogue.Parse("product.yaml", []byte(product))
	w.must(err)
	w.people()
	w.restart()
	return w
}

// restart makes the service anew.
func (w *world) restart() {
	profiles, err := apikey.ParseProfiles(w.file.Keys, w.file.Catalogue, w.file.Name)
	w.must(err)
	w.keys = apikey.New(apikey.Config{
		Store: w.asks, Profiles: profiles, Catalogue: w.file.Catalogue, Signer: w.signer, Sealer: w.sealer, Now: w.now,
		Issuer: w.issuer, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Poster: w.poster, LoopbackWebhooks: w.local, Registerer: w.reg,
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) event(kind string) storage.Event {
	return storage.Event{ID: storage.NewEventID(w.now()), Time: w.now(), Kind: kind, Outcome: "success"}
}

func (w *world) people() {
	w.acme, w.globex = w.tenant("acme"), w.tenant("globex")
	w.alice = w.person(w.acme, "alice", storage.RoleOwner)
	w.adam = w.person(w.acme, "adam", storage.RoleAdmin)
	w.bob = w.person(w.acme, "bob", storage.RoleMember)
	w.victor = w.person(w.acme, "victor", storage.RoleViewer)
	w.carol = w.person(w.globex, "carol", storage.RoleOwner)
}

func (w *world) tenant(slug string) storage.Tenant {
	t := storage.Tenant{ID: storage.NewTenantID(start), Slug: slug, Name: slug, CreatedAt: start, Version: 1}
	w.must(w.store.CreateTenant(w.Context(), t, w.event("tenant.created")))
	con := storage.Connection{ID: storage.NewConnectionID(start), Kind: storage.OIDC, Issuer: "https://idp." + slug + ".test", CreatedAt: start, Version: 1}
	w.must(w.store.Tenant(t.ID).CreateConnection(w.Context(), con, w.event("connection.created")))
	w.connection[t.ID] = con
	return t
}

func (w *world) person(t storage.Tenant, name string, role storage.Role) storage.User {
	u := storage.User{
		ID: storage.NewUserID(start), Role: role, Email: name + "@" + t.Slug + ".test", EmailVerified: true, CreatedAt: start, Version: 1,
		Claims: map[string]any{},
	}
	con := w.connection[t.ID]
	h := sha256.Sum256([]byte(u.ID))
	w.must(w.store.Tenant(t.ID).SignIn(w.Context(), storage.SignIn{
		Identity: storage.Identity{Connection: con.ID, Issuer: con.Issuer, Subject: name}, User: u, Create: true,
		Session: storage.Session{
			ID: storage.NewSessionID(start), Handle: h[:], User: u.ID, Connection: con.ID, AuthTime: start,
			CreatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(day),
		},
	}, w.event("session.started")))
	return u
}

// as is a person with an app's access token, who has just signed in with two factors.
func (w *world) as(u storage.User) apikey.Actor {
	t := w.acme
	if u.ID == w.carol.ID {
		t = w.globex
	}
	return apikey.Actor{
		Tenant: t.ID, TenantSlug: t.Slug, User: u.ID, Role: u.Role, Scopes: []string{"api-keys:read", "api-keys:write"},
		AuthTime: w.now(), AMR: []string{"pwd", "otp"}, Level: storage.LevelMFA, MFATime: w.now(),
	}
}

// with is who presents a key.
func (w *world) with(i apikey.Issued) apikey.Actor {
	w.Helper()
	found, err := w.store.FindKey(w.Context(), sha256.Sum256([]byte(i.Secret)))
	w.must(err)
	if found == nil {
		w.Fatal("the key is not stored")
	}
	role := found.UserInfo.Role
	return apikey.Actor{
		Tenant: found.Life.TenantID, TenantSlug: found.Life.TenantSlug, User: found.Owner, Role: role, Key: found.ID, Secret: i.Secret,
		Expires: found.ExpiresAt, Scopes: w.file.Catalogue.Effective(found.Scopes, role),
	}
}

func (w *world) machine(scopes ...string) apikey.Actor {
	c := storage.Client{ID: "robot", Owner: w.acme.ID, Name: "Robot", CreatedAt: start, Version: 1}
	if _, err := w.store.Client(w.Context(), c.ID); errors.Is(err, storage.ErrNotFound) {
		w.must(w.store.CreateClient(w.Context(), c, w.event("client.created")))
	}
	return apikey.Actor{Tenant: w.acme.ID, TenantSlug: "acme", Client: c.ID, Expires: w.now().Add(time.Hour), Scopes: w.file.Catalogue.Expand(scopes)}
}

func (w *world) create(a apikey.Actor, n apikey.NewKey) apikey.Issued {
	w.Helper()
	if n.Name == "" {
		n.Name = "ci"
	}
	out, err := w.keys.Create(w.Context(), a, n)
	w.must(err)
	return out
}

// dead says why a key is not live; "" when it is.
func (w *world) dead(secret string) string {
	w.Helper()
	found, err := w.store.FindKey(w.Context(), sha256.Sum256([]byte(secret)))
	w.must(err)
	if found == nil {
		return "unknown"
	}
	return found.Dead(w.now())
}

func (w *world) refused(err error, want apikey.Code) *apikey.Refusal {
	w.Helper()
	var r *apikey.Refusal
	if !errors.As(err, &r) || r.Code != want {
		w.Errorf("%v, want a refusal %q", err, want)
		return &apikey.Refusal{}
	}
	return r
}

// kinds are the events of a tenant about keys, newest first.
func (w *world) kinds(t storage.Tenant) []string {
	w.Helper()
	all, err := w.store.Tenant(t.ID).Events(w.Context(), "", 1000)
	w.must(err)
	var out []string
	for _, ev := range all {
		if strings.HasPrefix(ev.Kind, "key.") {
			out = append(out, ev.Kind)
		}
	}
	return out
}

// signalled is how often a signal was counted.
func (w *world) signalled(name string) (n float64) {
	w.Helper()
	all, err := w.reg.Gather()
	w.must(err)
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == "watchgate_signals_total" && m.GetLabel()[0].GetValue() == name {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func ptr[T any](v T) *T { return &v }
