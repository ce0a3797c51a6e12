package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProxyConfigurations runs the proxies of examples/ for real, each in front of
// one API, and then takes Watchgate's database and Watchgate away.
func TestProxyConfigurations(t *testing.T) {
	g := newGuarded(t)
	proxies := g.start(t)
	for name, p := range proxies {
		t.Run(name, func(t *testing.T) { g.guards(t, p) })
	}
	t.Run("with a wrong secret", g.misconfigured)
	g.database.Down()
	for name, p := range proxies {
		t.Run(name+" while the database is away", func(t *testing.T) { g.closed(t, p) })
	}
	g.database.Up()
	for name, p := range proxies {
		await(t, "full service behind "+name, func() bool {
			a, _ := call(t, p, "GET", "/t/acme/monitors", "Authorization", "Bearer "+g.machine)
			return a.status == http.StatusOK
		})
	}
	noError(t, g.node.Stop())
	for name, p := range proxies {
		t.Run(name+" without Watchgate", func(t *testing.T) { g.dead(t, p) })
	}
}

// start starts one of each that is installed. nginx and Caddy always are; Debian
// has no package of the other two.
func (g *guarded) start(t *testing.T) map[string]proxy {
	t.Helper()
	proxies := map[string]proxy{"nginx": g.nginx(t), "Caddy": g.caddy(t)}
	for name, start := range map[string]func(*testing.T) proxy{"envoy": g.envoy, "traefik": g.traefik} {
		if installed(t, name) == "" {
			t.Logf("%s is not run: `make proxies` fetches it", name)
			continue
		}
		proxies[name] = start(t)
	}
	return proxies
}

// misconfigured: what the operator did wrong is no request for credentials to
// whoever calls the API, whatever they present.
func (g *guarded) misconfigured(t *testing.T) {
	other := *g
	other.asker.secret = "wrong"
	for name, p := range other.start(t) {
		for _, credential := range []string{"Bearer " + g.machine, "Bearer x", "Basic x"} {
			a, seen := call(t, p, "GET", "/t/acme/monitors", "Authorization", credential)
			if a.status != p.broken || seen != nil || a.header.Get("Www-Authenticate") != "" {
				t.Errorf("%s: %s %v", name, a, a.header)
			}
		}
	}
}

func (g *guarded) nginx(t *testing.T) proxy {
	t.Helper()
	dir, at := g.configure(t, "nginx")
	bin := program(t, "nginx")
	// One process, as whoever runs the test; nothing is written outside dir.
	cmd := exec.Command(bin, "-p", dir, "-c", "nginx.conf", "-g", "daemon off; master_process off;")
	startProxy(t, at, cmd)
	return proxy{at: at, broken: 500, alone: 503}
}

func (g *guarded) caddy(t *testing.T) proxy {
	t.Helper()
	dir, at := g.configure(t, "caddy")
	bin := program(t, "caddy")
	cmd := exec.Command(bin, "run", "--config", filepath.Join(dir, "Caddyfile"))
	cmd.Env = []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir, "WATCHGATE_BASIC=" + g.basic()}
	startProxy(t, at, cmd)
	return proxy{at: at, broken: 500, alone: 502}
}

func (g *guarded) envoy(t *testing.T) proxy {
	t.Helper()
	dir, at := g.configure(t, "envoy")
	bin := program(t, "envoy")
	startProxy(t, at, exec.Command(bin, "-c", filepath.Join(dir, "envoy.yaml"), "--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"))
	return proxy{at: at, broken: 503, alone: 503}
}

func (g *guarded) traefik(t *testing.T) proxy {
	t.Helper()
	dir, at := g.configure(t, "traefik")
	bin := program(t, "traefik")
	cmd := exec.Command(bin, "--configFile=traefik.yaml")
	cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "WATCHGATE_BASIC=" + g.basic()}
	startProxy(t, at, cmd)
	p := proxy{at: at, listed: true, broken: 500, alone: 500}
	// It listens before it has read what is where.
	await(t, "Traefik's routers", func() bool {
		a, _ := call(t, p, "GET", "/t/acme/monitors")
		return a.status != http.StatusNotFound
	})
	return p
}

func (g *guarded) guards(t *testing.T, p proxy) {
	t.Run("who it is reaches the API", func(t *testing.T) { g.identified(t, p) })
	t.Run("refusals", func(t *testing.T) { g.refused(t, p) })
	t.Run("attack: a client that says who it is", func(t *testing.T) { g.spoofed(t, p) })
	t.Run("attack: a client that takes headers away", func(t *testing.T) { g.stripped(t, p) })
	t.Run("attack: an address of two tenants", func(t *testing.T) { g.ambiguous(t, p) })
	t.Run("attack: a client that is the proxy", func(t *testing.T) { g.impersonated(t, p) })
}

