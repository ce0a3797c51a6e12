package e2e

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/npmtest"
	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// atProduct is how acme is connected to a provider that is like a product.
type atProduct struct {
	npmtest.Product
	// clientID is ours there, in the product's own form.
	clientID string
	// create are the further flags of `connection create`, as its page of the
	// documentation has them.
	create []string
	// tells: the product tells apps from server to server when somebody signs out.
	tells bool
}

const (
	acmeDirectory  = "4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14"
	otherDirectory = "c0ffee00-1111-4222-8333-444455556666"
	adminGroup     = "5d1f3d5c-0b1a-4b8e-9a52-6f3f0c9f2b11"
	acmeRoles      = "https://acme.example/roles"
)

// byGroups are the flags for a role by one group.
func byGroups(claim, group string) []string {
	return []string{"--role-claim", claim, "--role-rule", group + "=admin"}
}

// The four products, each as its preset has it.
var (
	okta = atProduct{
		npmtest.Product{Name: "okta"}, "0oa1b2c3d4E5f6G7h8i9",
		append(byGroups("groups", "watchgate-admins"), "--domain", "acme.okta.com"), false,
	}
	oktaServer = atProduct{
		npmtest.Product{Name: "okta", Server: "default"}, "0oa1b2c3d4E5f6G7h8i9",
		append(byGroups("groups", "watchgate-admins"), "--domain", "acme.okta.com", "--server", "default", "--scope", "openid,email,profile,groups"), false,
	}
	entra = atProduct{
		npmtest.Product{Name: "entra", Directory: acmeDirectory}, "b8e0d6f2-1c4a-4e7b-93d5-6a2f8c0e1b37",
		append(byGroups("groups", adminGroup), "--directory", acmeDirectory, "--secret-ends", "2099-01-01", "--mfa-acr", "c1", "--mfa-ask-for", "c1"), false,
	}
	auth0 = atProduct{
		npmtest.Product{Name: "auth0", Organization: "org_9ybsU1dN2dKfDkBi", RoleClaim: acmeRoles}, "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6",
		append(byGroups(acmeRoles, "boss"), "--domain", "acme.eu.auth0.com", "--organization", "org_9ybsU1dN2dKfDkBi"), true,
	}
	google = atProduct{
		npmtest.Product{Name: "google", HostedDomain: "npm.test"}, "1234-abcd.apps.googleusercontent.com",
		[]string{"--hosted-domain", "npm.test"}, false,
	}
)

// productAt is a site whose tenant acme has a provider that is like a product. People
// whose address ends with npm.test are its.
type productAt struct {
	*site
	front
	up         *npmtest.Upstream
	connection string
}

// withProduct prepares a site, and starts it with its provider.
func withProduct(t *testing.T, of atProduct) *productAt {
	t.Helper()
	dir := onSQLite(t)
	s := newSite(t, dir)
	port := must[int](t)(process.FreePort(0))
	id := s.connectProduct(t, of)
	moveIssuer(t, dir, id, of.Issuer(port))
	s.operate(t, "domain", "add", "--vouch", "acme", id, "npm.test")
	cfg := npmtest.Config{ClientID: of.clientID, ClientSecret: "secret-at-npm", RedirectURI: s.callback(id), Port: port, Product: of.Product}
	if of.tells {
		cfg.BackchannelLogoutURI = s.backchannel("acme", id)
	}
	up := npmtest.Provider(t, cfg)
	f, _ := s.only(t)
	return &productAt{site: s, front: f, up: up, connection: id}
}

// backchannel is where a connection's provider tells of sign-outs.
func (s *site) backchannel(tenant, connection string) string {
	return s.Issuer + "/login/backchannel/" + s.tenants[tenant] + "/" + connection
}

// connectProduct makes the connection by its preset, as for the real product.
func (s *site) connectProduct(t *testing.T, of atProduct) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "client-secret")
	noError(t, os.WriteFile(file, []byte("secret-at-npm\n"), 0o600))
	args := []string{"connection", "create", "acme", "--name", "Provider", "--preset", of.Name, "--client-id", of.clientID, "--secret-file", file, "--no-check"}
	return s.operate(t, append(args, of.create...)...)["id"]
}

