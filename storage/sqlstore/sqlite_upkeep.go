package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

var sqliteSweeps = []*command{
	some("DELETE FROM access_tokens WHERE rowid IN (SELECT rowid FROM access_tokens WHERE bucket < $1 LIMIT 1000)"),
	some("DELETE FROM refresh_tokens WHERE rowid IN (SELECT rowid FROM refresh_tokens WHERE bucket < $1 LIMIT 1000)"),
	some("DELETE FROM codes WHERE rowid IN (SELECT rowid FROM codes WHERE bucket < $1 LIMIT 1000)"),
}

// prepare does nothing: a table of SQLite takes rows of every bucket.
func (e *sqliteEngine) prepare(context.Context, ...room) error { return nil }

// sweep deletes in batches, so that others can write in between.
func (e *sqliteEngine) sweep(ctx context.Context, bound int64) (storage.Swept, error) {
	var swept storage.Swept
	for _, c := range sqliteSweeps {
		if err := sweepRows(ctx, e, &unit{what: "sweep", statements: []statement{{command: c, args: []any{bound}}}}, &swept); err != nil {
			return swept, err
		}
	}
	return swept, nil
}
