package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/watchgate/watchgate/storage"
)

// register is this process's place among the nodes.
type register struct {
	node     string // its name in the table, drawn at start
	config   *pgx.ConnConfig
	now      func() time.Time
	recorded func() // called after each record

	joining     sync.Mutex
	incarnation int64 // of the last attempt to join

	mu     sync.Mutex
	member *member // the one that others wait for
}

// feedSettings make a node's connection what it has to be, whatever the database's
// own defaults are. Its transactions do not wait for the disk: a record, or a
// farewell, that a crash takes away makes others wait longer, and nothing else.
var feedSettings = map[string]string{
	"application_name":              "watchgate_feed",
	"default_transaction_isolation": "read committed",
	"default_transaction_read_only": "off",
	"synchronous_commit":            "off",
}

const (
	// durable is for the transaction of a registration: a server that forgets one
	// lets changes succeed that this node has not read.
	durable = "SELECT set_config('synchronous_commit', 'on', true)"
	// replaceEarlier ends the memberships that this process had before. Those that it
	// gave up on while their registration was on its way may arrive later still: such
	// a row is one that others wait for in vain until it is struck, and never one that
	// speaks for the membership of now.
	replaceEarlier = "DELETE FROM nodes WHERE id = $1 AND incarnation < $2"
	// joinRegister registers with the snapshot of the statement: what becomes visible
	// while it is being committed is read once too often, and never not at all.
	joinRegister = `INSERT INTO nodes (id, incarnation, applied, beat) VALUES ($1, $2, pg_current_snapshot(), 0)
		RETURNING applied::text`
	recordApplied = "UPDATE nodes SET applied = $1::text::pg_snapshot, beat = beat + 1 WHERE id = $2 AND incarnation = $3"
	leaveRegister = "DELETE FROM nodes WHERE id = $1 AND incarnation = $2"
)

// Join implements storage.Feed.
func (r *register) Join(ctx context.Context) (storage.Membership, error) {
	r.joining.Lock()
	defer r.joining.Unlock()
	r.incarnation++
	m := &member{at: r, incarnation: r.incarnation, others: watch{}, looked: r.now(), forgot: r.now()}
	if err := m.join(ctx); err != nil {
		return nil, wrap("join", err)
	}
	r.replace(m, fmt.Errorf("%w: %w", errOver, storage.ErrNotFound))
	return m, nil
}

// join listens first: what is announced from then on is not missed.
func (m *member) join(ctx context.Context) error {
	var err error
	if m.conn, err = m.connect(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storage.LeaseFor)
	defer cancel()
	if _, err = m.conn.Exec(ctx, "SET ROLE "+appRole+"; LISTEN "+channel); err == nil {
		err = m.enter(ctx)
	}
	if err != nil {
		m.conn.Close(ctx)
	}
	return err
}

func (m *member) connect(ctx context.Context) (*pgx.Conn, error) {
	cfg := m.at.config.Copy()
	maps.Copy(cfg.RuntimeParams, feedSettings)
	cfg.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { m.told = true }
	return pgx.ConnectConfig(ctx, cfg)
}

func (m *member) enter(ctx context.Context) error {
	var b pgx.Batch
	b.Queue(durable)
	b.Queue(replaceEarlier, m.at.node, m.incarnation)
	b.Queue(joinRegister, m.at.node, m.incarnation)
	results := m.conn.SendBatch(ctx, &b)
	_, err := results.Exec()
	if err == nil {
		_, err = results.Exec()
	}
	if err == nil {
		err = results.QueryRow().Scan((*str)(&m.last))
	}
	if closeErr := results.Close(); err == nil {
		// The commit's own failure, if any, comes with the end of the answer.
		err = closeErr
	}
	return err
}

// replace makes m the membership, and ends the one before for a reason. Its
// connection is cut under it, so that its wait ends.
func (r *register) replace(m *member, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.member; before != nil {
		before.taken = why
		before.conn.PgConn().Conn().Close()
	}
	r.member = m
}

// left forgets a membership that ends by itself.
func (r *register) left(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.member == m {
		r.member = nil
	}
}

// taken returns why a membership was ended by another, or nil.
func (r *register) taken(m *member) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return m.taken
}
