package pgtest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
)

// named connects through the proxy as an application.
func named(t *testing.T, proxy *pgtest.FaultProxy, name string) *pgx.Conn {
	t.Helper()
	return connect(t, proxy.DSN()+"&application_name="+name)
}

// answers asks in the background and returns the channel of the outcome.
func answers(t *testing.T, conn *pgx.Conn) chan error {
	t.Helper()
	out := make(chan error, 1)
	go func() { out <- conn.Ping(t.Context()) }()
	return out
}

// inTime is the outcome of something that must end.
func inTime(t *testing.T, outcome chan error) error {
	t.Helper()
	select {
	case err := <-outcome:
		return err
	case <-time.After(time.Minute):
		t.Fatal("no answer within a minute")
		return nil
	}
}

func TestFaultsAreForOneKindOfConnection(t *testing.T) {
	proxy := pgtest.NewFaultProxy(t, pgtest.Database(t))
	one, two := named(t, proxy, "one"), named(t, proxy, "two")
	if proxy.Open("one") != 1 || proxy.Open("two") != 1 || proxy.Open(pgtest.Any) != 2 {
		t.Fatalf("%d, %d and %d connections", proxy.Open("one"), proxy.Open("two"), proxy.Open(pgtest.Any))
	}
	proxy.Partition("one")
	held := answers(t, one)
	exec(t, two, "SELECT 1")
	select {
	case err := <-held:
		t.Fatalf("a stalled connection answered: %v", err)
	default:
	}
	proxy.Restore()
	if err := inTime(t, held); err != nil {
		t.Errorf("after the network came back: %v", err)
	}
	proxy.Cut("two")
	if err := two.Ping(t.Context()); err == nil {
		t.Error("a cut connection still works")
	}
	exec(t, one, "SELECT 1")
}

// The statement is executed, its answer does not come: what the one who asked has
// to call unknown.
func TestStallOfAnswersLeavesTheStatementDone(t *testing.T) {
	dsn := pgtest.Database(t)
	proxy := pgtest.NewFaultProxy(t, dsn)
	conn, direct := named(t, proxy, "app"), connect(t, dsn)
	exec(t, direct, "CREATE TABLE done (n int)")
	proxy.Stall("app", pgtest.ToClient)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "INSERT INTO done VALUES (1)")
		outcome <- err
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n == 0; <-tick.C {
		if err := direct.QueryRow(t.Context(), "SELECT count(*) FROM done").Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	for proxy.Waiting("app", pgtest.ToClient) == 0 {
		<-tick.C
	}
	proxy.Partition("app")
	cancel()
	if err := inTime(t, outcome); !errors.Is(err, context.Canceled) {
		t.Errorf("the client heard %v", err)
	}
	if proxy.Open("app") != 1 {
		t.Error("the end of a connection passed where nothing should")
	}
}

func TestDelayedBytesArriveInOrderWhenTheDelayIsOver(t *testing.T) {
	proxy := pgtest.NewFaultProxy(t, pgtest.Database(t))
	conn := named(t, proxy, "app")
	proxy.Delay("app", pgtest.ToServer, time.Millisecond)
	proxy.Delay(pgtest.Any, pgtest.ToClient, time.Hour)
	outcome := make(chan error, 1)
	go func() {
		var last int
		err := conn.QueryRow(t.Context(), "SELECT max(n) FROM generate_series(1, 100000) n", pgx.QueryExecModeSimpleProtocol).Scan(&last)
		if err == nil && last != 100000 {
			err = errors.New("a wrong answer")
		}
		outcome <- err
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for proxy.Waiting("app", pgtest.ToClient) == 0 {
		<-tick.C
	}
	proxy.Restore()
	if err := inTime(t, outcome); err != nil {
		t.Error(err)
	}
	exec(t, conn, "SELECT 1")
}
