package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite" // registers the driver
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/watchgate/watchgate/migrations"
	"github.com/watchgate/watchgate/storage"
)

// sqliteEngine runs SQL on one SQLite file: one connection writes, others read
// what was committed meanwhile (WAL). A commit is on the disk when it returns.
type sqliteEngine struct {
	writer, readers *sql.DB
	written, asked  prepared
	seen            func(int)
	gather          gatherer
	feed            *localFeed
}

const (
	sqliteWriter  = "_txlock=immediate&_pragma=foreign_keys(1)"
	sqliteReader  = "_pragma=query_only(1)"
	sqliteDefault = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&"
)

// defaultReaders is how many questions are answered at once.
const defaultReaders = 8

// sqliteDB opens a file, making it when it is not there.
func sqliteDB(path, options string) (*sql.DB, error) {
	if path == "" || strings.Contains(path, "://") {
		return nil, errors.New("sqlstore: the DSN is neither a postgres:// URL nor the path of a SQLite file")
	}
	// The log beside it gets the file's mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: full}).String()+"?"+sqliteDefault+options)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func openSQLite(ctx context.Context, cfg Config) (*Store, error) {
	writer, err := sqliteDB(cfg.DSN, sqliteWriter)
	if err != nil {
		return nil, err
	}
	readers, err := sqliteDB(cfg.DSN, sqliteReader)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultReaders
	}
	readers.SetMaxOpenConns(cfg.MaxConns)
	readers.SetMaxIdleConns(cfg.MaxConns)
	e := &sqliteEngine{writer: writer, readers: readers, seen: cfg.OnRoundTrip, feed: newLocalFeed(cfg)}
	e.written.db, e.asked.db = writer, readers
	e.gather.send, e.gather.atOnce = e.sendGathered, 1
	if err := checkSchema(ctx, e, migrations.SQLite); err != nil {
		if strings.Contains(err.Error(), "no such table") {
			err = schemaError("it has no tables")
		}
		return nil, errors.Join(err, e.close())
	}
	return &Store{engine: e, upkeep: e, feed: e.feed, clock: sqliteClock, waiting: e.feed.count}, nil
}

func (e *sqliteEngine) close() error {
	e.feed.close()
	return errors.Join(e.written.close(), e.asked.close(), e.readers.Close(), e.writer.Close())
}

// run waits for the one connection that writes, together with others.
func (e *sqliteEngine) run(ctx context.Context, u *unit) (int64, error) {
	inTime, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	w, err := e.gather.run(inTime, u)
	switch {
	case err == nil && u.waits:
		e.feed.await(w.change)
	case u.waits && sentinel(err):
		// As on PostgreSQL (awaitOthers); here the order of all changes is known.
		e.feed.await(e.feed.publish(nil))
	}
	return w.rows, wrapped(u.what, err)
}

// sendGathered executes units in one immediate transaction: the file is locked
// from its start, so that what it reads cannot change before it writes. Each unit
// stands behind a savepoint, so that one can be undone without the others.
func (e *sqliteEngine) sendGathered(ctx context.Context, units []*gathered) {
	prepared := make([][]*sql.Stmt, len(units))
	for i, w := range units {
		var err error
		if prepared[i], err = e.written.all(ctx, w.statements); err != nil {
			settle(units, err)
			return
		}
		e.seen(len(w.statements))
	}
	tx, err := e.writer.BeginTx(ctx, nil)
	if err != nil {
		settle(units, err)
		return
	}
	for i, w := range units {
		if w.rows, w.err = guarded(ctx, tx, w.statements, prepared[i]); w.err != nil && !refused(w.err) {
			// The cause matters; that undoing after it failed too does not.
			_ = tx.Rollback()
			settle(units, w.err)
			return
		}
	}
	err = tx.Commit()
	e.publish(units)
	if err != nil {
		settle(units, err)
	}
}

// publish tells what the units of a transaction changed. It is told as well when
// the commit failed: it may have been made all the same.
func (e *sqliteEngine) publish(units []*gathered) {
	for _, w := range units {
		if w.err == nil {
			w.change = e.feed.publish(w.changes)
		}
	}
}

// refused reports whether the database said no to one unit and stands as before.
func refused(err error) bool {
	var failed *sqlite.Error
	return sentinel(err) || errors.As(err, &failed) && failed.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

// guarded executes one unit behind a savepoint.
func guarded(ctx context.Context, tx *sql.Tx, statements []statement, stmts []*sql.Stmt) (int64, error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT unit"); err != nil {
		return 0, err
	}
	rows, err := execute(ctx, tx, statements, stmts)
	if err == nil {
		_, err = tx.ExecContext(ctx, "RELEASE unit")
		return rows, err
	}
	if _, undo := tx.ExecContext(ctx, "ROLLBACK TO unit; RELEASE unit"); undo != nil {
		return 0, undo
	}
	return 0, err
}

func execute(ctx context.Context, tx *sql.Tx, statements []statement, stmts []*sql.Stmt) (int64, error) {
	var rows int64
	for i, s := range statements {
		if s.into != nil {
			if err := listIDs(ctx, tx.StmtContext(ctx, stmts[i]), s); err != nil {
				return 0, err
			}
			continue
		}
		result, err := tx.StmtContext(ctx, stmts[i]).ExecContext(ctx, s.args...)
		if err != nil {
			return 0, sqliteError(err, s)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		if s.fail != nil && n != 1 {
			return 0, s.fail
		}
		if s.counted == "" {
			rows += n
		}
	}
	return rows, nil
}

func listIDs(ctx context.Context, stmt *sql.Stmt, s statement) error {
	*s.into = nil
	rows, err := stmt.QueryContext(ctx, s.args...)
	if err != nil {
		return sqliteError(err, s)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		*s.into = append(*s.into, id)
	}
	return sqliteError(rows.Err(), s)
}

func (e *sqliteEngine) read(ctx context.Context, in scope, queries ...query) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	e.seen(len(queries))
	for _, q := range queries {
		if err := e.ask(ctx, q); err != nil {
			return wrap(in.what, err)
		}
	}
	return nil
}

func (e *sqliteEngine) ask(ctx context.Context, q query) error {
	stmt, err := e.asked.get(ctx, q.sql)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, q.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := q.scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// sqliteError maps what a constraint says.
func sqliteError(err error, s statement) error {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w (%w)", storage.ErrExists, err)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w (%w)", storage.ErrNotFound, err)
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		if s.command == insertTenantEvent {
			return fmt.Errorf("%w: %w", errNoTenant, err)
		}
	}
	return err
}

// prepared keeps the statements of one database: each text is parsed once for
// each connection.
type prepared struct {
	db    *sql.DB
	mu    sync.RWMutex
	stmts map[string]*sql.Stmt
}

func (p *prepared) get(ctx context.Context, text string) (*sql.Stmt, error) {
	p.mu.RLock()
	stmt := p.stmts[text]
	p.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt = p.stmts[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := p.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if p.stmts == nil {
		p.stmts = map[string]*sql.Stmt{}
	}
	p.stmts[text] = stmt
	return stmt, nil
}

// all gets the statements of a unit. They are prepared before its transaction
// starts, because that takes the only connection that writes.
func (p *prepared) all(ctx context.Context, statements []statement) ([]*sql.Stmt, error) {
	out := make([]*sql.Stmt, len(statements))
	for i, s := range statements {
		var err error
		if out[i], err = p.get(ctx, s.plain); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, stmt := range p.stmts {
		err = errors.Join(err, stmt.Close())
	}
	p.stmts = nil
	return err
}
