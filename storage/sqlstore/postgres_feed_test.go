package sqlstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/storage"
)

// TestAChangeThatCommitsLateIsNotLost: its transaction began before one whose
// change has been read already.
func TestAChangeThatCommitsLateIsNotLost(t *testing.T) {
	dsn := postgresDatabase(t)
	m := enrolled(t, opened(t, Config{DSN: dsn}))
	begin := func(id string) pgx.Tx {
		tx, err := connect(t, dsn).Begin(t.Context())
		must(t, err)
		_, err = tx.Exec(t.Context(), "INSERT INTO changes (kind, tenant, id) VALUES ('grant', 'ten_a', $1)", id)
		must(t, err)
		return tx
	}
	early, undone, late := begin("early"), begin("undone"), begin("late")
	for _, c := range []struct {
		end  func(context.Context) error
		want string
	}{{late.Commit, "late"}, {undone.Rollback, ""}, {early.Commit, "early"}} {
		must(t, c.end(t.Context()))
		var want []storage.Change
		if c.want != "" {
			want = []storage.Change{{Kind: storage.ChangeGrant, Tenant: "ten_a", ID: c.want}}
		}
		if diff := cmp.Diff(want, renewed(t, m)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if left := renewed(t, m); left != nil {
		t.Errorf("read again: %v", left)
	}
}

// TestARecordDoesNotIncludeWhatWasUnderWay: who waits for the late one of two
// changes is not answered by a node that has read the other.
func TestARecordDoesNotIncludeWhatWasUnderWay(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	m := enrolled(t, s)
	tx, err := connect(t, dsn).Begin(t.Context())
	must(t, err)
	var early int64
	must(t, tx.QueryRow(t.Context(), tellChanges, "{grant}", "{ten_a}", "{early}").Scan(&early))
	done := revoking(t, s)
	_, mark := told(t, m)
	must(t, m.Record(t.Context(), mark))
	must(t, <-done)
	for _, want := range []bool{false, true} {
		applied, err := s.engine.(*postgres).applied(t.Context())
		must(t, err)
		if got := everybody(applied, uint64(early)); got != want {
			t.Errorf("everybody knows the early change: %v, want %v", got, want)
		}
		if !want {
			must(t, tx.Commit(t.Context()))
			renewed(t, m)
		}
	}
}

// clocked is a store of its own on a database, whose register has a clock that only
// the test moves.
func clocked(t *testing.T, dsn string) (*Store, *time.Time) {
	t.Helper()
	s, now := opened(t, Config{DSN: dsn}), benchNow
	s.feed.(*register).now = func() time.Time { return now }
	return s, &now
}

func nodes(t *testing.T, dsn string) int {
	t.Helper()
	var n int
	must(t, connect(t, dsn).QueryRow(t.Context(), "SELECT count(*) FROM nodes").Scan(&n))
	return n
}

func TestASilentNodeIsStruck(t *testing.T) {
	dsn := postgresDatabase(t)
	s, now := clocked(t, dsn)
	observer, other := enrolled(t, s), enrolled(t, opened(t, Config{DSN: dsn}))
	_, mark, err := other.Read(t.Context())
	must(t, err)
	for _, c := range []struct {
		later  time.Duration
		speaks bool // the other does, before the observer looks
		left   int
	}{
		{time.Hour, false, 2}, // seen for the first time
		{9 * time.Second, false, 2},
		{time.Second, true, 2},
		{9 * time.Second, false, 2},
		{time.Second, false, 1},
	} {
		*now = now.Add(c.later)
		if c.speaks {
			must(t, other.Record(t.Context(), mark))
		}
		renewed(t, observer)
		if n := nodes(t, dsn); n != c.left {
			t.Errorf("%v later: %d nodes, want %d", c.later, n, c.left)
		}
	}
	if err := other.Record(t.Context(), mark); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a node that was struck records: %v, want ErrNotFound", err)
	}
	if _, _, err := other.Read(t.Context()); err == nil {
		t.Error("a membership goes on after it was struck")
	}
}

// TestANodeThatSpokeJustNowIsNotStruck, nor one that has joined anew, whatever its
// observer saw a moment ago.
func TestANodeThatSpokeJustNowIsNotStruck(t *testing.T) {
	dsn := postgresDatabase(t)
	s := opened(t, Config{DSN: dsn})
	m := enrolled(t, s).(*member)
	for _, c := range []struct {
		what  string
		speak func()
	}{
		{"joined anew", func() { m = enrolled(t, s).(*member) }},
		{"spoke", func() { renewed(t, m) }},
	} {
		var seen sighting
		conn := connect(t, dsn)
		must(t, conn.QueryRow(t.Context(), "SELECT id, incarnation, beat FROM nodes").Scan(&seen.id, &seen.incarnation, &seen.beat))
		c.speak()
		tag, err := conn.Exec(t.Context(), strikeNode, seen.id, seen.incarnation, seen.beat)
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("a node that %s was struck: %v, %v", c.what, tag, err)
		}
	}
}

