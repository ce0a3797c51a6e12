package sqlstore

import (
	"context"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/storage/storagetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// opened is a store on a database that has been migrated.
func opened(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sqliteFile(t testing.TB) string {
	t.Helper()
	return storagetest.File(t, Migrate)
}

func postgresDatabase(t testing.TB) string {
	t.Helper()
	return pgtest.Template(t, "sqlstore", func(dsn string) error { return Migrate(context.Background(), dsn) })
}

func TestSQLite(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Harness {
		s := opened(t, Config{DSN: sqliteFile(t)})
		return storagetest.Harness{Store: s, Away: func(t *testing.T) func() {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return nil
		}}
	})
}

func TestPostgres(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storagetest.Harness {
		proxy := pgtest.NewProxy(t, postgresDatabase(t))
		s := opened(t, Config{DSN: proxy.DSN(), MaxConns: 4})
		return storagetest.Harness{Store: s, Away: func(*testing.T) func() {
			proxy.Down()
			return proxy.Up
		}}
	})
}