// known is who the machine is, as the API is to see it.
func (g *guarded) known(t *testing.T, token string) map[string]string {
	t.Helper()
	info := g.introspect(t, g.site.api, token).json(t)
	text := func(name string) string { s, _ := info[name].(string); return s }
	exp, _ := info["exp"].(float64)
	who := map[string]string{
		"X-Watchgate-Subject": text("sub"), "X-Watchgate-Client": text("client_id"), "X-Watchgate-Tenant": text("tenant"),
		"X-Watchgate-Tenant-Id": text("tenant_id"), "X-Watchgate-Scope": text("scope"), "X-Watchgate-Token-Id": text("jti"),
		"X-Watchgate-Expires": itoa(int(exp)),
	}
	if name := text("username"); name != "" {
		who["X-Watchgate-Username"] = name
	}
	return who
}

func (g *guarded) identified(t *testing.T, p proxy) {
	for name, token := range map[string]string{"a person": g.alice, "a machine": g.machine} {
		paths := []string{"/t/acme/monitors?limit=5&scope=x&tenant=globex&access_token=y", "/t/acme/a%20b"}
		if !p.listed {
			paths = append(paths, "/t/"+g.tenants["acme"]+"/monitors")
		}
		for _, path := range paths {
			a, seen := call(t, p, "GET", path, "Authorization", "Bearer "+token)
			if a.status != http.StatusOK || seen == nil {
				t.Fatalf("%s: %s", name, a)
			}
			if d := cmp.Diff(g.known(t, token), identity(seen.Header)); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			if seen.URI != path || seen.Method != "GET" || strings.Contains(a.body, "wgat_") {
				t.Errorf("%s: the API got %s", name, a)
			}
		}
	}
}

func (g *guarded) refused(t *testing.T, p proxy) {
	const invalid = `Bearer error="invalid_token"`
	for name, c := range map[string]struct {
		method, path, token string
		status              int
		challenge           string
	}{
		"nothing":             {"GET", "/t/acme/monitors", "", 401, "Bearer"},
		"garbage":             {"GET", "/t/acme/monitors", "x", 401, invalid},
		"another tenant's":    {"GET", "/t/acme/monitors", g.globex, 401, invalid},
		"another tenant":      {"GET", "/t/globex/monitors", g.alice, 401, invalid},
		"an unknown tenant":   {"GET", "/t/nobody/monitors", g.alice, 401, invalid},
		"a scope is missing":  {"POST", "/t/acme/monitors", g.alice, 403, `Bearer error="insufficient_scope", scope="alert:write"`},
		"scope of any method": {"REPORT", "/t/acme/monitors", g.alice, 403, `Bearer error="insufficient_scope", scope="alert:write"`},
	} {
		headers := []string{"Authorization", "Bearer " + c.token}
		if c.token == "" {
			headers = nil
		}
		if p.listed && name == "an unknown tenant" {
			c.status, c.challenge = http.StatusNotFound, ""
		}
		a, seen := call(t, p, c.method, c.path, headers...)
		challenge := strings.Join(a.header["Www-Authenticate"], "|")
		if a.status != c.status || seen != nil || challenge != c.challenge {
			t.Errorf("%s: %s %q", name, a, challenge)
		}
	}
	for _, path := range []string{"/", "/t/", "/t//monitors", "/_watchgate", "/t/ACME/monitors", "/forward-auth"} {
		if a, seen := call(t, p, "GET", path, "Authorization", "Bearer "+g.alice); a.status < 400 || seen != nil {
			t.Errorf("%s: %s", path, a)
		}
	}
}

// spoofed uses the machine's token: it has no user name, so that nothing takes
// the place of the client's.
func (g *guarded) spoofed(t *testing.T, p proxy) {
	lies := []string{"Authorization", "Bearer " + g.machine}
	for _, name := range []string{
		"Subject", "Username", "Client", "Tenant", "Tenant-Id", "Scope", "Token-Id", "Expires", "Authorization", "Require-Scope", "Require-Tenant",
	} {
		lies = append(lies, "x-watchgate-"+strings.ToLower(name), "root", "X_Watchgate_"+strings.ReplaceAll(name, "-", "_"), "root", "X.Watchgate~"+name, "root")
	}
	// What is needed can only grow by that, so that a refusal would do, too.
	a, seen := call(t, p, "GET", "/t/acme/monitors", lies...)
	if a.status != http.StatusOK || seen == nil {
		t.Fatalf("the request did not reach the API: %s", a)
	}
	if d := cmp.Diff(g.known(t, g.machine), identity(seen.Header)); d != "" {
		t.Error(d)
	}
}

