package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	revokeGrant = one("UPDATE grants SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND id = $2")

	deleteConsents = some("DELETE FROM consents WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3")
	consumeCodes   = some(`UPDATE codes SET used_at = $4
		WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 AND used_at IS NULL`)
	revokeGrants = some(`UPDATE grants SET revoked_at = $4
		WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3 AND revoked_at IS NULL`)
)

const listGrants = "SELECT " + grantColumns + ` FROM grants
	WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 ORDER BY id DESC`

// listConsents reads them in the order of their key.
const listConsents = "SELECT " + consentColumns + ` FROM consents
	WHERE tenant_id = $1 AND user_id = $2 ORDER BY client_id, redirect_host, resource`

// RevokeGrant implements storage.Grants.
func (t *Tenant) RevokeGrant(ctx context.Context, id storage.GrantID, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "grant "+string(id))
	u.must(storage.ErrNotFound, revokeGrant, t.id, string(id), when(at))
	u.change(storage.ChangeGrant, t.id, string(id))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// WithdrawConsent implements storage.Grants. Codes that were not redeemed yet are
// consumed. The order is that of a code's life, so that what is being issued or
// redeemed at the same moment is either refused or found by the next statement.
func (t *Tenant) WithdrawConsent(ctx context.Context, user storage.UserID, client storage.ClientID, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "withdraw consent")
	u.do(deleteConsents, t.id, string(user), string(client))
	u.do(consumeCodes, t.id, string(user), string(client), when(at))
	u.do(revokeGrants, t.id, string(user), string(client), when(at))
	u.change(storage.ChangeConsent, t.id, storage.ConsentChange(user, client))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// ListGrants implements storage.Grants.
func (t *Tenant) ListGrants(ctx context.Context, user storage.UserID, now time.Time) ([]storage.Grant, error) {
	return list(ctx, t.engine, t.scope("grants"), listGrants, grantFields, t.id, string(user), when(now))
}

// ListConsents implements storage.Grants.
func (t *Tenant) ListConsents(ctx context.Context, user storage.UserID) ([]storage.Consent, error) {
	return list(ctx, t.engine, t.scope("consents"), listConsents, consentFields, t.id, string(user))
}
