package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// said is what a command printed, and its exit status.
type outcome struct {
	out, err string
	code     int
}

// call runs the command line in this process.
func call(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	p := &program{ctx: t.Context(), out: &out, errOut: &errOut, env: func(k string) string { return env[k] }}
	code := p.run(args)
	return outcome{out.String(), errOut.String(), code}
}

// deploymentFile writes a configuration for SQLite and migrates its database.
func deploymentFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "watchgate.yaml")
	body := "issuer: https://auth.example.com\ndatabase:\n  data_dir: data\nsecret_file: secret\n"
	for name, content := range map[string]string{"watchgate.yaml": body, "secret": seal.Generate()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if o := call(t, nil, "migrate", "up", "--config", file); o.code != 0 {
		t.Fatalf("migrate: %+v", o)
	}
	return file
}

// rows runs a command with --json and returns its rows.
func rows(t *testing.T, env map[string]string, args ...string) []map[string]string {
	t.Helper()
	o := call(t, env, append(args, "--json")...)
	var out []map[string]string
	if err := json.Unmarshal([]byte(o.out), &out); err != nil || o.code != 0 {
		t.Fatalf("%v: %+v: %v", args, o, err)
	}
	return out
}

func TestOperatorSetsUpATenantFromNothing(t *testing.T) {
	file := deploymentFile(t)
	at := []string{"--config", file}
	with := func(args ...string) []string { return append(args, at...) }
	tenant := rows(t, nil, with("tenant", "create", "acme", "--name", "Acme")...)[0]
	con := rows(t, map[string]string{"WATCHGATE_CLIENT_SECRET": "s3cret"}, with("connection", "create", "acme", "--name", "Okta",
		"--issuer", "https://acme.okta.example", "--client-id", "us", "--no-check")...)[0]
	if o := call(t, nil, with("domain", "add", "--vouch", "acme", con["id"], "acme.example")...); o.code != 0 {
		t.Errorf("domain add: %+v", o)
	}
	rs := rows(t, nil, with("resource-server", "create", "--id", "api", "--name", "API", "--audience", "https://api.example/",
		"--scope", "monitor:read=See your monitors, and more")...)[0]
	client := rows(t, nil, with("client", "create", "--id", "runner", "--name", "Runner", "--grant", "client_credentials",
		"--scope", "monitor:read", "--tenant", "acme")...)[0]
	if all := rows(t, nil, with("client", "list")...); all[0]["owner"] != "platform" || tenant["slug"] != "acme" {
		t.Errorf("the clients are %v", all)
	}
	if len(rs["secret"]) != 43 || len(client["secret"]) != 43 {
		t.Errorf("secrets of %d and %d characters", len(rs["secret"]), len(client["secret"]))
	}
	list := call(t, nil, with("client", "list")...)
	if !strings.Contains(list.out, "runner") || strings.Contains(list.out, client["secret"]) {
		t.Errorf("the list says %q", list.out)
	}
	if keys := rows(t, nil, with("signing-key", "list")...); len(keys) < 3 {
		t.Errorf("%d signing keys", len(keys))
	}
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	file := deploymentFile(t)
	for name, c := range map[string]struct {
		args []string
		word string
		code int
	}{
		"unknown command":        {[]string{"tenants"}, "unexpected argument", 2},
		"unknown tenant":         {[]string{"tenant", "suspend", "nobody", "--reason", "x", "--config", file}, `there is no tenant "nobody"`, 1},
		"every problem at once":  {[]string{"client", "create", "--id", "usr_x", "--name", "", "--auth", "magic", "--config", file}, "\n  - ", 1},
		"no deployment":          {[]string{"tenant", "list", "--data-dir", t.TempDir()}, "watchgate dev", 1},
		"not a configuration":    {[]string{"config", "check", filepath.Join(t.TempDir(), "absent.yaml")}, "cannot read", 1},
		"a port out of range":    {[]string{"dev", "--port-base", "70000", "--data-dir", t.TempDir()}, "--port-base", 1},
		"connection, no secret":  {[]string{"connection", "create", "nobody", "--name", "x", "--issuer", "https://x.example", "--client-id", "x", "--config", file}, "nobody", 1},
		"an unknown signing alg": {[]string{"signing-key", "rotate", "HS256", "--config", file}, "RS256", 2},
	} {
		t.Run(name, func(t *testing.T) {
			if o := call(t, nil, c.args...); o.code != c.code || !strings.Contains(o.err, c.word) {
				t.Errorf("status %d, said %q; want %d and %q", o.code, o.err, c.code, c.word)
			}
		})
	}
}

