package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// guarded is a Watchgate, and an API that knows nothing of tokens: it tells its
// callers which headers it got, and stands behind a proxy in the configuration of
// examples/.
type guarded struct {
	*site
	front
	node     *process.Node
	database *pgtest.Proxy
	echo     *httptest.Server
	asker    credentials // the proxies'
	alice    string      // a person's token of acme
	machine  string      // a machine's token of acme: it has no user name
	globex   string      // a machine's token of globex
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{database: pgtest.NewProxy(t, pgtest.Database(t))}
	g.site = newSite(t, g.database.DSN())
	g.front, g.node = g.only(t)
	g.asker = g.site.api
	g.echo = httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(g.echo.Close)
	g.alice = g.signIn(t, g.browser(g.web), g.web, alice).Access
	g.machine = g.machineToken(t, g.site.machine["acme"])
	g.globex = g.machineToken(t, g.site.machine["globex"])
	return g
}

// echo is the API behind the proxies.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"header": r.Header, "uri": r.RequestURI, "method": r.Method})
}

// configure copies a folder of examples/ to one of its own, with the addresses and
// the credentials of the example replaced by this test's, and returns where it is
// and where the proxy will listen.
func (g *guarded) configure(t *testing.T, example string) (dir, at string) {
	t.Helper()
	dir, at = t.TempDir(), "127.0.0.1:"+itoa(must[int](t)(process.FreePort(0)))
	port := func(address string) string { return address[strings.LastIndex(address, ":")+1:] }
	pairs := []string{demoBasic, g.basic(), "access_log off;", nginxFolders}
	for from, to := range map[string]string{"8000": port(at), "8080": port(g.Issuer), "9000": port(g.echo.URL)} {
		pairs = append(pairs, ":"+from, ":"+to, "port_value: "+from, "port_value: "+to)
	}
	replace := strings.NewReplacer(pairs...)
	from := filepath.Join("..", "..", "examples", example)
	for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(from)) {
		body := must[[]byte](t)(os.ReadFile(filepath.Join(from, entry.Name())))
		noError(t, os.WriteFile(filepath.Join(dir, entry.Name()), []byte(replace.Replace(string(body))), 0o600))
	}
	return dir, at
}

// basic is the API's credentials, as the proxies send them.
func (g *guarded) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(g.asker.id + ":" + g.asker.secret))
}

// nginxFolders keep nginx's files out of the system's folders.
const nginxFolders = "access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;"

// demoBasic is demo-api:demo-api-secret, as the examples have it.
const demoBasic = "ZGVtby1hcGk6ZGVtby1hcGktc2VjcmV0"

// installed is where scripts/deps.sh put a proxy, or one in the PATH; "" when there
// is none.
func installed(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{filepath.Join("..", "..", "bin", "proxies", name), name, "/usr/sbin/" + name} {
		if bin, err := exec.LookPath(path); err == nil {
			return must[string](t)(filepath.Abs(bin))
		}
	}
	return ""
}

func program(t *testing.T, name string) string {
	t.Helper()
	bin := installed(t, name)
	if bin == "" {
		t.Fatalf("there is no %s: make deps installs it", name)
	}
	return bin
}

// startProxy runs a proxy until the test's end, and waits until it listens.
func startProxy(t *testing.T, at string, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	noError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, &said)
		}
	})
	await(t, cmd.Path+" to listen", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", cmd.Path, err)
		default:
		}
		c, err := net.Dial("tcp", at)
		return err == nil && c.Close() == nil
	})
}

// proxy is one that runs.
type proxy struct {
	at string // host and port
	// listed: its configuration lists the tenants, by slug.
	listed bool
	// broken and alone are its statuses when Watchgate refuses it, and when there is
	// no Watchgate.
	broken, alone int
}

// got is what the API got of a call.
type got struct {
	Header http.Header
	URI    string
	Method string
}

// call sends a request to a proxy; headers are name and value in turn. The API's
// side is there when the request reached it.
func call(t *testing.T, p proxy, method, path string, headers ...string) (answer, *got) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, "http://"+p.at+path, nil))
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
	}
	tr := &http.Transport{DisableKeepAlives: true}
	a := must[answer](t)(front{transport: tr}.send(req))
	return a, reached(a)
}

// reached is what the API got, when the answer is the API's.
func reached(a answer) *got {
	var seen got
	if json.Unmarshal([]byte(a.body), &seen) != nil || seen.Header == nil {
		return nil
	}
	return &seen
}

// aliased are the characters that many servers take for a hyphen in a header's
// name.
var aliased = regexp.MustCompile("[^a-z0-9-]")

// identity is what headers say of who it is, in whatever spelling an API could
// take for ours.
func identity(h http.Header) map[string]string {
	out := map[string]string{}
	for name, values := range h {
		key := aliased.ReplaceAllString(strings.ToLower(name), "-")
		value := strings.Join(values, "|")
		if strings.HasPrefix(key, "x-watchgate") && value != "" {
			out[name] = value
		}
	}
	return out
}
