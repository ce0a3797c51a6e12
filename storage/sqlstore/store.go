package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Store is a deployment's storage on one database. It is safe for concurrent use.
type Store struct {
	engine engine
	upkeep upkeep
	feed   storage.Feed
	clock  string // the query for the engine's clock
	// waiting counts the changes that are not known everywhere.
	waiting func() int
}

// Tenant is the handle of one tenant.
type Tenant struct {
	engine engine
	id     string
}

var (
	_ storage.Store       = (*Store)(nil)
	_ storage.Clock       = (*Store)(nil)
	_ storage.TenantStore = (*Tenant)(nil)
)

// Tenant returns the handle of one tenant. It reads nothing.
func (s *Store) Tenant(id storage.TenantID) storage.TenantStore {
	if id == platform {
		// The platform's trail is no tenant's, whatever a caller passes on.
		id = ""
	}
	return &Tenant{engine: s.engine, id: string(id)}
}

// Close ends all connections. Every later call fails.
func (s *Store) Close() error { return s.engine.close() }

// Ping reports whether the store answers.
func (s *Store) Ping(ctx context.Context) error {
	return s.engine.read(ctx, scope{what: "ping"}, query{sql: "SELECT 1", scan: discard})
}

// Clock implements storage.Clock.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := s.engine.read(ctx, scope{what: "clock"}, query{sql: s.clock, scan: func(r row) error { return r.Scan(at(&now)) }})
	return now, err
}

// The engines' clocks, in milliseconds since 1970.
const (
	postgresClock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
	sqliteClock   = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
)

func discard(row) error { return nil }

// write runs a unit. Two failures leave a question open, and then one more
// statement asks: after ErrConflict, whether the row is there at all, and after a
// refused event, whether the tenant is.
func write(ctx context.Context, e engine, u *unit) error {
	_, err := e.run(ctx, u)
	switch {
	case errors.Is(err, errNoTenant):
		return missing(ctx, e, u, query{sql: tenantByID, args: []any{u.tenant}}, err)
	case errors.Is(err, storage.ErrConflict) && u.otherwise != nil:
		return missing(ctx, e, u, *u.otherwise, err)
	}
	return err
}

// missing returns ErrNotFound when the query finds nothing, and else err.
func missing(ctx context.Context, e engine, u *unit, q query, err error) error {
	there := false
	q.scan = func(row) error { there = true; return nil }
	if err := e.read(ctx, scope{what: u.what, tenant: u.tenant}, q); err != nil {
		return err
	}
	if !there {
		return wrap(u.what, storage.ErrNotFound)
	}
	return err
}

// errNoTenant: an event was refused. Either its tenant does not exist, or the
// database is not set up as it should be.
var errNoTenant = errors.New("event refused")

// wrap says what was asked for.
func wrap(what string, err error) error { return fmt.Errorf("sqlstore: %s: %w", what, err) }

// wrapped is wrap for an error that may be nil.
func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return wrap(what, err)
}

// sentinel reports whether the database refused, and did not fail.
func sentinel(err error) bool {
	return errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrExists) ||
		errors.Is(err, storage.ErrConsumed) || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrLastOwner) ||
		errors.Is(err, errNoTenant)
}

// find reads one row, or returns ErrNotFound.
func find(ctx context.Context, e engine, in scope, sql string, fields []any, args ...any) error {
	found := false
	err := e.read(ctx, in, query{sql: sql, args: args, scan: func(r row) error {
		found = true
		return r.Scan(fields...)
	}})
	if err == nil && !found {
		return wrap(in.what, storage.ErrNotFound)
	}
	return err
}

// list reads rows into records.
func list[T any](ctx context.Context, e engine, in scope, sql string, fields func(*T) []any, args ...any) ([]T, error) {
	var out []T
	err := e.read(ctx, in, query{sql: sql, args: args, scan: func(r row) error {
		var record T
		if err := r.Scan(fields(&record)...); err != nil {
			return err
		}
		out = append(out, record)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// update is an UPDATE of one versioned row: the first keys columns find it, the
// last, version, has to be the given one and grows by one.
func update(table, columns string, keys int) *command {
	names := splitColumns(columns)
	last := len(names)
	sql := "UPDATE " + table + " SET "
	for i := keys; i < last-1; i++ {
		sql += fmt.Sprintf("%s = $%d, ", names[i], i+1)
	}
	sql += "version = version + 1 WHERE "
	for i := range keys {
		sql += fmt.Sprintf("%s = $%d AND ", names[i], i+1)
	}
	return one(sql + fmt.Sprintf("version = $%d", last))
}
