package introspect_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

const inactive = `{"active":false}`

func tok(s string) url.Values { return url.Values{"token": {s}} }

func TestAnswerOnTheWire(t *testing.T) {
	w := newWorld(t)
	rec := w.ask(tok(w.issue(plain)))
	want := `{"active":true,"scope":"monitor:read alert:write","client_id":"demo-spa","username":"alice@acme.test",` +
		`"token_type":"Bearer","exp":1795347000,"iat":1795343400,"nbf":1795343400,"sub":"` + string(w.alice.ID) + `",` +
		`"aud":"https://api.example.com","iss":"https://auth.example.com","jti":"tok_1",` +
		`"tenant_id":"` + string(w.acme.ID) + `","tenant":"acme","amr":["pwd","otp"],"acr":"mfa","auth_time":1795343340}`
	if got := rec.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if h := rec.Header(); rec.Code != 200 || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", rec.Code, h)
	}
}

func TestClientCredentialsTokenHasTheClientAsSubject(t *testing.T) {
	w := newWorld(t)
	s := token.New(token.Access, start.Add(time.Hour))
	ref, err := token.Parse(token.Access, s)
	must(t, err)
	must(t, w.store.Tenant(w.acme.ID).IssueToken(context.Background(), storage.IssueToken{Token: storage.AccessToken{
		Ref: ref, ID: "tok_2", Client: w.m2m.ID, Scopes: []string{"monitor:read"}, IssuedAt: start, ExpiresAt: start.Add(time.Hour),
	}, ClientVersion: w.m2m.Version, TenantVersion: w.acme.Version}, event("token.issued")))
	want := `{"active":true,"scope":"monitor:read","client_id":"demo-m2m","token_type":"Bearer","exp":1795347000,"iat":1795343400,` +
		`"nbf":1795343400,"sub":"demo-m2m","aud":"https://api.example.com","iss":"https://auth.example.com","jti":"tok_2",` +
		`"tenant_id":"` + string(w.acme.ID) + `","tenant":"acme"}`
	if got := w.ask(tok(s)).Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTenantAndScopeNarrow(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	for name, c := range map[string]struct {
		form  url.Values
		scope string // "-": inactive
	}{
		"tenant by slug":          {url.Values{"tenant": {"acme"}}, "monitor:read alert:write"},
		"tenant by id":            {url.Values{"tenant": {string(w.acme.ID)}}, "monitor:read alert:write"},
		"other tenant":            {url.Values{"tenant": {"globex"}}, "-"},
		"other tenant by id":      {url.Values{"tenant": {string(w.globex.ID)}}, "-"},
		"unknown tenant":          {url.Values{"tenant": {"nobody"}}, "-"},
		"tenant in another case":  {url.Values{"tenant": {"ACME"}}, "-"},
		"tenant forgotten":        {url.Values{"tenant": {""}}, "-"},
		"one scope":               {url.Values{"scope": {"alert:write"}}, "alert:write"},
		"both scopes":             {url.Values{"scope": {"alert:write monitor:read"}}, "monitor:read alert:write"},
		"scope not granted":       {url.Values{"scope": {"monitor:read config:admin"}}, "-"},
		"scope of somebody else":  {url.Values{"scope": {"openid"}}, "-"},
		"part of a scope":         {url.Values{"scope": {"monitor"}}, "-"},
		"scope with a NUL":        {url.Values{"scope": {"monitor:read\x00"}}, "-"},
		"unknown hint is ignored": {url.Values{"token_type_hint": {"refresh_token"}}, "monitor:read alert:write"},
	} {
		c.form.Set("token", s)
		body := w.ask(c.form).Body.String()
		if c.scope == "-" {
			if body != inactive {
				t.Errorf("%s: %s", name, body)
			}
			continue
		}
		if !strings.Contains(body, `"scope":"`+c.scope+`"`) {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestResourceServerOfOneTenantSeesNoOther(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("acme-api", func(rs *storage.ResourceServer) { rs.TenantID = w.acme.ID })
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	s := w.issue(plain)
	if body := w.ask(tok(s), as("acme-api", secret)).Body.String(); !strings.Contains(body, `"active":true`) {
		t.Errorf("own tenant: %s", body)
	}
	for _, form := range []url.Values{tok(s), {"token": {s}, "tenant": {"acme"}}, {"token": {s}, "tenant": {"globex"}}} {
		if body := w.ask(form, as("globex-api", secret)).Body.String(); body != inactive {
			t.Errorf("other tenant, %d parameters: %s", len(form), body)
		}
	}
}

func TestTokenForAnotherAudience(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("other-api", func(rs *storage.ResourceServer) { rs.Audience = "https://other.example.com" })
	w.resourceServer("no-audience", func(rs *storage.ResourceServer) { rs.Audience = "" })
	bound := w.issue(func(a *storage.AccessToken) { a.Audience = []string{"https://x.example.com", audience} })
	if body := w.ask(tok(bound)).Body.String(); !strings.Contains(body, `"aud":"`+audience+`"`) || strings.Contains(body, "x.example.com") {
		t.Errorf("own audience: %s", body)
	}
	for _, rs := range []string{"other-api", "no-audience"} {
		if body := w.ask(tok(bound), as(rs, secret)).Body.String(); body != inactive {
			t.Errorf("%s: %s", rs, body)
		}
	}
}

// TestInactiveIsOneAnswer kills a token in every way, and asks about what was
// never one: bytes and headers are the same, and so is the number of statements.
func TestInactiveIsOneAnswer(t *testing.T) {
	ways := map[string]func(*world, string) string{
		"unknown": func(*world, string) string { return token.New(token.Access, start.Add(time.Hour)) },
		"expired": func(w *world, s string) string { w.clock = start.Add(time.Hour); return s },
	}
	for name, kill := range kills {
		ways[name] = func(w *world, s string) string { kill(w, s); return s }
	}
	for name, kill := range ways {
		w := newWorld(t)
		s := w.issue(func(a *storage.AccessToken) { a.Session = w.session.ID })
		if body := w.ask(tok(s)).Body.String(); !strings.Contains(body, `"active":true`) {
			t.Fatalf("%s: dead before: %s", name, body)
		}
		s = kill(w, s)
		before := w.statements.Load()
		rec := w.ask(tok(s))
		if d := cmp.Diff(inactiveHeader, rec.Header()); rec.Code != 200 || rec.Body.String() != inactive || d != "" {
			t.Errorf("%s: %d %s %s", name, rec.Code, rec.Body, d)
		}
		if n := w.statements.Load() - before; n != 1 {
			t.Errorf("%s: %d statements, want 1", name, n)
		}
	}
}

var inactiveHeader = http.Header{
	"Content-Type": {"application/json"}, "Content-Length": {"16"}, "Cache-Control": {"no-store"},
	"X-Content-Type-Options": {"nosniff"}, "X-Frame-Options": {"DENY"}, "Referrer-Policy": {"no-referrer"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"Content-Security-Policy":    {"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
}

// One statement decides, on each engine.
func TestRoundTrips(t *testing.T) {
	for engine, world := range engines {
		t.Run(engine, func(t *testing.T) {
			w := world(t)
			good := w.issue(plain)
			for name, form := range map[string]url.Values{
				"active": tok(good), "with tenant and scope": {"token": {good}, "tenant": {"acme"}, "scope": {"monitor:read"}},
				"unknown": tok(token.New(token.Access, start.Add(time.Hour))), "scope that is missing": {"token": {good}, "scope": {"x"}},
			} {
				before := w.statements.Load()
				rec := w.ask(form)
				if n := w.statements.Load() - before; n != 1 || rec.Code != 200 {
					t.Errorf("%s: %d, %d statements, want 1", name, rec.Code, n)
				}
			}
		})
	}
}

func TestWhatIsNoAccessTokenCostsNoQuery(t *testing.T) {
	w := newWorld(t)
	w.ask(tok(w.issue(plain))) // the caller is known from now on
	for name, s := range map[string]string{
		"refresh token": token.New(token.Refresh, start.Add(time.Hour)),
		"code":          token.New(token.Code, start.Add(time.Minute)),
		"ID token":      "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c3JfMSJ9.c2ln",
		"garbage":       "garbage",
		"our prefix":    "wgat_garbage",
		"bad checksum":  token.New(token.Access, start.Add(time.Hour))[:59] + "0",
		"60 KB":         strings.Repeat("x", 60<<10),
	} {
		before := w.statements.Load()
		rec := w.ask(tok(s))
		if d := cmp.Diff(inactiveHeader, rec.Header()); rec.Code != 200 || rec.Body.String() != inactive || d != "" {
			t.Errorf("%s: %d %s %s", name, rec.Code, rec.Body, d)
		}
		if n := w.statements.Load() - before; n != 0 {
			t.Errorf("%s: %d statements, want 0", name, n)
		}
	}
	if rec := w.ask(tok(strings.Repeat("x", 1<<20))); rec.Code != 413 {
		t.Errorf("1 MB: %d, want 413", rec.Code)
	}
}

func TestGarbageDoesNotOpenTheEndpoint(t *testing.T) {
	w := newWorld(t)
	if rec := w.ask(tok("garbage")); rec.Code != 200 || rec.Body.String() != inactive {
		t.Errorf("a caller that is seen for the first time: %d %s", rec.Code, rec.Body)
	}
	for name, edit := range map[string]func(*http.Request){
		"another secret": as("demo-api", "wrong"), "another id": as("demo-ap", "i"+secret), "nobody": as("nobody", secret),
	} {
		if rec := w.ask(tok("garbage"), edit); rec.Code != 401 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	before := w.statements.Load()
	w.clock = w.clock.Add(time.Minute)
	w.ask(tok("garbage"))
	if n := w.statements.Load() - before; n != 1 {
		t.Errorf("after a minute the caller is looked up again: %d statements, want 1", n)
	}
}

func TestIntrospectionWithoutTheRightCredentials(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("off-api", func(rs *storage.ResourceServer) { rs.DisabledAt = start })
	w.resourceServer("old-api", func(rs *storage.ResourceServer) { rs.Secrets[0].ExpiresAt = start })
	asserted := func(client, jwt string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			body(r, url.Values{
				"token": {"x"}, "client_id": {client}, "client_assertion": {jwt},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			})
		}
	}
	s := w.issue(plain)
	const basic, bearer = `Basic realm="watchgate"`, `Bearer error="invalid_token"`
	for name, c := range map[string]struct {
		edit       func(*http.Request)
		status     int
		code, auth string
	}{
		"none":                   {func(r *http.Request) { r.Header.Del("Authorization") }, 401, "invalid_client", basic},
		"wrong secret":           {as("demo-api", "wrong"), 401, "invalid_client", basic},
		"empty secret":           {as("demo-api", ""), 401, "invalid_client", basic},
		"unknown":                {as("nobody", secret), 401, "invalid_client", basic},
		"disabled":               {as("off-api", secret), 401, "invalid_client", basic},
		"expired secret":         {as("old-api", secret), 401, "invalid_client", basic},
		"an OAuth client":        {as("demo-m2m", secret), 401, "invalid_client", basic},
		"NUL in the id":          {as("demo-api%00", secret), 401, "invalid_client", basic},
		"an access token":        {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s) }, 401, "invalid_token", bearer},
		"two headers":            {func(r *http.Request) { r.Header.Add("Authorization", "Basic eDp5") }, 400, "invalid_request", ""},
		"GET":                    {func(r *http.Request) { r.Method = "GET" }, 405, "invalid_request", ""},
		"token in the query":     {func(r *http.Request) { r.URL.RawQuery = "token=" + s }, 400, "invalid_request", ""},
		"JSON":                   {func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, "invalid_request", ""},
		"cookie is no use":       {func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("Cookie", "a=b") }, 401, "invalid_client", basic},
		"only a name":            {func(r *http.Request) { asserted("demo-api", "")(r); body(r, url.Values{"client_id": {"demo-api"}}) }, 401, "invalid_client", basic},
		"a client_secret_jwt":    {asserted("demo-api", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"), 401, "invalid_client", ""},
		"an unsigned JWT":        {asserted("demo-api", "eyJhbGciOiJub25lIn0.e30."), 401, "invalid_client", ""},
		"Basic and an assertion": {func(r *http.Request) { asserted("demo-api", "x")(r); r.SetBasicAuth("demo-api", secret) }, 400, "invalid_request", ""},
		"basic is not decoded": {func(r *http.Request) {
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("demo-api")))
		}, 401, "invalid_client", basic},
	} {
		rec := w.ask(tok(s), c.edit)
		if rec.Code != c.status || !strings.Contains(rec.Body.String(), `"error":"`+c.code+`"`) || rec.Header().Get("WWW-Authenticate") != c.auth {
			t.Errorf("%s: %d %s %q", name, rec.Code, rec.Body, rec.Header().Get("WWW-Authenticate"))
		}
		if strings.Contains(rec.Body.String(), "active") {
			t.Errorf("%s: says something about the token: %s", name, rec.Body)
		}
	}
}

// body replaces the body of a request.
func body(r *http.Request, form url.Values) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form.Encode())), int64(len(form.Encode()))
}

