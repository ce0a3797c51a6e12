package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit bounds how long a server may take to answer. Crash recovery of a
// test's data takes well under a second; the rest is for a busy machine.
const startLimit = time.Minute

// portTries is how often a start is repeated because another process took the
// port between its choice and its use.
const portTries = 5

// Options say how a private server is run.
type Options struct {
	// Durable turns on fsync, full_page_writes and synchronous_commit, as in
	// production: benchmarks and crash tests need it. Without it a commit costs
	// no disk write, and the data survives a killed server but not a lost machine.
	Durable bool
	// Settings are further configuration parameters, by name, that override the
	// kit's own ("shared_preload_libraries": "pg_stat_statements").
	Settings map[string]string
}

// Server is a private PostgreSQL. Its methods may be called by several
// goroutines; each waits for the one before.
type Server struct {
	options  Options
	account  *syscall.Credential
	folder   string
	password string
	port     int

	mu      sync.Mutex
	program *guarded
}

// New starts a private server for one test and stops it at the test's end.
func New(t testing.TB, options Options) *Server {
	t.Helper()
	s, err := Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Start creates a cluster in a temporary folder and starts a server on it. It
// returns once the server accepts connections. The error wraps [ErrNotInstalled]
// on a machine without PostgreSQL.
func Start(options Options) (*Server, error) {
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, account: account}
	if s.folder, err = newFolder(account, options.Durable); err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder))
	}
	if err := s.startOnFreePort(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder))
	}
	return s, nil
}

// create runs initdb. The server trusts whoever reaches its socket, which lies in
// a folder of mode 0700, and asks everybody else for a random password: other
// people on the machine could otherwise run programs under its account.
func (s *Server) create() error {
	initdb, err := Binary("initdb")
	if err != nil {
		return err
	}
	var verifier string
	s.password, verifier = newPassword()
	secret := filepath.Join(s.folder, "password")
	if err := os.WriteFile(secret, []byte(verifier+"\n"), 0o600); err != nil {
		return err
	}
	if err := give(secret, s.account); err != nil {
		return err
	}
	return s.run(initdb, "--pgdata="+s.data(), "--username=postgres", "--pwfile="+secret,
		"--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
}

// run waits for a program that ends by itself.
func (s *Server) run(argv ...string) error {
	program, err := s.launch(argv...)
	if err != nil {
		return err
	}
	if err := program.wait(); err != nil {
		return s.explain(argv[0], err)
	}
	return nil
}

func (s *Server) launch(argv ...string) (*guarded, error) {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	return startGuarded(s.folder, s.account, log, argv...)
}

func (s *Server) startOnFreePort() error {
	var err error
	for range portTries {
		if s.port, err = freePort(); err != nil {
			return err
		}
		err = s.start()
		if err == nil || !strings.Contains(err.Error(), "could not create any TCP/IP sockets") {
			return err
		}
	}
	return err
}

// start runs the server on the chosen port and waits until it answers.
func (s *Server) start() error {
	postgres, err := Binary("postgres")
	if err != nil {
		return err
	}
	program, err := s.launch(append([]string{postgres, "-D", s.data()}, s.settings()...)...)
	if err != nil {
		return err
	}
	if err := s.awaitReady(program); err != nil {
		explained := s.explain(postgres, err)
		return errors.Join(explained, program.ask("immediate"), ignoreExit(program.wait()))
	}
	s.program = program
	return nil
}

func (s *Server) awaitReady(program *guarded) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-program.exited:
			return fmt.Errorf("server ended at once: %w", errors.Join(program.err, err))
		case <-ctx.Done():
			return fmt.Errorf("server did not answer within %s: %w", startLimit, err)
		case <-tick.C:
		}
	}
}

// Stop shuts the server down in an orderly way and removes its folder. The
// server cannot be used again. Stopping a stopped server does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.end("fast"), os.RemoveAll(s.folder))
}

// Kill ends the server at once, with no checkpoint and no goodbye to its clients:
// the next [Server.Restart] goes through crash recovery. It returns when the last of its
// processes is gone.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end("immediate")
}

// Restart brings the server back with its data, on the same port, after
// [Server.Kill] or while it runs (it is then shut down in an orderly way first).
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.end("fast"); err != nil {
		return err
	}
	return s.start()
}

func (s *Server) end(how string) error {
	if s.program == nil {
		return nil
	}
	program := s.program
	s.program = nil
	return errors.Join(program.ask(how), ignoreExit(program.wait()))
}

// explain adds the end of the server's log, which says what went wrong.
func (s *Server) explain(program string, err error) error {
	const tail = 2000
	log, readErr := os.ReadFile(s.logFile())
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if len(log) > tail {
		log = log[len(log)-tail:]
	}
	return fmt.Errorf("pgtest: %s: %w\n%s", program, err, strings.TrimSpace(string(log)))
}

// Log returns what the server has written so far.
func (s *Server) Log() (string, error) {
	log, err := os.ReadFile(s.logFile())
	return string(log), err
}

func (s *Server) data() string    { return filepath.Join(s.folder, "data") }
func (s *Server) logFile() string { return filepath.Join(s.folder, "log") }

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
