package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// maxAttempts is the failed redemption that consumes a code (TK-10).
const maxAttempts = "5"

var (
	// holdConsent is a check and a lock: a withdrawal either comes first and
	// leaves nothing to hold, or comes after and finds the code.
	holdConsent = one(`UPDATE consents SET used_at = $6 WHERE tenant_id = $1 AND user_id = $2 AND client_id = $3
		AND redirect_host = $4 AND resource = $5 AND client_version = $7 AND approved_at = $8`)
	rememberConsent = some(insert("consents", under(consentColumns)) + ` ON CONFLICT (tenant_id, user_id, client_id, redirect_host, resource)
		DO UPDATE SET scopes = excluded.scopes, client_version = excluded.client_version, approved_at = excluded.approved_at`)

	// holdSession notes the activity, if there is still a session of the user that is
	// more than pending, under the handle by which it was found.
	holdSession = one(`UPDATE sessions SET last_seen_at = CASE WHEN last_seen_at < $4 THEN $4 ELSE last_seen_at END
		WHERE tenant_id = $1 AND id = $2 AND user_id = $3 AND connection_id = $5 AND handle = $6
		AND ended_at IS NULL AND NOT pending AND expires_at > $4 AND last_seen_at + idle_timeout > $4`)
	insertCode = one(liveCode())

	// A suspension ends codes for good: one that was found before it must not become a
	// token after the tenant was resumed. So does a client, or a connection, that is
	// disabled.
	redeemCode = one(`UPDATE codes SET used_at = $4 WHERE tenant_id = $1 AND hash = $2 AND bucket = $3 AND used_at IS NULL
		AND COALESCE(tenant_mark, 0) = ` + mark("codes.client_id", "codes.connection_id"))
	failCode = one(`UPDATE codes SET attempts = attempts + 1,
		used_at = CASE WHEN used_at IS NULL AND attempts + 1 >= ` + maxAttempts + ` THEN $4 ELSE used_at END
		WHERE tenant_id = $1 AND hash = $2 AND bucket = $3`)
	insertGrant   = some(insert("grants", under(grantColumns)))
	insertRefresh = some(insert("refresh_tokens", under(refreshColumns)))
)

// liveCode inserts a code if tenant and client (at their versions), user and
// connection are live (AZ-36).
func liveCode() string {
	return selectInstead(marked(insert("codes", under(codeColumns)), "$6", "$8")) + ` FROM tenants t
		JOIN users u ON u.tenant_id = t.id AND u.id = $5
		JOIN clients c ON c.id = $6
		JOIN connections n ON n.tenant_id = t.id AND n.id = $8
		WHERE t.id = $1 AND t.suspended_at IS NULL AND u.disabled_at IS NULL
		AND t.version = $27
		AND c.version = $26 AND c.disabled_at IS NULL AND n.disabled_at IS NULL`
}

func codeArgs(tenant string, c storage.Code) []any {
	return []any{tenant, c.Ref.Hash[:], int64(c.Ref.Bucket), string(c.Grant), string(c.User), string(c.Client),
		string(c.Session), string(c.Connection), c.RedirectURI,
		c.RedirectSent, c.Challenge, c.Nonce, joined(c.Scopes), joined(c.Resource),
		c.Claims, when(c.Auth.AuthTime), c.Auth.ACR, joined(c.Auth.AMR), c.AuthTimeRequired,
		when(c.CreatedAt), when(c.ExpiresAt), when(c.UsedAt), int64(c.Attempts),
		string(c.Auth.Level), when(c.Auth.MFATime)}
}

// IssueCode implements storage.Codes. The moment is Code.CreatedAt.
func (t *Tenant) IssueCode(ctx context.Context, in storage.IssueCode, ev storage.Event, more ...storage.Event) error {
	u, c := newUnit(t.id, "issue code"), in.Code
	if a := in.Arrival; a != nil && !a.Of(c) {
		return wrap(u.what, storage.ErrConflict)
	}
	u.foldable = true
	now := when(c.CreatedAt)
	if k := in.RequireConsent; k != nil {
		u.must(storage.ErrConflict, holdConsent, t.id, string(k.User), string(k.Client), k.RedirectHost, k.Resource,
			now, k.ClientVersion, when(k.At))
	}
	if a := in.Arrival; a != nil {
		u.arrives(*a, c.CreatedAt)
	} else {
		u.must(storage.ErrConflict, holdSession, t.id, string(c.Session), string(c.User), now, string(c.Connection), optional(in.Handle))
	}
	u.must(storage.ErrConflict, insertCode, append(codeArgs(t.id, c), in.ClientVersion, in.TenantVersion)...)
	if k := in.Remember; k != nil {
		u.do(rememberConsent, t.id, string(k.User), string(k.Client), k.RedirectHost, k.Resource,
			joined(k.Scopes), k.ClientVersion, when(k.At))
	}
	u.needs("codes", c.Ref.Bucket)
	u.event(ev)
	for _, ev := range more {
		u.event(ev)
	}
	return write(ctx, t.engine, u)
}

// arrives begins the session that a code is issued in, and ends its transaction.
func (u *unit) arrives(a storage.Arrival, now time.Time) {
	u.stays(a.SignIn)
	u.do(insertSession, owned(u.tenant, sessionArgs(a.SignIn.Session))...)
	u.must(storage.ErrConflict, advanceLogin, append(loginArgs(a.Login), when(now))...)
	u.event(a.Event)
}

// RedeemCode implements storage.Codes. A code that is not there gives
// ErrConsumed too.
func (t *Tenant) RedeemCode(ctx context.Context, in storage.RedeemCode, ev storage.Event) error {
	u := newUnit(t.id, "redeem code")
	u.foldable = true
	u.must(storage.ErrConsumed, redeemCode, t.id, in.Code.Hash[:], int64(in.Code.Bucket), when(in.At))
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

// FailCode implements storage.Codes. ErrNotFound: unknown or another tenant's.
func (t *Tenant) FailCode(ctx context.Context, ref storage.TokenRef, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "fail code")
	u.must(storage.ErrNotFound, failCode, t.id, ref.Hash[:], int64(ref.Bucket), when(at))
	u.event(ev)
	return write(ctx, t.engine, u)
}