// CA-09: while a secret is replaced, both are good; one whose time is over is not.
func TestTwoSecretsDuringRotation(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("turning", func(rs *storage.ResourceServer) {
		rs.Secrets = []storage.Secret{token.Seal("old", start, start.Add(time.Minute)), token.Seal("new", start, time.Time{})}
	})
	s := w.issue(plain)
	for _, c := range []struct {
		secret string
		pass   time.Duration
		status int
	}{{"old", 0, 200}, {"new", 0, 200}, {"old", time.Minute, 401}, {"new", 0, 200}} {
		w.clock = w.clock.Add(c.pass)
		for _, form := range []url.Values{tok(s), tok("garbage")} {
			if rec := w.ask(form, as("turning", c.secret)); rec.Code != c.status {
				t.Errorf("%s: %d, want %d", c.secret, rec.Code, c.status)
			}
		}
	}
}

func TestSecretInTheBody(t *testing.T) {
	w := newWorld(t)
	form := url.Values{"token": {w.issue(plain)}, "client_id": {"demo-api"}, "client_secret": {secret}}
	noHeader := func(r *http.Request) { r.Header.Del("Authorization") }
	if body := w.ask(form, noHeader).Body.String(); !strings.Contains(body, `"active":true`) {
		t.Error(body)
	}
	if rec := w.ask(form); rec.Code != 400 {
		t.Errorf("Basic and body secret: %d", rec.Code)
	}
}

