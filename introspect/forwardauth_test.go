package introspect_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// forward asks as a proxy that is demo-api; headers are name and value in turn,
// added to a credential's (none for "").
func (w *world) forward(target, credential string, headers ...string) *httptest.ResponseRecorder {
	return w.forwardAs("GET", target, credential, append(headers, "X-Watchgate-Authorization", basic("demo-api", secret))...)
}

func (w *world) forwardAs(method, target, credential string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

// identity is what a header says of the caller, and nothing else of it.
func identity(h http.Header) map[string]string {
	out := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(name, "X-Watchgate-") {
			out[strings.TrimPrefix(name, "X-Watchgate-")] = strings.Join(values, "|")
		}
	}
	return out
}

const (
	acmeReads  = "/forward-auth?scope=monitor:read&tenant=acme"
	badToken   = `Bearer error="invalid_token"`
	lacksScope = `Bearer error="insufficient_scope", scope="`

	invalidRequest = `Bearer error="invalid_request"`
)

// expectForward checks status and challenge, and that a refusal says nothing of
// who it is.
func expectForward(t *testing.T, name string, rec *httptest.ResponseRecorder, status int, challenge string) {
	t.Helper()
	h := rec.Header()
	if rec.Code != status || h.Get("WWW-Authenticate") != challenge || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %d %q %q, want %d %q", name, rec.Code, h.Get("WWW-Authenticate"), rec.Body, status, challenge)
	}
	if who := identity(h); rec.Code != 200 && len(who) > 0 {
		t.Errorf("%s: a refusal says %v", name, who)
	}
}

func TestForwardAuthSaysWhoItIs(t *testing.T) {
	w := newWorld(t)
	rec := w.forward(acmeReads, w.issue(plain))
	want := map[string]string{
		"Subject": string(w.alice.ID), "Username": "alice@acme.test", "Client": "demo-spa", "Tenant": "acme",
		"Tenant-Id": string(w.acme.ID), "Scope": "monitor:read alert:write", "Token-Id": "tok_1", "Expires": "1795347000", "Key-Id": "",
	}
	if d := cmp.Diff(want, identity(rec.Header())); d != "" {
		t.Error(d)
	}
	if rec.Body.Len() > 0 || rec.Header().Get("Content-Length") != "0" {
		t.Errorf("a body: %s", rec.Body)
	}
	expectForward(t, "allowed", rec, 200, "")
}

func TestForwardAuthForAnyMethodAndPath(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	proxy := []string{"X-Watchgate-Authorization", basic("demo-api", secret)}
	envoy := append(proxy, "X-Watchgate-Require-Scope", "monitor:read", "X-Watchgate-Require-Tenant", "acme")
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"} {
		expectForward(t, method, w.forwardAs(method, acmeReads, s, proxy...), 200, "")
		// What follows is the client's: its query means nothing here.
		below := "/forward-auth/t/acme/monitors?limit=5&tenant=globex&scope=x&tenant="
		expectForward(t, method+" below", w.forwardAs(method, below, s, envoy...), 200, "")
	}
	expectForward(t, "the root of an API", w.forwardAs("GET", "/forward-auth/", s, envoy...), 200, "")
}