// TestAnEarlierMembershipTouchesNothing, even if it was on its way when its process
// joined anew.
func TestAnEarlierMembershipTouchesNothing(t *testing.T) {
	dsn := postgresDatabase(t)
	s := opened(t, Config{DSN: dsn})
	before := enrolled(t, s).(*member)
	now := enrolled(t, s)
	conn := connect(t, dsn)
	for sql, args := range map[string][]any{
		recordApplied: {"9:9:", before.at.node, before.incarnation},
		leaveRegister: {before.at.node, before.incarnation},
	} {
		if tag, err := conn.Exec(t.Context(), sql, args...); err != nil || tag.RowsAffected() != 0 {
			t.Errorf("%s: %v, %v", sql, tag, err)
		}
	}
	renewed(t, now)
}

// TestALateRegistrationSpeaksForNobody: an attempt to join was given up, the process
// joined anew, and then the first attempt arrives. Its snapshot includes what the
// process has not applied.
func TestALateRegistrationSpeaksForNobody(t *testing.T) {
	dsn := postgresDatabase(t)
	s := two(t, Config{DSN: dsn})
	late := enrolled(t, s).(*member)
	m := enrolled(t, s)
	done := revoking(t, s)
	_, mark := told(t, m)
	conn := connect(t, dsn)
	for _, sql := range []string{replaceEarlier, joinRegister} {
		_, err := conn.Exec(t.Context(), sql, late.at.node, late.incarnation)
		must(t, err)
	}
	applied, err := s.engine.(*postgres).applied(t.Context())
	must(t, err)
	if len(applied) != 2 {
		t.Errorf("%d memberships are waited for, want 2", len(applied))
	}
	select {
	case <-done:
		t.Error("the change succeeded before the node recorded it")
	default:
	}
	must(t, m.Record(t.Context(), mark))
	must(t, <-done)
	enrolled(t, s)
	if n := nodes(t, dsn); n != 1 {
		t.Errorf("%d rows after joining anew, want 1", n)
	}
}

