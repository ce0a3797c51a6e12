package monitorapi

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

const issuer = "https://auth.example.com"

// world is the API, beside an authorization server's introspection endpoint over
// a real store.
type world struct {
	t        *testing.T
	unix     atomic.Int64
	store    *sqlstore.Store
	tenants  map[string]storage.TenantID
	asked    atomic.Int64 // introspections
	upstream *httptest.Server
	api      *httptest.Server
}

func (w *world) now() time.Time       { return time.Unix(w.unix.Load(), 0).UTC() }
func (w *world) wait(d time.Duration) { w.unix.Add(int64(d / time.Second)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, tenants: map[string]storage.TenantID{}}
	w.unix.Store(1772366400)
	dsn := storagetest.File(t, sqlstore.Migrate)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	must(t, err)
	w.store = store
	t.Cleanup(func() { must(t, store.Close()) })
	w.seed()
	mux := web.NewMux(web.Config{Now: w.now})
	introspect.New(introspect.Config{Store: store, Issuer: issuer, Now: w.now}).Mount(mux)
	w.upstream = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		mux.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.upstream.Close)
	w.api = w.serve("demo-api-secret")
	return w
}

// serve starts the API with a secret of its own.
func (w *world) serve(secret string) *httptest.Server {
	srv := httptest.NewServer(opened(Config{
		Issuer: issuer, IntrospectURL: w.upstream.URL + "/oauth2/introspect", ResourceServerID: "demo-api", Secret: secret,
		BaseURL: "https://api.example.com", Now: w.now, Log: slog.New(slog.DiscardHandler),
	}))
	w.t.Cleanup(srv.Close)
	return srv
}

// seed makes two tenants, a machine client in each, and the resource server.
func (w *world) seed() {
	w.t.Helper()
	ctx, now := w.t.Context(), w.now()
	scopes := []string{"monitor:read", "alert:write", "config:admin", "monitoring:admin"}
	for _, slug := range []string{"acme", "globex", "initech"} {
		tenant := storage.Tenant{ID: storage.NewTenantID(now), Slug: slug, Name: slug, CreatedAt: now, Version: 1}
		w.tenants[slug] = tenant.ID
		must(w.t, w.store.CreateTenant(ctx, tenant, audit.TenantCreated(ctx, now, tenant)))
		client := storage.Client{
			ID: storage.ClientID("m2m-" + slug), Name: slug, AuthMethod: storage.AuthBasic, GrantTypes: []string{storage.GrantClientCredentials},
			Scopes: scopes, ServiceTenant: tenant.ID, Secrets: []storage.Secret{token.Seal("s", now, time.Time{})}, CreatedAt: now, Version: 1,
		}
		must(w.t, w.store.CreateClient(ctx, client, audit.ClientCreated(ctx, now, client)))
	}
	rs := storage.ResourceServer{
		ID: "demo-api", Name: "API", Audience: "https://api.example.com/", CreatedAt: now, Version: 1,
		Secrets: []storage.Secret{token.Seal("demo-api-secret", now, time.Time{})},
	}
	for _, s := range scopes {
		rs.Scopes = append(rs.Scopes, storage.Scope{Name: s, Description: s})
	}
	must(w.t, w.store.CreateResourceServer(ctx, rs, audit.ResourceServerCreated(ctx, now, rs)))
}

// issue returns an access token of a tenant, good for an hour.
func (w *world) issue(tenant string, scopes ...string) string {
	w.t.Helper()
	now := w.now()
	raw := token.New(token.Access, now.Add(time.Hour))
	ref, err := token.Parse(token.Access, raw)
	must(w.t, err)
	a := storage.AccessToken{
		Ref: ref, ID: storage.NewTokenID(now), Client: storage.ClientID("m2m-" + tenant), Scopes: scopes, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	must(w.t, w.store.Tenant(w.tenants[tenant]).IssueToken(w.t.Context(), storage.IssueToken{Token: a, ClientVersion: 1, TenantVersion: 1}, audit.TokenIssued(w.t.Context(), now, a)))
	return raw
}

func (w *world) revoke(tenant, raw string) {
	w.t.Helper()
	ref, err := token.Parse(token.Access, raw)
	must(w.t, err)
	must(w.t, w.store.Tenant(w.tenants[tenant]).RevokeToken(w.t.Context(), ref, w.now(), audit.TokenRevoked(w.t.Context(), w.now(), storage.AccessToken{Ref: ref})))
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) members(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("%d %q: %v", r.status, r.body, err)
	}
	return out
}