func TestMissingTokenIsInvalidRequest(t *testing.T) {
	w := newWorld(t)
	for _, form := range []url.Values{{}, {"token": {""}}, {"token": {"a", "b"}}} {
		if rec := w.ask(form); rec.Code != 400 || !strings.Contains(rec.Body.String(), "invalid_request") {
			t.Errorf("%v: %d %s", form, rec.Code, rec.Body)
		}
	}
	if rec := w.ask(url.Values{}, as("nobody", "x")); rec.Code != 401 {
		t.Errorf("without credentials even that is not said: %d", rec.Code)
	}
}

// away is a lookup that cannot answer.
type away struct{ introspect.Store }

var errAway = errors.New("connection refused to 10.0.0.1")

func (away) Introspect(context.Context, storage.ResourceServerID, storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error) {
	return storage.ResourceServer{}, nil, errAway
}

func (away) ResourceServer(context.Context, storage.ResourceServerID) (storage.ResourceServer, error) {
	return storage.ResourceServer{}, errAway
}

func TestStoreThatIsAwayIsNeverInactive(t *testing.T) {
	w := newWorld(t)
	good := w.issue(plain)
	w.mount(introspect.Config{Store: away{w.store}})
	for _, s := range []string{good, "garbage"} {
		for _, edit := range []func(*http.Request){as("demo-api", secret), as("nobody", "wrong")} {
			rec := w.ask(tok(s), edit)
			if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || strings.Contains(rec.Body.String(), "10.0.0.1") {
				t.Errorf("%d %s %v", rec.Code, rec.Body, rec.Header())
			}
		}
	}
}

