package npmtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// startLimit bounds the wait for a script: Node.js takes about a second, and
// ten on a machine that compiles beside it.
const startLimit = time.Minute

// script is a program for Node.js that runs: it says "listening URL" when it is
// ready, and ends when its standard input does.
type script struct {
	name     string
	issuer   string // or an app's own URL
	cmd      *exec.Cmd
	stdin    io.Closer
	drained  chan struct{}
	warnings bytes.Buffer
}

// runScript starts a script of this folder and waits until it listens. Errors wrap
// [ErrNotInstalled] on a machine that lacks what it needs.
func runScript(environment []string, argv ...string) (*script, error) {
	if _, err := Package("oidc-provider/package.json"); err != nil {
		return nil, err
	}
	s := &script{name: argv[0], cmd: exec.Command("node", argv...), drained: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env, s.cmd.Stderr = Folder(), environment, &s.warnings
	stdin, err1 := s.cmd.StdinPipe()
	stdout, err2 := s.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	s.stdin = stdin
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(ErrNotInstalled, err)
	}
	return s, s.await(stdout)
}

// await reads until the script says where it listens, and goes on reading what it
// says after that. A script that does not get so far is ended.
func (s *script) await(stdout io.Reader) error {
	// Whatever stops the output ends the wait for it.
	timer := time.AfterFunc(startLimit, func() { s.cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	for s.issuer == "" && lines.Scan() {
		s.issuer, _ = strings.CutPrefix(lines.Text(), "listening ")
	}
	timer.Stop()
	go func() {
		defer close(s.drained)
		io.Copy(io.Discard, stdout)
	}()
	if s.issuer == "" {
		return fmt.Errorf("npmtest: %s did not start: %w", s.name, s.stop())
	}
	return nil
}

// stop ends the script and waits for that. The error is its exit status.
func (s *script) stop() error {
	s.stdin.Close()
	<-s.drained
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("npmtest: %s: %w\n%s", s.name, err, s.warnings.String())
	}
	return nil
}
