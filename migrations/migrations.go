package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed postgres/*.sql sqlite/*.sql
var files embed.FS

// Table is where the database keeps the versions that were applied to it: the
// largest version_id is the schema's.
const Table = "watchgate_migrations"

// Engine is a kind of database. Its value is its folder's name.
type Engine string

// The engines.
const (
	PostgreSQL Engine = "postgres"
	SQLite     Engine = "sqlite"
)

// Migration is one numbered step.
type Migration struct {
	Version   int64
	Name      string    // the file's name
	AppliedAt time.Time // zero: pending
}

// Up applies every pending migration, each in a transaction of its own. Several
// programs may call it at once on PostgreSQL: one works and the others wait.
func Up(ctx context.Context, e Engine, db *sql.DB) error {
	p, err := provider(e, db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}

// Status returns all migrations in their order, applied or not.
func Status(ctx context.Context, e Engine, db *sql.DB) ([]Migration, error) {
	p, err := provider(e, db)
	if err != nil {
		return nil, err
	}
	found, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	out := make([]Migration, len(found))
	for i, m := range found {
		out[i] = Migration{Version: m.Source.Version, Name: m.Source.Path, AppliedAt: m.AppliedAt.UTC()}
	}
	return out, nil
}

// Latest returns the version that this program works with.
func Latest(e Engine) int64 {
	entries, err := fs.ReadDir(files, string(e))
	if err != nil || len(entries) == 0 {
		panic("migrations: no files for " + string(e))
	}
	v, err := goose.NumericComponent(entries[len(entries)-1].Name())
	if err != nil {
		panic(err)
	}
	return v
}

func provider(e Engine, db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(files, string(e))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	options := []goose.ProviderOption{
		goose.WithTableName(Table),
		goose.WithDisableGlobalRegistry(true),
	}
	dialect := goose.DialectSQLite3
	if e == PostgreSQL {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, folder, options...)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}
