package sqlstore

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertAccess = some(marked(insert("access_tokens", under(accessColumns)), "$6", "$9"))
	// issueAccess refuses unless the tenant and the client are live and at the
	// versions that were decided on. Each question is for one row, whatever a
	// planner believes of a table.
	issueAccess = some(selectInstead(marked(insert("access_tokens", under(accessColumns)), "$6", "$9")) + `
		WHERE (SELECT t.version FROM tenants t WHERE t.id = $1 AND t.suspended_at IS NULL) = $22
		AND (SELECT c.version FROM clients c WHERE c.id = $6 AND c.disabled_at IS NULL) = $21`)
	issueEvent = some(selectInstead(insert("audit_events", under(eventColumns))) + `
		WHERE EXISTS (SELECT 1 FROM access_tokens a WHERE a.hash = $19 AND a.bucket = $20)`)
	revokeAccess = one(`UPDATE access_tokens SET revoked_at = COALESCE(revoked_at, $4)
		WHERE tenant_id = $1 AND hash = $2 AND bucket = $3`)

	// Of concurrent refreshes each waits for the row of the one before and then
	// finds a rotation to the same successor, as a retry does. The grant is asked
	// for by a scalar subquery: an EXISTS would become a join, which a planner
	// without statistics may begin with all grants of the tenant.
	rotateRefresh = one(`UPDATE refresh_tokens SET rotated_at = COALESCE(rotated_at, $4), successor = $5
		WHERE tenant_id = $1 AND hash = $2 AND bucket = $3
		AND (rotated_at IS NULL OR (rotated_at > $6 AND successor = $5 AND NOT EXISTS (
			SELECT 1 FROM refresh_tokens n WHERE n.hash = $5 AND n.bucket = $7 AND n.rotated_at IS NOT NULL)))
		AND (SELECT g.revoked_at IS NULL FROM grants g WHERE g.tenant_id = $1 AND g.id = refresh_tokens.grant_id)`)
	insertSuccessor = some(insert("refresh_tokens", under(refreshColumns)) + " ON CONFLICT (hash, bucket) DO NOTHING")
)

// IssueToken implements storage.Tokens.
func (t *Tenant) IssueToken(ctx context.Context, in storage.IssueToken, ev storage.Event) error {
	u, a := newUnit(t.id, "issue token"), in.Token
	u.free = true
	u.ask(storage.ErrConflict, issueAccess, append(owned(t.id, accessArgs(a)), in.ClientVersion, in.TenantVersion)...)
	u.do(issueEvent, append(eventArgs(t.id, ev), a.Ref.Hash[:], int64(a.Ref.Bucket))...)
	u.needs("access_tokens", a.Ref.Bucket)
	return write(ctx, t.engine, u)
}

// RotateRefresh implements storage.Tokens.
func (t *Tenant) RotateRefresh(ctx context.Context, in storage.RotateRefresh, ev storage.Event) error {
	u := newUnit(t.id, "rotate refresh token")
	u.foldable = true
	next := in.Successor
	u.must(storage.ErrConsumed, rotateRefresh, t.id, in.Old.Hash[:], int64(in.Old.Bucket), when(in.At),
		next.Ref.Hash[:], when(in.At.Add(-storage.RetryWindow)), int64(next.Ref.Bucket))
	u.do(insertSuccessor, owned(t.id, refreshArgs(next))...)
	u.do(insertAccess, owned(t.id, accessArgs(in.Access))...)
	u.needs("refresh_tokens", next.Ref.Bucket)
	u.needs("access_tokens", in.Access.Ref.Bucket)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// RevokeToken implements storage.Tokens.
func (t *Tenant) RevokeToken(ctx context.Context, ref storage.TokenRef, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "revoke token")
	u.must(storage.ErrNotFound, revokeAccess, t.id, ref.Hash[:], int64(ref.Bucket), when(at))
	u.change(storage.ChangeToken, t.id, hex.EncodeToString(ref.Hash[:]))
	u.event(ev)
	return write(ctx, t.engine, u)
}
