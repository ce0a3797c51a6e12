package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// What a new key is decided on, asked for one row at a time, whatever a planner
// believes of a table. The numbers are those of a key's columns ($1 tenant, $3
// profile, $8 owner, $13 created_at), then role and verified.
const (
	tenantIsLive = "(SELECT t.id FROM tenants t WHERE t.id = $1 AND t.suspended_at IS NULL) IS NOT NULL"
	ownerMay     = `($8 = '' OR (SELECT u.role FROM users u WHERE u.tenant_id = $1 AND u.id = $8 AND u.disabled_at IS NULL
			AND (u.email_verified OR (u.email <> '' AND u.proved_email = u.email) OR NOT $26)) = $25)`
	// fewer counts no further than to the limit. It is ordered so that it reads the
	// index of the owner's live keys, and no other.
	fewer = `(SELECT count(*) FROM (SELECT 1 FROM api_keys m WHERE m.live_of_owner > $27 AND m.live_of_owner < $28
			AND m.tenant_id = $1 AND m.owner_id = $8 AND m.profile = $3 AND (m.expires_at IS NULL OR m.expires_at > $13)
			ORDER BY m.live_of_owner DESC LIMIT $29) l) < $29`
	mayCreate = " WHERE " + tenantIsLive + " AND " + ownerMay
)

// keyIsLive is true for a row of api_keys that is live at $3; $1 is its tenant.
const keyIsLive = `revoked_at IS NULL AND quarantined_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
		AND ` + tenantIsLive + `
		AND (owner_id = '' OR (SELECT u.id FROM users u
			WHERE u.tenant_id = $1 AND u.id = api_keys.owner_id AND u.disabled_at IS NULL) IS NOT NULL)
		AND (client_id = '' OR (SELECT c.id FROM clients c WHERE c.id = api_keys.client_id AND c.disabled_at IS NULL) IS NOT NULL)`

var (
	insertAPIKey    = some(insert("api_keys", under(keyColumns)))
	createAPIKey    = some(selectInstead(insert("api_keys", under(keyColumns))) + mayCreate)
	createOneOfFew  = one(selectInstead(insert("api_keys", under(keyColumns))) + mayCreate + " AND " + fewer)
	createWithOwner = one(selectInstead(insert("api_keys", under(keyColumns))) + mayCreate)
	apiKeyEvent     = some(selectInstead(insert("audit_events", under(eventColumns))) + `
		WHERE EXISTS (SELECT 1 FROM api_keys k WHERE k.tenant_id = $1 AND k.id = $19 AND k.hash = $20)`)

	// Of several who create keys for one owner, each waits here for the one before,
	// and counts what that one has made.
	holdUser   = one("UPDATE users SET version = version WHERE tenant_id = $1 AND id = $2")
	holdTenant = one("UPDATE tenants SET version = version WHERE id = $1")
	// holdKey is a check and a lock: whoever kills the key either comes first, and
	// then there is nothing to hold, or comes after and finds what was made.
	holdKey = one(`UPDATE api_keys SET last_used_at = last_used_at WHERE tenant_id = $1 AND id = $2
		AND version = COALESCE($4, version) AND ` + keyIsLive)

	updateAPIKey = one(`UPDATE api_keys SET name = $3, scopes = $4, allowed_ips = $5, expires_at = $6, quarantined_at = $7,
		rotate_at = $8, webhook_url = $9, webhook_secret = $10, lapsed_at = NULL, version = version + 1
		WHERE tenant_id = $1 AND id = $2 AND version = $11 AND revoked_at IS NULL`)
	rotateAtOnce = rotation("revoked_at = $3, revoked_reason = 'rotated'")
	rotateLater  = rotation("expires_at = CASE WHEN expires_at IS NULL OR expires_at > $6 THEN $6 ELSE expires_at END")

	revokeAPIKey = one(`UPDATE api_keys SET version = CASE WHEN revoked_at IS NULL THEN version + 1 ELSE version END,
		revoked_reason = CASE WHEN revoked_at IS NULL THEN $4 ELSE revoked_reason END, revoked_at = COALESCE(revoked_at, $3)
		WHERE tenant_id = $1 AND id = $2`)
	revokeKeyGrants = some(`UPDATE grants SET revoked_at = $3
		WHERE tenant_id = $1 AND key_id = $2 AND key_id <> '' AND revoked_at IS NULL`)
	endExecutions  = some("UPDATE key_executions SET ended_at = $3 WHERE tenant_id = $1 AND key_id = $2 AND ended_at IS NULL")
	forgetOlds     = some(forget + "old_key_id = $2")
	forgetItsOwn   = some(forget + "key_id = $2")
	insertDelivery = some(insert("key_deliveries", deliveryColumns))
)

