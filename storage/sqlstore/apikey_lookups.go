package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// What a key's life hangs on: its tenant, the app through which it was made, and its
// owner. As with tokens, what should be there and is not counts as dead since the
// first millisecond.
const (
	foundKeyJoins = `
		LEFT JOIN tenants t ON t.id = x.tenant_id
		LEFT JOIN clients kc ON kc.id = NULLIF(x.client_id, '')
		LEFT JOIN users u ON u.tenant_id = x.tenant_id AND u.id = NULLIF(x.owner_id, '')`
	foundKeyLife = `,
		CASE WHEN t.id IS NULL THEN 1 ELSE t.suspended_at END,
		CASE WHEN x.client_id = '' THEN NULL WHEN kc.id IS NULL THEN 1 ELSE kc.disabled_at END,
		CASE WHEN x.owner_id = '' THEN NULL WHEN u.id IS NULL THEN 1 ELSE u.disabled_at END`
)

var (
	foundKey      = from("x", keyColumns) + ", t.id, t.slug, " + from("u", introspectUserColumns) + foundKeyLife
	introspectKey = "SELECT " + from("r", resourceServerColumns) + ", " + foundKey + `
		FROM resource_servers r
		LEFT JOIN api_keys x ON x.hash = $2` + foundKeyJoins + `
		WHERE r.id = $1`
	findKey = "SELECT " + foundKey + " FROM api_keys x" + foundKeyJoins + " WHERE x.hash = $1"

	dueDeliveries = "SELECT " + dueColumns + ` FROM key_deliveries WHERE done_at IS NULL
		AND (next_at <= $1 OR (warned_at IS NULL AND warn_at <= $1)) ORDER BY created_at, key_id LIMIT $2`
)

// dueRotations reads the index of what is to be rotated, in its order.
const dueRotations = `SELECT x.tenant_id, x.id FROM api_keys x
	WHERE x.rotate_at <= $1 AND x.rotate_at IS NOT NULL AND x.revoked_at IS NULL AND x.successor = ''
	AND x.quarantined_at IS NULL AND (x.expires_at IS NULL OR x.expires_at > $1)
	AND (SELECT t.id FROM tenants t WHERE t.id = x.tenant_id AND t.suspended_at IS NULL) IS NOT NULL
	AND (x.owner_id = '' OR (SELECT u.id FROM users u WHERE u.tenant_id = x.tenant_id AND u.id = x.owner_id AND u.disabled_at IS NULL) IS NOT NULL)
	AND (x.client_id = '' OR (SELECT c.id FROM clients c WHERE c.id = x.client_id AND c.disabled_at IS NULL) IS NOT NULL)
	ORDER BY x.rotate_at LIMIT $2`

func liveKeyFields(k *storage.LiveKey) []any {
	u, l := &k.UserInfo, &k.Life
	return append(keyFields(&k.APIKey), (*str)(&l.TenantID), (*str)(&l.TenantSlug),
		(*str)(&u.ID), (*str)(&u.Role), (*str)(&u.Email), (*flag)(&u.EmailVerified), (*str)(&u.ProvedEmail),
		at(&u.DisabledAt), (*num)(&u.Version),
		at(&l.TenantSuspendedAt), at(&l.ClientDisabledAt), at(&l.UserDisabledAt))
}

// IntrospectKey implements storage.KeyLookups.
func (s *Store) IntrospectKey(ctx context.Context, id storage.ResourceServerID, hash [32]byte) (storage.ResourceServer, *storage.LiveKey, error) {
	var (
		r storage.ResourceServer
		k storage.LiveKey
	)
	fields := append(resourceServerFields(&r), liveKeyFields(&k)...)
	err := find(ctx, s.engine, scope{what: "resource server", lookup: true}, introspectKey, fields, string(id), hash[:])
	if err != nil || k.ID == "" {
		return r, nil, err
	}
	return r, &k, nil
}

// FindKey implements storage.KeyLookups.
func (s *Store) FindKey(ctx context.Context, hash [32]byte) (*storage.LiveKey, error) {
	var k storage.LiveKey
	err := find(ctx, s.engine, scope{what: "API key", lookup: true}, findKey, liveKeyFields(&k), hash[:])
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &k, nil
}

// DueRotations implements storage.KeyLookups.
func (s *Store) DueRotations(ctx context.Context, now time.Time, limit int) ([]storage.DueKey, error) {
	fields := func(k *storage.DueKey) []any { return []any{(*str)(&k.Tenant), (*str)(&k.Key)} }
	return list(ctx, s.engine, scope{what: "due rotations", lookup: true}, dueRotations, fields, when(now), int64(limit))
}

// DueDeliveries implements storage.KeyLookups.
func (s *Store) DueDeliveries(ctx context.Context, now time.Time, limit int) ([]storage.KeyDelivery, error) {
	return list(ctx, s.engine, scope{what: "due deliveries", lookup: true}, dueDeliveries, dueFields, when(now), int64(limit))
}