func (w *world) do(method, path, body string, header ...string) reply {
	w.t.Helper()
	return fetch(w.t, method, w.api.URL+path, body, header...)
}

func fetch(t *testing.T, method, target, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	must(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return reply{resp.StatusCode, resp.Header, string(b)}
}

func with(token string) []string { return []string{"Authorization", "Bearer " + token} }

func TestTokenOpensItsOwnTenant(t *testing.T) {
	w := newWorld(t)
	for tenant, monitors := range map[string]int{"acme": 3, "globex": 2, "initech": 0} {
		raw := w.issue(tenant, "monitor:read")
		for path, n := range map[string]int{"monitors": monitors, "checks": 3 * monitors} {
			got := w.do("GET", "/t/"+tenant+"/"+path, "", with(raw)...)
			if list, _ := got.members(t)[path].([]any); got.status != 200 || len(list) != n || list == nil {
				t.Errorf("%s/%s = %d with %d entries, want %d", tenant, path, got.status, len(list), n)
			}
		}
	}
}

// TestTokenOfAnotherTenantFindsNothing is the tenancy rule: the other tenant's
// objects do not exist, whichever they are.
func TestTokenOfAnotherTenantFindsNothing(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitoring:admin")
	var bodies []string
	for _, tenant := range []string{"globex", "no-such-tenant", "ACME", "acme%2f..", strings.Repeat("a", 64)} {
		for _, op := range [][2]string{{"GET", "monitors"}, {"GET", "alerts"}, {"POST", "alerts"}, {"GET", "checks"}, {"PUT", "config"}} {
			got := w.do(op[0], "/t/"+tenant+"/"+op[1], `{"monitor":"mon_1","message":"x"}`, append(with(raw), "Content-Type", "application/json")...)
			if got.status != http.StatusNotFound {
				t.Errorf("%s of %s = %d, want 404", op, tenant, got.status)
			}
			bodies = append(bodies, got.body)
		}
	}
	for _, b := range bodies {
		if b != bodies[0] {
			t.Errorf("%q differs from %q: the answer tells which tenants there are", b, bodies[0])
		}
	}
	mine := w.do("GET", "/t/globex/alerts", "", with(w.issue("globex", "monitor:read"))...)
	if list := mine.members(t)["alerts"].([]any); len(list) != 0 {
		t.Errorf("a call of acme left %d alerts at globex", len(list))
	}
}

// TestTenantMayBeNamedByItsID: the data is the same.
func TestTenantMayBeNamedByItsID(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitor:read")
	path := "/t/" + string(w.tenants["acme"]) + "/monitors"
	if list, _ := w.do("GET", path, "", with(raw)...).members(t)["monitors"].([]any); len(list) != 3 {
		t.Errorf("%s has %d monitors, want 3", path, len(list))
	}
	if got := w.do("GET", "/t/"+string(w.tenants["globex"])+"/monitors", "", with(raw)...); got.status != 404 {
		t.Errorf("the other tenant's id: %d", got.status)
	}
}

func TestConfigurationThatCannotBeUsedIsAnError(t *testing.T) {
	cfg := Config{Issuer: "http://auth.example.com", ResourceServerID: "demo-api", Secret: "s", Now: time.Now}
	if handler, err := New(cfg); err == nil || handler != nil || !strings.Contains(err.Error(), "not this machine") {
		t.Errorf("an issuer that everybody on the way can read: %v", err)
	}
	cfg.Issuer, cfg.Secret = issuer, ""
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "Secret is missing") {
		t.Errorf("no secret: %v", err)
	}
}