func TestForwardAuthRefusals(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("other-api", func(rs *storage.ResourceServer) { rs.Audience = "https://other.example.com" })
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	s := w.issue(func(a *storage.AccessToken) { a.Audience = []string{audience} })
	read := w.issue(func(a *storage.AccessToken) { a.ID, a.Scopes = "tok_2", []string{"openid", "monitor:read"} })
	never := token.New(token.Access, start.Add(time.Hour))
	as := func(id string) []string { return []string{"X-Watchgate-Authorization", basic(id, secret)} }
	for name, c := range map[string]struct {
		target, credential string
		proxy              []string
		status             int
		challenge          string
	}{
		"nothing":                    {acmeReads, "", nil, 401, "Bearer"},
		"garbage":                    {acmeReads, "x", nil, 401, badToken},
		"unknown":                    {acmeReads, never, nil, 401, badToken},
		"revoked":                    {acmeReads, w.revoke(w.issue(func(a *storage.AccessToken) { a.ID = "tok_3" })), nil, 401, badToken},
		"another tenant":             {"/forward-auth?tenant=globex&scope=monitor:read", s, nil, 401, badToken},
		"another tenant's API":       {"/forward-auth?scope=monitor:read", s, as("globex-api"), 401, badToken},
		"another audience":           {acmeReads, s, as("other-api"), 401, badToken},
		"another tenant, and scope":  {"/forward-auth?tenant=globex&scope=config:admin", s, nil, 401, badToken},
		"tenant in another case":     {"/forward-auth?tenant=Acme", s, nil, 401, badToken},
		"tenant forgotten":           {"/forward-auth?tenant=&scope=monitor:read", s, nil, 401, badToken},
		"two tenants":                {"/forward-auth?tenant=acme&tenant=globex", s, nil, 401, badToken},
		"two that make one":          {"/forward-auth?tenant=ac&tenant=me", s, nil, 401, badToken},
		"tenant header forgotten":    {"/forward-auth?scope=monitor:read", s, append(as("demo-api"), "X-Watchgate-Require-Tenant", ""), 401, badToken},
		"one tenant in two ways":     {"/forward-auth?tenant=acme&tenant=" + string(w.acme.ID), s, nil, 401, badToken},
		"one tenant twice":           {"/forward-auth?tenant=acme&tenant=acme", s, nil, 200, ""},
		"tenant by id":               {"/forward-auth?tenant=" + string(w.acme.ID), s, nil, 200, ""},
		"a scope missing":            {"/forward-auth?scope=monitor:read+alert:write&tenant=acme", read, nil, 403, lacksScope + `monitor:read alert:write"`},
		"a scope in a second one":    {acmeReads + "&scope=alert:write", read, nil, 403, lacksScope + `monitor:read alert:write"`},
		"somebody else's scope":      {"/forward-auth?scope=openid", s, nil, 403, lacksScope + `openid"`},
		"part of a scope":            {"/forward-auth?scope=monitor", s, nil, 403, lacksScope + `monitor"`},
		"all scopes":                 {"/forward-auth?scope=monitor:read%20alert:write", s, nil, 200, ""},
		"header needs another scope": {acmeReads, read, append(as("demo-api"), "X-Watchgate-Require-Scope", "alert:write"), 403, lacksScope + `monitor:read alert:write"`},
	} {
		proxy := c.proxy
		if proxy == nil {
			proxy = as("demo-api")
		}
		expectForward(t, name, w.forwardAs("GET", c.target, c.credential, proxy...), c.status, c.challenge)
	}
}

// Whatever makes a credential no good here, the answer is the same to the byte.
func TestForwardAuthRefusesTokensInOneWay(t *testing.T) {
	w := newWorld(t)
	garbage := w.forward(acmeReads, "x")
	elsewhere := w.forward("/forward-auth?scope=monitor:read&tenant=globex", w.issue(plain))
	if d := cmp.Diff(garbage.Header(), elsewhere.Header()); d != "" || garbage.Body.String() != elsewhere.Body.String() {
		t.Errorf("%s %s %s", d, garbage.Body, elsewhere.Body)
	}
	if got := garbage.Body.String(); got != `{"error":"invalid_token","error_description":"The access token is not active."}` {
		t.Error(got)
	}
	if acme, _ := w.denials(); len(acme) != 1 || acme[0] != "globex by demo-api" {
		t.Errorf("acme's trail has %v", acme)
	}
}

