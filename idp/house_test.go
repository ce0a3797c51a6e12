package idp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/flow"
	"github.com/watchgate/watchgate/internal/handclock"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/templates"
)

const base = "https://auth.example.com"

func TestMain(m *testing.M) { pgtest.Main(m) }

// engine is the authorizer: it notes what it is asked, and answers the app.
type engine struct {
	mu       sync.Mutex
	clients  clients
	ask      bool     // ToApprove
	implied  []string // scopes that the claims parameter implies
	behind   int64    // versions by which what it knows of the app is old
	fail     error    // of Approve
	approved []approval
	refused  []string
}

type approval struct {
	request storage.AuthorizeRequest
	session storage.LiveSession
	// version is that of the app that the person saw; 0: nobody was asked.
	version int64
}

// clients is what the engine reads.
type clients interface {
	Client(ctx context.Context, id storage.ClientID) (storage.Client, error)
}

func (e *engine) ToApprove(ctx context.Context, req storage.AuthorizeRequest, _ storage.LiveSession) ([]string, int64, error) {
	if !e.ask {
		return nil, 0, nil
	}
	c, err := e.clients.Client(ctx, req.Client)
	return append(slices.Clone(req.Scopes), e.implied...), c.Version - e.behind, err
}

func (e *engine) Approve(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, s storage.LiveSession, version int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	e.approved = append(e.approved, approval{req, s, version})
	http.Redirect(w, r, req.RedirectURI+"?code=c", http.StatusSeeOther)
	return nil
}

func (e *engine) Refuse(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, code string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = append(e.refused, code)
	http.Redirect(w, r, req.RedirectURI+"?error="+code, http.StatusSeeOther)
	return nil
}

// flaky is a store that can go away.
type flaky struct {
	*sqlstore.Store
	mu   sync.Mutex
	away bool
	// read runs, once, after sessions were read and before anybody acts on them.
	read func()
}

func (f *flaky) SessionsByHandle(ctx context.Context, handles [][]byte) ([]storage.LiveSession, error) {
	all, err := f.Store.SessionsByHandle(ctx, handles)
	if read := f.read; read != nil {
		f.read = nil
		read()
	}
	return all, err
}

var errAway = errors.New("connection refused")

func (f *flaky) goAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *flaky) Login(ctx context.Context, id storage.LoginID, now time.Time) (storage.Login, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return storage.Login{}, errAway
	}
	return f.Store.Login(ctx, id, now)
}

func (f *flaky) BeginLogin(ctx context.Context, l storage.Login) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errAway
	}
	return f.Store.BeginLogin(ctx, l)
}

// house is a deployment with the tenants acme and globex, each with a provider
// of its own, and two apps.
type house struct {
	t       *testing.T
	clock   *handclock.Clock
	store   *flaky
	server  *idp.Server
	mux     *web.Mux
	engine  *engine
	sealer  *seal.Sealer
	op      map[string]*optest.Provider // by slug
	tenants map[string]storage.TenantID
	request storage.AuthorizeRequest // what /start begins
	// configure changes what start makes a server of; nil: nothing.
	configure func(*idp.Config)
	// What went to the database.
	trips, statements atomic.Int64
	log               *slog.Logger // nil: nothing is logged
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseAt(t, base)
}

func newHouseAt(t *testing.T, base string) *house {
	t.Helper()
	return newHouseOn(t, base, sqliteDatabase(t))
}

// onBoth runs a test in a house on each engine: where one statement has to be the
// judge, each engine's is on trial.
func onBoth(t *testing.T, test func(*testing.T, *house)) {
	t.Run("SQLite", func(t *testing.T) { test(t, newHouse(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, newHouseOn(t, base, postgresDatabase(t))) })
}

// postgresDatabase is a copy of a database that was migrated once.
func postgresDatabase(t *testing.T) string {
	t.Helper()
	return pgtest.Template(t, "idp", func(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) })
}

