package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// The other people of the demo identity provider.
const (
	bob    = "bob@acme.test"    // member
	victor = "victor@acme.test" // viewer
)

// product is a running demonstration of one product.
type product struct {
	dev     *process.Dev
	server  front // the issuer, with /v1
	api     front // the demo API
	stopped bool
}

// startProduct starts a product, one of the examples or a file, in a folder of its
// own, and stops it at the test's end.
func startProduct(t *testing.T, name string) *product {
	t.Helper()
	return startProductIn(t, t.TempDir(), 0, name)
}

// startProductIn starts a product in a folder; base 0 looks for free ports.
func startProductIn(t *testing.T, dir string, base int, name string) *product {
	t.Helper()
	dev := must[*process.Dev](t)(process.StartDev(t.Context(), dir, base, "--product", name))
	p := &product{dev: dev, server: frontOf(t, dev.URL, dev.Node), api: front{issuer: dev.API, transport: &http.Transport{}}}
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop ends the program. Stopping again does nothing.
func (p *product) stop(t *testing.T) {
	t.Helper()
	p.server.transport.(*http.Transport).CloseIdleConnections()
	p.api.transport.(*http.Transport).CloseIdleConnections()
	if p.stopped {
		return
	}
	p.stopped = true
	if err := p.dev.Stop(); err != nil && !t.Failed() {
		t.Error(err)
	}
}

// profileWith is the file of an example product with texts replaced; each is there
// exactly once. texts are old and new in turn.
func profileWith(t *testing.T, name string, texts ...string) string {
	t.Helper()
	body := string(must[[]byte](t)(os.ReadFile(filepath.Join("..", "..", "examples", "profiles", name+".yaml"))))
	for i := 0; i+1 < len(texts); i += 2 {
		if n := strings.Count(body, texts[i]); n != 1 {
			t.Fatalf("%s.yaml has %q %d times", name, texts[i], n)
		}
		body = strings.Replace(body, texts[i], texts[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), name+".yaml")
	noError(t, os.WriteFile(file, []byte(body), 0o600))
	return file
}

// person signs somebody in with a second factor, in a browser of their own, and
// returns their access token. Without scopes it has those of the management API.
func (p *product) person(t *testing.T, login string, scopes ...string) string {
	t.Helper()
	return p.signIn(t, login, "user="+login, scopes...).Access
}

// personWithoutMFA is person with a sign-in that proves one factor.
func (p *product) personWithoutMFA(t *testing.T, login string, scopes ...string) string {
	t.Helper()
	return p.signIn(t, login, "user_no_mfa="+login, scopes...).Access
}

// signIn is a whole code flow of the public client in a fresh browser; button is what
// is pressed at the demo identity provider.
func (p *product) signIn(t *testing.T, login, button string, scopes ...string) tokens {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"api-keys:read", "api-keys:write"}
	}
	a := app{credentials{id: "demo-spa"}, p.dev.API + "/callback", "openid profile email " + strings.Join(scopes, " ")}
	return p.signInAt(t, p.server.browser(a), a, login, button)
}

// signInAt is signIn in a browser that may have a session; more are further parameters
// of the authorization request, by name and value in turn.
func (p *product) signInAt(t *testing.T, b *walk.Browser, a app, login, button string, more ...string) tokens {
	t.Helper()
	r := a.trip()
	page := p.walkAs(t, b, r.path(append(more, "login_hint", login)...), login, button)
	code := page.URL.Query().Get("code")
	if !page.Ended || code == "" {
		t.Fatalf("%s was not signed in: %s (%d): %s", login, page.URL, page.Status, page.Text())
	}
	return p.server.redeem(t, r, code)
}

// walkAs is front.walkTo with another button at the identity provider.
func (p *product) walkAs(t *testing.T, b *walk.Browser, path, login, button string) *walk.Page {
	t.Helper()
	page := must[*walk.Page](t)(b.Get(t.Context(), p.server.issuer+path))
	for range 6 {
		switch {
		case page.Ended:
			return page
		case page.Has("login-submit"):
			page = must[*walk.Page](t)(page.Press(t.Context(), "login-submit", url.Values{"email": {login}}))
		case page.Has(button):
			page = must[*walk.Page](t)(page.Press(t.Context(), button, nil))
		case page.Has("consent-approve"):
			page = must[*walk.Page](t)(page.Press(t.Context(), "consent-approve", nil))
		default:
			return page
		}
	}
	return page
}

