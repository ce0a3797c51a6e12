package account_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/account"
	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/idp/oidcconn"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/flow"
	"github.com/watchgate/watchgate/internal/handclock"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/templates"
)

const base = "https://auth.example.com"

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is a deployment with the tenants acme and globex, each with a provider, and an
// app.
type world struct {
	*testing.T
	clock   *handclock.Clock
	store   *store
	server  *idp.Server
	factors *mfa.Factors
	box     *mail.Box
	mails   *mail.Mailbox
	mux     *web.Mux
	tenants map[string]storage.TenantID
	op      map[string]*optest.Provider
	sealer  *seal.Sealer
}

// store can go away.
type store struct {
	*sqlstore.Store
	away bool
}

func (s *store) SessionsByHandle(ctx context.Context, handles [][]byte) ([]storage.LiveSession, error) {
	if s.away {
		return nil, errors.New("connection refused")
	}
	return s.Store.SessionsByHandle(ctx, handles)
}

func migrate(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) }

func newWorld(t *testing.T) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watchgate.db")
	if err := migrate(path); err != nil {
		t.Fatal(err)
	}
	return worldOn(t, path, nil)
}

// onBoth runs a test on each engine: where one statement has to be the judge.
func onBoth(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) { test(newWorld(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(worldOn(t, pgtest.Template(t, "account", migrate), nil)) })
}

func worldOn(t *testing.T, dsn string, configure func(*account.Config)) *world {
	t.Helper()
	w := &world{T: t, clock: handclock.New(), tenants: map[string]storage.TenantID{},
		op: map[string]*optest.Provider{}, mails: mail.NewMailbox(100)}
	opened, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	w.must(err)
	t.Cleanup(func() { opened.Close() })
	w.store = &store{Store: opened}
	w.sealer, err = seal.New([][]byte{bytes.Repeat([]byte{1}, 32)})
	w.must(err)
	for _, slug := range []string{"acme", "globex"} {
		w.op[slug] = optest.New(t, w.clock.Now)
		w.addTenant(slug)
	}
	w.addApps()
	w.box = mail.New(mail.Config{Store: w.store, Sealer: w.sealer, Sender: w.mails, Now: w.clock.Now, Issuer: base})
	w.factors, err = mfa.New(mfa.Config{Base: base, Name: "Watchgate", Store: w.store, Sealer: w.sealer, Notifier: w.box, Now: w.clock.Now})
	w.must(err)
	w.start(configure)
	return w
}

func (w *world) start(configure func(*account.Config)) {
	w.Helper()
	clients := map[string]http.RoundTripper{}
	for _, op := range w.op {
		clients[strings.TrimPrefix(op.Issuer, "https://")] = op.Client.Transport
	}
	var err error
	w.server, err = idp.New(idp.Config{
		Base: base, Store: w.store, Steps: flow.New(bytes.Repeat([]byte{2}, 32)), CookieKey: bytes.Repeat([]byte{3}, 32), Now: w.clock.Now,
		Connect: oidcconn.Connect(oidcconn.Config{Client: &http.Client{Transport: byHost(clients)}, Opener: w.sealer, Now: w.clock.Now}),
		Prover:  w.factors, Enroller: w.factors, Post: w.box,
	})
	w.must(err)
	cfg := account.Config{
		Base: base, Store: w.store, People: w.server, Prover: w.factors, Post: w.box, Now: w.clock.Now,
		CookieKey: bytes.Repeat([]byte{3}, 32), Support: "support@watch.example",
	}
	if configure != nil {
		configure(&cfg)
	}
	pages, err := account.New(cfg)
	w.must(err)
	w.mux = web.NewMux(web.Config{Now: w.clock.Now, HTTPS: true, ErrorPage: errorPage})
	w.server.Mount(w.mux)
	pages.Mount(w.mux)
}

type byHost map[string]http.RoundTripper

func (h byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if t, ok := h[r.URL.Host]; ok {
		return t.RoundTrip(r)
	}
	return nil, errors.New("no such host")
}

