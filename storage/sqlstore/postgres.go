package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/watchgate/watchgate/migrations"
)

// postgres runs SQL on PostgreSQL, through one pool of connections for each
// role.
type postgres struct {
	app, lookup *pgxpool.Pool
	conns       int32 // of each pool, at most
	seen        func(int)
	gather      gatherer
	foldings    foldings
	waiters     *waiters
	register    register
}

// The roles, made by the migrations.
const (
	appRole    = "watchgate_app"
	lookupRole = "watchgate_lookup"
)

const (
	// connectTimeout bounds one attempt to reach the server, so that a server
	// that is away is an error and not a wait.
	connectTimeout = 2 * time.Second
	defaultConns   = 16
	// tries bounds how often a unit is run that the server gave up in favour of
	// another (a deadlock), or that found no partition.
	tries = 4
)

// gatherings is how many transactions of free units run at once: two keep the
// disk and the processor busy at the same time.
const gatherings = 2

const setTenant = "SELECT set_config('watchgate.tenant', $1, true)"

// postgresDB opens a database as the DSN's own role.
func postgresDB(dsn string) (*sql.DB, error) {
	// The pool's parser knows the DSN's pool settings and takes them out.
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errDSN
	}
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	onPrimary(cfg.ConnConfig)
	return stdlib.OpenDB(*cfg.ConnConfig), nil
}

// onPrimary refuses a standby, and a server that is still recovering: what either
// answers was true some time ago. What a DSN wants besides (target_session_attrs)
// has to be true too. A primary that is read-only answers.
func onPrimary(cfg *pgx.ConnConfig) {
	wanted := cfg.ValidateConnect
	cfg.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		err := pgconn.ValidateConnectTargetSessionAttrsPrimary(ctx, conn)
		if err != nil || wanted == nil {
			return err
		}
		return wanted(ctx, conn)
	}
}

// errDSN says nothing of what the DSN holds.
var errDSN = errors.New("sqlstore: the DSN is no valid postgres:// URL")

// byKey: a query by hash or by key has one good plan, for every value: it is made
// once, and looks into an index. A planner without statistics would scan the
// tables of a new database, and go on doing so on this connection when they have
// grown; or it would combine an index that has the answer in its order with one that
// has all of a tenant's rows.
var byKey = map[string]string{
	"plan_cache_mode": "force_generic_plan",
	"enable_seqscan":  "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off",
	"enable_bitmapscan": "off",
}

func openPostgres(ctx context.Context, cfg Config) (*Store, error) {
	app, err := openPool(ctx, cfg, appRole)
	if err != nil {
		return nil, err
	}
	lookup, err := openPool(ctx, cfg, lookupRole, "SET default_transaction_read_only = on")
	if err != nil {
		app.Close()
		return nil, err
	}
	p := &postgres{app: app, lookup: lookup, conns: app.Config().MaxConns, seen: cfg.OnRoundTrip}
	p.gather.send, p.gather.atOnce = p.sendGathered, gatherings
	p.waiters = newWaiters(p.applied, cfg.OnWait)
	p.register = register{node: rand.Text(), config: app.Config().ConnConfig, now: time.Now, recorded: p.waiters.hint}
	err = checkSchema(ctx, p, migrations.PostgreSQL)
	if err == nil {
		err = p.read(ctx, scope{what: "lookup role", lookup: true}, query{sql: "SELECT 1", scan: discard})
	}
	if err != nil {
		return nil, errors.Join(noSchema(err), p.close())
	}
	return &Store{engine: p, upkeep: p, feed: &p.register, clock: postgresClock, waiting: p.waiters.count}, nil
}

// openPool makes the pool of one role, whose connections begin with the given
// statements.
func openPool(ctx context.Context, cfg Config, role string, more ...string) (*pgxpool.Pool, error) {
	pool, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, errDSN
	}
	pool.MaxConns = defaultConns
	if cfg.MaxConns > 0 {
		pool.MaxConns = int32(cfg.MaxConns)
	}
	pool.ConnConfig.ConnectTimeout = connectTimeout
	pool.ConnConfig.RuntimeParams["application_name"] = role
	maps.Copy(pool.ConnConfig.RuntimeParams, byKey)
	onPrimary(pool.ConnConfig)
	begin := strings.Join(append([]string{"SET ROLE " + role}, more...), "; ")
	pool.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, begin)
		return err
	}
	out, err := pgxpool.NewWithConfig(ctx, pool)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	return out, nil
}

func (p *postgres) close() error {
	p.register.replace(nil, errOver)
	p.app.Close()
	p.lookup.Close()
	return nil
}

// run returns when the unit is done, and when everybody knows who has to.
func (p *postgres) run(ctx context.Context, u *unit) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	if u.free {
		if w, err := p.gather.run(ctx, u); !errors.Is(err, errAlone) {
			return w.rows, wrapped(u.what, err)
		}
	}
	w, err := p.runAlone(ctx, u)
	switch {
	case u.waits && err == nil:
		p.waiters.await(w.change)
	case u.waits && sentinel(err):
		if err := p.awaitOthers(ctx, u); err != nil {
			return 0, err
		}
	}
	return w.rows, wrapped(u.what, err)
}

// runAlone sends the whole unit at once. Without a BEGIN, what stands before one
// Sync message is one transaction (protocol 55.2.4, pipelining): a statement that
// fails undoes those before it, and those after it are not run.
func (p *postgres) runAlone(ctx context.Context, u *unit) (*gathered, error) {
	var err error
	for range tries {
		w := &gathered{unit: u}
		if err = p.send(ctx, w); err == nil {
			return w, w.err
		}
		if noRoom(err) && len(u.rooms) > 0 {
			if err := p.prepare(ctx, u.rooms...); err != nil {
				return w, err
			}
			continue
		}
		if !again(err) {
			break
		}
	}
	return &gathered{}, err
}

