package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/idp/devidp"
	"github.com/watchgate/watchgate/internal/process"
)

// appURI is the apps' redirect URI. Nobody listens there: a walk ends before it.
const appURI = "http://127.0.0.1:9/callback"

// The people of the demo identity provider.
const (
	alice = "alice@acme.test"
	carol = "carol@globex.test"
)

// fullScope is everything that the sites' apps ask for.
const fullScope = "openid profile email offline_access monitor:read"

// site is a deployment of `serve` with two tenants and what they need, all of it
// made by the operator's commands.
type site struct {
	*process.Deployment
	provider *httptest.Server

	tenants     map[string]string // ids by slug
	connections map[string]string // ids by the tenant's slug

	web     app                    // confidential
	spa     app                    // public
	machine map[string]credentials // client credentials, by the tenant's slug
	api     credentials            // resource server for all tenants
}

// onSQLite is the database of a site in a folder of its own.
func onSQLite(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "data")
}

// newSite prepares a deployment; its nodes are not started.
func newSite(t *testing.T, database string) *site {
	t.Helper()
	s := &site{
		Deployment: must[*process.Deployment](t)(process.NewDeployment(t.Context(), t.TempDir(), database)),
		tenants:    map[string]string{}, connections: map[string]string{}, machine: map[string]credentials{},
	}
	s.api = s.resourceServer(t, "api", "")
	web := s.operate(t, "client", "create", "--id", "web", "--name", "Web", "--redirect", appURI, "--scope", strings.ReplaceAll(fullScope, " ", ","))
	s.web = app{credentials{web["client_id"], web["secret"]}, appURI, fullScope}
	s.operate(t, "client", "create", "--id", "spa", "--name", "Single page", "--auth", "none", "--redirect", appURI, "--scope", strings.ReplaceAll(fullScope, " ", ","))
	s.spa = app{credentials{id: "spa"}, appURI, fullScope}
	for _, slug := range []string{"acme", "globex"} {
		s.tenants[slug] = s.operate(t, "tenant", "create", slug, "--name", slug+" Inc.")["id"]
		m := s.operate(t, "client", "create", "--id", "machine-"+slug, "--name", "Machine", "--grant", "client_credentials",
			"--scope", "monitor:read", "--tenant", s.tenants[slug])
		s.machine[slug] = credentials{m["client_id"], m["secret"]}
	}
	s.connect(t)
	return s
}

// resourceServer registers an API; an empty tenant is all of them.
func (s *site) resourceServer(t *testing.T, id, tenant string) credentials {
	t.Helper()
	rs := s.operate(t, "resource-server", "create", "--id", id, "--name", id, "--audience", "https://"+id+".test/",
		"--scope", "monitor:read=See your monitors", "--tenant", tenant)
	return credentials{rs["id"], rs["secret"]}
}

// upstreamSecret is ours at the demo identity provider.
const upstreamSecret = "upstream-secret-of-the-site"

// connect starts the demo identity provider and connects both tenants to it.
func (s *site) connect(t *testing.T) {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	issuer := "http://" + l.Addr().String()
	var clients []devidp.Client
	for _, slug := range []string{"acme", "globex"} {
		id := s.connection(t, slug, issuer, "watchgate-"+slug, upstreamSecret)
		s.connections[slug] = id
		s.operate(t, "domain", "add", "--vouch", slug, id, slug+".test")
		clients = append(clients, devidp.Client{ID: "watchgate-" + slug, Secret: upstreamSecret, RedirectURIs: []string{s.callback(id)}})
	}
	h := must[http.Handler](t)(devidp.New(devidp.Config{Issuer: issuer, Clients: clients, Now: time.Now}))
	s.provider = httptest.NewUnstartedServer(h)
	noError(t, s.provider.Listener.Close())
	s.provider.Listener = l
	s.provider.Start()
	t.Cleanup(s.provider.Close)
}

// connection connects a tenant to an identity provider and returns its id. The
// provider is not looked at: it starts when it can be told the id.
func (s *site) connection(t *testing.T, tenant, issuer, client, secret string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "client-secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.operate(t, "connection", "create", tenant, "--name", "Provider", "--issuer", issuer, "--client-id", client, "--secret-file", file, "--no-check")["id"]
}

// callback is a connection's redirect URI.
func (s *site) callback(connection string) string { return s.Issuer + "/login/callback/" + connection }

// operate runs an operator's command and returns the first object of its JSON.
func (s *site) operate(t *testing.T, args ...string) map[string]string {
	t.Helper()
	out := must[string](t)(s.Operate(t.Context(), nil, append(args, "--json")...))
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

// node starts a node and stops it at the test's end.
func (s *site) node(t *testing.T, name string, first bool) *process.Node {
	t.Helper()
	n := must[*process.Node](t)(s.Start(t.Context(), name, first))
	t.Cleanup(func() {
		if err := n.Stop(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return n
}

// only starts the site's single node.
func (s *site) only(t *testing.T) (front, *process.Node) {
	t.Helper()
	n := s.node(t, "node", true)
	return frontOf(t, s.Issuer, n), n
}
