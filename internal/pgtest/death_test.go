package pgtest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
)

// envDoomed makes this test binary start a server and die without stopping it.
const envDoomed = "PGTEST_DOOMED"

// doomed starts a server, says where it is, and ends in the way that the
// environment names.
func doomed() {
	s, err := pgtest.Start(pgtest.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.SocketDSN("postgres"))
	fmt.Println(s.DSN("postgres"))
	switch os.Getenv(envDoomed) {
	case "panic":
		go panic("the test process panics")
	case "exit":
		os.Exit(3)
	}
	select {}
}

func TestTheServerDiesWithTheTestProcess(t *testing.T) {
	for _, how := range []string{"panic", "exit", "killed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			socket, dsn := orphan(t, how)
			config, err := pgx.ParseConfig(socket)
			if err != nil {
				t.Fatal(err)
			}
			awaitGone(t, config.Host)
			config, err = pgx.ParseConfig(dsn)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", config.Port))
			if err == nil {
				conn.Close()
				t.Error("the server outlived its process")
			}
		})
	}
}

// orphan runs a process that leaves a server behind, and returns where that was.
func orphan(t *testing.T, how string) (socket, dsn string) {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envDoomed+"="+how)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, line := range []*string{&socket, &dsn} {
		if !lines.Scan() {
			t.Fatalf("the doomed process said nothing: %v", lines.Err())
		}
		*line = lines.Text()
	}
	if how == "killed" {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the doomed process ended well")
	}
	return socket, dsn
}

// awaitGone returns when the folder has been removed, which is the last thing that
// the guard does.
func awaitGone(t *testing.T, folder string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		if _, err := os.Stat(folder); os.IsNotExist(err) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s is still there", folder)
		}
	}
}

func TestANamedServerIsUsedAndLeftTidy(t *testing.T) {
	s := pgtest.New(t, pgtest.Options{})
	cmd := osexec.Command(os.Args[0], "-test.run", "^(TestDatabasesAre|TestTemplateIs|TestProxyCuts)")
	cmd.Env = append(os.Environ(), pgtest.EnvServer+"="+s.DSN("postgres"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := count(t, connect(t, s.DSN("postgres")), "SELECT sum(xact_commit)::int FROM pg_stat_database WHERE datname = 'postgres'"); n == 0 {
		t.Error("the named server was not used")
	}
	if n := count(t, connect(t, s.DSN("postgres")), "SELECT count(*) FROM pg_database WHERE datname LIKE 'watchgate_test_%'"); n != 0 {
		t.Errorf("%d databases were left behind", n)
	}
}
