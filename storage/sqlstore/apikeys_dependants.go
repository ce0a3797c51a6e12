package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	// The key is held, so that nobody else starts one at the same moment.
	startExecution = one(selectInstead(insert("key_executions", under(executionColumns))) + ` WHERE (SELECT count(*) FROM (
		SELECT 1 FROM key_executions r WHERE r.key_id = $3 AND r.tenant_id = $1 AND r.ended_at IS NULL LIMIT $7) e) < $7`)
	endExecution = one(`UPDATE key_executions SET ended_at = COALESCE(ended_at, $4)
		WHERE tenant_id = $1 AND id = $2 AND key_id = $3`)
)

const listExecutions = "SELECT " + executionColumns + ` FROM key_executions
	WHERE tenant_id = $1 AND key_id = $2 ORDER BY key_id DESC, tenant_id DESC, id DESC LIMIT $3`

// MintUnderKey implements storage.KeyDependants.
func (t *Tenant) MintUnderKey(ctx context.Context, in storage.MintUnderKey, ev storage.Event) error {
	u := newUnit(t.id, "mint under API key")
	u.holdKey(in.Grant.Key, in.Grant.CreatedAt, in.KeyVersion)
	u.do(insertGrant, owned(t.id, grantArgs(in.Grant))...)
	u.do(insertAccess, owned(t.id, accessArgs(in.Access))...)
	u.needs("access_tokens", in.Access.Ref.Bucket)
	if in.Refresh != nil {
		u.do(insertRefresh, owned(t.id, refreshArgs(*in.Refresh))...)
		u.needs("refresh_tokens", in.Refresh.Ref.Bucket)
	}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// StartExecution implements storage.KeyDependants.
func (t *Tenant) StartExecution(ctx context.Context, e storage.KeyExecution, max int) error {
	u := newUnit(t.id, "execution "+string(e.ID))
	u.holdKey(e.Key, e.StartedAt, nil)
	u.must(storage.ErrConflict, startExecution, append(owned(t.id, executionArgs(e)), int64(max))...)
	return write(ctx, t.engine, u)
}

// EndExecution implements storage.KeyDependants.
func (t *Tenant) EndExecution(ctx context.Context, key storage.KeyID, id storage.ExecutionID, at time.Time) error {
	u := newUnit(t.id, "execution "+string(id))
	u.must(storage.ErrNotFound, endExecution, t.id, string(id), string(key), when(at))
	return write(ctx, t.engine, u)
}

// Executions implements storage.KeyDependants.
func (t *Tenant) Executions(ctx context.Context, key storage.KeyID, limit int) ([]storage.KeyExecution, error) {
	return list(ctx, t.engine, t.scope("executions"), listExecutions, executionFields, t.id, string(key), int64(limit))
}
