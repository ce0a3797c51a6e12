package sqlstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

func TestSQLiteFilesAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made.db") // and not copied
	must(t, Migrate(t.Context(), path))
	two(t, Config{DSN: path})
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		must(t, err)
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(path)+suffix, mode)
		}
	}
}

func TestSQLiteKeepsWhatItStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?&#%41.db")
	must(t, Migrate(t.Context(), path))
	first, err := Open(t.Context(), Config{DSN: path})
	must(t, err)
	must(t, first.CreateTenant(t.Context(), storage.Tenant{ID: "ten_a", Slug: "a"}, benchEvent()))
	must(t, first.Close())
	again := opened(t, Config{DSN: path})
	if _, err := again.TenantByID(t.Context(), "ten_a"); err != nil {
		t.Errorf("after reopening: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is elsewhere: %v", err)
	}
}

func TestSQLiteAuditEventsCannotBeChanged(t *testing.T) {
	path := sqliteFile(t)
	two(t, Config{DSN: path})
	db, err := sqliteDB(path, sqliteWriter)
	must(t, err)
	defer db.Close()
	for _, sql := range []string{"UPDATE audit_events SET kind = 'x'", "DELETE FROM audit_events"} {
		if _, err := db.Exec(sql); err == nil || !strings.Contains(err.Error(), "never") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestSQLiteSettings(t *testing.T) {
	s := two(t, Config{DSN: sqliteFile(t)})
	e := s.engine.(*sqliteEngine)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		must(t, e.writer.QueryRow("PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s = %s, want %s", pragma, got, want)
		}
	}
	if _, err := e.readers.Exec("DELETE FROM tenants"); err == nil {
		t.Error("a reader can write")
	}
}

func TestSQLiteOpenRefusesAnotherSchema(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.db")
	ahead := sqliteFile(t)
	db, err := sqliteDB(ahead, sqliteWriter)
	must(t, err)
	_, err = db.Exec("INSERT INTO watchgate_migrations (version_id, is_applied) VALUES (9999, 1)")
	must(t, err)
	must(t, db.Close())
	for _, path := range []string{empty, ahead} {
		if _, err := Open(t.Context(), Config{DSN: path}); !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v, want ErrSchema", filepath.Base(path), err)
		}
	}
	status, err := MigrationStatus(t.Context(), empty)
	must(t, err)
	if len(status) < 2 || !status[0].AppliedAt.IsZero() {
		t.Errorf("status of an empty file: %+v", status)
	}
}

func TestACancelledCallerIsNotKept(t *testing.T) {
	s := two(t, Config{DSN: sqliteFile(t)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Tenant("ten_a").IssueToken(ctx, issued(benchToken()), benchEvent()); !errors.Is(err, context.Canceled) {
		t.Errorf("a call of somebody who left: %v", err)
	}
	must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(benchToken()), benchEvent()))
}

// TestOneRefusalLeavesItsNeighboursAlone: units that share a commit do not share
// a fate.
func TestOneRefusalLeavesItsNeighboursAlone(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": sqliteFile(t), "postgres": postgresDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			s := two(t, Config{DSN: dsn})
			taken := benchToken()
			must(t, s.Tenant("ten_a").IssueToken(t.Context(), issued(taken), benchEvent()))
			errs := make(chan error, 64)
			for i := range cap(errs) {
				go func() {
					a, tenant := benchToken(), storage.TenantID("ten_b")
					if i%2 == 0 {
						a.Ref = taken.Ref
					}
					err := s.Tenant(tenant).IssueToken(t.Context(), issued(a), benchEvent())
					if (i%2 == 0) == errors.Is(err, storage.ErrExists) && (i%2 == 0 || err == nil) {
						err = nil
					} else if err == nil {
						err = errors.New("a taken hash was stored again")
					}
					errs <- err
				}()
			}
			for range cap(errs) {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			events, err := s.Tenant("ten_b").Events(t.Context(), "", 1000)
			must(t, err)
			if n := len(events); n != 2+cap(errs)/2 {
				t.Errorf("%d events of tenant b, want 2 and one for each token", n)
			}
		})
	}
}
