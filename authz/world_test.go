package authz_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
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

	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/templates"
)

const (
	issuer   = "https://auth.example.com"
	callback = "https://app.example.com/cb"
	audience = "https://api.example.com"
	secret   = "p%+:&secret-of-the-web-app-0123456789"
	verifier = "verifier-0123456789-0123456789-0123456789-0123456789"
)

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

// world is a deployment on a real store: two tenants with people, apps and
// resource servers, and the engine behind the real edge.
type world struct {
	*testing.T
	store  *sqlstore.Store
	trips  atomic.Int64
	engine *authz.Server
	mux    *web.Mux
	browse *browser
	log    bytes.Buffer

	mu    sync.Mutex
	clock time.Time

	cast

	// What the engine knows of API keys: nothing, but in the tests about them.
	forms     authz.KeyForms
	catalogue *catalogue.Catalogue
}

// cast is who is in every world.
type cast struct {
	acme, globex storage.Tenant
	idp, idpG    storage.Connection
	alice, carol storage.User
	web_, spa    storage.Client
}

// newWorld is a world on SQLite.
func newWorld(t *testing.T) *world {
	t.Helper()
	dsn := filepath.Join(t.TempDir(), "watchgate.db")
	return newWorldOn(t, dsn, sqliteMaster.copyTo(t, dsn))
}

func newPostgresWorld(t *testing.T) *world {
	t.Helper()
	dsn := pgtest.Template(t, "authz", func(dsn string) error {
		postgresCast = populate(t, dsn)
		return nil
	})
	return newWorldOn(t, dsn, postgresCast)
}

// newWorldOn is a world on a database that a cast is in.
func newWorldOn(t *testing.T, dsn string, c cast) *world {
	t.Helper()
	w := &world{T: t, clock: start, browse: &browser{}, cast: c}
	w.store = open(dsn, func(int) { w.trips.Add(1) })
	t.Cleanup(func() { _ = w.store.Close() })
	w.mount(issuer)
	return w
}

func (w *world) mount(issuer string) { w.mountOn(issuer, w.store) }

func (w *world) mountOn(issuer string, store authz.Store) {
	var err error
	w.engine, err = authz.New(authz.Config{
		Issuer: issuer, Store: store, Signer: keys, SignIn: w.browse,
		SuccessorKey: bytes.Repeat([]byte{7}, 32), Now: w.now, Keys: w.forms, Catalogue: w.catalogue, KeyLimits: limit.New(limit.Config{Now: w.now}),
	})
	w.must(err)
	w.mux = web.NewMux(web.Config{Log: web.NewLog(&w.log, slog.LevelInfo), Now: w.now, HTTPS: true, ErrorPage: errorPage})
	w.engine.Mount(w.mux)
}

func errorPage(rw http.ResponseWriter, r *http.Request, e *web.Error) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(e.Status)
	fatal(templates.Error(rw, templates.NewErrorPage(e.Code, origin.From(r.Context()).RequestID)))
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

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func event(kind string) storage.Event {
	return storage.Event{ID: storage.NewEventID(start), Time: start, Kind: kind, Outcome: "success"}
}

// client registers a confidential app that may do everything but what change
// takes away.
func (w *world) client(id storage.ClientID, change func(*storage.Client)) storage.Client {
	w.Helper()
	c := storage.Client{
		ID: id, Name: "App " + string(id), AuthMethod: storage.AuthBasic, Secrets: []storage.Secret{token.Seal(secret, start, time.Time{})},
		GrantTypes:   []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken},
		RedirectURIs: []string{callback}, Scopes: allScopes, FormPost: true, CreatedAt: start, Version: 1,
	}
	if change != nil {
		change(&c)
	}
	w.must(w.store.CreateClient(context.Background(), c, event("client.created")))
	return c
}

// change updates a client.
func (w *world) change(id storage.ClientID, edit func(*storage.Client)) {
	w.Helper()
	c, err := w.store.Client(context.Background(), id)
	w.must(err)
	edit(&c)
	w.must(w.store.UpdateClient(context.Background(), c, event("client.updated")))
}

// browser is the sign-in of these tests: its cookie holds handles, and Begin
// keeps the request for the test to go on with.
type browser struct {
	mu    sync.Mutex
	begun []storage.AuthorizeRequest
}

func (b *browser) Handles(r *http.Request) [][]byte {
	var handles [][]byte
	for _, c := range r.Cookies() {
		h := sha256.Sum256([]byte(c.Value))
		handles = append(handles, h[:])
	}
	return handles
}

func (b *browser) Begin(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = append(b.begun, req)
	http.Redirect(w, r, "/login/pending", http.StatusSeeOther)
	return nil
}

// last is the request that waits.
func (b *browser) last(t testing.TB) storage.AuthorizeRequest {
	t.Helper()
	if len(b.begun) == 0 {
		t.Fatal("no sign-in was begun")
	}
	return b.begun[len(b.begun)-1]
}

