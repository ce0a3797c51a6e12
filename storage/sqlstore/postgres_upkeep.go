package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// lockTries bounds how often a partition is asked for while somebody holds its
// table; each waits a second at most (the functions' lock_timeout), and there is
// a pause in which those who queued up behind it get their turn.
const (
	lockTries = 5
	lockPause = 200 * time.Millisecond
)

const (
	makePartitions = "SELECT watchgate_partition($1, $2, $3)"
	dropPartition  = "SELECT COALESCE(watchgate_drop_partition($1), '')"
)

func (p *postgres) prepare(ctx context.Context, wanted ...room) error {
	for _, r := range wanted {
		q := query{sql: makePartitions, args: []any{r.table, r.first, r.last}, scan: discard}
		if err := p.patiently(ctx, scope{what: "prepare"}, q); err != nil {
			return err
		}
	}
	return nil
}

// sweep drops partitions, each in a transaction of its own.
func (p *postgres) sweep(ctx context.Context, bound int64) (storage.Swept, error) {
	var swept storage.Swept
	for {
		var name str
		q := query{sql: dropPartition, args: []any{bound}, scan: func(r row) error { return r.Scan(&name) }}
		if err := p.patiently(ctx, scope{what: "sweep"}, q); err != nil {
			return swept, err
		}
		if name == "" {
			return swept, nil
		}
		swept.Partitions++
	}
}

// patiently asks again while the table is held by others.
func (p *postgres) patiently(ctx context.Context, in scope, q query) error {
	var err error
	for range lockTries {
		if err = p.read(ctx, in, q); !is(err, lockNotAvailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return wrap(in.what, ctx.Err())
		case <-time.After(lockPause):
		}
	}
	return err
}