func newHouseOn(t *testing.T, base, database string) *house {
	t.Helper()
	h := &house{
		t: t, clock: handclock.New(), engine: &engine{ask: true},
		op: map[string]*optest.Provider{}, tenants: map[string]storage.TenantID{},
	}
	h.openStore(database)
	h.engine.clients = h.store
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{1}, 32)})
	h.must(err)
	h.sealer = sealer
	for _, slug := range []string{"acme", "globex"} {
		h.op[slug] = optest.New(t, h.clock.Now)
		h.addTenant(slug, h.op[slug])
	}
	h.op["globex"].Person = map[string]any{"sub": "carol-sub", "email": "carol@globex.test", "name": "Carol"}
	h.addClients()
	h.request = storage.AuthorizeRequest{
		Client: "app", RedirectURI: "https://app.example/cb", ResponseMode: "query",
		Scopes: []string{"openid", "email", "monitor:read", "offline_access"}, State: "s", Challenge: "c",
	}
	h.start(base)
	return h
}

// sqliteDatabase is a database that nobody has used.
func sqliteDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watchgate.db")
	if err := sqlstore.Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func (h *house) openStore(database string) {
	h.t.Helper()
	store, err := sqlstore.Open(h.t.Context(), sqlstore.Config{DSN: database, OnRoundTrip: func(n int) {
		h.trips.Add(1)
		h.statements.Add(int64(n))
	}})
	h.must(err)
	h.t.Cleanup(func() { store.Close() })
	h.store = &flaky{Store: store}
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// addTenant adds a tenant, its connection con_<slug> and its domain <slug>.test.
func (h *house) addTenant(slug string, op *optest.Provider) {
	h.t.Helper()
	ctx, now := h.t.Context(), h.clock.Now()
	t := storage.Tenant{ID: storage.NewTenantID(now), Slug: slug, Name: strings.ToUpper(slug[:1]) + slug[1:], CreatedAt: now, Version: 1}
	h.tenants[slug] = t.ID
	h.must(h.store.CreateTenant(ctx, t, audit.TenantCreated(ctx, now, t)))
	con := storage.Connection{
		ID: storage.ConnectionID("con_" + slug), Kind: storage.OIDC, Name: slug, Issuer: op.Issuer, ClientID: optest.ClientID,
		Scopes: []string{"openid", "email", "profile"}, CreateUsers: true, DefaultRole: storage.RoleMember, CreatedAt: now, Version: 1,
	}
	con.SealedSecret = h.sealSecret(t.ID, con.ID)
	tenant := h.store.Tenant(t.ID)
	h.must(tenant.CreateConnection(ctx, con, audit.ConnectionCreated(ctx, now, con)))
	d := storage.Domain{Name: slug + ".test", Connection: con.ID, VerifiedAt: now}
	h.must(tenant.PutDomain(ctx, d, audit.DomainVerified(ctx, now, d)))
}

// sealSecret is our client secret at a connection's provider.
func (h *house) sealSecret(t storage.TenantID, con storage.ConnectionID) []byte {
	h.t.Helper()
	sealed, err := h.sealer.Seal(seal.Place{Tenant: t, Table: "connections", Column: "client_secret", Row: string(con)}, []byte(optest.ClientSecret))
	h.must(err)
	return sealed
}

func (h *house) addClients() {
	h.t.Helper()
	ctx, now := h.t.Context(), h.clock.Now()
	for _, c := range []storage.Client{
		{ID: "app", Name: "Example app", AuthMethod: storage.AuthBasic, Verified: true, RedirectURIs: []string{"https://app.example/cb"}},
		{ID: "cli", Name: "Example CLI", AuthMethod: storage.AuthNone, RedirectURIs: []string{"http://127.0.0.1/cb"}},
	} {
		c.GrantTypes = []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken}
		c.Scopes, c.CreatedAt, c.Version = []string{"openid", "email", "offline_access", "monitor:read"}, now, 1
		h.must(h.store.CreateClient(ctx, c, audit.ClientCreated(ctx, now, c)))
	}
	rs := storage.ResourceServer{
		ID: "api", Name: "API", Audience: "https://api.example", CreatedAt: now, Version: 1,
		Scopes: []storage.Scope{{Name: "monitor:read", Description: "See your monitors", Sensitive: true}},
	}
	h.must(h.store.CreateResourceServer(ctx, rs, audit.ResourceServerCreated(ctx, now, rs)))
}