// signIn signs a person in and returns the cookie.
func (w *world) signIn(tenant storage.Tenant, con storage.Connection, u storage.User, edit ...func(*storage.Session)) (*http.Cookie, storage.LiveSession) {
	w.Helper()
	ctx, now := context.Background(), w.now()
	value := token.NewSecret()
	h := sha256.Sum256([]byte(value))
	s := storage.Session{
		ID: storage.NewSessionID(now), User: u.ID, Connection: con.ID, Handle: h[:], AuthTime: now, ACR: "urn:mfa", AMR: []string{"pwd", "otp"},
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(24 * time.Hour), IdleTimeout: time.Hour,
	}
	for _, e := range edit {
		e(&s)
	}
	stored, err := w.store.Tenant(tenant.ID).User(ctx, u.ID)
	create := err != nil
	if !create {
		u = stored
	}
	w.must(w.store.Tenant(tenant.ID).SignIn(ctx, storage.SignIn{
		Identity: storage.Identity{Connection: con.ID, Issuer: con.Issuer, Subject: string(u.ID)}, User: u, Create: create, Session: s,
	}, event("session.started")))
	live, err := w.store.SessionsByHandle(ctx, [][]byte{h[:]})
	w.must(err)
	return &http.Cookie{Name: "s_" + string(s.ID), Value: value}, live[0]
}

func (w *world) aliceIn(edit ...func(*storage.Session)) (*http.Cookie, storage.LiveSession) {
	w.Helper()
	return w.signIn(w.acme, w.idp, w.alice, edit...)
}

// form makes parameters of pairs; a later pair replaces an earlier one, and one
// without a value removes it.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request of the web app, edited.
func request(pairs ...string) url.Values {
	return form(append([]string{
		"client_id", "web", "redirect_uri", callback, "response_type", "code", "scope", "openid monitor:read offline_access",
		"state", "the-state", "nonce", "the-nonce", "code_challenge", challenge(verifier), "code_challenge_method", "S256",
	}, pairs...)...)
}

func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

func (w *world) authorize(params url.Values, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	return w.authorizeRaw(params.Encode(), cookies...)
}

func (w *world) authorizeRaw(query string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/oauth2/authorize?"+query, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return w.do(r)
}

// approve ends the sign-in that waits, as the consent page does.
func (w *world) approve(ls storage.LiveSession) *httptest.ResponseRecorder {
	w.Helper()
	return w.finish(w.browse.last(w), ls, true)
}

func (w *world) finish(req storage.AuthorizeRequest, ls storage.LiveSession, asked bool) *httptest.ResponseRecorder {
	w.Helper()
	var approved int64
	if asked {
		c, err := w.store.Client(w.Context(), req.Client)
		w.must(err)
		approved = c.Version
	}
	return w.finishAs(req, ls, approved)
}

// finishAs is finish by a person who saw the client at that version.
func (w *world) finishAs(req storage.AuthorizeRequest, ls storage.LiveSession, approved int64) *httptest.ResponseRecorder {
	w.Helper()
	rec, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/login/x/consent", nil)
	if err := w.engine.Approve(rec, r, req, ls, approved); err != nil {
		e := web.AsError(err)
		rec.WriteHeader(e.Status)
		fmt.Fprint(rec, e.Code)
	}
	return rec
}

// response returns the parameters of an authorization response, which went to
// the redirect URI.
func (w *world) response(rec *httptest.ResponseRecorder, redirectURI string) url.Values {
	w.Helper()
	loc := rec.Header().Get("Location")
	if rec.Code != http.StatusSeeOther || !strings.HasPrefix(loc, redirectURI) {
		w.Fatalf("status %d, Location %q; want 303 to %s\n%s", rec.Code, loc, redirectURI, rec.Body)
	}
	u, err := url.Parse(loc)
	w.must(err)
	return u.Query()
}

// code gets a code for alice with the given request, through consent.
func (w *world) code(params url.Values) string {
	w.Helper()
	cookie, ls := w.aliceIn()
	rec := w.authorize(params, cookie)
	if rec.Header().Get("Location") == "/login/pending" {
		rec = w.approve(ls)
	}
	code := w.response(rec, params.Get("redirect_uri")).Get("code")
	if code == "" {
		w.Fatalf("no code: %s", rec.Header().Get("Location"))
	}
	return code
}

func (w *world) post(path string, params url.Values, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(params.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(r)
	}
	return w.do(r)
}

// as authenticates by client_secret_basic.
func as(client string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret)) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func redemption(code string, pairs ...string) url.Values {
	return form(append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier}, pairs...)...)
}

// tokens are a token response.
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Scope   string `json:"scope"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
	Text    string `json:"error_description"`
}

func (w *world) tokens(rec *httptest.ResponseRecorder) tokens {
	w.Helper()
	var t tokens
	if err := json.Unmarshal(rec.Body.Bytes(), &t); err != nil {
		w.Fatalf("status %d, body %q: %v", rec.Code, rec.Body, err)
	}
	if (rec.Code == http.StatusOK) != (t.Error == "") {
		w.Fatalf("status %d with error %q", rec.Code, t.Error)
	}
	return t
}