// A proxy that is not who it says, and one that asks what is not understood, are
// their operators' mistakes: no request for credentials, and nothing of the token.
func TestForwardAuthOfAMisconfiguredProxy(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("old-api", func(rs *storage.ResourceServer) { rs.DisabledAt = start })
	good, never := w.issue(plain), token.New(token.Access, start.Add(time.Hour))
	proxy := []string{"X-Watchgate-Authorization", basic("demo-api", secret)}
	for name, c := range map[string]struct {
		target string
		proxy  []string
	}{
		"no credentials":       {acmeReads, nil},
		"empty credentials":    {acmeReads, []string{"X-Watchgate-Authorization", ""}},
		"wrong secret":         {acmeReads, []string{"X-Watchgate-Authorization", basic("demo-api", "wrong")}},
		"unknown":              {acmeReads, []string{"X-Watchgate-Authorization", basic("nobody", secret)}},
		"disabled":             {acmeReads, []string{"X-Watchgate-Authorization", basic("old-api", secret)}},
		"Bearer":               {acmeReads, []string{"X-Watchgate-Authorization", "Bearer " + good}},
		"garbage":              {acmeReads, []string{"X-Watchgate-Authorization", "Basic !"}},
		"twice":                {acmeReads, append(proxy, proxy...)},
		"nothing needed":       {"/forward-auth", proxy},
		"nothing needed below": {"/forward-auth/?scope=monitor:read&tenant=acme", proxy},
		"unknown parameter":    {acmeReads + "&tennant=globex", proxy},
		"blank unknown":        {acmeReads + "&scopes", proxy},
		"blank scope":          {"/forward-auth?scope=&tenant=acme", proxy},
		"blank scope too":      {acmeReads + "&scope=+", proxy},
		"blank scope header":   {acmeReads, append(proxy, "X-Watchgate-Require-Scope", "")},
		"quoted scope":         {"/forward-auth?scope=%22monitor:read%22&tenant=acme", proxy},
		"lines in the scope":   {"/forward-auth?scope=monitor:read%0d%0aX-Watchgate-Subject:%20root", proxy},
		"bad escape":           {acmeReads + "%zz", proxy},
		"semicolons":           {"/forward-auth?scope=monitor:read;tenant=acme", proxy},
	} {
		bodies := map[string]bool{}
		for _, credential := range []string{good, never, "x", ""} {
			rec := w.forwardAs("GET", c.target, credential, c.proxy...)
			expectForward(t, name, rec, 500, "")
			bodies[rec.Body.String()] = true
		}
		if len(bodies) != 1 || strings.Contains(w.log.String(), good) {
			t.Errorf("%s: the answer depends on the token: %v", name, bodies)
		}
	}
}

func TestForwardAuthRecordsWhoMayNotAsk(t *testing.T) {
	w := newWorld(t)
	w.forwardAs("GET", acmeReads, "x", "X-Watchgate-Authorization", basic("demo-api", "wrong"))
	events, err := w.store.PlatformEvents(context.Background(), "", 1000)
	must(t, err)
	refused := func(ev storage.Event) bool { return ev.Kind == "introspection.refused" }
	if !slices.ContainsFunc(events, refused) || !strings.Contains(w.log.String(), `"cause":"wrong secret"`) {
		t.Errorf("%d events, log %s", len(events), &w.log)
	}
}