func changesLeft(t *testing.T, dsn string) []string {
	t.Helper()
	rows, err := connect(t, dsn).Query(t.Context(), "SELECT kind FROM changes ORDER BY xid")
	must(t, err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return out
}

// TestChangesAreForgottenWhenAllHaveApplied them, by a node now and then and by a
// sweep. What a backup of another server brought along goes too.
func TestChangesAreForgottenWhenAllHaveAppliedThem(t *testing.T) {
	dsn := postgresDatabase(t)
	s, now := clocked(t, dsn)
	other := opened(t, Config{DSN: dsn})
	quick, slow := enrolled(t, s), enrolled(t, other)
	sweep := func() { _, err := s.Sweep(t.Context(), benchNow); must(t, err) }
	tidy := func() { *now = now.Add(time.Minute); renewed(t, quick) }
	insert := func(xid string) {
		_, err := connect(t, dsn).Exec(t.Context(), "INSERT INTO changes (xid, kind, tenant, id) SELECT "+xid+", 'user', '', '' FROM generate_series(1, 3)")
		must(t, err)
	}
	for name, forget := range map[string]func(){"a sweep": sweep, "a node": tidy} {
		insert("pg_current_xact_id()")
		forget()
		if n := len(changesLeft(t, dsn)); n != 3 {
			t.Fatalf("%s left %d changes that a node does not know, want 3", name, n)
		}
		if n := len(renewed(t, slow)); n != 3 {
			t.Errorf("the slow node reads %d changes, want 3", n)
		}
		renewed(t, quick)
		insert("'9000000000000000000'")
		forget()
		if left := changesLeft(t, dsn); len(left) != 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
	must(t, quick.Leave(t.Context()))
	must(t, slow.Leave(t.Context()))
	insert("pg_current_xact_id()")
	sweep()
	if left := changesLeft(t, dsn); len(left) != 0 {
		t.Errorf("without nodes, %v is left", left)
	}
}

// TestAReadFindsWhatIsNewByAnIndex, however much there is that is old.
func TestAReadFindsWhatIsNewByAnIndex(t *testing.T) {
	m := enrolled(t, opened(t, Config{DSN: postgresDatabase(t)})).(*member)
	rows, err := m.conn.Query(t.Context(), "EXPLAIN "+readChanges, m.last)
	must(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan") || !strings.Contains(text, "Index Cond: (xid >=") {
		t.Errorf("the plan is\n%s", text)
	}
}

// TestARegistrationOutlivesACrash: whoever has been told that it joined is waited
// for. The server of this test writes to the disk by itself every ten seconds.
func TestARegistrationOutlivesACrash(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{Durable: true, Settings: map[string]string{"wal_writer_delay": "10s"}})
	dsn := server.DSN("postgres")
	must(t, Migrate(t.Context(), dsn))
	s := two(t, Config{DSN: dsn, MaxConns: 1})
	m := enrolled(t, s)
	must(t, server.Kill())
	if err := m.Wait(t.Context()); err == nil || errors.Is(err, storage.ErrNotFound) {
		t.Errorf("waiting on a dead server: %v", err)
	}
	for what, call := range map[string]func() error{
		"Read":   func() error { _, _, err := m.Read(t.Context()); return err },
		"Record": func() error { return m.Record(t.Context(), "1:1:") },
		"Join":   func() error { _, err := s.Join(t.Context()); return err },
	} {
		if err := call(); err == nil || sentinel(err) {
			t.Errorf("%s on a dead server: %v", what, err)
		}
	}
	must(t, server.Restart())
	if n := nodes(t, dsn); n != 1 {
		t.Errorf("%d nodes are registered after the crash, want 1", n)
	}
	m = enrolled(t, s)
	if n := nodes(t, dsn); n != 1 {
		t.Errorf("%d nodes after joining anew, want 1", n)
	}
	// A change is not repeated on a connection that died with the server; a question is.
	_, err := s.TenantByID(t.Context(), "ten_a")
	must(t, err)
	done := revoking(t, s)
	_, mark := told(t, m)
	must(t, m.Record(t.Context(), mark))
	must(t, <-done)
}

// TestAMembershipEndsWithItsConnection, and not a moment later.
func TestAMembershipEndsWithItsConnection(t *testing.T) {
	dsn := postgresDatabase(t)
	s := opened(t, Config{DSN: dsn})
	m := enrolled(t, s)
	over := make(chan error, 1)
	go func() { over <- m.Wait(t.Context()) }()
	n, err := as(t, dsn, "postgres", "", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'watchgate_feed'")
	if err != nil || n != 1 {
		t.Fatalf("%d connections of nodes, want 1: %v", n, err)
	}
	if err := <-over; err == nil {
		t.Error("a wait on a connection that ended")
	}
	if _, _, err := m.Read(t.Context()); err == nil {
		t.Error("a read on a connection that ended")
	}
	renewed(t, enrolled(t, s))
}

// TestANodeNeedsNoneOfThePoolsConnections: those may all be busy.
func TestANodeNeedsNoneOfThePoolsConnections(t *testing.T) {
	s := two(t, Config{DSN: postgresDatabase(t), MaxConns: 1})
	held, err := s.engine.(*postgres).app.Acquire(t.Context())
	must(t, err)
	m := enrolled(t, s)
	renewed(t, m)
	held.Release()
	done := revoking(t, s)
	_, mark := told(t, m)
	must(t, m.Record(t.Context(), mark))
	must(t, <-done)
}

// TestAReadOnlyPrimaryAnswers: it says what is true now, and a node can join it.
func TestAReadOnlyPrimaryAnswers(t *testing.T) {
	dsn := postgresDatabase(t)
	two(t, Config{DSN: dsn})
	_, err := as(t, dsn, "postgres", "", `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`)
	must(t, err)
	s := opened(t, Config{DSN: dsn})
	if _, err := s.TenantByID(t.Context(), "ten_a"); err != nil {
		t.Errorf("a read-only primary does not answer: %v", err)
	}
	renewed(t, enrolled(t, s))
}

// TestAStandbyIsNotAsked: what it answers was true some time ago.
func TestAStandbyIsNotAsked(t *testing.T) {
	server := pgtest.New(t, pgtest.Options{Settings: map[string]string{"wal_level": "replica"}})
	dsn := server.DSN("postgres")
	must(t, Migrate(t.Context(), dsn))
	s := two(t, Config{DSN: dsn})
	a := benchToken()
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(a), benchEvent()))

	above := connect(t, dsn)
	var folder string
	must(t, above.QueryRow(t.Context(), "SHOW data_directory").Scan(&folder))
	must(t, os.WriteFile(filepath.Join(folder, "standby.signal"), nil, 0o644))
	must(t, server.Restart())
	above = connect(t, dsn)
	var recovering bool
	must(t, above.QueryRow(t.Context(), "SELECT pg_is_in_recovery()").Scan(&recovering))
	if !recovering {
		t.Fatal("the server is no standby")
	}
	for what, call := range map[string]func() error{
		"Open":                        func() error { _, err := Open(t.Context(), Config{DSN: dsn}); return err },
		"Open, where it is preferred": func() error { _, err := Open(t.Context(), Config{DSN: preferring(dsn)}); return err },
		"Join":                        func() error { _, err := s.Join(t.Context()); return err },
		"User":                        func() error { _, err := s.TenantByID(t.Context(), "ten_a"); return err },
		"FindAccess": func() error {
			_, _, err := s.FindAccess(t.Context(), "", a.Ref)
			return err
		},
	} {
		if err := call(); err == nil || sentinel(err) {
			t.Errorf("%s of a standby: %v", what, err)
		}
	}
	_, err := above.Exec(t.Context(), "SELECT pg_promote()")
	must(t, err)
	if _, found, err := s.FindAccess(t.Context(), "", a.Ref); err != nil || found == nil {
		t.Errorf("after its promotion: %v, %v", found, err)
	}
	renewed(t, enrolled(t, s))
}

// preferring is a DSN that would rather have a standby.
func preferring(dsn string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&target_session_attrs=prefer-standby"
	}
	return dsn + "?target_session_attrs=prefer-standby"
}

// TestTheDSNMaySayWhichServersToUse, among primaries.
func TestTheDSNMaySayWhichServersToUse(t *testing.T) {
	dsn := postgresDatabase(t)
	between := "?"
	if strings.Contains(dsn, "?") {
		between = "&"
	}
	s := two(t, Config{DSN: dsn + between + "target_session_attrs=read-write"})
	if _, _, err := s.FindAccess(t.Context(), "", benchToken().Ref); err != nil {
		t.Error(err)
	}
	for attrs, opens := range map[string]bool{"standby": false, "read-only": false, "prefer-standby": true, "any": true, "primary": true} {
		s, err := Open(t.Context(), Config{DSN: dsn + between + "target_session_attrs=" + attrs})
		if (err == nil) != opens {
			t.Errorf("%s on a primary: %v", attrs, err)
		}
		if err == nil {
			must(t, s.Close())
		}
	}
}
