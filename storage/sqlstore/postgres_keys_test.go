package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/storage"
)

// gate stops every transaction that has inserted into a table until it is opened, so
// that those that do not wait for each other are all there at once.
const gate = `CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END $$;
	CREATE TRIGGER gate AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION gate();
	CREATE TRIGGER gate AFTER INSERT ON key_executions FOR EACH ROW EXECUTE FUNCTION gate()`

// atTheGate runs calls that all stand still before the first of them has committed, and
// returns how many succeeded. The others must have failed with ErrConflict.
func atTheGate(t *testing.T, keeper *pgx.Conn, calls []func() error) int {
	t.Helper()
	exec := func(sql string) {
		_, err := keeper.Exec(t.Context(), sql)
		must(t, err)
	}
	exec("SELECT pg_advisory_lock(42)")
	done := make(chan error, len(calls))
	for _, call := range calls {
		go func() { done <- call() }()
	}
	for waiting := 0; waiting < len(calls); {
		must(t, keeper.QueryRow(t.Context(), `SELECT count(DISTINCT pid) FROM pg_locks
			WHERE NOT granted AND (database IS NULL OR database = (SELECT oid FROM pg_database WHERE datname = current_database()))
			AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`).Scan(&waiting))
	}
	exec("SELECT pg_advisory_unlock(42)")
	won := 0
	for range calls {
		switch err := <-done; {
		case err == nil:
			won++
		case !errors.Is(err, storage.ErrConflict):
			t.Error(err)
		}
	}
	return won
}

// TestNobodyGetsMoreThanTheMost: those who count what there is before any of them has
// committed count one after the other.
func TestNobodyGetsMoreThanTheMost(t *testing.T) {
	const racers, most = 5, 2
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn, MaxConns: racers})
	tenant := s.Tenant("ten_a")
	must(t, tenant.SignIn(t.Context(), storage.SignIn{User: storage.User{ID: "usr", Role: storage.RoleMember}, Create: true,
		Identity: storage.Identity{Connection: "con"}, Session: storage.Session{ID: "ses", User: "usr", Connection: "con", Handle: []byte("h"),
			LastSeenAt: benchNow, ExpiresAt: benchNow}}, benchEvent()))
	runs := benchKey()
	must(t, tenant.CreateKey(t.Context(), storage.CreateKey{Key: runs}, benchEvent()))
	keeper, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer keeper.Close(context.Background())
	_, err = keeper.Exec(t.Context(), gate)
	must(t, err)
	create := func(owner storage.UserID, role storage.Role) func(i int) error {
		return func(int) error {
			k := benchKey()
			k.Owner, k.Profile = owner, "few"
			return tenant.CreateKey(context.Background(), storage.CreateKey{Key: k, Role: role, Max: most}, benchEvent())
		}
	}
	for name, call := range map[string]func(i int) error{
		"keys of a user": create("usr", storage.RoleMember),
		"service keys":   create("", ""),
		"executions": func(i int) error {
			e := storage.KeyExecution{ID: storage.ExecutionID(fmt.Sprint("exe_", i)), Key: runs.ID, StartedAt: benchNow}
			return tenant.StartExecution(context.Background(), e, most)
		},
	} {
		calls := make([]func() error, racers)
		for i := range calls {
			calls[i] = func() error { return call(i) }
		}
		if won := atTheGate(t, keeper, calls); won != most {
			t.Errorf("%s: %d of %d got one, want %d", name, won, racers, most)
		}
	}
}