// do sends a request with a JSON body, nil for none; headers are given as name and
// value in turn.
func (f front) do(t *testing.T, method, path string, body any, headers ...string) answer {
	t.Helper()
	var sent []byte
	if body != nil {
		sent = must[[]byte](t)(json.Marshal(body))
	}
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, f.issuer+path, bytes.NewReader(sent)))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return must[answer](t)(f.send(req))
}

// v1 calls the management API with a credential; "" is none.
func (p *product) v1(t *testing.T, credential, method, path string, body any) answer {
	t.Helper()
	return p.server.do(t, method, "/v1/auth"+path, body, bearer(credential)...)
}

// call calls the demo API with a credential; "" is none.
func (p *product) call(t *testing.T, credential, method, path string, body any) answer {
	t.Helper()
	return p.api.do(t, method, path, body, bearer(credential)...)
}

// demoCall is a call of the demo API, with what it answers where it is allowed.
type demoCall struct {
	method, path string
	body         any
	allowed      int
}

func bearer(credential string) []string {
	if credential == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + credential}
}

// asked is what introspection tells the demo API; more are further parameters, by
// name and value in turn: tenant, scope, ip, proto.
func (p *product) asked(t *testing.T, credential string, more ...string) map[string]any {
	t.Helper()
	a := p.server.introspect(t, demoAPI, credential, more...)
	if a.status != http.StatusOK {
		t.Fatalf("introspection answered %s", a)
	}
	return a.json(t)
}

// fields is a JSON object.
type fields = map[string]any

// madeKey is a key as the answer that made it had it.
type madeKey struct {
	ID          string
	Secret      string
	Name        string
	Hint        string
	Profile     string
	State       string
	Scopes      []string
	Permissions map[string][]string
	Owner       string
	CreatedAt   time.Time  `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at"`
	LastUsedAt  *time.Time `json:"last_used_at"`
	RotateAt    *time.Time `json:"rotate_at"`
	Predecessor string
}

func (k madeKey) path() string { return "/keys/" + k.ID }

// life is how long the key was given; 0: for ever.
func (k madeKey) life() time.Duration {
	if k.ExpiresAt == nil {
		return 0
	}
	return k.ExpiresAt.Sub(k.CreatedAt).Round(time.Second)
}

// newKey makes a key, which has to succeed. Without a name it has one.
func (p *product) newKey(t *testing.T, credential string, body fields) madeKey {
	t.Helper()
	if body["name"] == nil {
		body["name"] = "key of " + t.Name()[strings.LastIndex(t.Name(), "/")+1:]
	}
	return keyOf(t, p.v1(t, credential, http.MethodPost, "/keys", body))
}

// keyOf reads the answer with a new key.
func keyOf(t *testing.T, a answer) madeKey {
	t.Helper()
	var k madeKey
	if err := json.Unmarshal([]byte(a.body), &k); err != nil || a.status != http.StatusCreated || !strings.HasPrefix(k.ID, "key_") || k.Secret == "" {
		t.Fatalf("no new key: %s", a)
	}
	return k
}

// listed are the keys of the first page of a list.
func (p *product) listed(t *testing.T, credential, query string) []madeKey {
	t.Helper()
	a := p.v1(t, credential, http.MethodGet, "/keys"+query, nil)
	var page struct{ Items []madeKey }
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != http.StatusOK {
		t.Fatalf("no list: %s", a)
	}
	return page.Items
}

// kind is the last part of a problem's type.
func (a answer) kind() string {
	t := a.text("type")
	return strings.TrimSuffix(t[strings.LastIndex(t, "/")+1:], ".md")
}

// wrongs are the fields that a problem calls wrong.
func (a answer) wrongs() string {
	var p struct{ Errors []struct{ Field string } }
	_ = json.Unmarshal([]byte(a.body), &p) // no JSON names no field
	var names []string
	for _, e := range p.Errors {
		names = append(names, e.Field)
	}
	return strings.Join(names, " ")
}

// wantStatus checks an answer's status.
func wantStatus(t *testing.T, what string, a answer, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s answers %s, want %d", what, a, status)
	}
}

