package sqlstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/storage"
)

const (
	// tellChanges adds the changes of a unit, as its last statement. Its answer is
	// the transaction's id.
	tellChanges = `WITH told AS (INSERT INTO changes (kind, tenant, id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
		SELECT pg_current_xact_id()::text::bigint`
	// announceChanges wakes those who listen, too. The server lets one transaction
	// that announces something commit at a time, so that this is only done where
	// somebody waits.
	announceChanges = tellChanges + " FROM pg_notify('" + channel + "', '')"
	// lastChange finds the last transaction that changed one of the things. The table
	// holds about a minute.
	lastChange = `SELECT xid::text::bigint FROM changes WHERE (kind, tenant, id) IN
		(SELECT * FROM unnest($1::text[], $2::text[], $3::text[])) ORDER BY xid DESC LIMIT 1`

	// readChanges returns the snapshot under which it runs, in a row of its own, and
	// under that snapshot every change that the one before did not include. One
	// statement: two would have two snapshots.
	readChanges = `SELECT pg_current_snapshot()::text, '', '', ''
		UNION ALL SELECT '', kind, tenant, id FROM changes
		WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)`

	readApplied = "SELECT applied::text FROM nodes"
)

// channel is where changes are announced.
const channel = "watchgate_changes"

func changeArgs(changes []storage.Change) []any {
	kinds, tenants, ids := make([]string, len(changes)), make([]string, len(changes)), make([]string, len(changes))
	for i, c := range changes {
		kinds[i], tenants[i], ids[i] = string(c.Kind), string(c.Tenant), c.ID
	}
	return []any{kinds, tenants, ids}
}

// awaitOthers is for a unit that was refused: the thing may have been killed a
// moment ago by somebody else, who still waits until everybody knows. The refusal
// says so, and must not say so any earlier.
func (p *postgres) awaitOthers(ctx context.Context, u *unit) error {
	var xid num
	err := p.read(ctx, scope{what: u.what}, query{sql: lastChange, args: changeArgs(u.changes), scan: func(r row) error {
		return r.Scan(&xid)
	}})
	if err == nil && xid > 0 {
		p.waiters.await(uint64(xid))
	}
	return err
}

// applied returns what each node has recorded.
func (p *postgres) applied(ctx context.Context) ([]snapshot, error) {
	var out []snapshot
	err := p.read(ctx, scope{what: "register"}, query{sql: readApplied, scan: func(r row) error {
		var text str
		if err := r.Scan(&text); err != nil {
			return err
		}
		s, err := parseSnapshot(string(text))
		out = append(out, s)
		return err
	}})
	return out, err
}

// member is one membership, on a connection of its own, and ends with it: what one
// server promised is not asked of another. After a fail-over or a restored backup a
// snapshot that was kept from before would be compared with transactions that have
// nothing to do with it.
type member struct {
	at          *register
	conn        *pgx.Conn
	incarnation int64
	last        string // the snapshot of the last Read, or of the registration
	told        bool   // somebody announced a change since the last Read

	others         watch
	looked, forgot time.Time // when it last looked after the register

	gone    bool  // it has left
	failure error // set at its end
	taken   error // set when it was ended by another; the register's lock guards it
}

// Read implements storage.Membership.
func (m *member) Read(ctx context.Context) ([]storage.Change, storage.Mark, error) {
	if err := m.over(); err != nil {
		return nil, "", wrap("read changes", err)
	}
	ctx, cancel := context.WithTimeout(ctx, storage.LeaseFor)
	defer cancel()
	changes, now, err := m.changes(ctx)
	if err != nil {
		return nil, "", m.fail("read changes", err)
	}
	m.last = now
	return changes, storage.Mark(now), nil
}

func (m *member) changes(ctx context.Context) ([]storage.Change, string, error) {
	rows, err := m.conn.Query(ctx, readChanges, m.last)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	var (
		out []storage.Change
		now string
	)
	for rows.Next() {
		// What was announced before this row arrived was committed before the
		// statement began.
		m.told = false
		var text, kind, tenant, id str
		if err := rows.Scan(&text, &kind, &tenant, &id); err != nil {
			return nil, "", err
		}
		if text != "" {
			now = string(text)
			continue
		}
		out = append(out, storage.Change{Kind: storage.ChangeKind(kind), Tenant: storage.TenantID(tenant), ID: string(id)})
	}
	return out, now, rows.Err()
}

// Record implements storage.Membership. It does not wait for the disk: a record
// that a crash takes away makes others wait longer, and nothing else.
func (m *member) Record(ctx context.Context, mark storage.Mark) error {
	if err := m.over(); err != nil {
		return wrap("record", err)
	}
	ctx, cancel := context.WithTimeout(ctx, storage.LeaseFor)
	defer cancel()
	tag, err := m.conn.Exec(ctx, recordApplied, string(mark), m.at.node, m.incarnation)
	if err == nil && tag.RowsAffected() == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return m.fail("record", err)
	}
	m.at.recorded()
	if err := m.tidy(ctx); err != nil {
		return m.fail("tidy", err)
	}
	return nil
}

// Wait implements storage.Membership.
func (m *member) Wait(ctx context.Context) error {
	if err := m.over(); err != nil {
		return wrap("wait", err)
	}
	if m.told {
		return nil
	}
	_, err := m.conn.WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !m.conn.IsClosed() {
		return ctx.Err()
	}
	if err != nil {
		return m.fail("wait", err)
	}
	return nil
}

// Leave implements storage.Membership.
func (m *member) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storage.LeaseFor)
	defer cancel()
	defer m.conn.Close(ctx)
	m.at.left(m)
	if m.gone || m.at.taken(m) != nil {
		return nil
	}
	if _, err := m.conn.Exec(ctx, leaveRegister, m.at.node, m.incarnation); err != nil {
		return m.fail("leave", err)
	}
	m.gone, m.failure = true, errOver
	return nil
}

// over returns why the membership has ended, or nil.
func (m *member) over() error {
	if err := m.at.taken(m); err != nil {
		return err
	}
	return m.failure
}

// fail ends the membership.
func (m *member) fail(what string, err error) error {
	m.failure = errOver
	if taken := m.at.taken(m); taken != nil {
		err = taken
	}
	return wrap(what, err)
}
