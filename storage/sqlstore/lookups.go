package sqlstore

import (
	"context"
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// Every lookup is one statement that starts from one row that is always there, so that
// "no such client" and "no such token" can be told apart in one answer.
var (
	findCode = "SELECT " + from("c", clientColumns) + ", " + from("x", codeColumns) + ", " + from("t", tenantColumns) +
		", " + from("u", userColumns) + ", " + lifeColumns + markColumn + ` FROM (SELECT 1 AS one) o
		LEFT JOIN clients c ON c.id = $1
		LEFT JOIN codes x ON x.hash = $2 AND x.bucket = $3` + lifeJoins

	findAccess = "SELECT " + from("c", clientColumns) + ", " + from("x", accessColumns) + ", " + from("t", tenantColumns) +
		", " + from("u", userColumns) + ", " + lifeColumns + grantLifeColumns + keyLifeColumns + markColumn + ` FROM (SELECT 1 AS one) o
		LEFT JOIN clients c ON c.id = $1
		LEFT JOIN access_tokens x ON x.hash = $2 AND x.bucket = $3` + lifeJoins + grantJoin + keyJoin

	// A refresh token is a grant's: user, session and connection are the grant's. Its
	// successor is looked up by a scalar subquery: a join would be planned, on
	// tables that are still empty, as one with the whole partition.
	findRefresh = "SELECT " + from("c", clientColumns) + ", " + from("f", refreshColumns) + ", " + from("t", tenantColumns) +
		", " + from("u", userColumns) + ", " + from("x", grantColumns) + ", " +
		"COALESCE((SELECT CASE WHEN r.rotated_at IS NULL THEN 0 ELSE 1 END FROM refresh_tokens r WHERE r.hash = f.successor AND r.bucket = $3), 0), " +
		`CASE WHEN x.id IS NULL THEN 1 ELSE x.revoked_at END, ` + lifeColumns + ofGrant(keyLifeColumns) + ` FROM (SELECT 1 AS one) o
		LEFT JOIN clients c ON c.id = $1
		LEFT JOIN refresh_tokens f ON f.hash = $2 AND f.bucket = $3
		LEFT JOIN grants x ON x.tenant_id = f.tenant_id AND x.id = f.grant_id` + lifeJoins + ofGrant(keyJoin)

	domainOwner = "SELECT " + from("t", tenantColumns) + ", " + from("n", connectionColumns) + `, d.sso_required FROM domains d
		JOIN tenants t ON t.id = d.tenant_id
		JOIN connections n ON n.tenant_id = d.tenant_id AND n.id = d.connection_id
		WHERE d.name = $1 AND d.verified_at IS NOT NULL`
)

// FindCode implements storage.TokenLookups.
func (s *Store) FindCode(ctx context.Context, client storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveCode, error) {
	var (
		c                storage.Client
		k                storage.LiveCode
		bucket, attempts num
	)
	fields := slices.Concat(clientFields(&c), codeFields(&k.Code, &bucket, &attempts), tenantFields(&k.Tenant),
		userFields(&k.UserInfo), lifeFields(&k.Life), markFields(&k.Life))
	if err := s.lookup(ctx, "code", findCode, fields, client, ref, &c); err != nil || bucket == 0 {
		return c, nil, err
	}
	k.Ref.Bucket, k.Attempts = uint32(bucket), int(attempts)
	lifeOf(&k.Life, k.Tenant)
	return c, &k, nil
}

// FindAccess implements storage.TokenLookups.
func (s *Store) FindAccess(ctx context.Context, client storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveToken, error) {
	var (
		c      storage.Client
		a      storage.LiveToken
		t      storage.Tenant
		bucket num
	)
	fields := slices.Concat(clientFields(&c), accessFields(&a.AccessToken, &bucket), tenantFields(&t),
		userFields(&a.UserInfo), lifeFields(&a.Life), grantLifeFields(&a.Life), keyLifeFields(&a.Life), markFields(&a.Life))
	if err := s.lookup(ctx, "access token", findAccess, fields, client, ref, &c); err != nil || bucket == 0 {
		return c, nil, err
	}
	a.Ref.Bucket = uint32(bucket)
	lifeOf(&a.Life, t)
	return c, &a, nil
}

// FindRefresh implements storage.TokenLookups.
func (s *Store) FindRefresh(ctx context.Context, client storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveRefresh, error) {
	var (
		c            storage.Client
		f            storage.LiveRefresh
		bucket, used num
	)
	fields := slices.Concat(clientFields(&c), refreshFields(&f.RefreshToken, &bucket), tenantFields(&f.Tenant),
		userFields(&f.UserInfo), grantFields(&f.Family), []any{&used, at(&f.Life.GrantRevokedAt)}, lifeFields(&f.Life),
		keyLifeFields(&f.Life))
	if err := s.lookup(ctx, "refresh token", findRefresh, fields, client, ref, &c); err != nil || bucket == 0 {
		return c, nil, err
	}
	f.Ref.Bucket, f.SuccessorUsed, f.Life.GrantExpiresAt = uint32(bucket), used != 0, f.Family.ExpiresAt
	lifeOf(&f.Life, f.Tenant)
	return c, &f, nil
}

// lookup asks for a client and a token of any client.
func (s *Store) lookup(ctx context.Context, what, sql string, fields []any, client storage.ClientID, ref storage.TokenRef, c *storage.Client) error {
	in := scope{what: what, lookup: true}
	if err := find(ctx, s.engine, in, sql, fields, string(client), ref.Hash[:], int64(ref.Bucket)); err != nil {
		return err
	}
	if client != "" && c.ID == "" {
		return wrap("client", storage.ErrNotFound)
	}
	return nil
}

// DomainOwner implements storage.Lookups.
func (s *Store) DomainOwner(ctx context.Context, domain string) (storage.DomainOwner, error) {
	var d storage.DomainOwner
	fields := slices.Concat(tenantFields(&d.Tenant), connectionFields(&d.Connection), []any{(*flag)(&d.SSORequired)})
	err := find(ctx, s.engine, scope{what: "domain", lookup: true}, domainOwner, fields, domain)
	return d, err
}