func TestCallWithoutCredentialsGetsNoErrorCode(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitor:read")
	for name, call := range map[string]reply{
		"nothing":             w.do("GET", "/t/acme/monitors", ""),
		"token in the body":   w.do("POST", "/t/acme/alerts", "access_token="+raw, "Content-Type", "application/x-www-form-urlencoded"),
		"Basic":               w.do("GET", "/t/acme/monitors", "", "Authorization", "Basic eDp5"),
		"unknown tenant, too": w.do("GET", "/t/nobody/monitors", ""),
	} {
		challenge := call.header.Get("WWW-Authenticate")
		if call.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") || strings.Contains(challenge, "error") {
			t.Errorf("%s: %d %q, want 401 and a challenge without error", name, call.status, challenge)
		}
		if diff := cmp.Diff(map[string]any{"message": "an access token or API key is needed: Authorization: Bearer ..., or X-API-Key: ..."}, call.members(t)); diff != "" {
			t.Errorf("%s: body (-want +got):\n%s", name, diff)
		}
	}
	if n := w.asked.Load(); n != 0 {
		t.Errorf("%d introspections of nothing", n)
	}
}

func TestTokenInTheQueryIsRefusedAsSuch(t *testing.T) {
	w := newWorld(t)
	got := w.do("GET", "/t/acme/monitors?access_token="+w.issue("acme", "monitor:read"), "")
	if got.status != http.StatusBadRequest || got.members(t)["error"] != "invalid_request" {
		t.Errorf("%d %s, want 400 invalid_request", got.status, got.body)
	}
	if n := w.asked.Load(); n != 0 {
		t.Errorf("%d introspections of what is in the wrong place", n)
	}
}

func TestDeadTokenIsInvalid(t *testing.T) {
	w := newWorld(t)
	revoked, expired := w.issue("acme", "monitor:read"), w.issue("acme", "monitor:read")
	w.revoke("acme", revoked)
	w.wait(time.Hour)
	for name, raw := range map[string]string{
		"revoked": revoked, "expired": expired, "garbage": "garbage", "never issued": token.New(token.Access, w.now().Add(time.Hour)),
		"a refresh token": token.New(token.Refresh, w.now().Add(time.Hour)), "an ID token": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
	} {
		for _, tenant := range []string{"acme", "globex"} {
			got := w.do("GET", "/t/"+tenant+"/monitors", "", with(raw)...)
			if got.status != 401 || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) || got.members(t)["error"] != "invalid_token" {
				t.Errorf("%s at %s: %d %q", name, tenant, got.status, got.header.Get("WWW-Authenticate"))
			}
		}
	}
}

func TestMalformedAuthorizationIsABadRequest(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitor:read")
	for name, header := range map[string][]string{
		"no token":    {"Authorization", "Bearer"},
		"empty token": {"Authorization", "Bearer  "},
		"two tokens":  {"Authorization", "Bearer " + raw + " " + raw},
		"two headers": {"Authorization", "Bearer " + raw, "Authorization", "Bearer " + raw},
		"quotes":      {"Authorization", `Bearer "` + raw + `"`},
	} {
		got := w.do("GET", "/t/acme/monitors", "", header...)
		if got.status != 400 || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_request"`) {
			t.Errorf("%s: %d %q", name, got.status, got.header.Get("WWW-Authenticate"))
		}
	}
	if got := w.do("GET", "/t/acme/monitors", "", "Authorization", "bEARER "+raw); got.status != 200 {
		t.Errorf("the scheme is not case-sensitive (RFC 9110 section 11.1): %d", got.status)
	}
}