func errorPage(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	w.WriteHeader(e.Status)
	templates.Error(w, templates.NewErrorPage(e.Code, "req_1"))
	io.WriteString(w, e.Note)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) addTenant(slug string) {
	w.Helper()
	ctx, now := w.Context(), w.clock.Now()
	t := storage.Tenant{ID: storage.NewTenantID(now), Slug: slug, Name: strings.ToUpper(slug[:1]) + slug[1:], CreatedAt: now, Version: 1}
	w.tenants[slug] = t.ID
	w.must(w.store.CreateTenant(ctx, t, audit.TenantCreated(ctx, now, t)))
	con := storage.Connection{
		ID: storage.ConnectionID("con_" + slug), Kind: storage.OIDC, Name: "Okta of " + slug, Issuer: w.op[slug].Issuer, ClientID: optest.ClientID,
		Scopes: []string{"openid", "email", "profile"}, CreateUsers: true, DefaultRole: storage.RoleMember, CreatedAt: now, Version: 1,
	}
	var err error
	con.SealedSecret, err = w.sealer.Seal(seal.Place{Tenant: t.ID, Table: "connections", Column: "client_secret", Row: string(con.ID)}, []byte(optest.ClientSecret))
	w.must(err)
	w.must(w.tenant(slug).CreateConnection(ctx, con, audit.ConnectionCreated(ctx, now, con)))
	d := storage.Domain{Name: slug + ".test", Connection: con.ID, VerifiedAt: now, CreatedAt: now}
	w.must(w.tenant(slug).PutDomain(ctx, d, audit.DomainVerified(ctx, now, d)))
}

func (w *world) addApps() {
	w.Helper()
	ctx, now := w.Context(), w.clock.Now()
	c := storage.Client{
		ID: "board", Name: "Status board", AuthMethod: storage.AuthNone, GrantTypes: []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken},
		RedirectURIs: []string{"https://app.example/cb"}, Scopes: []string{"openid", "monitor:read", "offline_access"}, CreatedAt: now, Version: 1,
	}
	w.must(w.store.CreateClient(ctx, c, audit.ClientCreated(ctx, now, c)))
	rs := storage.ResourceServer{
		ID: "api", Name: "API", Audience: "https://api.example", CreatedAt: now, Version: 1,
		Scopes: []storage.Scope{{Name: "monitor:read", Description: "See your monitors", Sensitive: true}},
	}
	w.must(w.store.CreateResourceServer(ctx, rs, audit.ResourceServerCreated(ctx, now, rs)))
}

func (w *world) tenant(slug string) storage.TenantStore { return w.store.Tenant(w.tenants[slug]) }

// policy changes a tenant's.
func (w *world) policy(slug string, change func(*storage.TenantPolicy)) {
	w.Helper()
	w.change(slug, func(t *storage.Tenant) { change(&t.Policy) })
}

func (w *world) change(slug string, change func(*storage.Tenant)) {
	w.Helper()
	t, err := w.store.TenantBySlug(w.Context(), slug)
	w.must(err)
	change(&t)
	w.must(w.store.UpdateTenant(w.Context(), t, audit.TenantUpdated(w.Context(), w.clock.Now(), t)))
}

// browser is one in which people are signed in.
type browser struct {
	*world
	jar *cookiejar.Jar
	url *url.URL
}

func (w *world) browser() *browser {
	w.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	u, err := url.Parse(base)
	w.must(err)
	return &browser{w, jar, u}
}

// signIn signs somebody in, past the pages: the provider authenticated them just now.
func (b *browser) signIn(slug, name string, change ...func(*storage.Session)) storage.Session {
	b.Helper()
	ctx, now, handle := b.Context(), b.clock.Now(), token.NewSecret()
	hash := sha256.Sum256([]byte(handle))
	in := storage.SignIn{Identity: storage.Identity{Connection: storage.ConnectionID("con_" + slug), Issuer: b.op[slug].Issuer, Subject: name + "-sub"}}
	var err error
	in.User, err = b.tenant(slug).UserByIdentity(ctx, in.Identity)
	if errors.Is(err, storage.ErrNotFound) {
		in.Create, err = true, nil
		in.User = storage.User{ID: storage.NewUserID(now), Role: storage.RoleMember, Email: name + "@" + slug + ".test", EmailVerified: true,
			Claims: map[string]any{"name": name}, CreatedAt: now, Version: 1}
	}
	b.must(err)
	in.Session = storage.Session{
		ID: storage.NewSessionID(now), User: in.User.ID, Connection: in.Identity.Connection, Handle: hash[:], AuthTime: now, CreatedAt: now, LastSeenAt: now,
		ExpiresAt: now.Add(24 * time.Hour), IdleTimeout: time.Hour, IP: "192.0.2.7",
		UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
	}
	for _, f := range change {
		f(&in.Session)
	}
	b.must(b.tenant(slug).SignIn(ctx, in, audit.SignedIn(ctx, now, in.User, in.Session, in.Create)))
	b.jar.SetCookies(b.url, []*http.Cookie{{Name: "__Host-wg_session_" + string(b.tenants[slug]), Value: handle, Path: "/", Secure: true}})
	return in.Session
}

