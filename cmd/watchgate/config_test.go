package main

import (
	"errors"
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
