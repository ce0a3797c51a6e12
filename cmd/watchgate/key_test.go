package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// demonstrated is `watchgate dev`, in this process, and somebody at a terminal.
type demonstrated struct {
	*testing.T
	server string
	who    string // the demo provider's button
	env    map[string]string
	pages  int // how often a sign-in page was shown
	said   *waiting
}

// startDemonstration runs until the test is over.
func startDemonstration(t *testing.T, more ...string) *demonstrated {
	t.Helper()
	base, err := process.FreePort(0, 1, 2, 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	ctx, stop := context.WithCancel(context.Background())
	ended, greeted := make(chan int, 1), make(chan struct{})
	var failed bytes.Buffer
	said := &waiting{for_: "Ctrl-C", met: func() { close(greeted) }}
	p := &program{ctx: ctx, out: said, errOut: &failed, env: noEnv}
	go func() {
		ended <- p.run(append([]string{"dev", "--data-dir", t.TempDir(), "--port-base", strconv.Itoa(base)}, more...))
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	select {
	case <-greeted:
	case code := <-ended:
		ended <- code
		t.Fatalf("dev ended with %d: %s", code, failed.String())
	}
	return &demonstrated{T: t, server: "http://127.0.0.1:" + strconv.Itoa(base), who: "alice@acme.test", env: map[string]string{}, said: said}
}

// waiting is a terminal on which one word is waited for.
type waiting struct {
	for_ string
	met  func()

	mu   sync.Mutex
	text strings.Builder
	once sync.Once
}

func (w *waiting) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.for_) {
		w.once.Do(w.met)
	}
	return len(p), nil
}

var pageShown = regexp.MustCompile(`http://127\.0\.0\.1:\d+/oauth2/authorize\?\S+`)

// terminal is where the person reads; a page that it shows is opened in a browser.
type terminal struct {
	bytes.Buffer
	open func(page string)
}

func (t *terminal) Write(p []byte) (int, error) {
	n, err := t.Buffer.Write(p)
	if page := pageShown.Find(p); page != nil {
		t.open(string(page))
	}
	return n, err
}

// key runs `watchgate key ...` against the demonstration.
func (d *demonstrated) key(args ...string) outcome {
	d.Helper()
	var out bytes.Buffer
	seen := &terminal{open: d.signIn}
	p := &program{ctx: d.Context(), out: &out, errOut: seen, env: func(name string) string { return d.env[name] }}
	code := p.run(append([]string{"key", args[0], "--server", d.server}, args[1:]...))
	return outcome{out.String(), seen.String(), code}
}

// works is a command that does.
func (d *demonstrated) works(args ...string) string {
	d.Helper()
	o := d.key(args...)
	if o.code != 0 {
		d.Fatalf("key %v: %+v", args, o)
	}
	return o.out
}

// signIn is the person in front of the page.
func (d *demonstrated) signIn(shown string) {
	d.pages++
	b := walk.New(nil, nil)
	page, err := b.Get(d.Context(), shown+"&login_hint="+url.QueryEscape(d.who))
	for _, button := range []string{"user=" + d.who, "consent-approve"} {
		if button == "consent-approve" && err == nil && page.Has(button) && !strings.Contains(page.Text(), "Create, change and revoke API keys") {
			d.Errorf("the consent page says %q", page.Text())
		}
		if err == nil && page.Has(button) {
			page, err = page.Press(d.Context(), button, nil)
		}
	}
	if err != nil || !strings.Contains(page.Body, "signed in") {
		d.Errorf("the sign-in ends on %v: %v", page, err)
	}
}

func decoded[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return v
}

type madeKey struct{ ID, Secret, State, Hint, Successor string }

func TestKeysFromTheCommandLine(t *testing.T) {
	d := startDemonstration(t)
	first := d.key("create", "ci", "--scope", "monitor:read", "--expires", "30d")
	secret := strings.TrimSpace(first.out)
	if first.code != 0 || !strings.HasPrefix(secret, "up_live_") || strings.ContainsAny(secret, " \n") || strings.Contains(first.err, secret) {
		t.Fatalf("standard output is the key and nothing else: %+v", first)
	}
	list := d.works("list")
	if !strings.Contains(list, "ci") || !strings.Contains(list, "monitor:read") || strings.Contains(list, secret[len(secret)-40:]) {
		t.Errorf("the list:\n%s", list)
	}
	all := decoded[[]madeKey](t, d.works("list", "--json"))
	if len(all) != 1 || all[0].State != "live" || all[0].Secret != "" {
		t.Fatalf("the list is %+v", all)
	}
	id := all[0].ID
	if shown := d.works("show", id); !strings.Contains(shown, id) || !strings.Contains(shown, all[0].Hint) {
		t.Errorf("shown:\n%s", shown)
	}
	next := decoded[madeKey](t, d.works("rotate", id, "--grace", "1h", "--json"))
	if next.Secret == "" || next.Secret == secret || decoded[madeKey](t, d.works("show", id, "--json")).Successor != next.ID {
		t.Errorf("the successor is %+v", next)
	}
	if o := d.key("rotate", next.ID, "--grace", "0s"); o.code != 0 || !strings.Contains(o.err, "The old key "+next.ID+" is dead.") {
		t.Errorf("without a grace: %+v", o)
	} else if next = decoded[[]madeKey](t, d.works("list", "--json"))[0]; next.State != "live" {
		t.Errorf("the newest is %+v", next)
	}
	if used := d.works("usage", id); !strings.Contains(used, "0 calls since") {
		t.Errorf("usage:\n%s", used)
	}
	d.works("revoke", next.ID)
	if all := d.works("list", "--state", "all"); !strings.Contains(all, "OWNER") || !strings.Contains(all, "usr_") || strings.Count(all, "revoked") != 2 {
		t.Errorf("all:\n%s", all)
	}
	if left := decoded[[]madeKey](t, d.works("list", "--state", "live", "--json")); len(left) != 1 || left[0].ID != id {
		t.Errorf("live: %+v", left)
	}
	if d.pages != 1 {
		t.Errorf("%d sign-ins, want one for all commands", d.pages)
	}
	if out := d.works("forget"); !strings.Contains(out, "signed out of acme") {
		t.Errorf("forget: %s", out)
	}
	d.env["CI"] = "true"
	if o := d.key("list"); o.code != 1 || !strings.Contains(o.err, "WATCHGATE_API_KEY") {
		t.Errorf("signed out: %+v", o)
	}
}

