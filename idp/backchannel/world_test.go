package backchannel_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/idp/backchannel"
	"github.com/watchgate/watchgate/internal/handclock"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

const issuer = "https://auth.example.com"

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is a deployment with one tenant and one person.
type world struct {
	*testing.T
	clock   *handclock.Clock
	dsn     string
	store   *sqlstore.Store
	signer  *signer.Signer
	metrics *prometheus.Registry
	tenant  storage.Tenant
	home    storage.TenantStore
	user    storage.UserID
	con     storage.ConnectionID
	config  backchannel.Config
	apps    int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watchgate.db")
	if err := sqlstore.Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, path)
}

// onBoth runs a test on each engine: where one statement has to be the judge, each
// engine's is on trial.
func onBoth(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) { test(newWorld(t)) })
	t.Run("PostgreSQL", func(t *testing.T) {
		test(newWorldOn(t, pgtest.Template(t, "backchannel", func(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) })))
	})
}

func newWorldOn(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{T: t, dsn: dsn, clock: handclock.New(), metrics: prometheus.NewRegistry()}
	w.store = w.open()
	w.must(w.store.Prepare(t.Context(), w.clock.Now()))
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{1}, 32)})
	w.must(err)
	w.signer, err = signer.New(t.Context(), signer.Config{Keys: w.store, Sealer: sealer, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	w.tenant = storage.Tenant{ID: storage.NewTenantID(w.clock.Now()), Slug: "acme", Name: "Acme", CreatedAt: w.clock.Now(), Version: 1}
	w.must(w.store.CreateTenant(t.Context(), w.tenant, w.event()))
	w.home, w.con = w.store.Tenant(w.tenant.ID), "con_acme"
	w.must(w.home.CreateConnection(t.Context(), storage.Connection{
		ID: w.con, Kind: storage.OIDC, Name: "acme", Issuer: "https://idp.example", ClientID: "wg", CreatedAt: w.clock.Now(), Version: 1,
	}, w.event()))
	w.user = storage.NewUserID(w.clock.Now())
	w.config = backchannel.Config{
		Store: w.store, Signer: w.signer, Issuer: issuer, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler), Registerer: w.metrics,
		Poster: outbound.New(outbound.Config{AllowLoopbackHTTP: true}).HTTP(1<<10, 0),
	}
	return w
}

func (w *world) open() *sqlstore.Store {
	w.Helper()
	s, err := sqlstore.Open(w.Context(), sqlstore.Config{DSN: w.dsn})
	w.must(err)
	w.Cleanup(func() { s.Close() })
	return s
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) event() storage.Event {
	return storage.Event{ID: storage.NewEventID(w.clock.Now()), Time: w.clock.Now(), Kind: "x", Outcome: "success", ActorKind: "system"}
}

// session signs the person in.
func (w *world) session() storage.SessionID {
	w.Helper()
	now := w.clock.Now()
	in := storage.SignIn{
		Identity: storage.Identity{Connection: w.con, Issuer: "https://idp.example", Subject: "alice"},
		User:     storage.User{ID: w.user, Role: storage.RoleMember, Email: "alice@acme.test", CreatedAt: now, Version: 1}, Create: true,
		Session: storage.Session{ID: storage.NewSessionID(now), User: w.user, Connection: w.con, Handle: []byte(token.NewSecret())[:32],
			CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour), IdleTimeout: time.Hour},
	}
	if known, err := w.home.User(w.Context(), w.user); err == nil {
		in.User, in.Create = known, false
	}
	w.must(w.home.SignIn(w.Context(), in, w.event()))
	return in.Session.ID
}

// app is a client that is told at a URL, and got tokens in sessions.
func (w *world) app(uri string, in ...storage.SessionID) storage.Client {
	w.Helper()
	w.apps++
	now := w.clock.Now()
	c := storage.Client{
		ID: storage.ClientID(fmt.Sprintf("app-%d", w.apps)), Name: "App", AuthMethod: storage.AuthNone, GrantTypes: []string{storage.GrantAuthorizationCode},
		RedirectURIs: []string{"https://app.example/cb"}, BackchannelLogoutURI: uri, Scopes: []string{"openid"}, CreatedAt: now, Version: 1,
	}
	w.must(w.store.CreateClient(w.Context(), c, w.event()))
	for _, s := range in {
		w.tokens(c, s)
	}
	return c
}

