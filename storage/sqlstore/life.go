package sqlstore

import (
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// What a credential's life hangs on, under the aliases of every lookup: its
// tenant t, its client kc, its user u, its connection n, and its session s,
// grant g and the grant's API key ak where it has one. What should be there and is not counts as dead since
// the first millisecond: a lookup fails closed.
const (
	lifeJoins = `
		LEFT JOIN tenants t ON t.id = x.tenant_id
		LEFT JOIN clients kc ON kc.id = x.client_id
		LEFT JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id
		LEFT JOIN connections n ON n.tenant_id = x.tenant_id AND n.id = x.connection_id
		LEFT JOIN sessions s ON s.tenant_id = x.tenant_id AND s.id = x.session_id`
	grantJoin = `
		LEFT JOIN grants g ON g.tenant_id = x.tenant_id AND g.id = x.grant_id`

	lifeColumns = `
		CASE WHEN t.id IS NULL THEN 1 ELSE t.suspended_at END,
		CASE WHEN kc.id IS NULL THEN 1 ELSE kc.disabled_at END,
		CASE WHEN x.user_id = '' THEN NULL WHEN u.id IS NULL THEN 1 ELSE u.disabled_at END,
		CASE WHEN x.session_id = '' THEN NULL WHEN s.id IS NULL THEN 1 ELSE s.ended_at END,
		CASE WHEN x.session_id = '' THEN NULL WHEN s.id IS NULL THEN 1 ELSE s.expires_at END,
		CASE WHEN x.connection_id = '' THEN NULL WHEN n.id IS NULL THEN 1 ELSE n.disabled_at END`
	// Of a credential that does not survive a suspension of its tenant, or that its
	// client or connection is disabled for a while: see mark.
	markColumn = `,
		CASE WHEN COALESCE(x.tenant_mark, 0) = COALESCE(t.tokens_not_before, 0) + COALESCE(kc.interruptions, 0) + COALESCE(n.interruptions, 0)
			THEN NULL ELSE COALESCE(t.tokens_not_before, 1) END`
	grantLifeColumns = `,
		CASE WHEN x.grant_id = '' THEN NULL WHEN g.id IS NULL THEN 1 ELSE g.revoked_at END, g.expires_at`
	// The key under which a grant was made. NULL is looked for nowhere.
	keyJoin = `
		LEFT JOIN api_keys ak ON ak.tenant_id = x.tenant_id AND ak.id = NULLIF(g.key_id, '')
		LEFT JOIN clients akc ON akc.id = NULLIF(ak.client_id, '')`
	keyLifeColumns = `,
		g.key_id, CASE WHEN COALESCE(g.key_id, '') = '' THEN NULL WHEN ak.id IS NULL THEN 1
			WHEN ak.client_id <> '' AND akc.id IS NULL THEN 1
			ELSE COALESCE(ak.revoked_at, ak.quarantined_at, akc.disabled_at) END,
		ak.expires_at, ak.scopes, ak.allowed_ips, ak.profile, ak.client_id`
)

func lifeFields(l *storage.Life) []any {
	return []any{at(&l.TenantSuspendedAt), at(&l.ClientDisabledAt), at(&l.UserDisabledAt),
		at(&l.SessionEndedAt), at(&l.SessionExpiresAt), at(&l.ConnectionDisabledAt)}
}

func grantLifeFields(l *storage.Life) []any {
	return []any{at(&l.GrantRevokedAt), at(&l.GrantExpiresAt)}
}

// keyLifeFields are for keyLifeColumns.
func keyLifeFields(l *storage.Life) []any {
	return []any{(*str)(&l.Key), at(&l.KeyRevokedAt), at(&l.KeyExpiresAt),
		(*words)(&l.KeyScopes), (*words)(&l.KeyAllowedIPs), (*str)(&l.KeyProfile), (*str)(&l.KeyClient)}
}

// markFields are for markColumn.
func markFields(l *storage.Life) []any { return []any{at(&l.TokensNotBefore)} }

// ofGrant is the part of a statement whose x is the grant itself.
func ofGrant(sql string) string { return strings.ReplaceAll(sql, "g.key_id", "x.key_id") }

// lifeOf fills in what a life says about its tenant.
func lifeOf(l *storage.Life, t storage.Tenant) { l.TenantID, l.TenantSlug = t.ID, t.Slug }
