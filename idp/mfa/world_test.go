package mfa_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const base = "https://auth.example.com"

// world is a tenant with two people, and another tenant with one.
type world struct {
	t            *testing.T
	ctx          context.Context
	mu           sync.Mutex
	at           time.Time
	store        *sqlstore.Store
	sealer       *seal.Sealer
	factors      *mfa.Factors
	post         *post
	acme, globex storage.TenantID
	alice, bob   storage.User // of acme
	carol        storage.User // of globex
}

// post keeps what is queued.
type post struct {
	mu    sync.Mutex
	mails []mail.Message
}

func (p *post) Queue(_ context.Context, _ storage.TenantID, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
	return nil
}

// kinds are those of the mails to an address.
func (p *post) kinds(to string) []mail.Kind {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []mail.Kind
	for _, m := range p.mails {
		if m.To == to {
			all = append(all, m.Kind)
		}
	}
	return all
}

func migrate(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) }

// onBoth runs a test in a world on each engine.
func onBoth(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) { test(onSQLite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(newWorld(t, pgtest.Template(t, "mfa", migrate))) })
}

func onSQLite(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watchgate.db")
	if err := migrate(path); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, path)
}

func newWorld(t *testing.T, dsn string) *world {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{
		t: t, store: store, at: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), post: &post{},
		ctx: origin.With(t.Context(), origin.Origin{IP: "192.0.2.7", UserAgent: "Test"}),
	}
	w.must(store.Prepare(t.Context(), w.at))
	w.sealer, err = seal.New([][]byte{bytes.Repeat([]byte{1}, 32)})
	w.must(err)
	w.factors = w.factorsAt(base)
	w.acme, w.globex = w.tenant("acme"), w.tenant("globex")
	w.alice, w.bob, w.carol = w.user(w.acme, "alice"), w.user(w.acme, "bob"), w.user(w.globex, "carol")
	return w
}

func (w *world) factorsAt(base string) *mfa.Factors {
	w.t.Helper()
	f, err := mfa.New(mfa.Config{Base: base, Name: "Watchgate", Store: w.store, Sealer: w.sealer, Notifier: w.post, Now: w.now})
	w.must(err)
	return f
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) tenant(slug string) storage.TenantID {
	w.t.Helper()
	t := storage.Tenant{ID: storage.NewTenantID(w.at), Slug: slug, Name: strings.ToUpper(slug[:1]) + slug[1:], CreatedAt: w.at, Version: 1}
	w.must(w.store.CreateTenant(w.ctx, t, audit.TenantCreated(w.ctx, w.at, t)))
	return t.ID
}

func (w *world) user(t storage.TenantID, name string) storage.User {
	w.t.Helper()
	u := storage.User{
		ID: storage.NewUserID(w.at), Role: storage.RoleMember, Email: name + "@example.test", CreatedAt: w.at, Version: 1,
		Claims: map[string]any{"name": strings.ToUpper(name[:1]) + name[1:]},
	}
	w.must(w.store.Tenant(t).CreateUser(w.ctx, u, nil, audit.UserInvited(w.ctx, w.at, u)))
	return u
}

func (w *world) events(t storage.TenantID) []string {
	w.t.Helper()
	all, err := w.store.Tenant(t).Events(w.ctx, "", 50)
	w.must(err)
	var kinds []string
	for _, ev := range all {
		kinds = append(kinds, ev.Kind)
	}
	return kinds
}

// device is an authenticator with a passkey of somebody.
type device struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newDevice() *device {
	return &device{
		rp:   virtualwebauthn.RelyingParty{ID: "auth.example.com", Name: "Watchgate", Origin: base},
		auth: virtualwebauthn.NewAuthenticator(), key: newKey(),
	}
}

// coseP256 is the length of a COSE_Key on P-256, in bytes.
const coseP256 = 77

// newKey makes a key with whole coordinates: the library leaves out leading zeros, which
// RFC 8152 section 13.1.1 wants.
func newKey() virtualwebauthn.Credential {
	for {
		if key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(key.Key.AttestationData()) == coseP256 {
			return key
		}
	}
}

// create answers the options of an enrolment.
func (d *device) create(t *testing.T, options []byte) []byte {
	t.Helper()
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	d.auth.Options.UserHandle = []byte(parsed.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *parsed))
}

// get answers a challenge.
func (d *device) get(t *testing.T, options []byte) []byte {
	t.Helper()
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.key, *parsed))
}

// enrol gives somebody a passkey on a new device.
func (w *world) enrol(t storage.TenantID, u storage.User) *device {
	w.t.Helper()
	d := newDevice()
	w.enrolOn(d, t, u)
	return d
}

func (w *world) enrolOn(d *device, t storage.TenantID, u storage.User) idp.Proof {
	w.t.Helper()
	options, kept, err := w.factors.NewPasskey(w.ctx, t, u)
	w.must(err)
	proof, err := w.factors.AddPasskey(w.ctx, t, u, kept, d.create(w.t, options), "")
	w.must(err)
	return proof
}

// app gives somebody an authenticator app, and returns its secret. The code that
// proved it is that of two steps ago.
func (w *world) app(t storage.TenantID, u storage.User) string {
	w.t.Helper()
	seed, kept, err := w.factors.NewTOTP(w.ctx, t, u)
	w.must(err)
	secret := strings.ReplaceAll(seed.Secret, " ", "")
	_, err = w.factors.AddTOTP(w.ctx, t, u, kept, w.code(secret), "")
	w.must(err)
	w.forward(time.Minute)
	return secret
}

func (w *world) code(secret string) string { return w.codeAt(secret, 0) }

func (w *world) codeAt(secret string, d time.Duration) string {
	w.t.Helper()
	code, err := totp.GenerateCodeCustom(secret, w.now().Add(d), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	w.must(err)
	return code
}

// field is a field of a JSON object.
func field(t *testing.T, raw []byte, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	for _, name := range path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}