func (w *world) tokens(c storage.Client, in storage.SessionID) {
	w.Helper()
	now := w.clock.Now()
	code := storage.Code{
		Ref: w.ref(token.Code, time.Minute), Grant: storage.NewGrantID(now), User: w.user, Client: c.ID, Session: in, Connection: w.con,
		RedirectURI: "https://app.example/cb", Scopes: c.Scopes, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	session, err := w.home.Session(w.Context(), in)
	w.must(err)
	w.must(w.home.IssueCode(w.Context(), storage.IssueCode{Code: code, ClientVersion: 1, TenantVersion: 1, Handle: session.Handle}, w.event()))
	w.must(w.home.RedeemCode(w.Context(), storage.RedeemCode{
		Code: code.Ref, At: now,
		Grant: storage.Grant{ID: code.Grant, User: w.user, Client: c.ID, Session: in, Origin: in, Connection: w.con, Scopes: c.Scopes, CreatedAt: now, ExpiresAt: now.Add(time.Hour)},
		Access: storage.AccessToken{Ref: w.ref(token.Access, time.Hour), ID: storage.NewTokenID(now), Grant: code.Grant, Client: c.ID, User: w.user, Session: in,
			Connection: w.con, Scopes: c.Scopes, IssuedAt: now, ExpiresAt: now.Add(time.Hour)},
	}, w.event()))
}

func (w *world) ref(kind token.Kind, life time.Duration) storage.TokenRef {
	w.Helper()
	r, err := token.Parse(kind, token.New(kind, w.clock.Now().Add(life)))
	w.must(err)
	return r
}

// end ends sessions: what is to be told then waits.
func (w *world) end(sessions ...storage.SessionID) {
	w.Helper()
	for _, s := range sessions {
		w.must(w.home.EndSession(w.Context(), s, w.clock.Now(), w.event()))
	}
}

// worker is another node's.
func (w *world) worker() *backchannel.Worker {
	w.Helper()
	cfg := w.config
	cfg.Registerer = nil
	return backchannel.New(cfg)
}

// tell runs a worker until it has nothing more to do now.
func (w *world) tell(worker *backchannel.Worker) {
	w.Helper()
	w.must(worker.Tick(w.Context()))
	worker.Wait()
}

// waiting is what the store has still to tell, whenever that is.
func (w *world) waiting() []storage.Logout {
	w.Helper()
	all, err := w.store.DueLogouts(w.Context(), w.clock.Now().AddDate(1, 0, 0), 1000)
	w.must(err)
	return all
}

// outcomes are the outcomes that the trail has, sorted.
func (w *world) outcomes() []string {
	w.Helper()
	events, err := w.home.Events(w.Context(), "", 1000)
	w.must(err)
	var out []string
	for _, ev := range events {
		if ev.Kind == "logout.delivered" {
			out = append(out, strings.TrimSuffix(ev.Outcome+" "+ev.Reason+" "+ev.Details["attempts"], " "))
		}
	}
	slices.Sort(out)
	return out
}

// count is the counter's value.
func (w *world) count(outcome string) float64 {
	w.Helper()
	families, err := w.metrics.Gather()
	w.must(err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "watchgate_backchannel_logouts_total" && m.GetLabel()[0].GetValue() == outcome {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// receiver is an app's back channel.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	paths  map[string]int
}

// receive starts one that answers with handle, or 200 when that is nil.
func (w *world) receive(handle http.HandlerFunc) *receiver {
	w.Helper()
	r := &receiver{paths: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.tokens = append(r.tokens, req.PostFormValue("logout_token"))
		r.paths[req.URL.Path]++
		r.mu.Unlock()
		if handle != nil {
			handle(rw, req)
		}
	}))
	w.Cleanup(r.Close)
	return r
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tokens)
}

// part decodes a part of a token.
func (w *world) part(compact string, n int) map[string]any {
	w.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[n])
	w.must(err)
	var out map[string]any
	w.must(json.Unmarshal(raw, &out))
	return out
}
