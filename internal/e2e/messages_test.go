package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// says runs a command that must fail, and checks the words of its complaint.
func says(t *testing.T, words []string, args ...string) {
	t.Helper()
	out, err := process.Run(t.Context(), nil, args...)
	if err == nil {
		t.Errorf("watchgate %v succeeded: %s", args, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("watchgate %v does not say %q:\n%s", args, w, out)
		}
	}
	for _, w := range []string{"panic", "goroutine", "%!"} {
		if strings.Contains(out, w) {
			t.Errorf("watchgate %v says %q:\n%s", args, w, out)
		}
	}
}

func TestPortInUseSaysWhatToDo(t *testing.T) {
	base := must[int](t)(process.FreePort(0, 1, 2, 10))
	for _, offset := range []int{0, 1, 2, 10} {
		taken := must[net.Listener](t)(net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+offset)))
		says(t, []string{fmt.Sprint(base + offset), "in use", "--port-base"}, "dev", "--data-dir", t.TempDir(), "--port-base", fmt.Sprint(base))
		taken.Close()
	}
	s := newDeployment(t, onSQLite(t))
	taken := must[net.Listener](t)(net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port)))
	defer taken.Close()
	says(t, []string{fmt.Sprint(s.Port), "in use", "listen"}, "serve", "--config", filepath.Join(s.Dir, "operate.yaml"))
}

// newDeployment is a site without anything in it.
func newDeployment(t *testing.T, database string) *process.Deployment {
	t.Helper()
	return must[*process.Deployment](t)(process.NewDeployment(t.Context(), t.TempDir(), database))
}

func TestWrongSecretSaysSo(t *testing.T) {
	for engine, database := range map[string]string{"SQLite": onSQLite(t), "PostgreSQL": pgtest.Database(t)} {
		t.Run(engine, func(t *testing.T) {
			d := newDeployment(t, database)
			must[string](t)(d.Operate(t.Context(), nil, "signing-key", "list")) // makes the keys
			file := filepath.Join(d.Dir, "secret")
			other := must[string](t)(process.Run(t.Context(), nil, "secret"))
			replace(t, file, other)
			says(t, []string{"secret", "another one"}, "serve", "--config", filepath.Join(d.Dir, "operate.yaml"))
			replace(t, file, "too short")
			says(t, []string{"secret_file"}, "serve", "--config", filepath.Join(d.Dir, "operate.yaml"))
			says(t, []string{"secret_file"}, "config", "check", filepath.Join(d.Dir, "operate.yaml"))
		})
	}
}

