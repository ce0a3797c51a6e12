package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// A whole key, and one with nothing of another around it.
var (
	liveKey     = regexp.MustCompile(`up_(?:live|test)_[0-9a-hjkmnp-tv-z]{16}_[0-9A-Za-z]{49}`)
	liveKeyForm = regexp.MustCompile(`^` + liveKey.String() + `$`)
)

// shell is a shell in the repository's root, into which things are pasted while the
// demonstration runs.
type shell struct {
	in    io.WriteCloser
	dir   string
	count int

	mu   sync.Mutex
	said bytes.Buffer
}

// Write takes what is printed, to both streams.
func (s *shell) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(p)
}

func (s *shell) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// newShell starts a shell for a demonstration, without a screen. It is gone, with all
// that runs in it, at the test's end.
func newShell(t *testing.T, p *product) *shell {
	t.Helper()
	goenv := strings.TrimSpace(string(must[[]byte](t)(exec.Command("go", "env", "GOENV").Output())))
	s := &shell{dir: t.TempDir()}
	cmd := exec.Command("bash", "-u")
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join("..", ".."), s, s
	// The configuration folder is the test's own; Go's is not.
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir(), "GOENV="+goenv, "CI=", "DISPLAY=", "WAYLAND_DISPLAY=",
		"WATCHGATE_API_KEY=", "WATCHGATE_SERVER="+p.dev.URL, "MONITORAPI="+p.dev.API)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.in = must[io.WriteCloser](t)(cmd.StdinPipe())
	noError(t, cmd.Start())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the shell said:\n%s", liveKey.ReplaceAllString(s.text(), "(a key)"))
		}
		_ = s.in.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nothing of it may be left
		_ = cmd.Wait()
	})
	return s
}

// begin pastes commands; the function that it returns waits until they are done, and
// returns what was printed meanwhile.
func (s *shell) begin(t *testing.T, commands string) (end func() string) {
	t.Helper()
	s.count++
	file, mark := filepath.Join(s.dir, fmt.Sprintf("commands-%d", s.count)), fmt.Sprintf("== pasted %d, ", s.count)
	noError(t, os.WriteFile(file, []byte(commands+"\n"), 0o600))
	before := len(s.text())
	_, err := fmt.Fprintf(s.in, ". %s </dev/null\necho '%s'$?\n", file, mark)
	noError(t, err)
	return func() string {
		t.Helper()
		await(t, "the end of:\n"+commands, func() bool { return strings.Contains(s.text(), mark) })
		said, status, _ := strings.Cut(s.text()[before:], mark)
		if !strings.HasPrefix(status, "0\n") {
			t.Errorf("it ends with status %s\n%s", status, commands)
		}
		return said
	}
}

// paste runs commands to their end.
func (s *shell) paste(t *testing.T, commands string) string {
	t.Helper()
	return s.begin(t, commands)()
}

// value is that of a variable.
func (s *shell) value(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(s.paste(t, `echo "$`+name+`"`))
}

// signsIn goes through the page that a command wants opened, as alice.
func (s *shell) signsIn(t *testing.T, p *product) {
	t.Helper()
	page := regexp.MustCompile(regexp.QuoteMeta(p.dev.URL) + `(/oauth2/authorize\?\S+)\n`)
	await(t, "the page for the sign-in", func() bool { return page.MatchString(s.text()) })
	last := p.walkAs(t, walk.New(p.server.transport, nil), page.FindStringSubmatch(s.text())[1], alice, "user="+alice)
	if last.Status != http.StatusOK {
		t.Fatalf("the sign-in ends at %s (%d): %s", last.URL.Host+last.URL.Path, last.Status, last.Text())
	}
}

// readmeBlocks are the shell commands of the README's section about keys, for the
// ports of a demonstration.
func readmeBlocks(t *testing.T, p *product) []string {
	t.Helper()
	page := string(must[[]byte](t)(os.ReadFile(filepath.Join("..", "..", "README.md"))))
	_, section, ok := strings.Cut(page, "\n## API keys\n")
	if !ok {
		t.Fatal("the README has no section about API keys")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, found := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, onPorts(found[1], p.dev))
	}
	return blocks
}

func onPorts(text string, dev *process.Dev) string {
	return strings.NewReplacer("http://127.0.0.1:8080", dev.URL, "http://127.0.0.1:8081", dev.IDP, "http://127.0.0.1:8082", dev.API).Replace(text)
}