func TestKeyIsRevealedWhereItsProfileAllowsIt(t *testing.T) {
	d := startDemonstration(t, "--product", "upstat")
	made := decoded[madeKey](t, d.works("create", "ci", "--json"))
	if shown := strings.TrimSpace(d.works("reveal", made.ID)); shown != made.Secret || made.Secret == "" {
		t.Error("another secret is revealed")
	}
	if again := decoded[madeKey](t, d.works("rotate", made.ID, "--json")); again.Secret == made.Secret {
		t.Error("a successor with the same secret")
	}
}

// What is forgotten is dead at the server.
func TestForgottenCredentialsAreDead(t *testing.T) {
	d := startDemonstration(t)
	d.works("login")
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "watchgate", "credentials.json")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d.works("forget")
	if err := os.WriteFile(file, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	d.env["CI"] = "true"
	if o := d.key("list"); o.code != 1 || !strings.Contains(o.err, "nobody is signed in") {
		t.Errorf("a copy of the file still works: %+v", o)
	}
}

func TestKeysWithAnAPIKeyInTheEnvironment(t *testing.T) {
	d := startDemonstration(t)
	manager := strings.TrimSpace(d.works("create", "manager", "--scope", "monitor:read,api-keys:read,api-keys:write"))
	d.works("forget")
	d.env["WATCHGATE_API_KEY"] = manager
	child := decoded[madeKey](t, d.works("create", "child", "--scope", "monitor:read", "--json"))
	if o := d.key("create", "wide", "--scope", "config:admin"); o.code != 1 || !strings.Contains(o.err, "scopes[0]: ") {
		t.Errorf("more than its own rights: %+v", o)
	}
	if o := d.key("create", "bad", "--expires", "tomorrow"); o.code != 1 || !strings.Contains(o.err, "expires_in: ") {
		t.Errorf("a field that is not valid: %+v", o)
	}
	if o := d.key("show", "key_nosuch"); o.code != 1 || !strings.Contains(o.err, "Not found") {
		t.Errorf("an unknown key: %+v", o)
	}
	d.env["WATCHGATE_API_KEY"] = child.Secret
	if o := d.key("list"); o.code != 1 || !strings.Contains(o.err, "api-keys:read") || !strings.Contains(o.err, "your role may not allow it") {
		t.Errorf("without the scope: %+v", o)
	}
	d.env["WATCHGATE_API_KEY"] = manager
	if out := d.works("forget"); !strings.Contains(out, "nothing to forget") {
		t.Errorf("forget: %s", out)
	}
	d.works("revoke", child.ID)
	d.env["WATCHGATE_API_KEY"] = child.Secret
	if o := d.key("show", child.ID); o.code != 1 || strings.Contains(o.err, child.Secret) {
		t.Errorf("with a dead key: %+v", o)
	}
	if d.pages != 1 {
		t.Errorf("%d sign-ins", d.pages)
	}
}

// A command that is stopped while it waits for the person has done nothing, and says
// so to the script.
func TestInterruptedSignIn(t *testing.T) {
	d := startDemonstration(t)
	ctx, stop := context.WithCancel(t.Context())
	var out bytes.Buffer
	seen := &terminal{open: func(string) { stop() }}
	p := &program{ctx: ctx, out: &out, errOut: seen, env: noEnv}
	if code := p.run([]string{"key", "create", "ci", "--server", d.server}); code != 1 || out.Len() > 0 || !strings.Contains(seen.String(), "interrupted") {
		t.Errorf("status %d, %q, %q", code, out.String(), seen.String())
	}
}

func TestServersThatNothingIsSentTo(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	env := map[string]string{"WATCHGATE_API_KEY": "up_live_x"}
	for server, word := range map[string]string{
		"http://auth.example.com": "must be https", "auth.example.com": "must be an address", "http://127.0.0.1:1": "does not answer",
	} {
		if o := call(t, env, "key", "list", "--server", server); o.code != 1 || !strings.Contains(o.err, word) {
			t.Errorf("%s: %+v", server, o)
		}
	}
	if o := call(t, map[string]string{"CI": "1"}, "key", "list", "--server", "http://127.0.0.1:1"); o.code != 1 || !strings.Contains(o.err, "WATCHGATE_API_KEY") {
		t.Errorf("nobody there: %+v", o)
	}
}