// wantRefusal checks the status and the product's own code of a refusal, which is in
// the same member at the management API and at the demo API.
func wantRefusal(t *testing.T, what string, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.text("code") != code {
		t.Errorf("%s answers %s, want %d with the code %q", what, a, status, code)
	}
	if a.status == http.StatusUnauthorized && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s answers %d without WWW-Authenticate", what, a.status)
	}
}

// wantProblem checks the type of a problem (RFC 9457) and its status.
func wantProblem(t *testing.T, what string, a answer, status int, kind string) {
	t.Helper()
	if a.status != status || a.kind() != kind || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s answers %s (%s), want the problem %s with %d", what, a, a.header.Get("Content-Type"), kind, status)
	}
}

// operate runs an operator's command for the running product.
func (p *product) operate(t *testing.T, args ...string) map[string]string {
	t.Helper()
	out := must[string](t)(process.Run(t.Context(), nil, append(args, "--data-dir", p.dev.Dir, "--json")...))
	var rows []map[string]string
	if json.Unmarshal([]byte(out), &rows) == nil && len(rows) > 0 {
		return rows[0]
	}
	var row map[string]string
	if err := json.Unmarshal([]byte(out), &row); err != nil {
		t.Fatalf("watchgate %s said %q", strings.Join(args, " "), out)
	}
	return row
}

// company is an identity provider of acme's that says about people what the test
// wants, at each sign-in anew.
type company struct {
	*optest.Provider
	product *product
	domain  string
}

// newCompany connects acme to a provider whose people have addresses at domain. The
// claim role says their role.
func (p *product) newCompany(t *testing.T, domain string) *company {
	t.Helper()
	c := &company{Provider: optest.New(t, time.Now), product: p, domain: domain}
	c.Secrets = []string{"secret-of-the-company"}
	plain := httptest.NewServer(c.Provider)
	t.Cleanup(plain.Close)
	c.Issuer = plain.URL
	file := filepath.Join(t.TempDir(), "client-secret")
	noError(t, os.WriteFile(file, []byte(c.Secrets[0]+"\n"), 0o600))
	id := p.operate(t, "connection", "create", "acme", "--name", "Company", "--issuer", c.Issuer, "--client-id", optest.ClientID,
		"--secret-file", file, "--role", "viewer", "--role-claim", "role")["id"]
	p.operate(t, "domain", "add", "--vouch", "acme", id, domain)
	return c
}

// person signs somebody of the company in with a second factor and returns their access
// token.
func (c *company) person(t *testing.T, name string, role storage.Role, verified bool, scopes ...string) string {
	t.Helper()
	login := name + "@" + c.domain
	c.Person = fields{"sub": name, "name": name, "email": login, "email_verified": verified, "role": string(role), "amr": []string{"pwd", "otp"}}
	return c.product.signIn(t, login, "", scopes...).Access
}

// trail stops the product and returns the audit events of a tenant, the newest first.
func (p *product) trail(t *testing.T, slug string) []storage.Event {
	t.Helper()
	p.stop(t)
	ctx := context.WithoutCancel(t.Context())
	store := must[*sqlstore.Store](t)(sqlstore.Open(ctx, sqlstore.Config{DSN: filepath.Join(p.dev.Dir, "watchgate.db")}))
	defer func() { noError(t, store.Close()) }()
	tenant := must[storage.Tenant](t)(store.TenantBySlug(ctx, slug))
	var all []storage.Event
	for {
		var before storage.EventID
		if len(all) > 0 {
			before = all[len(all)-1].ID
		}
		some := must[[]storage.Event](t)(store.Tenant(tenant.ID).Events(ctx, before, 500))
		if all = append(all, some...); len(some) < 500 {
			return all
		}
	}
}

// stored is everything in the product's data folder, after it was stopped.
func (p *product) stored(t *testing.T) []byte {
	t.Helper()
	p.stop(t)
	var all []byte
	for _, name := range must[[]string](t)(filepath.Glob(filepath.Join(p.dev.Dir, "*"))) {
		if info := must[os.FileInfo](t)(os.Stat(name)); info.Mode().IsRegular() {
			all = append(all, must[[]byte](t)(os.ReadFile(name))...)
		}
	}
	return all
}
