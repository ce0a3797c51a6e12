package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/storage"
)

// atOnce runs call from n goroutines that start together.
func atOnce(t *testing.T, n int, call func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = call(i)
		})
	}
	done.Wait()
	must(t, errors.Join(errs...))
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestNodesThatPrepareAtOnceDoNotFail(t *testing.T) {
	for range 3 {
		dsn := postgresDatabase(t)
		nodes := []*Store{opened(t, Config{DSN: dsn}), opened(t, Config{DSN: dsn})}
		atOnce(t, 8, func(i int) error { return nodes[i%2].Prepare(t.Context(), benchNow) })
	}
}

func TestTokensOfSeveralNodesIntoAnHourThatIsNotPrepared(t *testing.T) {
	dsn := postgresDatabase(t)
	nodes := []*Store{two(t, Config{DSN: dsn}), opened(t, Config{DSN: dsn})}
	for hour := range 3 {
		atOnce(t, 24, func(i int) error {
			a := benchToken()
			a.Ref.Bucket += uint32(10 + hour)
			return nodes[i%2].Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent())
		})
	}
}

// TestSweepBesideALongReaderStopsNobody: a backup reads the table all the time,
// and others who come meanwhile do not wait for it behind the sweep.
func TestSweepBesideALongReaderStopsNobody(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	must(t, s.Prepare(t.Context(), benchNow))
	must(t, s.BeginLogin(t.Context(), storage.Login{ID: "log_over", ExpiresAt: benchNow}))
	backup, err := connect(t, dsn).Begin(t.Context())
	must(t, err)
	_, err = backup.Exec(t.Context(), "LOCK TABLE access_tokens IN ACCESS SHARE MODE")
	must(t, err)

	type result struct {
		swept storage.Swept
		err   error
	}
	over := make(chan result, 1)
	go func() {
		swept, err := s.Sweep(t.Context(), benchNow.AddDate(1, 0, 0))
		over <- result{swept, err}
	}()
	reader := connect(t, dsn)
	_, err = reader.Exec(t.Context(), "SET lock_timeout = '400ms'")
	must(t, err)
	var got result
	for waiting := true; waiting; {
		select {
		case got = <-over:
			waiting = false
		default:
			if _, err := reader.Exec(t.Context(), "SELECT 1 FROM access_tokens LIMIT 1"); err != nil {
				t.Fatalf("a reader beside the sweep: %v", err)
			}
		}
	}
	if got.err != nil || got.swept.Rows == 0 {
		t.Errorf("sweep beside a reader: %+v, %v; want no error, and the rest swept", got.swept, got.err)
	}
	must(t, backup.Rollback(t.Context()))
	swept, err := s.Sweep(t.Context(), benchNow.AddDate(1, 0, 0))
	if err != nil || swept.Partitions == 0 {
		t.Errorf("after the reader: %+v, %v", swept, err)
	}
}

func TestOneNodeSweepsAtATime(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	must(t, s.Prepare(t.Context(), benchNow))
	other, err := connect(t, dsn).Begin(t.Context())
	must(t, err)
	_, err = other.Exec(t.Context(), "SELECT watchgate_drop_partition($1)", 0)
	must(t, err)
	if swept, err := s.Sweep(t.Context(), benchNow.AddDate(1, 0, 0)); err != nil || swept.Partitions != 0 {
		t.Errorf("sweep beside another node's: %+v, %v", swept, err)
	}
	must(t, other.Commit(t.Context()))
	if swept, err := s.Sweep(t.Context(), benchNow.AddDate(1, 0, 0)); err != nil || swept.Partitions == 0 {
		t.Errorf("after the other node's: %+v, %v", swept, err)
	}
}