// stripped names the proxy's headers in Connection, so that a proxy that follows
// RFC 9110 section 7.6.1 to the letter does not pass them on.
func (g *guarded) stripped(t *testing.T, p proxy) {
	for _, names := range []string{"close, X-Watchgate-Subject, X-Watchgate-Tenant", "X-Watchgate-Authorization", "X-Watchgate-Require-Tenant, X-Watchgate-Scope"} {
		a, seen := call(t, p, "GET", "/t/acme/monitors", "Authorization", "Bearer "+g.machine, "Connection", names)
		if seen == nil && a.status >= 400 {
			continue
		}
		if d := cmp.Diff(g.known(t, g.machine), identity(seen.Header)); d != "" {
			t.Errorf("Connection: %s: %s", names, d)
		}
	}
}

// ambiguous asks for acme's data with a token of globex, in addresses that a proxy
// could take for globex's.
func (g *guarded) ambiguous(t *testing.T, p proxy) {
	for _, path := range []string{
		"/t/acme/x/../../globex/monitors", "/t/acme/%2e%2e/globex/monitors", "/t/globex/../acme/monitors", "/t/globex/%2E%2e/acme/monitors",
		"/t/globex/..;/acme/monitors", "/t/globex/..%2facme/monitors", "/t/globex/..\\acme/monitors", "/t/globex/..%5Cacme/monitors",
		"//t/acme/monitors", "/t/globex/..//acme/monitors", "/t/acme%2f..%2fglobex/monitors", "/t/%61cme/monitors", "/./t/acme/monitors",
		"/t/acme/monitors?/t/globex/", "/t/ACME/t/globex/monitors", "/t/ACME/x?/t/globex/", "/t/acme/monitors?x=/../../t/globex/", "/t/acme%0d%0aX:y/monitors", "/t/globex%26tenant=acme/monitors",
	} {
		answers := raw(t, p.at, "GET "+path+" HTTP/1.1\r\nHost: "+p.at+"\r\nConnection: close\r\nAuthorization: Bearer "+g.globex+"\r\n\r\n")
		if len(answers) != 1 {
			t.Fatalf("%s: %s", path, answers)
		}
		// A proxy may also tidy the address up, for itself and for the API.
		seen := reached(answers[0])
		if seen == nil && answers[0].status < 400 || seen != nil && (seen.URI != "/t/globex/monitors" || seen.Header.Get("X-Watchgate-Tenant") != "globex") {
			t.Errorf("%s: %s", path, answers)
		}
	}
}

// impersonated sends a resource server's credentials, good ones even, and two
// tokens.
func (g *guarded) impersonated(t *testing.T, p proxy) {
	for name, headers := range map[string][]string{
		"the proxy's":    {"X-Watchgate-Authorization", "Basic " + g.basic()},
		"garbage":        {"X-Watchgate-Authorization", "x"},
		"needs":          {"X-Watchgate-Require-Tenant", "globex", "X-Watchgate-Require-Scope", "monitor:read"},
		"original":       {"X-Original-Uri", "/t/globex/monitors", "X-Forwarded-Uri", "/t/globex/monitors", "X-Forwarded-Method", "GET", "X-Original-Url", "/t/globex/x"},
		"forwarded host": {"X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test"},
	} {
		if a, seen := call(t, p, "GET", "/t/acme/monitors", append(headers, "Authorization", "Bearer "+g.globex)...); a.status != http.StatusUnauthorized || seen != nil {
			t.Errorf("%s: %s", name, a)
		}
	}
	for name, second := range map[string]string{"another": g.globex, "the same": g.alice} {
		a, seen := call(t, p, "GET", "/t/acme/monitors", "Authorization", "Bearer "+g.alice, "Authorization", "Bearer "+second)
		if seen != nil && (a.status != http.StatusOK || seen.Header["X-Watchgate-Tenant"][0] != "acme" || seen.Header["Authorization"] != nil) {
			t.Errorf("two tokens, %s: %s", name, a)
		}
	}
}

// closed: Watchgate says 503, and so does the proxy.
func (g *guarded) closed(t *testing.T, p proxy) {
	var a answer
	await(t, "the outage to show", func() bool {
		a, _ = call(t, p, "GET", "/t/acme/monitors", "Authorization", "Bearer "+g.machine)
		return a.status != http.StatusOK
	})
	if a.status != http.StatusServiceUnavailable {
		t.Errorf("%s %v", a, a.header)
	}
}

// dead: nobody says anything.
func (g *guarded) dead(t *testing.T, p proxy) {
	a, seen := call(t, p, "GET", "/t/acme/monitors", "Authorization", "Bearer "+g.machine)
	if a.status != p.alone || seen != nil {
		t.Errorf("%s", a)
	}
}
