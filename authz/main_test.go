package authz_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// keys are one signer for all tests: making RSA keys takes longer than any of
// them.
var keys *signer.Signer

func TestMain(m *testing.M) {
	makeKeys()
	pgtest.Main(m)
}

// makeKeys makes the keys, which stay as they are: the clock that they rotate by
// stands still, and nobody asks their store again.
func makeKeys() {
	dir, err := os.MkdirTemp("", "authz")
	fatal(err)
	defer os.RemoveAll(dir)
	dsn := filepath.Join(dir, "keys.db")
	fatal(migrate(dsn))
	store := open(dsn, func(int) {})
	defer store.Close()
	masters, err := seal.Parse([]byte(seal.Generate()))
	fatal(err)
	sealer, err := seal.New(masters)
	fatal(err)
	keys, err = signer.New(context.Background(), signer.Config{
		Keys: store, Sealer: sealer, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler),
	})
	fatal(err)
}

func fatal(err error) {
	if err != nil {
		panic(err)
	}
}

func migrate(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) }

func open(dsn string, count func(int)) *sqlstore.Store {
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{DSN: dsn, OnRoundTrip: count})
	fatal(err)
	return store
}

// onBoth runs a test in a world on each engine: where one statement has to be
// the judge, each engine's is on trial.
func onBoth(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(newWorld(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(newPostgresWorld(t))
	})
}
