package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(envDoomed) != "" {
		doomed()
	}
	pgtest.Main(m)
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func count(t *testing.T, conn *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func TestDatabasesAreSeparateAndDroppedWithTheirTest(t *testing.T) {
	var first string
	t.Run("inner", func(t *testing.T) {
		first = pgtest.Database(t)
		a, b := connect(t, first), connect(t, pgtest.Database(t))
		exec(t, a, "CREATE TABLE one (id int)")
		if n := count(t, b, "SELECT count(*) FROM pg_class WHERE relname = 'one'"); n != 0 {
			t.Error("a table of one database is seen in another")
		}
	})
	if conn, err := pgx.Connect(t.Context(), first); err == nil {
		conn.Close(t.Context())
		t.Error("the database outlived its test")
	}
}

func TestTemplateIsBuiltOnceAndClonesDoNotShareRows(t *testing.T) {
	builds := 0
	build := func(dsn string) error {
		builds++
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(t.Context(), "CREATE TABLE seeded AS SELECT 1 AS id")
		return errors.Join(err, conn.Close(t.Context()))
	}
	var wait sync.WaitGroup
	conns := make([]*pgx.Conn, 4)
	for i := range conns {
		wait.Go(func() {
			conn, err := pgx.Connect(t.Context(), pgtest.Template(t, "seeded", build))
			if err != nil {
				t.Error(err)
				return
			}
			conns[i] = conn
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	if builds != 1 {
		t.Errorf("built %d times, want once", builds)
	}
	exec(t, conns[0], "INSERT INTO seeded VALUES (2)")
	if n := count(t, conns[1], "SELECT count(*) FROM seeded"); n != 1 {
		t.Errorf("a clone has %d rows, want the template's one", n)
	}
	for _, conn := range conns {
		conn.Close(t.Context())
	}
}

func TestTheServerRefusesAWrongPassword(t *testing.T) {
	s := pgtest.New(t, pgtest.Options{})
	config, err := pgx.ParseConfig(s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		conn.Close(t.Context())
		t.Error("anybody on the machine can be superuser")
	}
	connect(t, s.SocketDSN("postgres"))
}

func TestCommittedRowsSurviveAKilledServer(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%t", durable), func(t *testing.T) {
			s := pgtest.New(t, pgtest.Options{Durable: durable, Settings: map[string]string{"work_mem": "5MB"}})
			dsn := s.DSN("postgres")
			conn := connect(t, dsn)
			exec(t, conn, "SET synchronous_commit = on; CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := conn.Ping(t.Context()); err == nil {
				t.Error("a killed server answers")
			}
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			again := connect(t, dsn)
			if n := count(t, again, "SELECT count(*) FROM kept"); n != 1 {
				t.Errorf("%d rows after the crash, want 1", n)
			}
			var fsync, workMem string
			if err := again.QueryRow(t.Context(), "SELECT current_setting('fsync'), current_setting('work_mem')").Scan(&fsync, &workMem); err != nil {
				t.Fatal(err)
			}
			if (fsync == "on") != durable || workMem != "5MB" {
				t.Errorf("fsync = %s, work_mem = %s", fsync, workMem)
			}
		})
	}
}

func TestRestartOfARunningServerKeepsData(t *testing.T) {
	s := pgtest.New(t, pgtest.Options{})
	exec(t, connect(t, s.DSN("postgres")), "CREATE TABLE kept (id int)")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, connect(t, s.DSN("postgres")), "SELECT count(*) FROM kept"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	_, err := pgtest.Start(pgtest.Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil {
		t.Fatal("started with an unknown setting")
	}
	if want := "no_such_setting"; !strings.Contains(err.Error(), want) {
		t.Errorf("the error does not name %q: %v", want, err)
	}
}