func TestMissingScopeIsNamed(t *testing.T) {
	w := newWorld(t)
	json := []string{"Content-Type", "application/json"}
	for _, c := range []struct{ held, method, path, body, needed string }{
		{"alert:write", "GET", "monitors", "", "monitor:read"},
		{"alert:write", "GET", "checks", "", "monitor:read"},
		{"config:admin", "GET", "alerts", "", "monitor:read"},
		{"monitor:read", "POST", "alerts", `{"monitor":"mon_1","message":"x"}`, "alert:write"},
		{"alert:write", "PUT", "config", `{"interval_seconds":30}`, "config:admin"},
	} {
		got := w.do(c.method, "/t/acme/"+c.path, c.body, append(with(w.issue("acme", c.held)), json...)...)
		want := `Bearer realm="monitoring", error="insufficient_scope", scope="` + c.needed + `", ` +
			`resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`
		if challenge := got.header.Get("WWW-Authenticate"); got.status != 403 || challenge != want {
			t.Errorf("%s %s with %s: %d\n got %s\nwant %s", c.method, c.path, c.held, got.status, challenge, want)
		}
		body := map[string]any{"error": "insufficient_scope", "error_description": "the access token or API key lacks a scope"}
		if diff := cmp.Diff(body, got.members(t)); diff != "" {
			t.Errorf("%s %s: body (-want +got):\n%s", c.method, c.path, diff)
		}
		for _, enough := range []string{c.needed, "monitoring:admin"} {
			if got := w.do(c.method, "/t/acme/"+c.path, c.body, append(with(w.issue("acme", enough)), json...)...); got.status/100 != 2 {
				t.Errorf("%s %s with %s: %d %s", c.method, c.path, enough, got.status, got.body)
			}
		}
	}
}

func TestAuthorizationServerThatIsAwayIsNoVerdict(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitor:read")
	unavailable := func(name, base string) {
		t.Helper()
		got := fetch(t, "GET", base+"/t/acme/monitors", "", with(raw)...)
		if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %v, want 503 with Retry-After", name, got.status, got.header)
		}
	}
	unavailable("our secret is wrong", w.serve("wrong").URL)
	w.upstream.Close()
	unavailable("nobody answers", w.api.URL)
}

// answeredBy is the API beside an introspection endpoint of a test's own.
func answeredBy(upstream *httptest.Server) http.Handler {
	return opened(Config{
		Issuer: issuer, IntrospectURL: upstream.URL, ResourceServerID: "demo-api", Secret: "demo-api-secret", Now: time.Now,
		Log: slog.New(slog.DiscardHandler),
	})
}

// saysJSON answers every question alike.
func saysJSON(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}
}

// TestAnswerOfAnotherIssuerIsNoYes has an introspection endpoint that answers for
// somebody else, or half, or not at all in JSON.
func TestAnswerOfAnotherIssuerIsNoYes(t *testing.T) {
	for name, answer := range map[string]string{
		"other issuer": `{"active":true,"iss":"https://evil.example","tenant":"acme","scope":"monitoring:admin"}`,
		"no issuer":    `{"active":true,"tenant":"acme","scope":"monitoring:admin"}`,
		"no JSON":      `active`,
		"cut":          `{"active":true,"iss":"` + issuer,
	} {
		upstream := httptest.NewServer(saysJSON(answer))
		srv := httptest.NewServer(answeredBy(upstream))
		if got := fetch(t, "GET", srv.URL+"/t/acme/monitors", "", with("x")...); got.status != 503 {
			t.Errorf("%s: %d, want 503", name, got.status)
		}
		srv.Close()
		upstream.Close()
	}
	// A server that ignores tenant= must not open one tenant's data to another's token.
	upstream := httptest.NewServer(saysJSON(`{"active":true,"iss":"` + issuer + `","tenant":"globex","scope":"monitoring:admin"}`))
	defer upstream.Close()
	srv := httptest.NewServer(answeredBy(upstream))
	defer srv.Close()
	if got := fetch(t, "GET", srv.URL+"/t/acme/monitors", "", with("x")...); got.status != 404 {
		t.Errorf("answer for globex at acme: %d, want 404", got.status)
	}
}