// TestCommandSaysThatANodeWasSilent: what took two seconds needs a word, and a
// command's process is in nobody's metrics.
func TestCommandSaysThatANodeWasSilent(t *testing.T) {
	t.Parallel()
	cfg, err := readConfig(deploymentFile(t), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDeployment(t.Context(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	var out, errOut bytes.Buffer
	p := &program{ctx: t.Context(), out: &out, errOut: &errOut, env: noEnv}
	if err := p.operateHere(t.Context(), d, &tenantCreate{Slug: "acme", Name: "Acme"}); err != nil || errOut.Len() > 0 {
		t.Fatalf("nobody was waited for: %v %s", err, errOut.String())
	}
	if _, err := d.store.(storage.Feed).Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = p.operateHere(t.Context(), d, &tenantSuspend{Tenant: "acme", Reason: "x"})
	if err != nil || errOut.String() != silentNode || !strings.Contains(out.String(), "is suspended") {
		t.Errorf("%v\n%s%s", err, out.String(), errOut.String())
	}
}

func TestServerDoesNotStartOnASchemaThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	cfg := defaults()
	cfg.Database.DataDir, cfg.secret = dir, []byte(seal.Generate())
	_, err := openDeployment(t.Context(), cfg, quietLog())
	if err == nil || !strings.Contains(err.Error(), "migrate up") {
		t.Errorf("error %v, want one that says what to run", err)
	}
}

func TestAnotherSecretIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	file := deploymentFile(t)
	if keys := rows(t, nil, "signing-key", "list", "--config", file); len(keys) == 0 {
		t.Fatal("no keys")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "secret"), []byte(seal.Generate()), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := call(t, nil, "signing-key", "list", "--config", file); o.code != 1 || !strings.Contains(o.err, "secret does not fit") {
		t.Errorf("%+v", o)
	}
}

func TestCommandGoesThroughTheServerThatHoldsTheFolder(t *testing.T) {
	file := deploymentFile(t)
	cfg, err := readConfig(file, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDeployment(t.Context(), cfg, quietLog())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	// A command finds the lock taken and nobody at the socket.
	if o := call(t, nil, "tenant", "list", "--config", file); o.code != 1 || !strings.Contains(o.err, "another Watchgate") {
		t.Errorf("with the folder held: %+v", o)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	listening := make(chan struct{})
	go func() {
		ended <- serveControl(ctx, cfg.Database.DataDir, d.operators(), d.log, func() { close(listening) })
	}()
	<-listening
	made := rows(t, nil, "tenant", "create", "acme", "--name", "Acme", "--config", file)
	if _, err := d.store.TenantBySlug(t.Context(), "acme"); err != nil || made[0]["slug"] != "acme" {
		t.Errorf("the server does not have the tenant: %v", err)
	}
	if o := call(t, nil, "tenant", "create", "acme", "--name", "Acme", "--config", file); o.code != 1 || !strings.Contains(o.err, "already") {
		t.Errorf("a problem over the socket: %+v", o)
	}
	events, err := d.store.Tenant(storage.TenantID(made[0]["id"])).Events(t.Context(), "", 10)
	if err != nil || len(events) == 0 || events[0].ActorKind != "operator" || events[0].ActorID == "" {
		t.Errorf("the trail does not say who did it: %+v, %v", events, err)
	}
	// Whoever may use the folder needs no secret to command its server.
	if o := call(t, nil, "tenant", "list", "--data-dir", cfg.Database.DataDir); o.code != 0 || !strings.Contains(o.out, "acme") {
		t.Errorf("by the folder alone: %+v", o)
	}
	info, err := os.Stat(filepath.Join(cfg.Database.DataDir, controlSocket))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is for everybody: %v, %v", info.Mode(), err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if o := call(t, nil, "tenant", "list", "--data-dir", cfg.Database.DataDir); o.code != 1 || !strings.Contains(o.err, "--config of its server") {
		t.Errorf("by the folder alone, without a server: %+v", o)
	}
}

func TestControlSocketInADeepFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, listening := make(chan error, 1), make(chan struct{})
	go func() { ended <- serveControl(ctx, dir, operators{}, quietLog(), func() { close(listening) }) }()
	<-listening
	if _, ran, _ := askServer(t.Context(), dir, "no such command", &tenantList{}); !ran {
		t.Error("nobody answers")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEveryOperationTravelsByItsName(t *testing.T) {
	for name, build := range operations {
		if _, err := json.Marshal(build()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	parser, err := kong.New(newCLI(), vars())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, leaf := range parser.Model.Leaves(false) {
		name, op, ok := commandOf(leaf)
		if !ok {
			continue
		}
		found++
		if build := operations[name]; build == nil || !reflect.DeepEqual(op, build()) {
			t.Errorf("%q is not what travels by its name", name)
		}
	}
	if found != len(operations) {
		t.Errorf("%d operations on the command line, %d by name", found, len(operations))
	}
}

func TestPolicyOfATenant(t *testing.T) {
	file := deploymentFile(t)
	with := func(args ...string) []string { return append(args, "--config", file) }
	rows(t, nil, with("tenant", "create", "acme", "--name", "Acme")...)
	rows(t, nil, with("client", "create", "--id", "board", "--name", "Board", "--redirect", "https://board.example/cb")...)
	if row := rows(t, nil, with("tenant", "show", "acme")...)[0]; row["session lifetime"] != "24h" || row["platform apps"] != "all" {
		t.Errorf("before: %v", row)
	}
	row := rows(t, nil, with("tenant", "policy", "acme", "--session-lifetime", "8h", "--session-idle", "10m", "--only-clients", "board")...)[0]
	if row["session lifetime"] != "8h" || row["session idle"] != "10m" || row["platform apps"] != "board" {
		t.Errorf("tightened: %v", row)
	}
	for flag, want := range map[string]string{"--quarantine-leaked-keys": "quarantined", "--revoke-leaked-keys": "revoked"} {
		rows(t, nil, with("tenant", "policy", "acme", flag)...)
		if row = rows(t, nil, with("tenant", "show", "acme")...)[0]; row["leaked keys"] != want {
			t.Errorf("%s: %v", flag, row)
		}
	}
	if row = rows(t, nil, with("tenant", "policy", "acme", "--all-clients")...)[0]; row["session idle"] != "10m" || row["platform apps"] != "all" {
		t.Errorf("opened again: %v", row)
	}
	for word, args := range map[string][]string{
		"what changes": {}, "at most 24h": {"--session-lifetime", "48h"}, "no client": {"--only-clients", "nosuch"},
		"together": {"--all-clients", "--only-clients", "board"},
	} {
		if o := call(t, nil, with(append([]string{"tenant", "policy", "acme"}, args...)...)...); o.code == 0 || !strings.Contains(o.err, word) {
			t.Errorf("%v: %+v, want %q", args, o, word)
		}
	}
}