const forget = `UPDATE key_deliveries SET sealed = NULL, next_at = NULL, done_at = $3
		WHERE tenant_id = $1 AND done_at IS NULL AND `

// rotation sets the end of a live key that has no successor.
func rotation(end string) *command {
	return one("UPDATE api_keys SET successor = $4, rotate_at = NULL, " + end + `, version = version + 1
		WHERE tenant_id = $1 AND id = $2 AND version = $5 AND successor = '' AND ` + keyIsLive)
}

// CreateKey implements storage.APIKeys. Without a limit and a parent nobody has to
// be waited for, and the unit may share a commit.
func (t *Tenant) CreateKey(ctx context.Context, in storage.CreateKey, ev storage.Event) error {
	u, k := newUnit(t.id, "API key"), in.Key
	args := append(owned(t.id, keyArgs(k)), string(in.Role), in.VerifiedEmail)
	if in.Max == 0 && k.Parent == "" {
		u.free = true
		u.ask(storage.ErrConflict, createAPIKey, args...)
		u.do(apiKeyEvent, append(eventArgs(t.id, ev), string(k.ID), k.Hash[:])...)
		return write(ctx, t.engine, u)
	}
	if k.Parent != "" {
		u.holdKey(k.Parent, k.CreatedAt, nil)
	}
	if in.Max == 0 {
		u.must(storage.ErrConflict, createWithOwner, args...)
	} else {
		u.holdOwner(k.Owner)
		low, high := path(t.id, string(k.Owner)).bounds("")
		u.must(storage.ErrConflict, createOneOfFew, append(args, low, high, int64(in.Max))...)
	}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// holdOwner lets those who make keys for one owner go one after the other.
func (u *unit) holdOwner(owner storage.UserID) {
	if owner == "" {
		u.must(storage.ErrConflict, holdTenant, u.tenant)
		return
	}
	u.must(storage.ErrConflict, holdUser, u.tenant, string(owner))
}

// holdKey refuses with ErrConflict unless the key is live at a moment, and of the
// version, if that is not nil.
func (u *unit) holdKey(id storage.KeyID, at time.Time, version any) {
	u.must(storage.ErrConflict, holdKey, u.tenant, string(id), when(at), version)
}

// UpdateKey implements storage.APIKeys.
func (t *Tenant) UpdateKey(ctx context.Context, k storage.APIKey, ev storage.Event) error {
	u := newUnit(t.id, "API key "+string(k.ID))
	u.must(storage.ErrConflict, updateAPIKey, t.id, string(k.ID), k.Name, joined(k.Scopes), joined(k.AllowedIPs), when(k.ExpiresAt),
		when(k.QuarantinedAt), when(k.RotateAt), k.WebhookURL, optional(k.SealedWebhookSecret), k.Version)
	u.changeKey(k.ID)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// RotateKey implements storage.APIKeys.
func (t *Tenant) RotateKey(ctx context.Context, in storage.RotateKey, ev storage.Event) error {
	u := newUnit(t.id, "API key "+string(in.Old))
	next := in.Successor
	next.Predecessor = in.Old
	args := []any{t.id, string(in.Old), when(in.At), string(next.ID), in.OldVersion}
	if in.DiesAt.UnixMilli() <= in.At.UnixMilli() {
		u.must(storage.ErrConflict, rotateAtOnce, args...)
		u.killDependants(in.Old, in.At)
	} else {
		u.must(storage.ErrConflict, rotateLater, append(args, when(in.DiesAt))...)
	}
	u.do(insertAPIKey, owned(t.id, keyArgs(next))...)
	if in.Delivery != nil {
		d := *in.Delivery
		d.Key, d.Old = next.ID, in.Old
		u.do(insertDelivery, deliveryArgs(t.id, d)...)
	}
	u.changeKey(in.Old)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// RevokeKey implements storage.APIKeys. The key is first: who makes something that
// hangs on it holds it.
func (t *Tenant) RevokeKey(ctx context.Context, id storage.KeyID, at time.Time, reason string, ev storage.Event) error {
	u := newUnit(t.id, "API key "+string(id))
	u.must(storage.ErrNotFound, revokeAPIKey, t.id, string(id), when(at), reason)
	u.killDependants(id, at)
	u.change(storage.ChangeKey, t.id, string(id))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// killDependants ends what hangs on a key that the unit has just ended.
func (u *unit) killDependants(id storage.KeyID, at time.Time) {
	for _, c := range []*command{revokeKeyGrants, endExecutions, forgetOlds, forgetItsOwn} {
		u.do(c, u.tenant, string(id), when(at))
	}
}

// changeKey tells of a key, which may turn out not to be there.
func (u *unit) changeKey(id storage.KeyID) {
	u.change(storage.ChangeKey, u.tenant, string(id))
	u.otherwise = &query{sql: keyByID, args: []any{u.tenant, string(id)}}
}
