package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds how long a server may take to answer.
const startTimeout = 20 * time.Second

// Server is a redis-server that keeps nothing on disk.
type Server struct {
	Addr string // host:port, the same after [Server.Restart]

	t   testing.TB
	run *run // nil: it was killed
}

// Start starts a server for a test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t}
	t.Cleanup(s.Kill)
	var err error
	for range 5 { // somebody else may take the port before the server does
		if s.Addr, err = freeAddress(); err != nil {
			break
		}
		if s.run, err = launch(t.TempDir(), s.Addr); err == nil {
			return s
		}
	}
	t.Fatalf("redistest: redis-server is needed (run `make deps`): %v", err)
	return nil
}

// URL is where it is, in the words of Redis's clients.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Kill ends it as a crash does (SIGKILL). What it knew is gone.
func (s *Server) Kill() {
	if s.run != nil {
		s.run.kill()
		s.run = nil
	}
}

// Restart starts a killed server again, empty, at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	var err error
	if s.run, err = launch(s.t.TempDir(), s.Addr); err != nil {
		s.t.Fatalf("redistest: restart: %v", err)
	}
}

// Pause stops it where it is (SIGSTOP): connections stay open, and are made, and
// nothing is answered.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets a paused server go on (SIGCONT).
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.run.pid, sig); err != nil {
		s.t.Fatalf("redistest: %v: %v", sig, err)
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// guardScript runs a program, prints its process id, and kills it when the pipe that
// only the test's process holds comes to its end.
const guardScript = `
exec 3<&0
"$@" 3<&- </dev/null >/dev/null 2>&1 &
program=$!
echo "$program"
exec >/dev/null
( read -r _ <&3; kill -KILL "$program" ) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$program"
kill "$watcher" 2>/dev/null
`

// run is one process of a server.
type run struct {
	pid   int
	ended chan struct{}
	held  interface{ Close() error } // the pipe's end
}

func launch(folder, addr string) (*run, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", guardScript, "redistest", bin,
		"--bind", "127.0.0.1", "--port", port, "--dir", folder, "--save", "", "--appendonly", "no")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test, which ends it
	r, err := start(cmd)
	if err != nil {
		return nil, err
	}
	if err := r.await(addr); err != nil {
		r.kill()
		return nil, err
	}
	return r, nil
}

func start(cmd *exec.Cmd) (*run, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, _ := bufio.NewReader(out).ReadString('\n') // none: no number
	r := &run{ended: make(chan struct{}), held: in}
	go func() {
		_ = cmd.Wait() // it was killed, and says so
		close(r.ended)
	}()
	if r.pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return nil, fmt.Errorf("redistest: the shell said %q", line)
	}
	return r, nil
}

// await polls until the server answers, or has ended.
func (r *run) await(addr string) error {
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if answers(addr) {
			return nil
		}
		select {
		case <-r.ended:
			return fmt.Errorf("redistest: the server at %s ended", addr)
		case <-late.C:
			return fmt.Errorf("redistest: the server at %s does not answer", addr)
		case <-tick.C:
		}
	}
}

func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	late := time.AfterFunc(time.Second, func() { c.Close() })
	defer late.Stop()
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && line == "+PONG\r\n"
}

func (r *run) kill() {
	_ = syscall.Kill(r.pid, syscall.SIGKILL) // it may have ended by itself
	<-r.ended
	_ = r.held.Close() // the shell is gone: nobody reads it
}
