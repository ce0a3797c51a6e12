package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/seal"
)

// good is a configuration that has everything it needs.
const good = `
issuer: https://auth.example.com
database:
  url_file: url
secret_file: secret
`

// write puts a configuration and its secrets into a folder.
func write(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"watchgate.yaml": body, "url": "postgres://u:p@127.0.0.1/w\n", "secret": seal.Generate() + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "watchgate.yaml")
}

func noEnv(string) string { return "" }

func TestConfigTakesSecretsFromFilesBesideIt(t *testing.T) {
	c, err := readConfig(write(t, good), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.databaseURL != "postgres://u:p@127.0.0.1/w" || len(c.secret) == 0 || c.Listen != ":8080" {
		t.Errorf("read %q, a secret of %d bytes, listening on %s", c.databaseURL, len(c.secret), c.Listen)
	}
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	_, err := readConfig(write(t, `
issuer: http://auth.example.com/
listen: nowhere
trusted_proxies: -1
colour: blue
tls:
  certificate_file: tls.crt
database:
  data_dir: data
  url_file: url
log:
  level: loud
`), noEnv)
	var all problems
	if !errors.As(err, &all) {
		t.Fatalf("error %v, want problems", err)
	}
	for _, word := range []string{"issuer", "listen", "trusted_proxies", "colour", "tls", "database", "log.level", "secret_file"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("no word about %s in:\n%v", word, err)
		}
	}
}

// TestConfigNamesUnknownKeys as the operator wrote them, and not as the program has
// them.
func TestConfigNamesUnknownKeys(t *testing.T) {
	for body, want := range map[string]string{
		good + "introspection:\n  cache_mb: 5\n":               "\n  - introspection.cache_mb: no such key (line 7)",
		good + "introspection: {per_second: 5, cache_mb: 5}\n": "\n  - introspection.cache_mb: no such key (line 6)",
		good + "colour: blue\n":                                "\n  - colour: no such key (line 6)",
		good + "introspection: 5\n":                            "\n  - line 6: keys belong here, not !!int `5`",
		"[]\n":                                                 "\n  - line 1: keys belong here, not !!seq",
		good + "trusted_proxies: many\n":                       "\n  - line 6: cannot unmarshal !!str `many` into int",
		good + "log:\n  level: info\n  level: warn\n  log.level: info\n": "already defined at line 7",
	} {
		o := call(t, nil, "config", "check", write(t, body))
		if o.code != 1 || !strings.Contains(o.err, want) || strings.Contains(o.err, "struct") || strings.Contains(o.err, "main.") {
			t.Errorf("want %q in:\n%s", want, o.err)
		}
	}
}

// TestServerConfigNamesEveryProblem is what `serve` and `config check` say of a
// file in which everything else is wrong.
func TestServerConfigNamesEveryProblem(t *testing.T) {
	file := write(t, `
issuer: https://auth.example.com
listen: ":http"
operator_listen: "127.0.0.1:70000"
tls:
  certificate_file: tls.crt
  key_file: tls.key
database:
  url_file: absent-url
  max_connections: 1
secret_file: absent-secret
signing_keys:
  publish_ahead: 200h
  sign_for: 100h
outbound:
  ca_file: empty.pem
  timeout: 0s
  ports: [443, 0, 70000]
  deny: [198.51.100.0/24, everything, "::ffff:1.2.3.0/120"]
`)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"config", "check", file}, {"serve", "--config", file}} {
		o := call(t, nil, command...)
		for _, word := range []string{
			"\n  - listen:", "operator_listen:", "tls.crt", "database.url_file:", "max_connections", "\n  - secret_file:", "publish_ahead (200h0m0s)",
			"empty.pem holds no certificate", "outbound.timeout", "outbound.ports: 0 ", "outbound.ports: 70000", `"everything"`, `"::ffff:1.2.3.0/120"`,
		} {
			if !strings.Contains(o.err, word) {
				t.Errorf("%v: no word about %s in:\n%s", command, word, o.err)
			}
		}
		for _, once := range []string{"absent-url", "absent-secret", "name a url_file", "WATCHGATE_SECRET"} {
			if n, want := strings.Count(o.err, once), map[bool]int{true: 1}[strings.HasPrefix(once, "absent")]; n != want {
				t.Errorf("%v: %q is there %d times, want %d:\n%s", command, once, n, want, o.err)
			}
		}
		if o.code != 1 || strings.Contains(o.err, "198.51.100.0") {
			t.Errorf("%v: status %d:\n%s", command, o.code, o.err)
		}
	}
}