func (h *house) start(base string) {
	h.t.Helper()
	clients := map[string]*http.Client{}
	for _, op := range h.op {
		clients[op.Issuer] = op.Client
	}
	cfg := idp.Config{
		Base: base, Store: h.store, Steps: flow.New(bytes.Repeat([]byte{2}, 32)), CookieKey: bytes.Repeat([]byte{3}, 32), Now: h.clock.Now,
		Connect: oidcconn.Connect(oidcconn.Config{Client: &http.Client{Transport: byHost(clients)}, Opener: h.sealer, Now: h.clock.Now}),
		Support: "support@watch.example",
	}
	if h.configure != nil {
		h.configure(&cfg)
	}
	server, err := idp.New(cfg)
	h.must(err)
	server.SetAuthorizer(h.engine)
	h.server, h.mux = server, web.NewMux(web.Config{Log: h.log, Now: h.clock.Now, HTTPS: strings.HasPrefix(base, "https"), ErrorPage: errorPage})
	server.Mount(h.mux)
	h.mux.Page("GET /start", func(w http.ResponseWriter, r *http.Request) error {
		req := h.request
		req.At = h.clock.Now()
		return server.Begin(w, r, req)
	})
}

// byHost sends each request by the client that trusts its host.
func byHost(clients map[string]*http.Client) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		c, ok := clients[req.URL.Scheme+"://"+req.URL.Host]
		if !ok {
			return nil, errors.New("no such host")
		}
		return c.Transport.RoundTrip(req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// errorPage is the program's.
func errorPage(w http.ResponseWriter, r *http.Request, e *web.Error) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(e.Status)
	templates.Error(w, templates.NewErrorPage(e.Code, origin.From(r.Context()).RequestID))
	io.WriteString(w, e.Note)
}

// browser is a browser with a cookie jar, which follows no redirect by itself.
type browser struct {
	h   *house
	jar *cookiejar.Jar
	url *url.URL // of the deployment
}

func (h *house) browser() *browser {
	h.t.Helper()
	return h.browserAt(base)
}

func (h *house) browserAt(base string) *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	h.must(err)
	u, err := url.Parse(base)
	h.must(err)
	return &browser{h: h, jar: jar, url: u}
}

// page is an answer.
type page struct {
	t    *testing.T
	path string // that was asked for
	*httptest.ResponseRecorder
}

func (b *browser) do(req *http.Request) page {
	b.h.t.Helper()
	req.Host = b.url.Host
	for _, c := range b.jar.Cookies(b.url) {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.h.mux.ServeHTTP(w, req)
	b.jar.SetCookies(b.url, w.Result().Cookies())
	return page{b.h.t, req.URL.Path, w}
}

func (b *browser) get(path string) page {
	b.h.t.Helper()
	return b.do(httptest.NewRequestWithContext(b.h.t.Context(), http.MethodGet, path, nil))
}

func (b *browser) post(path string, form url.Values) page {
	b.h.t.Helper()
	return b.postFrom(path, form, "same-origin")
}

func (b *browser) postFrom(path string, form url.Values, site string) page {
	b.h.t.Helper()
	req := httptest.NewRequestWithContext(b.h.t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", site)
	return b.do(req)
}

// cookies are the names of what the browser holds.
func (b *browser) cookies() []string {
	var names []string
	for _, c := range b.jar.Cookies(b.url) {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(b.url) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) setCookie(name, value string) {
	b.jar.SetCookies(b.url, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: b.url.Scheme == "https"}})
}

// location is where a redirect leads, a path for one of ours.
func (p page) location() string {
	p.t.Helper()
	if p.Code != http.StatusSeeOther {
		p.t.Fatalf("GET or POST %s: status %d, want a redirect\n%s", p.path, p.Code, p.text())
	}
	return strings.TrimPrefix(p.Header().Get("Location"), base)
}

var (
	tags   = regexp.MustCompile(`<[^>]*>|\s+`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	action = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

func (p page) text() string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(p.Body.String(), " ")), " ")
}