// TestReadmeWalkThrough pastes what the README says about keys, in its order.
func TestReadmeWalkThrough(t *testing.T) {
	p := &product{dev: startDev(t, t.TempDir(), 0)} // as `make dev` does
	p.server, p.api = frontOf(t, p.dev.URL, p.dev.Node), front{issuer: p.dev.API, transport: &http.Transport{}}
	blocks := readmeBlocks(t, p)
	if len(blocks) != 5 {
		t.Fatalf("the README has %d blocks of commands about keys", len(blocks))
	}
	s := newShell(t, p)
	owner := p.person(t, alice)

	asPerson := s.begin(t, blocks[0])
	s.signsIn(t, p)
	if said := asPerson(); !strings.Contains(said, `"monitors"`) {
		t.Errorf("a person's key does not open the demo API:\n%s", said)
	}
	if k := s.value(t, "KEY"); !liveKeyForm.MatchString(k) {
		t.Errorf("KEY has %d characters, and is no key", len(k))
	}
	if said := s.paste(t, blocks[1]); !strings.Contains(said, `"monitors"`) || !strings.Contains(said, `"not_found"`) {
		t.Errorf("with a program's key the demo API says:\n%s", said)
	}
	id, key := s.value(t, "ID"), s.value(t, "KEY")
	s.runner(t, p, blocks, owner, id)
	if got := s.value(t, "NEXT"); got == key || !liveKeyForm.MatchString(got) {
		t.Error("the successor is no other key")
	}
	// But for the three times that the test asked.
	if found := liveKey.FindAllString(s.text(), -1); len(found) != 3 {
		t.Errorf("%d keys were printed", len(found))
	}
}

// runner goes through the rest, in which a runner works with the key.
func (s *shell) runner(t *testing.T, p *product, blocks []string, owner, id string) {
	t.Helper()
	s.paste(t, blocks[2])
	await(t, "a check", func() bool { return strings.Contains(s.text(), "check: the monitoring API says 200") })
	running := p.v1(t, owner, http.MethodGet, "/keys/"+id+"/executions", nil)
	if !strings.Contains(running.body, `"ended_at":null`) {
		t.Errorf("with a runner at work its executions are %s", running)
	}
	if said := s.paste(t, blocks[3]); !strings.Contains(said, "200\n200\n") {
		t.Errorf("after the rotation the keys get:\n%s", said)
	}
	await(t, "the runner to hear of it", func() bool { return strings.Contains(s.text(), "this one is used until it ends") })
	if strings.Contains(s.text(), "stopped:") {
		t.Error("the runner stopped before its key was revoked")
	}
	said := s.paste(t, blocks[4])
	if !strings.Contains(said, "stopped: the API key works no more: revoked") || !strings.Contains(said, "401\n200\n") {
		t.Errorf("after the revocation:\n%s", said)
	}
	ended := p.v1(t, owner, http.MethodGet, "/keys/"+id+"/executions", nil)
	if strings.Contains(ended.body, `"ended_at":null`) || !strings.Contains(ended.body, `"ended_at":"`) {
		t.Errorf("after the revocation its executions are %s", ended)
	}
}

// TestWhatDevSaysAboutKeysCanBePasted runs the greeting's commands about keys, for
// products whose scopes and keys differ.
func TestWhatDevSaysAboutKeysCanBePasted(t *testing.T) {
	for name, hint := range map[string]string{"uptimepulse": `up_live_\w{4}\*{4}`, "sites": `sites_\w{4}\*{4}`} {
		t.Run(name, func(t *testing.T) {
			p := startProduct(t, name)
			await(t, "the greeting", func() bool { return strings.Contains(p.dev.Output(), "Stop with Ctrl-C") })
			_, rest, _ := strings.Cut(p.dev.Output(), "Make an API key")
			found := regexp.MustCompile(`(?s)\n\n(      .*?)\n\n`).FindStringSubmatch(rest)
			if found == nil {
				t.Fatalf("the greeting:\n%s", p.dev.Output())
			}
			p.pastes(t, found[1], hint)
		})
	}
}

// pastes runs the commands that make a key, call the demo API with it, and list it.
func (p *product) pastes(t *testing.T, commands, hint string) {
	t.Helper()
	s := newShell(t, p)
	done := s.begin(t, strings.ReplaceAll(commands, "bin/watchgate", must[string](t)(process.Binary())))
	s.signsIn(t, p)
	said := done()
	secret := regexp.MustCompile(`_[0-9A-Za-z]{49}\b`)
	if called := regexp.MustCompile(`"\w+": \[`); !called.MatchString(said) || !regexp.MustCompile(`key_\S+ +ci +`+hint).MatchString(said) || secret.MatchString(said) {
		t.Errorf("the commands say:\n%s", secret.ReplaceAllString(said, "(a key)"))
	}
}