func TestConfigOfMalformedSecrets(t *testing.T) {
	one := seal.Generate()
	for name, secret := range map[string]string{
		"empty": "", "only a comment": "# none\n", "short": "c2hvcnQ=", "no base64": "correct horse battery staple", "twice": one + "\n" + one,
	} {
		file := write(t, good+"trusted_proxies: -1\n")
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), "secret"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readConfig(file, noEnv)
		if err == nil || !strings.Contains(err.Error(), "secret_file") || !strings.Contains(err.Error(), "trusted_proxies") {
			t.Errorf("%s: %v, want both problems", name, err)
		}
		if secret != "" && err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the secret is repeated", name)
		}
	}
}

func TestConfigLoadsTheCertificate(t *testing.T) {
	file := write(t, good+"tls:\n  certificate_file: tls.crt\n  key_file: tls.key\noutbound:\n  ca_file: tls.crt\n")
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: s.Certificate().Raw}, "tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(file), name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := readServerConfig(file, noEnv); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(file), "tls.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := readServerConfig(file, noEnv); err == nil || !strings.Contains(err.Error(), "tls.key") {
		t.Errorf("without the key: %v", err)
	}
	if _, err := readConfig(file, noEnv); err != nil {
		t.Errorf("a command needs no key of the server's: %v", err)
	}
}

func TestDeniedRangesReachTheGuardedClient(t *testing.T) {
	c, err := readConfig(write(t, good+"outbound:\n  deny: [1.1.1.0/24]\n"), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	client, err := c.outboundClient()
	if err != nil {
		t.Fatal(err)
	}
	if client.Check("https://1.1.1.1/") == nil || client.Check("https://1.1.2.1/") != nil {
		t.Error("the client does not deny what the configuration says")
	}
}

func TestPoolsStayWithinTheConfiguredConnections(t *testing.T) {
	for _, n := range []int{2, 3, 20} {
		c := defaults()
		c.Database.MaxConnections = n
		if got := c.perPool(); got < 1 || 2*got > n {
			t.Errorf("PostgreSQL, %d: two pools of %d", n, got)
		}
		c.Database.DataDir = "data"
		if got := c.perPool(); got < 1 || got+1 > n {
			t.Errorf("SQLite, %d: %d readers beside the writer", n, got)
		}
	}
}

func TestConfigIssuers(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"https://auth.example.com": true, "https://auth.example.com:8443": true, "http://127.0.0.1:8080": true,
		"http://localhost:8080": true, "http://auth.example.com": false, "https://auth.example.com/": false,
		"https://auth.example.com/x": false, "https://u@auth.example.com": false, "https://auth.example.com?x=1": false,
		"auth.example.com": false, "": false,
	} {
		_, err := readConfig(write(t, strings.Replace(good, "https://auth.example.com", issuer, 1)), noEnv)
		if (err == nil) != ok {
			t.Errorf("issuer %q: %v, want good = %v", issuer, err, ok)
		}
	}
}

func TestConfigRefusesASecretThatIsSaidTwice(t *testing.T) {
	env := func(name string) string {
		if name == "WATCHGATE_SECRET" {
			return "another"
		}
		return ""
	}
	if _, err := readConfig(write(t, good), env); err == nil || strings.Contains(err.Error(), "another") {
		t.Errorf("error %v, want one that does not repeat the secret", err)
	}
}