// form returns the page's form: where it goes, and its hidden fields.
func (p page) form() (string, url.Values) {
	p.t.Helper()
	to := action.FindStringSubmatch(p.Body.String())
	if p.Code != http.StatusOK || to == nil {
		p.t.Fatalf("%s: status %d, no form: %s", p.path, p.Code, p.text())
	}
	fields := url.Values{}
	for _, f := range hidden.FindAllStringSubmatch(p.Body.String(), -1) {
		fields.Add(f[1], f[2])
	}
	return to[1], fields
}

// wants fails the test unless the page has that status and error code.
func (p page) wants(status int, code string) {
	p.t.Helper()
	if p.Code != status || !strings.Contains(p.Body.String(), "<code>"+code+"</code>") {
		p.t.Errorf("%s: status %d, want %d with %s\n%s", p.path, p.Code, status, code, p.text())
	}
}

// submit sends the page's form with one more field.
func (b *browser) submit(p page, name, value string) page {
	b.h.t.Helper()
	to, fields := p.form()
	fields.Set(name, value)
	return b.post(to, fields)
}

// provider visits an identity provider and returns the callback that it leads to.
func (h *house) provider(target string) string {
	h.t.Helper()
	for _, op := range h.op {
		if !strings.HasPrefix(target, op.Issuer+"/") {
			continue
		}
		c := *op.Client
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		resp, err := c.Get(target)
		h.must(err)
		resp.Body.Close()
		back, err := resp.Location()
		h.must(err)
		return strings.TrimPrefix(back.String(), base)
	}
	h.t.Fatalf("%q is no provider", target)
	return ""
}

// open begins a transaction and returns its path.
func (b *browser) open() string {
	b.h.t.Helper()
	return b.get("/start").location()
}

// toProvider types an address on the first page; it returns the provider's URL.
func (b *browser) toProvider(login, email string) string {
	b.h.t.Helper()
	return b.submit(b.get(login+"/email"), "email", email).location()
}

// signIn takes the browser from an app to the consent page, or to wherever the
// transaction leads.
func (b *browser) signIn(email string) page {
	b.h.t.Helper()
	login := b.open()
	back := b.h.provider(b.toProvider(login, email))
	return b.get(b.get(back).location())
}

// must be signed in: what /start leads to without a person doing anything.
func (b *browser) signedIn() bool {
	b.h.t.Helper()
	return b.get(b.open()).Code == http.StatusSeeOther
}

func (h *house) events(slug string) []string {
	h.t.Helper()
	events, err := h.store.Tenant(h.tenants[slug]).Events(h.t.Context(), "", 50)
	h.must(err)
	var kinds []string
	for _, ev := range events {
		kinds = append(kinds, strings.TrimSuffix(ev.Kind+" "+ev.Reason, " "))
	}
	return kinds
}

// strays are the codes of the refusals in the platform's trail.
func (h *house) strays() []string {
	h.t.Helper()
	events, err := h.store.PlatformEvents(h.t.Context(), "", 50)
	h.must(err)
	var codes []string
	for _, ev := range events {
		if ev.Kind == "sign_in.refused" {
			codes = append(codes, ev.Reason)
		}
	}
	return codes
}

// binding is the name of the cookie that binds a transaction, by its path.
func (h *house) binding(login string) string {
	return "__Host-wg_login_" + strings.TrimPrefix(login, "/login/")
}

func (h *house) users(slug string) []storage.User {
	h.t.Helper()
	users, err := h.store.Tenant(h.tenants[slug]).ListUsers(h.t.Context())
	h.must(err)
	return users
}