// send runs units in one transaction, and sets what each one's outcome is if the
// transaction succeeds. Units of one tenant share the naming of it.
func (p *postgres) send(ctx context.Context, units ...*gathered) error {
	slices.SortStableFunc(units, func(a, b *gathered) int { return cmp.Compare(a.tenant, b.tenant) })
	var b pgx.Batch
	for i, w := range units {
		p.queue(&b, w, i == 0 || units[i-1].tenant != w.tenant)
	}
	p.seen(b.Len())
	results := p.app.SendBatch(ctx, &b)
	var err error
	for i, w := range units {
		if err = collect(results, w, i == 0 || units[i-1].tenant != w.tenant); err != nil {
			break
		}
	}
	if closeErr := results.Close(); err == nil {
		// The commit's own failure, if any, comes with the end of the answer.
		err = closeErr
	}
	if is(err, adminShutdown, crashShutdown) {
		// The others of the pool are dead too, and the next change should not
		// have to find that out.
		p.app.Reset()
	}
	return err
}

// queue adds a unit to a batch.
func (p *postgres) queue(b *pgx.Batch, w *gathered, named bool) {
	if named && w.tenant != "" {
		b.Queue(setTenant, w.tenant)
	}
	if w.folds() {
		sql, args := p.foldings.fold(w.statements)
		b.Queue(sql, args...)
	} else {
		queueEach(b, w.statements)
	}
	switch {
	case w.waits:
		b.Queue(announceChanges, changeArgs(w.changes)...)
	case len(w.changes) > 0:
		b.Queue(tellChanges, changeArgs(w.changes)...)
	}
}

func queueEach(b *pgx.Batch, statements []statement) {
	for _, s := range statements {
		if s.counted != "" {
			b.Queue(s.counted, s.args...)
		} else {
			b.Queue(s.plain, s.args...)
		}
	}
}

// collect reads the answers to one unit in their order; the first failure names
// the statement that failed.
func collect(results pgx.BatchResults, w *gathered, named bool) error {
	if named && w.tenant != "" {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	if w.folds() {
		if _, err := results.Exec(); err != nil {
			return foldedError(err, w.unit)
		}
	} else if err := collectEach(results, w); err != nil {
		return err
	}
	if len(w.changes) == 0 {
		return nil
	}
	var xid num
	err := results.QueryRow().Scan(&xid)
	w.change = uint64(xid)
	return err
}

func collectEach(results pgx.BatchResults, w *gathered) error {
	for _, s := range w.statements {
		if s.into != nil {
			if err := collectIDs(results, s); err != nil {
				return err
			}
			continue
		}
		tag, err := results.Exec()
		if err != nil {
			return postgresError(err, s)
		}
		if s.counted != "" {
			continue
		}
		if w.rows += tag.RowsAffected(); s.fail != nil && tag.RowsAffected() != 1 {
			w.err = s.fail
		}
	}
	return nil
}

func collectIDs(results pgx.BatchResults, s statement) error {
	rows, err := results.Query()
	if err == nil {
		*s.into, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return postgresError(err, s)
}

// sendGathered runs free units in one transaction. When the server refused one of
// them, none was executed, and each is run alone; when the connection broke,
// nobody knows, and none is run again.
func (p *postgres) sendGathered(ctx context.Context, units []*gathered) {
	err := p.send(ctx, units...)
	if err == nil {
		return
	}
	var refused *pgconn.PgError
	if sentinel(err) || pgconn.SafeToRetry(err) || errors.As(err, &refused) && !lost(err) {
		err = errAlone
	}
	settle(units, err)
}

// read asks again when the connection turns out to be dead: a question changes
// nothing. After a restart of the server every pooled connection is dead, so it
// asks until it had to be given a new one. A row that was scanned cannot be taken
// back, so then there is no second time.
func (p *postgres) read(ctx context.Context, in scope, queries ...query) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	var err error
	heard := false
	for range p.conns + 1 {
		if err = p.ask(ctx, in, queries, &heard); err == nil || heard || ctx.Err() != nil || !lost(err) {
			break
		}
	}
	return wrapped(in.what, err)
}

// ask notes in heard that a row came.
func (p *postgres) ask(ctx context.Context, in scope, queries []query, heard *bool) error {
	pool := p.app
	if in.lookup {
		pool = p.lookup
	}
	if in.tenant == "" && len(queries) == 1 {
		p.seen(1)
		rows, err := pool.Query(ctx, queries[0].sql, queries[0].args...)
		if err != nil {
			return err
		}
		return each(rows, queries[0].scan, heard)
	}
	var b pgx.Batch
	if in.tenant != "" {
		b.Queue(setTenant, in.tenant)
	}
	for _, q := range queries {
		b.Queue(q.sql, q.args...)
	}
	p.seen(b.Len())
	results := pool.SendBatch(ctx, &b)
	err := answers(results, in, queries, heard)
	return errors.Join(err, results.Close())
}

func answers(results pgx.BatchResults, in scope, queries []query, heard *bool) error {
	if in.tenant != "" {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	for _, q := range queries {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		if err := each(rows, q.scan, heard); err != nil {
			return err
		}
	}
	return nil
}

func each(rows pgx.Rows, scan func(row) error, heard *bool) error {
	defer rows.Close()
	for rows.Next() {
		*heard = true
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// lost reports whether the connection broke before the server said anything
// about the question.
func lost(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code == adminShutdown || said.Code == crashShutdown
	}
	var connect *pgconn.ConnectError
	return !errors.As(err, &connect)
}