func TestClosedStoreIsNeverInactive(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	must(t, w.store.Close())
	for name, form := range map[string]url.Values{"token": tok(s), "garbage": tok("garbage")} {
		if rec := w.ask(form); rec.Code != 503 {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
}

func TestLogSaysWhyAndNeverTheToken(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	for _, c := range []struct {
		form url.Values
		edit func(*http.Request)
		want string
	}{
		{url.Values{"token": {s}, "tenant": {"globex"}}, as("demo-api", secret), `"inactive":"other_tenant"`},
		{url.Values{"token": {s}, "scope": {"x"}}, as("demo-api", secret), `"inactive":"scope"`},
		{tok(token.New(token.Refresh, start)), as("demo-api", secret), `"inactive":"refresh_token"`},
		{tok(token.New(token.Access, start)), as("demo-api", secret), `"inactive":"unknown"`},
		{tok(s), as("demo-api", "wrong-secret"), `"cause":"wrong secret"`},
		{tok(s), as("demo-api", secret), `"tenant_id":"` + string(w.acme.ID) + `"`},
	} {
		w.log.Reset()
		w.ask(c.form, c.edit)
		if line := w.log.String(); !strings.Contains(line, c.want) {
			t.Errorf("want %s in %s", c.want, line)
		}
		for _, secret := range []string{c.form.Get("token"), secret, "wrong-secret"} {
			if strings.Contains(w.log.String(), secret) {
				t.Errorf("the log has a secret: %s", w.log.String())
			}
		}
	}
}

func TestRefusedCallersAreInTheTrailOnceAMinute(t *testing.T) {
	w := newWorld(t)
	refused := func() (n int) {
		events, err := w.store.PlatformEvents(context.Background(), "", 100)
		must(t, err)
		for _, ev := range events {
			if ev.Kind == "introspection.refused" {
				n++
			}
		}
		return n
	}
	for range 3 {
		w.ask(tok("x"), as("demo-api", "wrong"))
	}
	if n := refused(); n != 1 {
		t.Errorf("%d events after three refusals, want 1", n)
	}
	w.clock = w.clock.Add(time.Minute)
	w.ask(tok("x"), as("nobody", "wrong"))
	if n := refused(); n != 2 {
		t.Errorf("%d events a minute later, want 2", n)
	}
}

func TestExpiryNeverOutlivesTheGrant(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	front := changed{w.store, func(l *storage.LiveToken) { l.Life.GrantExpiresAt = start.Add(time.Minute) }}
	w.mount(introspect.Config{Store: front})
	if body := w.ask(tok(s)).Body.String(); !strings.Contains(body, `"exp":1795343460,`) {
		t.Error(body)
	}
}

// changed is the store's answer with something else in it.
type changed struct {
	introspect.Store
	change func(*storage.LiveToken)
}

func (c changed) Introspect(ctx context.Context, rs storage.ResourceServerID, ref storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error) {
	r, l, err := c.Store.Introspect(ctx, rs, ref)
	if l != nil {
		c.change(l)
	}
	return r, l, err
}

// TestSillyBodies: no body of an authenticated caller makes a 500 or a yes.
func TestSillyBodies(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{
		"", "&", "=", "token", "token=%00", "token=%", "token=%ff", "token=x;y", "token=x&token=y", "token=wgat_000000&scope=%00",
		"token=x&tenant=%00", "token=x&tenant=a&tenant=b", "token=x&scope=" + strings.Repeat("a+", 20000), strings.Repeat("a&", 70),
	} {
		r := httptest.NewRequest("POST", "/oauth2/introspect", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("demo-api", secret)
		rec := httptest.NewRecorder()
		w.mux.ServeHTTP(rec, r)
		if rec.Code >= 500 || strings.Contains(rec.Body.String(), "true") {
			t.Errorf("%.40q: %d %s", body, rec.Code, rec.Body)
		}
	}
}
