package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/migrations"
)

// Config says where the records are.
type Config struct {
	// DSN is a URL (postgres://...) or the path of a SQLite file, which is made
	// (mode 0600) when it is not there. A pooler between here and PostgreSQL has to
	// give each connection a session of its own: a role is set on it.
	DSN string
	// MaxConns bounds the connections of each role on PostgreSQL, and the
	// readers on SQLite. Zero: 16 and 8.
	MaxConns int
	// OnRoundTrip, when set, is called once for each message to the database that
	// waits for an answer, with the number of statements in it. Preparing a
	// statement on a connection that has not seen it is not counted.
	OnRoundTrip func(statements int)
	// OnWait, when set, is called whenever a change had to be known by every node
	// (see [storage.Feed]) with how long that took; all is false when a node did not
	// say that it knows, and its lease was waited for instead.
	OnWait func(took time.Duration, all bool)
}

// ErrSchema is returned by Open when the database's tables are not those that
// this program works with.
var ErrSchema = errors.New("sqlstore: the database's schema does not fit this program")

// Open connects to a database whose schema was brought up to date by Migrate.
// It returns an error that wraps ErrSchema when it was not, and never says the
// DSN's password.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.OnRoundTrip == nil {
		cfg.OnRoundTrip = func(int) {}
	}
	if cfg.OnWait == nil {
		cfg.OnWait = func(time.Duration, bool) {}
	}
	if isPostgres(cfg.DSN) {
		return openPostgres(ctx, cfg)
	}
	return openSQLite(ctx, cfg)
}

// Migrate brings the schema up to date, making it when there is none. On
// PostgreSQL the DSN's role becomes its owner; it has to be allowed to create
// roles, once for each cluster.
func Migrate(ctx context.Context, dsn string) error {
	db, e, err := openForMigration(dsn)
	if err != nil {
		return err
	}
	return errors.Join(migrations.Up(ctx, e, db), db.Close())
}

// MigrationStatus returns every migration, and when it was applied.
func MigrationStatus(ctx context.Context, dsn string) ([]migrations.Migration, error) {
	db, e, err := openForMigration(dsn)
	if err != nil {
		return nil, err
	}
	out, err := migrations.Status(ctx, e, db)
	return out, errors.Join(err, db.Close())
}

func openForMigration(dsn string) (*sql.DB, migrations.Engine, error) {
	if isPostgres(dsn) {
		db, err := postgresDB(dsn)
		return db, migrations.PostgreSQL, err
	}
	db, err := sqliteDB(dsn, sqliteWriter)
	return db, migrations.SQLite, err
}

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

const schemaVersion = "SELECT COALESCE(MAX(version_id), 0) FROM " + migrations.Table + " WHERE is_applied"

// checkSchema compares the database's version with the program's.
func checkSchema(ctx context.Context, e engine, kind migrations.Engine) error {
	var have num
	err := e.read(ctx, scope{what: "schema version"}, query{sql: schemaVersion, scan: func(r row) error {
		return r.Scan(&have)
	}})
	want := migrations.Latest(kind)
	switch {
	case err != nil:
		return err
	case int64(have) < want:
		return schemaError(fmt.Sprintf("it is at version %d and this program needs %d", have, want))
	case int64(have) > want:
		return fmt.Errorf("%w: it is at version %d, newer than this program's %d: use the newer program", ErrSchema, have, want)
	}
	return nil
}

func schemaError(why string) error {
	return fmt.Errorf("%w: %s: run `watchgate migrate up`", ErrSchema, why)
}
