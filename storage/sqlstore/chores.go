package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	localAccounts = "SELECT " + from("t", tenantColumns) + ", " + from("n", connectionColumns) + ", " + from("u", userColumns) + ` FROM users u
		JOIN tenants t ON t.id = u.tenant_id AND t.suspended_at IS NULL
		JOIN identities i ON i.user_id = u.id AND i.tenant_id = u.tenant_id
		JOIN connections n ON n.tenant_id = i.tenant_id AND n.id = i.connection_id
			AND n.kind = '` + string(storage.Passkey) + `' AND n.disabled_at IS NULL
		WHERE u.email_lower = $1 AND u.email_lower <> '' AND u.disabled_at IS NULL
		ORDER BY u.tenant_id, u.id, n.id LIMIT 8`

	domainsToCheck = "SELECT tenant_id, " + domainColumns + ` FROM domains
		WHERE verified_at IS NOT NULL AND NOT by_operator AND COALESCE(checked_at, 0) < $1
		ORDER BY COALESCE(checked_at, 0) LIMIT $2`

	expiringConnections = "SELECT tenant_id, " + connectionColumns + ` FROM connections
		WHERE secret_expires_at IS NOT NULL AND secret_expires_at < $1 AND (secret_warned_at IS NULL OR secret_warned_at < $2)
		ORDER BY secret_expires_at LIMIT $3`
)

// LocalAccounts implements storage.LocalLookups.
func (s *Store) LocalAccounts(ctx context.Context, email string) ([]storage.LocalAccount, error) {
	fields := func(a *storage.LocalAccount) []any {
		return slices.Concat(tenantFields(&a.Tenant), connectionFields(&a.Connection), userFields(&a.User))
	}
	return list(ctx, s.engine, scope{what: "local accounts", lookup: true}, localAccounts, fields, strings.ToLower(email))
}

// DomainsToCheck implements storage.Chores. At most 1000.
func (s *Store) DomainsToCheck(ctx context.Context, before time.Time, limit int) ([]storage.ClaimedDomain, error) {
	fields := func(d *storage.ClaimedDomain) []any {
		return append([]any{(*str)(&d.Tenant)}, domainFields(&d.Domain)...)
	}
	return list(ctx, s.engine, scope{what: "domains", lookup: true}, domainsToCheck, fields, when(before), page(limit))
}

// ExpiringConnections implements storage.Chores: the one that ends first is first. At
// most 1000.
func (s *Store) ExpiringConnections(ctx context.Context, before, warnedBefore time.Time, limit int) ([]storage.TenantConnection, error) {
	fields := func(c *storage.TenantConnection) []any {
		return append([]any{(*str)(&c.Tenant)}, connectionFields(&c.Connection)...)
	}
	return list(ctx, s.engine, scope{what: "connections", lookup: true}, expiringConnections, fields,
		when(before), when(warnedBefore), page(limit))
}