func replace(t *testing.T, file, body string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDatabaseThatIsNotThereSaysSo(t *testing.T) {
	const password = "very-secret-password"
	d := newDeployment(t, pgtest.Database(t))
	port := must[int](t)(process.FreePort(0))
	replace(t, filepath.Join(d.Dir, "database-url"), fmt.Sprintf("postgres://somebody:%s@127.0.0.1:%d/watchgate", password, port))
	file := filepath.Join(d.Dir, "operate.yaml")
	for _, command := range [][]string{{"serve", "--config", file}, {"tenant", "list", "--config", file}, {"migrate", "status", "--config", file}} {
		out, err := process.Run(t.Context(), nil, command...)
		if err == nil || strings.Contains(out, password) {
			t.Errorf("%v: %v: %s", command, err, out)
		}
	}
	says(t, []string{"cannot open the database", "Is it running"}, "serve", "--config", file)
}

func TestSchemaThatIsNotThereSaysHowToMakeIt(t *testing.T) {
	d := newDeployment(t, onSQLite(t))
	replace(t, filepath.Join(d.Dir, "database-url"), pgtest.Database(t))
	config := must[[]byte](t)(os.ReadFile(filepath.Join(d.Dir, "operate.yaml")))
	lines := strings.Split(string(config), "\n")
	for i, line := range lines {
		if strings.Contains(line, "data_dir:") {
			lines[i] = "  url_file: database-url"
		}
	}
	file := filepath.Join(d.Dir, "empty.yaml")
	replace(t, file, strings.Join(lines, "\n"))
	says(t, []string{"watchgate migrate up"}, "serve", "--config", file)
	if out := must[string](t)(process.Run(t.Context(), nil, "migrate", "up", "--config", file)); !strings.Contains(out, "up to date") {
		t.Errorf("migrate up said %s", out)
	}
	if out := must[string](t)(process.Run(t.Context(), nil, "migrate", "status", "--config", file)); !strings.Contains(out, "VERSION") {
		t.Errorf("migrate status said %s", out)
	}
}

func TestSecondServerOnOneFolderIsRefused(t *testing.T) {
	dev := startDev(t, t.TempDir(), 0)
	base := must[int](t)(process.FreePort(0, 1, 2, 10))
	says(t, []string{"another Watchgate", dev.Dir, "--data-dir"}, "dev", "--data-dir", dev.Dir, "--port-base", fmt.Sprint(base))
	says(t, []string{"another Watchgate"}, "migrate", "up", "--data-dir", dev.Dir)
}

func TestCommandsThatAreNotUnderstood(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	says(t, []string{"--help"}, "frobnicate")
	says(t, []string{"--help"}, "tenant", "suspend", "acme")
	says(t, []string{"--port-base"}, "dev", "--data-dir", t.TempDir(), "--port-base", "70000")
	says(t, []string{"no deployment", "watchgate dev"}, "tenant", "list", "--data-dir", empty)
	if _, err := os.Stat(empty); err == nil {
		t.Error("a command for a deployment that is not there made its folder")
	}
	file := filepath.Join(t.TempDir(), "bad.yaml")
	replace(t, file, "issuer: http://auth.example.com/x\ncolour: blue\nlisten: nowhere\n")
	says(t, []string{"issuer", "colour", "listen", "secret_file", "database"}, "config", "check", file)
	says(t, []string{"issuer", "colour", "listen", "secret_file", "database"}, "serve", "--config", file)
}

func TestOperatorsMistakesAreExplained(t *testing.T) {
	dev := startDev(t, t.TempDir(), 0)
	in := func(args ...string) []string { return append(args, "--data-dir", dev.Dir) }
	for _, c := range []struct {
		words []string
		args  []string
	}{
		{[]string{"nosuch"}, in("tenant", "suspend", "nosuch", "--reason", "unpaid")},
		{[]string{"slug"}, in("tenant", "create", "Not A Slug", "--name", "X")},
		{[]string{"acme"}, in("tenant", "create", "acme", "--name", "Again")},
		{[]string{"not suspended"}, in("tenant", "resume", "acme")},
		{[]string{"con_nosuch"}, in("connection", "disable", "acme", "con_nosuch")},
		{[]string{"another tenant"}, in("domain", "add", "--vouch", "globex", "con_x", "acme.test")},
		{[]string{"gmail.com"}, in("domain", "add", "--vouch", "globex", "con_x", "gmail.com")},
		{[]string{"redirect"}, in("client", "create", "--name", "X", "--redirect", "javascript:alert(1)")},
		{[]string{"app_nosuch"}, in("client", "disable", "app_nosuch")},
		{[]string{"rs_nosuch"}, in("resource-server", "disable", "rs_nosuch")},
		{[]string{"nosuch"}, in("signing-key", "drop", "nosuch")},
	} {
		says(t, c.words, c.args...)
	}
}

func TestProviderIsLookedAtBeforeItIsConnected(t *testing.T) {
	dev := startDev(t, t.TempDir(), 0)
	secret := filepath.Join(t.TempDir(), "secret")
	replace(t, secret, "our-secret-there")
	nobody := fmt.Sprintf("http://127.0.0.1:%d", must[int](t)(process.FreePort(0)))
	connect := func(issuer string, more ...string) []string {
		return append([]string{"connection", "create", "acme", "--name", "X", "--issuer", issuer, "--client-id", "x",
			"--secret-file", secret, "--data-dir", dev.Dir}, more...)
	}
	says(t, []string{nobody, "discovery", "--no-check"}, connect(nobody)...)
	says(t, []string{dev.IDP + "/", "byte for byte"}, connect(dev.IDP+"/")...)
	says(t, []string{"https"}, connect("http://10.0.0.1")...)
	says(t, []string{"where this server sends nothing"}, connect("https://10.0.0.1")...)
	must[string](t)(process.Run(t.Context(), nil, connect(dev.IDP)...))
	must[string](t)(process.Run(t.Context(), nil, connect(nobody, "--no-check")...))
}
