package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertKey = some(insert("signing_keys", signingKeyColumns))
	updateKey = one(`UPDATE signing_keys SET sealed = $2, created_at = $3, active_at = $4, retired_at = $5, remove_at = $6,
		version = version + 1 WHERE kid = $1 AND version = $7`)
)

const signingKeys = "SELECT " + signingKeyColumns + " FROM signing_keys WHERE use = $1 ORDER BY created_at, kid"

// SigningKeys implements storage.SigningKeys.
func (s *Store) SigningKeys(ctx context.Context, use storage.SigningUse) ([]storage.SigningKey, error) {
	return list(ctx, s.engine, scope{what: "signing keys"}, signingKeys, signingKeyFields, string(use))
}

// PutSigningKeys implements storage.SigningKeys. A key that was added has
// version 1. Keys that have an end are written first: at no moment has a
// use and algorithm two that sign without one (signing_keys_last).
func (s *Store) PutSigningKeys(ctx context.Context, keys []storage.SigningKey, ev storage.Event) error {
	u := platformUnit("signing keys", ev)
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b storage.SigningKey) int {
		return cmp.Compare(endless(a), endless(b))
	})
	for _, k := range keys {
		times := []any{when(k.CreatedAt), when(k.ActiveAt), when(k.RetiredAt), when(k.RemoveAt)}
		if k.Version == 0 {
			u.do(insertKey, append(append([]any{k.KID, k.Alg, string(k.Use), orEmpty(k.Public), orEmpty(k.Sealed)}, times...), int64(1))...)
			continue
		}
		u.must(storage.ErrConflict, updateKey, append(append([]any{k.KID, orEmpty(k.Sealed)}, times...), k.Version)...)
	}
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// endless orders keys by whether they have an end.
func endless(k storage.SigningKey) int {
	if k.RetiredAt.IsZero() {
		return 1
	}
	return 0
}
