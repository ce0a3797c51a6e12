package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const trialColumns = "id, connection_id, created_at, expires_at, done_at, report"

func trialFields(c *storage.ConnectionTest) []any {
	return []any{(*str)(&c.ID), (*str)(&c.Connection), at(&c.CreatedAt), at(&c.ExpiresAt), at(&c.DoneAt), &c.Report}
}

func trialArgs(c storage.ConnectionTest) []any {
	return []any{string(c.ID), string(c.Connection), when(c.CreatedAt), when(c.ExpiresAt), when(c.DoneAt), optional(c.Report)}
}

var putTrial = some(insert("connection_tests", under(trialColumns)) + ` ON CONFLICT (tenant_id, id)
	DO UPDATE SET connection_id = excluded.connection_id, created_at = excluded.created_at, expires_at = excluded.expires_at,
	done_at = excluded.done_at, report = excluded.report`)

const trialByID = "SELECT " + trialColumns + " FROM connection_tests WHERE tenant_id = $1 AND id = $2 AND expires_at > $3"

// PutConnectionTest implements storage.ConnectionTests. ErrNotFound: no such
// connection in this tenant.
func (t *Tenant) PutConnectionTest(ctx context.Context, c storage.ConnectionTest, ev storage.Event) error {
	u := newUnit(t.id, "trial "+string(c.ID))
	u.do(putTrial, owned(t.id, trialArgs(c))...)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// ConnectionTest implements storage.ConnectionTests.
func (t *Tenant) ConnectionTest(ctx context.Context, id storage.TestID, now time.Time) (storage.ConnectionTest, error) {
	var c storage.ConnectionTest
	err := find(ctx, t.engine, t.scope("trial"), trialByID, trialFields(&c), t.id, string(id), when(now))
	return c, err
}
