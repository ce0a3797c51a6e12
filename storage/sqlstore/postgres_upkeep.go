package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Making a partition waits for a short while for others who do (the function's
// lock_timeout), and is tried again. Dropping one stops everybody who wants the
// table while it waits, so that it gives up after a few hundredths of a second
// (the other function's), and the pauses are long.
const (
	prepareTries = 5
	preparePause = 200 * time.Millisecond
	sweepTries   = 3
	sweepPause   = 500 * time.Millisecond
)

const (
	makePartitions = "SELECT watchgate_partition($1, $2, $3)"
	dropPartition  = "SELECT COALESCE(watchgate_drop_partition($1), '')"
)

// forgetChanges deletes a batch of the changes that every node has applied; without
// nodes, all that nobody who joins from now on asks for. A number that this server
// has not reached came with a backup of another and means nothing here.
var forgetChanges = some(`DELETE FROM changes WHERE ctid IN (SELECT ctid FROM changes
	WHERE xid < LEAST(pg_snapshot_xmin(pg_current_snapshot()), (SELECT pg_snapshot_xmin(applied) FROM nodes ORDER BY 1 LIMIT 1))
	OR xid >= pg_snapshot_xmax(pg_current_snapshot()) LIMIT 5000)`)

const forgetBatch = 5000

func (p *postgres) prepare(ctx context.Context, wanted ...room) error {
	for _, r := range wanted {
		q := query{sql: makePartitions, args: []any{r.table, r.first, r.last}, scan: discard}
		if err := p.patiently(ctx, prepareTries, preparePause, scope{what: "prepare"}, q); err != nil {
			return err
		}
	}
	return nil
}

// sweep drops partitions, each in a transaction of its own. A table that somebody
// holds, or another node that sweeps, is no failure: there is a next time.
func (p *postgres) sweep(ctx context.Context, bound int64) (storage.Swept, error) {
	var swept storage.Swept
	for {
		var name str
		q := query{sql: dropPartition, args: []any{bound}, scan: func(r row) error { return r.Scan(&name) }}
		err := p.patiently(ctx, sweepTries, sweepPause, scope{what: "sweep"}, q)
		if is(err, lockNotAvailable) || err == nil && name == "" {
			return swept, p.forgetChanges(ctx)
		}
		if err != nil {
			return swept, err
		}
		swept.Partitions++
	}
}

// patiently asks again while the table is held by others, or was made by them at
// the same moment.
func (p *postgres) patiently(ctx context.Context, tries int, pause time.Duration, in scope, q query) error {
	var err error
	for i := range tries {
		if err = p.read(ctx, in, q); !is(err, lockNotAvailable, duplicateTable) || i == tries-1 {
			return err
		}
		select {
		case <-ctx.Done():
			return wrap(in.what, ctx.Err())
		case <-time.After(pause):
		}
	}
	return err
}

func (p *postgres) forgetChanges(ctx context.Context) error {
	for {
		u := newUnit(platform, "forget changes")
		u.do(forgetChanges)
		if n, err := p.run(ctx, u); err != nil || n < forgetBatch {
			return err
		}
	}
}
