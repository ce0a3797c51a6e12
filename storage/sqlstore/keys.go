package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertKey = some(insert("signing_keys", signingKeyColumns))
	updateKey = one(`UPDATE signing_keys SET created_at = $2, active_at = $3, retired_at = $4, remove_at = $5,
		version = version + 1 WHERE kid = $1 AND version = $6`)
)

const signingKeys = "SELECT " + signingKeyColumns + " FROM signing_keys ORDER BY created_at, kid"

// SigningKeys implements storage.SigningKeys.
func (s *Store) SigningKeys(ctx context.Context) ([]storage.SigningKey, error) {
	return list(ctx, s.engine, scope{what: "signing keys"}, signingKeys, signingKeyFields)
}

// PutSigningKeys implements storage.SigningKeys. A key that was added has
// version 1.
func (s *Store) PutSigningKeys(ctx context.Context, keys []storage.SigningKey, ev storage.Event) error {
	u := platformUnit("signing keys", ev)
	for _, k := range keys {
		times := []any{when(k.CreatedAt), when(k.ActiveAt), when(k.RetiredAt), when(k.RemoveAt)}
		if k.Version == 0 {
			u.do(insertKey, append(append([]any{k.KID, k.Alg, orEmpty(k.Public), orEmpty(k.Sealed)}, times...), int64(1))...)
			continue
		}
		u.must(storage.ErrConflict, updateKey, append(append([]any{k.KID}, times...), k.Version)...)
	}
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}