func TestForwardAuthWhileTheStoreIsAway(t *testing.T) {
	w := newWorld(t)
	good := w.issue(plain)
	w.mount(introspect.Config{Store: broken{w.store}})
	for name, credential := range map[string]string{"a token": good, "garbage": "x", "nothing": ""} {
		rec := w.forward(acmeReads, credential)
		expectForward(t, name, rec, 503, "")
		if rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
}

// broken is a store that cannot be reached.
type broken struct{ introspect.Store }

var errGone = errors.Join(errors.New("the database is gone"), context.DeadlineExceeded)

func (broken) Introspect(context.Context, storage.ResourceServerID, storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error) {
	return storage.ResourceServer{}, nil, errGone
}

func (broken) ResourceServer(context.Context, storage.ResourceServerID) (storage.ResourceServer, error) {
	return storage.ResourceServer{}, errGone
}

// A client that gets its own headers through, because the proxy's configuration
// takes none away, makes its request need more, and never less.
func TestAttackForwardAuthClientNamesWhatIsNeeded(t *testing.T) {
	w := newWorld(t)
	s := w.issue(func(a *storage.AccessToken) { a.Scopes = []string{"monitor:read"} })
	for name, c := range map[string]struct {
		target    string
		headers   []string
		status    int
		challenge string
	}{
		"its own tenant":              {"/forward-auth?tenant=globex", []string{"X-Watchgate-Require-Tenant", "acme"}, 401, badToken},
		"its own tenant, and globex":  {"/forward-auth?tenant=globex", []string{"X-Watchgate-Require-Tenant", "acme, globex"}, 401, badToken},
		"no tenant":                   {"/forward-auth?tenant=globex", []string{"X-Watchgate-Require-Tenant", ""}, 401, badToken},
		"a scope that it has":         {"/forward-auth?scope=alert:write", []string{"X-Watchgate-Require-Scope", "monitor:read"}, 403, lacksScope + `alert:write monitor:read"`},
		"beside the proxy's own":      {"/forward-auth/x", []string{"X-Watchgate-Require-Tenant", "acme", "X-Watchgate-Require-Tenant", "globex"}, 401, badToken},
		"before the proxy's own":      {"/forward-auth/x", []string{"X-Watchgate-Require-Tenant", "globex", "X-Watchgate-Require-Tenant", "acme"}, 401, badToken},
		"in the query of its request": {"/forward-auth/x?tenant=acme", []string{"X-Watchgate-Require-Tenant", "globex"}, 401, badToken},
		"with underscores":            {"/forward-auth?tenant=globex", []string{"X_Watchgate_Require_Tenant", "acme"}, 401, badToken},
	} {
		expectForward(t, name, w.forward(c.target, s, c.headers...), c.status, c.challenge)
	}
}

func TestAttackForwardAuthClientSaysWhoItIs(t *testing.T) {
	w := newWorld(t)
	spoofed := []string{"X-Watchgate-Subject", "usr_root", "X-Watchgate-Username", "root@acme.test", "X-Watchgate-Role", "admin", "X-Watchgate-Tenant", "globex"}
	for name, credential := range map[string]string{"with a token": w.issue(plain), "with garbage": "x", "with nothing": ""} {
		rec := w.forward(acmeReads, credential, spoofed...)
		for header, values := range rec.Header() {
			if all := strings.Join(values, " "); strings.Contains(all, "root") || strings.Contains(all, "admin") || strings.Contains(all, "globex") {
				t.Errorf("%s: %s: %s", name, header, all)
			}
		}
	}
}

// The proxy's credentials, from a client, are one credential too many, or wrong.
func TestAttackForwardAuthClientIsTheProxy(t *testing.T) {
	w := newWorld(t)
	w.m2m.Secrets = []storage.Secret{token.Seal("client-secret", start, time.Time{})}
	must(t, w.store.UpdateClient(context.Background(), w.m2m, event("client.updated")))
	good := w.issue(plain)
	for name, presented := range map[string]string{
		"garbage": "x", "an OAuth client's": basic("demo-m2m", "client-secret"), "its token": "Bearer " + good, "a resource server's": basic("demo-api", secret),
	} {
		expectForward(t, name+" beside", w.forward(acmeReads, good, "X-Watchgate-Authorization", presented), 500, "")
		if name != "a resource server's" {
			expectForward(t, name+" alone", w.forwardAs("GET", acmeReads, good, "X-Watchgate-Authorization", presented), 500, "")
		}
	}
	// Nor is the token's own header the place for it.
	r := httptest.NewRequest("GET", acmeReads, nil)
	r.SetBasicAuth("demo-api", secret)
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	expectForward(t, "in Authorization", rec, 500, "")
}

func TestAttackForwardAuthCredentialInAnotherPlace(t *testing.T) {
	w := newWorld(t)
	good := w.issue(plain)
	below := []string{"X-Watchgate-Require-Tenant", "acme"}
	for name, c := range map[string]struct {
		target, credential string
		headers            []string
		status             int
		challenge          string
	}{
		"query of the request": {"/forward-auth/x?access_token=" + good, "", below, 400, invalidRequest},
		"two headers":          {acmeReads, good, []string{"Authorization", "Bearer x"}, 400, invalidRequest},
		"the same twice":       {acmeReads, good, []string{"Authorization", "Bearer " + good}, 400, invalidRequest},
		"Basic":                {acmeReads, "", []string{"Authorization", "Basic " + good}, 401, "Bearer"},
		"DPoP":                 {acmeReads, "", []string{"Authorization", "DPoP " + good}, 401, "Bearer"},
		"no scheme":            {acmeReads, "", []string{"Authorization", good}, 401, "Bearer"},
		"nothing after it":     {acmeReads, "", []string{"Authorization", "Bearer "}, 401, "Bearer"},
		"a session's cookie":   {acmeReads, good, []string{"Cookie", "session=abc; access_token=y"}, 200, ""},
		"a list":               {acmeReads, "", []string{"Authorization", "Bearer " + good + ", Bearer x"}, 401, badToken},
		"lines":                {acmeReads, "", []string{"Authorization", "Bearer " + good + "\r\nX-Watchgate-Subject: root"}, 401, badToken},
		"a cookie":             {acmeReads, "", []string{"Cookie", "access_token=" + good}, 400, invalidRequest},
		"Proxy-Authorization":  {acmeReads, "", []string{"Proxy-Authorization", "Bearer " + good}, 401, "Bearer"},
		"any case":             {acmeReads, "", []string{"Authorization", "bEARER " + good}, 200, ""},
	} {
		expectForward(t, name, w.forward(c.target, c.credential, c.headers...), c.status, c.challenge)
	}
	expectForward(t, "query of the proxy", w.forward(acmeReads+"&access_token="+good, ""), 500, "")
}

// The tenant comes from the address of a request, and is a text that its sender
// chose.
func TestAttackForwardAuthTenantThatIsNone(t *testing.T) {
	w := newWorld(t)
	good := w.issue(plain)
	for _, tenant := range []string{
		"acme\r\nX-Watchgate-Subject: root", "acme ", " acme", "acme,globex", "acme%00", "../acme", "*", "ACME", "acme/", "\u00a0acme", strings.Repeat("a", 4000),
	} {
		rec := w.forward("/forward-auth?tenant="+url.QueryEscape(tenant), good)
		expectForward(t, tenant, rec, 401, badToken)
	}
	expectForward(t, "NUL", w.forward("/forward-auth?tenant=acme%00", good), 500, "")
}

// What cannot be said in a header is not said in part, and not in another way.
func TestAttackForwardAuthNamesThatAreNoHeaderValues(t *testing.T) {
	for name, c := range map[string]struct{ email, want string }{
		"plain":       {"alice+x@acme.test", "alice+x@acme.test"},
		"not ASCII":   {"ålice@acme.test", ""},
		"lines":       {"alice@acme.test\r\nX-Watchgate-Tenant: globex", ""},
		"an end":      {"alice@acme.test ", ""},
		"none at all": {"", ""},
	} {
		w := newWorld(t)
		good := w.issue(plain)
		w.alice.Email = c.email
		must(t, w.store.Tenant(w.acme.ID).UpdateUser(context.Background(), w.alice, event("user.updated")))
		rec := w.forward(acmeReads, good)
		values, there := rec.Header()["X-Watchgate-Username"]
		if got := strings.Join(values, "|"); rec.Code != 200 || got != c.want || !there || rec.Header().Get("X-Watchgate-Tenant") != "acme" {
			t.Errorf("%s: %d %v", name, rec.Code, rec.Header())
		}
	}
}

// Paths below are the client's: they lead nowhere else.
func TestAttackForwardAuthPathThatClimbs(t *testing.T) {
	w := newWorld(t)
	proxy := []string{"X-Watchgate-Authorization", basic("demo-api", secret), "X-Watchgate-Require-Tenant", "acme"}
	for _, path := range []string{"/forward-auth/../oauth2/introspect", "/forward-auth//x", "/forward-authority", "/forward-auth*"} {
		if rec := w.forwardAs("POST", path, w.issue(plain), proxy...); rec.Code != 404 || len(identity(rec.Header())) > 0 {
			t.Errorf("%s: %d %v", path, rec.Code, rec.Header())
		}
	}
	rec := w.forwardAs("POST", "/forward-auth/%2e%2e/oauth2/introspect", w.issue(func(a *storage.AccessToken) { a.ID = "tok_2" }), proxy...)
	if rec.Code != 200 || rec.Header().Get("X-Watchgate-Token-Id") != "tok_2" {
		t.Errorf("encoded dots: %d %s", rec.Code, rec.Body)
	}
}
