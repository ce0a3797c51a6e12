package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// guardScript runs a program beside a watcher that reads the pipe whose other
// end only the test process holds. A word on the pipe is a way to shut down; its
// end of file means that the test process is gone, and that nobody but the
// script is left to stop the program and to remove its folder. Pdeathsig would be
// shorter, but it fires when the *thread* that forked ends, and Go ends threads
// as it likes.
//
// The program gets SIGTERM before SIGQUIT because initdb heeds the first and
// a server with clients only the second.
const guardScript = `
folder=$1; shift
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
(
	while read -r how <&3; do
		case $how in
		fast) kill -INT "$program" ;;
		immediate) kill -QUIT "$program" ;;
		esac
	done
	: >"$folder/orphaned"
	kill -TERM "$program"
	kill -QUIT "$program"
) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$program"
code=$?
kill "$watcher" 2>/dev/null
if [ -e "$folder/orphaned" ]; then rm -rf "$folder"; fi
exit "$code"
`

// guarded is a running program that does not outlive the test process.
type guarded struct {
	pipe   *os.File
	exited chan struct{}
	err    error
}

// startGuarded runs argv as the account, with its output in the log file. The
// log is a file and not the test's own output because `go test` waits until
// everybody who holds that has closed it.
func startGuarded(folder string, account *syscall.Credential, output io.Writer, argv ...string) (*guarded, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", guardScript, "pgtest", folder}, argv...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = reader, output, output
	cmd.Dir = folder
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	// A group of its own: the terminal's Ctrl-C is for the test process alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	g := &guarded{pipe: writer, exited: make(chan struct{})}
	go func() {
		g.err = cmd.Wait()
		close(g.exited)
	}()
	return g, nil
}

// ask requests a shutdown: "fast" (clients are dropped, state is flushed) or
// "immediate" (what a crash leaves).
func (g *guarded) ask(how string) error {
	if _, err := fmt.Fprintln(g.pipe, how); err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	return nil
}

// wait returns the program's exit once it has ended and lets go of the pipe.
func (g *guarded) wait() error {
	<-g.exited
	return errors.Join(g.err, g.pipe.Close())
}