// moveIssuer moves a connection's provider from the product's own address to this
// machine: the presets pin who the issuers are, and no flag says otherwise. Its path,
// by which the products differ, stays.
func moveIssuer(t *testing.T, dir, connection, to string) {
	t.Helper()
	db := must[*sql.DB](t)(sql.Open("sqlite", filepath.Join(dir, "watchgate.db")))
	defer db.Close()
	var from string
	noError(t, db.QueryRowContext(t.Context(), "SELECT issuer FROM connections WHERE id = ?", connection).Scan(&from))
	was, is := must[*url.URL](t)(url.Parse(from)), must[*url.URL](t)(url.Parse(to))
	if was.Scheme != "https" || was.Path != is.Path {
		t.Fatalf("the preset's issuer is %s, and the provider's %s", from, to)
	}
	_, err := db.ExecContext(t.Context(), "UPDATE connections SET issuer = ? WHERE id = ?", to, connection)
	noError(t, err)
}

// anyone is a browser that stops at the app.
func (p *productAt) anyone() *walk.Browser {
	return walk.New(p.transport, func(u *url.URL) bool { return strings.HasPrefix(u.String(), appURI) })
}

// arrive takes somebody through the sign-in page and the provider, to the page that
// comes after the callback. Where the provider still knows them it asks nothing.
func (p *productAt) arrive(t *testing.T, b *walk.Browser, path string, who npmtest.Person) *walk.Page {
	t.Helper()
	page := must[*walk.Page](t)(b.Get(t.Context(), p.issuer+path))
	if page.Has("login-submit") {
		page = must[*walk.Page](t)(page.Press(t.Context(), "login-submit", url.Values{"email": {who.Login}}))
	}
	if page.Has("sign-in") {
		page = must[*walk.Page](t)(page.Press(t.Context(), "sign-in", who.Form()))
	}
	return page
}

// signIn gets somebody in, to tokens of the app.
func (p *productAt) signIn(t *testing.T, b *walk.Browser, who npmtest.Person, more ...string) tokens {
	t.Helper()
	r := p.web.trip()
	page := p.arrive(t, b, r.path(more...), who)
	if page.Has("consent-approve") {
		page = must[*walk.Page](t)(page.Press(t.Context(), "consent-approve", nil))
	}
	if !page.Ended || page.URL.Query().Get("code") == "" {
		t.Fatalf("not let in: %s (%d): %s", page.URL, page.Status, page.Text())
	}
	return p.redeem(t, r, page.URL.Query().Get("code"))
}

// refused tries to get somebody in: they see words, with a reference, and are nobody
// here afterwards.
func (p *productAt) refused(t *testing.T, who npmtest.Person, words string) {
	t.Helper()
	b := p.anyone()
	page := p.arrive(t, b, p.web.trip().path(), who)
	if text := page.Text(); page.Ended || page.Status < 400 || !strings.Contains(text, words) || !strings.Contains(text, "Reference") {
		t.Errorf("%+v: %s (%d): %s", who, page.URL, page.Status, text)
	}
	page = must[*walk.Page](t)(b.Get(t.Context(), p.issuer+"/login"))
	if !page.Has("login-submit") {
		t.Errorf("%+v has a session: %s", who, page.Text())
	}
	if role := p.role(t, who.Login); role != "" {
		t.Errorf("%+v is here as %s", who, role)
	}
}

// role is what somebody is in acme; "": nothing.
func (s *site) role(t *testing.T, login string) string {
	t.Helper()
	for _, u := range s.list(t, "user", "list", "acme") {
		if u["email"] == login {
			return u["role"]
		}
	}
	return ""
}

// list runs an operator's command and returns all rows of its JSON.
func (s *site) list(t *testing.T, args ...string) []map[string]string {
	t.Helper()
	return rowsOf(t, must[string](t)(s.Operate(t.Context(), nil, append(args, "--json")...)))
}
