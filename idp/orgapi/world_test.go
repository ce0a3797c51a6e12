package orgapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/orgapi"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

const issuer = "https://auth.example.com"

// The people's access tokens, a key, and a machine's token.
const (
	alice  = "token-of-alice"  // owner of acme
	adam   = "token-of-adam"   // admin
	bob    = "token-of-bob"    // member
	victor = "token-of-victor" // viewer
	carol  = "token-of-carol"  // owner of globex
	robot  = "token-of-robot"  // a machine of acme
	key    = "key-of-alice"
)

// world is a deployment on a real store: two tenants with their people, a name server,
// and the API over HTTP.
type world struct {
	t        *testing.T
	store    *sqlstore.Store
	dir      *directory.Directory
	frame    *manage.API
	url      string
	acme     storage.Tenant
	globex   storage.Tenant
	findings []idp.Finding // what the doctor sees

	mu     sync.Mutex
	now    time.Time
	people map[string]manage.Principal // by access token
	sent   []mail.Message
	texts  map[string]string // TXT records
	made   int               // how often things were
	silent bool              // the name server does not answer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, now: start, people: map[string]manage.Principal{}, texts: map[string]string{}}
	dsn := storagetest.File(t, sqlstore.Migrate)
	var err error
	w.store, err = sqlstore.Open(ctx, sqlstore.Config{DSN: dsn})
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	must(t, w.store.Prepare(ctx, start))
	w.serve()
	w.acme, w.globex = w.tenant("acme"), w.tenant("globex")
	w.person(alice, w.acme, storage.RoleOwner)
	w.person(adam, w.acme, storage.RoleAdmin)
	w.person(bob, w.acme, storage.RoleMember)
	w.person(victor, w.acme, storage.RoleViewer)
	w.person(carol, w.globex, storage.RoleOwner)
	owner := w.people[alice]
	w.people[key] = manage.Principal{Tenant: w.acme.ID, TenantSlug: "acme", User: owner.User, Role: owner.Role, Key: "key_1", Secret: key, Scopes: owner.Scopes}
	w.people[robot] = manage.Principal{Tenant: w.acme.ID, TenantSlug: "acme", Client: "robot", Scopes: owner.Scopes}
	return w
}

// serve wires the product together as the program does.
func (w *world) serve() {
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{7}, 32)})
	must(w.t, err)
	w.dir = directory.New(directory.Config{
		Store: w.store, Sealer: sealer, Issuer: issuer, Post: w, Now: w.clock, RedirectURI: func(string) error { return nil },
	})
	log := slog.New(slog.DiscardHandler)
	mux := web.NewMux(web.Config{Log: log})
	w.frame = manage.New(mux, manage.Config{
		Issuer: issuer, Version: "1", Auth: w, Opener: w.store, Tenants: w.store, Sealer: sealer, Now: w.clock, Log: log,
		Codes: manage.Codes{Unauthenticated: "unauthenticated", Forbidden: "forbidden"},
	})
	orgapi.New(w.frame, orgapi.Config{
		Issuer: issuer, Directory: w.dir, Store: w.store, Connect: w.connect, Keys: sealer, Now: w.clock,
		Domains: domains.New(domains.Config{
			Opener: w.store, Chores: w.store, Lookup: domains.Resolver(w.nameServer()), Teller: w.dir, Now: w.clock,
		}),
	})
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	w.url = server.URL
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// Authenticate implements manage.Authenticator: tokens are those of the test, and roles
// what the store says.
func (w *world) Authenticate(ctx context.Context, c manage.Credential) (manage.Principal, error) {
	w.mu.Lock()
	p, ok := w.people[c.Token]
	w.mu.Unlock()
	if !ok {
		return p, manage.ErrInactive
	}
	if p.User == "" {
		return p, nil
	}
	u, err := w.store.Tenant(p.Tenant).User(ctx, p.User)
	if err != nil || !u.DisabledAt.IsZero() {
		return p, manage.ErrInactive
	}
	p.Role = u.Role
	return p, nil
}

// Queue implements mail.Post.
func (w *world) Queue(_ context.Context, _ storage.TenantID, m mail.Message) error {
	w.set(func() { w.sent = append(w.sent, m) })
	return nil
}

// Prepare implements mail.Post.
func (w *world) Prepare(t storage.TenantID, m mail.Message) (storage.Mail, error) {
	w.set(func() { w.sent = append(w.sent, m) })
	return storage.Mail{ID: storage.NewMailID(w.clock()), Kind: string(m.Kind), To: m.To, Sealed: []byte("sealed"), CreatedAt: w.clock(), ExpiresAt: w.clock().Add(time.Hour)}, nil
}

// mails are those that were sent, in order: kind and address.
func (w *world) mails() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, m := range w.sent {
		out = append(out, string(m.Kind)+" "+m.To)
	}
	return out
}

// provider is a connector that can be looked at.
type provider struct {
	idp.Connector
	w *world
}

// Examine implements idp.Examiner.
func (p provider) Examine(_ context.Context, redirectURI string) []idp.Finding {
	return append([]idp.Finding{{Check: "redirect_uri", Verdict: idp.VerdictUnknown, Detail: redirectURI}}, p.w.findings...)
}

