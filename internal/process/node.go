package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// startTimeout bounds how long a node may take to be ready.
const startTimeout = 60 * time.Second

// Node is a running program.
type Node struct {
	URL         string // of the public port
	OperatorURL string
	Started     time.Time
	cmd         *exec.Cmd
	ended       chan struct{}
	out         string // the file that it prints to
}

// launch starts the program and waits until it is ready, or has ended.
func launch(ctx context.Context, url, operator string, args ...string) (*Node, error) {
	bin, err := Binary()
	if err != nil {
		return nil, err
	}
	return launchBuild(ctx, bin, nil, url, operator, args...)
}

// launchBuild is launch for a build of the program and with more environment.
func launchBuild(ctx context.Context, bin string, env []string, url, operator string, args ...string) (*Node, error) {
	out, err := os.CreateTemp(filepath.Dir(bin), "out-")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	n := &Node{URL: url, OperatorURL: operator, Started: time.Now(), ended: make(chan struct{}), out: out.Name()}
	n.cmd = exec.Command(bin, args...)
	// A file costs the one who measures nothing, as a pipe would.
	n.cmd.Stdout, n.cmd.Stderr = out, out
	n.cmd.Env = append(append(os.Environ(), "WATCHGATE_CONFIG=", "WATCHGATE_SECRET=", "WATCHGATE_DATABASE_URL="), env...)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test, which stops its nodes
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = n.cmd.Wait()
		close(n.ended)
	}()
	if err := n.await(ctx); err != nil {
		return nil, errors.Join(err, n.Kill(), fmt.Errorf("it said:\n%s", n.Output()))
	}
	return n, nil
}

// await polls /readyz.
func (n *Node) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ready(ctx, n.OperatorURL+"/readyz") {
			return nil
		}
		select {
		case <-n.ended:
			return errors.New("process: the program ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("process: the program was not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// PID is the process's id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Pause stops the node where it is (SIGSTOP), as a machine that is suspended or
// starved does: its connections stay open.
func (n *Node) Pause() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused node go on (SIGCONT). One that is not paused does not
// notice.
func (n *Node) Resume() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// Stop asks the node to end and waits until it has finished what it began. The
// error is its exit status, if that is not 0.
func (n *Node) Stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-n.ended
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("process: exit status %d: %s", code, n.Output())
	}
	return nil
}

// Kill ends the node at once (SIGKILL) and waits until it is gone.
func (n *Node) Kill() error {
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-n.ended
	return nil
}

// Output is everything that the node printed: its log, for serve.
func (n *Node) Output() string {
	body, err := os.ReadFile(n.out)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// Run runs a command of the program to its end and returns what it printed.
func Run(ctx context.Context, env []string, args ...string) (string, error) {
	bin, err := Binary()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("watchgate %v: %w: %s", args, err, out)
	}
	return string(out), nil
}

// FreePort returns the first of a run of loopback ports of which base, and each
// of the offsets from it, is free.
func FreePort(offsets ...int) (int, error) {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		base := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if base < 65000 && allFree(base, offsets) {
			return base, nil
		}
	}
	return 0, errors.New("process: no free ports")
}

func allFree(base int, offsets []int) bool {
	for _, o := range offsets {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+o))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