// page is an answer.
type page struct {
	*testing.T
	*httptest.ResponseRecorder
}

func (b *browser) do(method, path string, body io.Reader, site string) page {
	b.Helper()
	req := httptest.NewRequestWithContext(b.Context(), method, path, body)
	req.Host = b.url.Host
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", site)
	}
	for _, c := range b.jar.Cookies(b.url) {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, req)
	b.jar.SetCookies(b.url, w.Result().Cookies())
	return page{b.T, w}
}

func (b *browser) get(path string) page {
	b.Helper()
	return b.do(http.MethodGet, strings.TrimPrefix(path, base), nil, "")
}

func (b *browser) post(path string, fields ...string) page {
	b.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), "same-origin")
}

// token is what a page's forms have.
func (b *browser) token(path string) string {
	b.Helper()
	found := csrf.FindStringSubmatch(b.get(path).Body.String())
	if found == nil {
		b.Fatalf("%s has no form", path)
	}
	return found[1]
}

// agree posts to a page that asks, as somebody who read it.
func (b *browser) agree(path string) page {
	b.Helper()
	return b.post(path, "csrf", b.token(path), "step", "do")
}

var (
	csrf   = regexp.MustCompile(`name="csrf" value="([^"]*)"`)
	tags   = regexp.MustCompile(`<[^>]*>|\s+`)
	action = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	hidden = regexp.MustCompile(`<input type="hidden" name="(transaction|verifier)" value="([^"]*)">`)
)

func (p page) text() string {
	return html.UnescapeString(strings.Join(strings.Fields(tags.ReplaceAllString(p.Body.String(), " ")), " "))
}

func (p page) location() string {
	p.Helper()
	if p.Code != http.StatusSeeOther {
		p.Fatalf("status %d, want a redirect: %s", p.Code, p.text())
	}
	return strings.TrimPrefix(p.Header().Get("Location"), base)
}

func (p page) says(words ...string) {
	p.Helper()
	for _, w := range words {
		if !strings.Contains(p.text(), w) {
			p.Errorf("status %d, does not say %q: %s", p.Code, w, p.text())
		}
	}
}

func (p page) hides(words ...string) {
	p.Helper()
	for _, w := range words {
		if strings.Contains(p.Body.String(), w) {
			p.Errorf("status %d, says %q: %s", p.Code, w, p.text())
		}
	}
}

// refuses fails the test unless the answer is an error page.
func (p page) refuses(status int, code string) {
	p.Helper()
	if p.Code != status || !strings.Contains(p.Body.String(), "<code>"+code+"</code>") {
		p.Errorf("status %d, want %d with %s: %s", p.Code, status, code, p.text())
	}
}

// follow loads what redirects of ours lead to, until something else comes.
func (b *browser) follow(p page) page {
	b.Helper()
	for range 10 {
		to := p.Header().Get("Location")
		if p.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
			return p
		}
		p = b.get(to)
	}
	b.Fatal("too many redirects")
	return p
}

// provider goes on from a redirect to acme's provider, to where that leads back.
func (b *browser) provider(p page) page {
	b.Helper()
	c := *b.op["acme"].Client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Get(p.location())
	b.must(err)
	resp.Body.Close()
	return b.follow(b.get(resp.Header.Get("Location")))
}

// code proves an authenticator app on the page of the factor step.
func (b *browser) code(p page, secret string) page {
	b.Helper()
	to := action.FindStringSubmatch(p.Body.String())
	if p.Code != http.StatusOK || to == nil {
		b.Fatalf("status %d, no form: %s", p.Code, p.text())
	}
	fields := []string{"way", "code", "code", b.otp(secret)}
	for _, f := range hidden.FindAllStringSubmatch(p.Body.String(), -1) {
		fields = append(fields, f[1], f[2])
	}
	return b.follow(b.post(to[1], fields...))
}