func (w *world) connect(context.Context, storage.TenantID, storage.Connection) (idp.Connector, error) {
	return provider{w: w}, nil
}

// nameServer answers with w.texts.
func (w *world) nameServer() string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(w.t, err)
	up := make(chan struct{})
	s := &dns.Server{PacketConn: conn, Handler: w, NotifyStartedFunc: func() { close(up) }}
	go func() { _ = s.ActivateAndServe() }()
	<-up
	w.t.Cleanup(func() { _ = s.Shutdown() })
	return conn.LocalAddr().String()
}

// ServeDNS implements dns.Handler.
func (w *world) ServeDNS(out dns.ResponseWriter, q *dns.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, name := new(dns.Msg), q.Question[0].Name
	a.SetRcode(q, dns.RcodeNameError)
	if text, ok := w.texts[name]; ok {
		a.Rcode = dns.RcodeSuccess
		a.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}}}
	}
	if w.silent {
		a.Rcode, a.Answer = dns.RcodeServerFailure, nil
	}
	_ = out.WriteMsg(a)
}

func (w *world) tenant(slug string) storage.Tenant {
	w.t.Helper()
	made, err := w.dir.CreateTenant(context.Background(), slug, slug)
	must(w.t, err)
	return made
}

// person makes somebody who has signed in with two factors, with a session.
func (w *world) person(token string, of storage.Tenant, role storage.Role) {
	w.t.Helper()
	ctx, tenant := context.Background(), w.store.Tenant(of.ID)
	con, err := w.dir.EnsurePasskeyConnection(ctx, string(of.ID))
	must(w.t, err)
	u := storage.User{ID: storage.NewUserID(start), Role: role, Email: token + "@" + of.Slug + ".test", EmailVerified: true, CreatedAt: start, Version: 1}
	handle := sha256.Sum256([]byte(token))
	must(w.t, tenant.SignIn(ctx, storage.SignIn{
		Identity: storage.Identity{Connection: con.ID, Issuer: issuer, Subject: token}, User: u, Create: true,
		Session: storage.Session{
			ID: storage.NewSessionID(start), User: u.ID, Connection: con.ID, Handle: handle[:], IP: "192.0.2.1", UserAgent: "a browser",
			AuthTime: start, CreatedAt: start, LastSeenAt: start, ExpiresAt: start.Add(24 * time.Hour), IdleTimeout: time.Hour, Level: storage.LevelMFA, MFAAt: start,
		},
	}, event("session.started")))
	w.people[token] = manage.Principal{
		Tenant: of.ID, TenantSlug: of.Slug, User: u.ID, Role: role, Client: "app", AuthTime: start, AMR: []string{"pwd", "otp"},
		Level: storage.LevelMFA, MFATime: start, Scopes: []string{orgapi.ScopeRead, orgapi.ScopeWrite},
	}
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

// into reads the body as what is given.
func (r reply) into(t *testing.T, out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), out); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
}

// kind is the last part of a problem's type.
func (r reply) kind() string {
	var p struct{ Type string }
	_ = json.Unmarshal([]byte(r.body), &p)
	return strings.TrimSuffix(p.Type[strings.LastIndex(p.Type, "/")+1:], ".md")
}

// fields are what a problem calls wrong, sorted.
func (r reply) fields() string {
	var p struct{ Errors []struct{ Field string } }
	_ = json.Unmarshal([]byte(r.body), &p)
	var names []string
	for _, e := range p.Errors {
		names = append(names, e.Field)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
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

// does is ask for what has to succeed with a status.
func (w *world) does(status int, token, method, path, body string, headers ...string) reply {
	w.t.Helper()
	r := w.ask(token, method, path, body, headers...)
	if r.status != status {
		w.t.Fatalf("%s %s %s: %d %s", method, path, body, r.status, r.body)
	}
	return r
}

// refused is ask for what has to be refused in a way.
func (w *world) refused(kind manage.Kind, token, method, path, body string, headers ...string) reply {
	w.t.Helper()
	r := w.ask(token, method, path, body, headers...)
	if r.status != kind.Status() || r.kind() != string(kind) {
		w.t.Errorf("%s %s %s: %d %s, want %s", method, path, body, r.status, r.body, kind)
	}
	return r
}

const generic = `{"name":"Acme","preset":"oidc","fields":{"issuer":"https://id.acme.example","client_id":"wg","client_secret":"s3cret-of-acme"}}`

// connected makes a connection and returns its path.
func (w *world) connected(token string) string {
	w.t.Helper()
	return w.does(http.StatusCreated, token, "POST", "/v1/connections", generic).header.Get("Location")
}

func idOf(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// event is one of a kind in a tenant's trail, which has to be there.
func (w *world) event(id storage.TenantID, kind string) storage.Event {
	w.t.Helper()
	events, err := w.store.Tenant(id).Events(w.t.Context(), "", 200)
	must(w.t, err)
	i := slices.IndexFunc(events, func(ev storage.Event) bool { return ev.Kind == kind })
	if i < 0 {
		w.t.Fatalf("there is no %s in the trail", kind)
	}
	return events[i]
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
