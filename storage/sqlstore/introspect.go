package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

// introspectUserColumns leave the person's claims out: an introspection does not
// say them, and reading them would cost more than all the rest.
const introspectUserColumns = "id, role, email, email_verified, proved_email, disabled_at, version"

var introspect = "SELECT " + from("r", resourceServerColumns) + ", " + from("x", accessColumns) + ", " +
	"t.id, t.slug, " + from("u", introspectUserColumns) + ", " + lifeColumns + grantLifeColumns + keyLifeColumns + markColumn + `
	FROM resource_servers r
	LEFT JOIN access_tokens x ON x.hash = $2 AND x.bucket = $3` + lifeJoins + grantJoin + keyJoin + `
	WHERE r.id = $1`

// Introspect implements storage.IntrospectLookup. The token's UserInfo has no
// Claims and no CreatedAt.
func (s *Store) Introspect(ctx context.Context, id storage.ResourceServerID, ref storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error) {
	var (
		r      storage.ResourceServer
		a      storage.LiveToken
		bucket num
	)
	u, l := &a.UserInfo, &a.Life
	fields := append(make([]any, 0, 55), resourceServerFields(&r)...)
	fields = append(fields, accessFields(&a.AccessToken, &bucket)...)
	fields = append(fields, (*str)(&l.TenantID), (*str)(&l.TenantSlug),
		(*str)(&u.ID), (*str)(&u.Role), (*str)(&u.Email), (*flag)(&u.EmailVerified), (*str)(&u.ProvedEmail),
		at(&u.DisabledAt), (*num)(&u.Version))
	fields = append(fields, lifeFields(l)...)
	fields = append(fields, grantLifeFields(l)...)
	fields = append(fields, keyLifeFields(l)...)
	fields = append(fields, markFields(l)...)
	err := find(ctx, s.engine, scope{what: "resource server", lookup: true}, introspect, fields,
		string(id), ref.Hash[:], int64(ref.Bucket))
	if err != nil || bucket == 0 {
		return r, nil, err
	}
	a.Ref.Bucket = uint32(bucket)
	return r, &a, nil
}