func TestAlertIsCreatedInItsTenantOnly(t *testing.T) {
	w := newWorld(t)
	made := w.do("POST", "/t/acme/alerts", `{"monitor":"mon_1","message":"Certificate ends"}`,
		append(with(w.issue("acme", "alert:write")), "Content-Type", "application/json; charset=utf-8")...)
	if m := made.members(t); made.status != 201 || m["state"] != "open" || m["created_by"] != "m2m-acme" {
		t.Errorf("created: %d %s", made.status, made.body)
	}
	for tenant, want := range map[string]bool{"acme": true, "globex": false} {
		list := w.do("GET", "/t/"+tenant+"/alerts", "", with(w.issue(tenant, "monitor:read"))...)
		if strings.Contains(list.body, "Certificate ends") != want {
			t.Errorf("%s: %s", tenant, list.body)
		}
	}
}

func TestConfigIsReplaced(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "config:admin", "monitor:read")
	put := w.do("PUT", "/t/acme/config", `{"interval_seconds":30,"notify_email":"sre@acme.test"}`, append(with(raw), "Content-Type", "application/json")...)
	if put.status != 200 {
		t.Fatalf("%d %s", put.status, put.body)
	}
	if got := w.do("GET", "/t/acme/config", "", with(raw)...); got.members(t)["interval_seconds"] != 30.0 {
		t.Errorf("config = %s", got.body)
	}
}

func TestBadBodiesAreRefused(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitoring:admin")
	for name, c := range map[string]struct {
		body, kind string
		status     int
	}{
		"no JSON":         {"monitor=mon_1", "application/x-www-form-urlencoded", 415},
		"no content type": {`{"monitor":"mon_1","message":"x"}`, "", 415},
		"cut":             {`{"monitor":`, "application/json", 400},
		"unknown member":  {`{"monitor":"mon_1","message":"x","tenant":"globex"}`, "application/json", 400},
		"trailing":        {`{"monitor":"mon_1","message":"x"}{}`, "application/json", 400},
		"list":            {`[]`, "application/json", 400},
		"too long":        {`{"monitor":"mon_1","message":"` + strings.Repeat("x", maxBody) + `"}`, "application/json", 400},
		"long message":    {`{"monitor":"mon_1","message":"` + strings.Repeat("x", 501) + `"}`, "application/json", 422},
		"other monitor":   {`{"monitor":"mon_9","message":"x"}`, "application/json", 422},
		"empty":           {`{}`, "application/json", 422},
	} {
		got := w.do("POST", "/t/acme/alerts", c.body, append(with(raw), "Content-Type", c.kind)...)
		if got.status != c.status || got.members(t)["error"] == "" {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	w := newWorld(t)
	raw := w.issue("acme", "monitor:read")
	if got := w.do("DELETE", "/t/acme/alerts", "", with(raw)...); got.status != 405 || got.header.Get("Allow") != "GET, POST" {
		t.Errorf("DELETE: %d, Allow %q", got.status, got.header.Get("Allow"))
	}
	if got := w.do("HEAD", "/t/acme/monitors", "", with(raw)...); got.status != 200 || got.body != "" {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
	for _, path := range []string{"/t/acme/users", "/t/acme", "/t/"} {
		if got := w.do("GET", path, "", with(raw)...); got.status != 404 {
			t.Errorf("%s: %d, want 404", path, got.status)
		}
	}
	if got := w.do("GET", "/.well-known/oauth-protected-resource", ""); got.members(t)["resource"] != "https://api.example.com/" {
		t.Errorf("metadata: %s", got.body)
	}
}

// opened is New for a configuration that is right.
func opened(cfg Config) http.Handler {
	h, err := New(cfg)
	if err != nil {
		panic(err)
	}
	return h
}