func (w *world) otp(secret string) string {
	w.Helper()
	code, err := totp.GenerateCodeCustom(secret, w.clock.Now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	w.must(err)
	return code
}

// app gives somebody an authenticator app, past the pages.
func (w *world) app(slug string, user storage.UserID, name string) (storage.Factor, string) {
	w.Helper()
	u, err := w.tenant(slug).User(w.Context(), user)
	w.must(err)
	seed, kept, err := w.factors.NewTOTP(w.Context(), w.tenants[slug], u)
	w.must(err)
	secret := strings.ReplaceAll(seed.Secret, " ", "")
	_, err = w.factors.AddTOTP(w.Context(), w.tenants[slug], u, kept, w.otp(secret), name)
	w.must(err)
	w.clock.Forward(time.Minute)
	all := w.factorsOf(slug, user)
	return all[slices.IndexFunc(all, func(f storage.Factor) bool { return f.Name == name })], secret
}

func (w *world) factorsOf(slug string, user storage.UserID) []storage.Factor {
	w.Helper()
	all, err := w.tenant(slug).ListFactors(w.Context(), user)
	w.must(err)
	return all
}

// grant is access of the app in a session; offline outlives it.
func (w *world) grant(slug string, s storage.Session, offline bool) storage.TokenRef {
	w.Helper()
	ctx, now := w.Context(), w.clock.Now()
	t, err := w.store.TenantBySlug(ctx, slug)
	w.must(err)
	code := storage.Code{
		Ref: w.ref(token.Code, time.Minute), Grant: storage.NewGrantID(now), User: s.User, Client: "board", Session: s.ID, Connection: s.Connection,
		RedirectURI: "https://app.example/cb", Scopes: []string{"openid", "monitor:read"}, CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if offline {
		code.Scopes = append(code.Scopes, "offline_access")
	}
	consent := storage.Consent{User: s.User, Client: "board", RedirectHost: "app.example", Scopes: code.Scopes, ClientVersion: 1, At: now}
	w.must(w.tenant(slug).IssueCode(ctx, storage.IssueCode{Code: code, ClientVersion: 1, TenantVersion: t.Version, Handle: s.Handle, Remember: &consent}, audit.CodeIssued(ctx, now, code)))
	g := storage.Grant{ID: code.Grant, User: s.User, Client: "board", Session: s.ID, Origin: s.ID, Connection: s.Connection, Scopes: code.Scopes,
		CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour)}
	a := storage.AccessToken{Ref: w.ref(token.Access, time.Hour), ID: storage.NewTokenID(now), Grant: g.ID, Client: "board", User: s.User, Session: s.ID,
		Connection: s.Connection, Scopes: code.Scopes, IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	if offline {
		g.Session, a.Session = "", ""
	}
	w.must(w.tenant(slug).RedeemCode(ctx, storage.RedeemCode{Code: code.Ref, At: now, Grant: g, Access: a}, audit.CodeRedeemed(ctx, now, g, a, false)))
	return a.Ref
}

func (w *world) ref(kind token.Kind, life time.Duration) storage.TokenRef {
	w.Helper()
	r, err := token.Parse(kind, token.New(kind, w.clock.Now().Add(life)))
	w.must(err)
	return r
}

// dead is why an access token is; "": it works.
func (w *world) dead(ref storage.TokenRef) string {
	w.Helper()
	_, found, err := w.store.FindAccess(w.Context(), "", ref)
	w.must(err)
	return found.Dead(w.clock.Now())
}

// ended reports whether a session is over.
func (w *world) ended(slug string, id storage.SessionID) bool {
	w.Helper()
	s, err := w.tenant(slug).Session(w.Context(), id)
	w.must(err)
	return s.Expired(w.clock.Now())
}

// trail are the kinds of a tenant's events, newest first.
func (w *world) trail(slug string) []string {
	w.Helper()
	all, err := w.tenant(slug).Events(w.Context(), "", 50)
	w.must(err)
	var kinds []string
	for _, ev := range all {
		kinds = append(kinds, ev.Kind)
	}
	return kinds
}

// mailed sends what is queued, and returns the mails of a kind.
func (w *world) mailed(kind mail.Kind) []mail.Envelope {
	w.Helper()
	w.clock.Forward(time.Second)
	w.must(w.box.Tick(w.Context()))
	return slices.DeleteFunc(w.mails.Mails(), func(e mail.Envelope) bool { return mail.Kind(e.Kind) != kind })
}