// TestSweepFindsWhatIsOverByAnIndex: neither a tenant nor a table is read through.
func TestSweepFindsWhatIsOverByAnIndex(t *testing.T) {
	s := two(t, Config{DSN: postgresDatabase(t)})
	moments := slices.Repeat([]any{int64(1)}, len(tenantSweeps))
	rows, err := s.engine.(*postgres).lookup.Query(t.Context(), "EXPLAIN "+tenantsToSweep, moments...)
	must(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	text := strings.Join(plan, "\n")
	if strings.Contains(text, "Seq Scan") {
		t.Errorf("the plan is\n%s", text)
	}
	for _, index := range []string{"sessions_expiry", "grants_expiry", "key_deliveries_expiry", "key_executions_end", "key_uses_day",
		"idempotent_requests_expiry", "api_keys_expiry"} {
		if !strings.Contains(text, index) {
			t.Errorf("the plan does without %s:\n%s", index, text)
		}
	}
}

// terminated ends every session of the store's, and returns when they are gone.
func terminated(t *testing.T, dsn string) {
	t.Helper()
	const theirs = ` FROM pg_stat_activity WHERE datname = current_database()
		AND application_name IN ('watchgate_app', 'watchgate_lookup')`
	conn := connect(t, dsn)
	_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid)"+theirs)
	must(t, err)
	for left := 1; left > 0; {
		must(t, conn.QueryRow(t.Context(), "SELECT count(*)"+theirs).Scan(&left))
	}
}

// crowd opens connections of both pools by using many at once.
func crowd(t *testing.T, s *Store, a storage.AccessToken) {
	t.Helper()
	p := s.engine.(*postgres)
	for p.app.Stat().TotalConns() < p.conns || p.lookup.Stat().TotalConns() < p.conns {
		atOnce(t, 32, func(i int) error {
			if i%2 == 0 {
				_, err := s.TenantByID(t.Context(), "ten_a")
				return err
			}
			_, _, err := s.FindAccess(t.Context(), "", a.Ref)
			return err
		})
	}
}

func TestReadsOutliveTheirConnections(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn, MaxConns: 6})
	a := benchToken()
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent()))
	for range 2 {
		crowd(t, s, a)
		terminated(t, dsn)
		for range 12 {
			_, found, err := s.FindAccess(t.Context(), "", a.Ref)
			if err != nil || found == nil {
				t.Fatalf("a lookup after all connections were ended: %v, %v", found, err)
			}
			_, err = s.TenantByID(t.Context(), "ten_a")
			must(t, err)
		}
	}
}

// TestAChangeIsNotRepeatedOnADeadConnection: nobody knows whether it was made. The
// next finds a new connection.
func TestAChangeIsNotRepeatedOnADeadConnection(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn, MaxConns: 6})
	crowd(t, s, benchToken())
	for name, change := range map[string]func() error{
		"shared": func() error {
			return s.Tenant("ten_a").IssueToken(t.Context(), issued(benchToken()), benchEvent())
		},
		"alone": func() error {
			return s.Tenant("ten_a").TouchSession(t.Context(), "ses", benchNow.Add(time.Hour))
		},
	} {
		crowd(t, s, benchToken())
		terminated(t, dsn)
		failed := 0
		for range 8 {
			if err := change(); err != nil {
				failed++
				if sentinel(err) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if failed != 1 {
			t.Errorf("%s: %d of 8 changes failed after all connections were ended, want the first alone", name, failed)
		}
	}
}

func TestPlatformChangesAreSeenByTheirTenantAlone(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	ev := benchEvent()
	ev.Tenant, ev.Kind = "ten_a", "tenant.suspended"
	must(t, s.UpdateTenant(t.Context(), storage.Tenant{ID: "ten_a", Slug: "ten_a", Version: 1, SuspendedAt: benchNow}, ev))
	for tenant, want := range map[string]int64{"ten_a": 1, "ten_b": 0, platform: 0, "": 0} {
		n, err := as(t, dsn, appRole, tenant, "SELECT 1 FROM audit_events WHERE kind = 'tenant.suspended'")
		if err != nil || n != want {
			t.Errorf("as %q: %d events are seen, %v; want %d", tenant, n, err, want)
		}
	}
}
