package npmtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startLimit bounds the wait for the provider: Node.js takes about a second, and
// ten on a machine that compiles beside it.
const startLimit = time.Minute

// Config is the one client that the provider knows, and how it behaves.
type Config struct {
	ClientID string
	// ClientSecret is for client_secret_basic.
	ClientSecret string
	RedirectURI  string
	// ClaimsInIDToken puts e-mail and name into the ID token, as most providers do.
	// Without it they are at the userinfo endpoint only (OpenID Connect Core 5.4).
	ClaimsInIDToken bool
	// Port is a loopback port, or 0 for a free one.
	Port int
}

// Upstream is a running OpenID provider. Whoever signs in types any login and any
// password; the login is the subject and the e-mail address.
type Upstream struct {
	// Issuer is its URL, with no trailing slash.
	Issuer string
}

// Provider starts npm's oidc-provider and stops it at the test's end.
// It requires PKCE with S256, and asks for a login and for consent by two
// forms ([SignIn] fills them in).
func Provider(t testing.TB, cfg Config) *Upstream {
	t.Helper()
	if _, err := Package("oidc-provider/package.json"); err != nil {
		t.Fatal(err)
	}
	var warnings bytes.Buffer
	cmd := exec.Command("node", "provider.mjs", strconv.Itoa(cfg.Port))
	cmd.Dir, cmd.Env, cmd.Stderr = Folder(), cfg.environment(), &warnings
	stdin, stdout := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %v", ErrNotInstalled, err)
	}
	// Whatever stops the output ends the wait for it.
	timer := time.AfterFunc(startLimit, func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	issuer := awaitIssuer(lines)
	timer.Stop()
	if issuer == "" {
		stdin.Close()
		t.Fatalf("npmtest: oidc-provider did not start: %v\n%s", cmd.Wait(), warnings.String())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, stdout)
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("npmtest: oidc-provider: %v\n%s", err, warnings.String())
		}
	})
	return &Upstream{Issuer: issuer}
}

func pipes(t testing.TB, cmd *exec.Cmd) (io.WriteCloser, io.Reader) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return stdin, stdout
}

// awaitIssuer reads until the provider says where it listens. It returns "" when
// the provider ends first.
func awaitIssuer(lines *bufio.Scanner) string {
	for lines.Scan() {
		if issuer, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
			return issuer
		}
	}
	return ""
}

func (c Config) environment() []string {
	return append(os.Environ(),
		"UPSTREAM_CLIENT_ID="+c.ClientID,
		"UPSTREAM_CLIENT_SECRET="+c.ClientSecret,
		"UPSTREAM_REDIRECT_URI="+c.RedirectURI,
		fmt.Sprintf("UPSTREAM_CLAIMS_IN_ID_TOKEN=%t", c.ClaimsInIDToken),
	)
}
