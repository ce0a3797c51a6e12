package sqlstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// How a node looks after the register: who was silent for longer than any lease
// can last is struck, by whoever notices, and changes that everybody knows go.
const (
	lookEvery   = time.Second
	silence     = 10 * time.Second
	forgetEvery = time.Minute
)

const (
	otherNodes = "SELECT id, incarnation, beat FROM nodes WHERE NOT (id = $1 AND incarnation = $2)"
	// strikeNode leaves a node alone that has just said something.
	strikeNode = "DELETE FROM nodes WHERE id = $1 AND incarnation = $2 AND beat = $3"
)

// membership is the key of a node's row.
type membership struct {
	id          string
	incarnation int64
}

// sighting is what a node's row said.
type sighting struct {
	membership
	beat int64
}

// watch remembers since when each row says the same. It belongs to one connection:
// a server that was restarted may have forgotten a record, and then a row says
// again what it said before its node was last heard.
type watch map[membership]struct {
	sighting
	since time.Time
}

// silent returns those of the nodes that have said nothing for so long that none
// of them can hold a lease. No clock but the observer's is asked: the question was
// sent and answered at the given times.
func (w watch) silent(sent, answered time.Time, nodes []sighting) []sighting {
	var out []sighting
	here := map[membership]bool{}
	for _, n := range nodes {
		here[n.membership] = true
		seen, known := w[n.membership]
		switch {
		case !known || seen.sighting != n:
			seen.sighting, seen.since = n, answered
			w[n.membership] = seen
		case sent.Sub(seen.since) >= silence:
			out = append(out, n)
		}
	}
	for id := range w {
		if !here[id] {
			delete(w, id)
		}
	}
	return out
}

// tidy looks after the register, now and then.
func (m *member) tidy(ctx context.Context) error {
	now := m.at.now()
	if now.Sub(m.looked) < lookEvery {
		return nil
	}
	m.looked = now
	if err := m.strike(ctx); err != nil || now.Sub(m.forgot) < forgetEvery {
		return err
	}
	tag, err := m.conn.Exec(ctx, forgetChanges.plain)
	if err == nil && tag.RowsAffected() < forgetBatch {
		m.forgot = now
	}
	return err
}

// strike deletes the rows of nodes that are gone.
func (m *member) strike(ctx context.Context) error {
	sent := m.at.now()
	rows, err := m.conn.Query(ctx, otherNodes, m.at.node, m.incarnation)
	if err != nil {
		return err
	}
	nodes, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (n sighting, err error) {
		return n, r.Scan(&n.id, &n.incarnation, &n.beat)
	})
	if err != nil {
		return err
	}
	for _, n := range m.others.silent(sent, m.at.now(), nodes) {
		if _, err := m.conn.Exec(ctx, strikeNode, n.id, n.incarnation, n.beat); err != nil {
			return err
		}
	}
	return nil
}
