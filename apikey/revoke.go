package apikey

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// Revoke ends a key at once, with the tokens that were made under it, the work that
// runs under it, and a successor whose secret nobody was told. Revoking again changes
// nothing. Refusals: NotFound, Forbidden (a key or a machine ends itself and what it
// made only).
func (k *Keys) Revoke(ctx context.Context, a Actor, id storage.KeyID) error {
	key, _, err := k.touched(ctx, a, id)
	if err != nil {
		return k.refused(ctx, a, id, "revoke", err)
	}
	for next := &key; next != nil; {
		now := k.now()
		err := k.tenant(a).RevokeKey(ctx, next.ID, now, "revoked", audit.KeyRevoked(ctx, now, *next, a.by(), "revoked"))
		if errors.Is(err, storage.ErrNotFound) {
			return unknown()
		}
		if err != nil {
			return fmt.Errorf("apikey: %w", err)
		}
		if next, err = k.unheld(ctx, a, next.ID); err != nil {
			return fmt.Errorf("apikey: %w", err)
		}
	}
	return nil
}

// unheld returns the living successor of a revoked key whose secret was forgotten with
// that key, which is then when its delivery was done: nobody can ever use it. Whatever
// is read before the revocation may be different at it.
func (k *Keys) unheld(ctx context.Context, a Actor, id storage.KeyID) (*storage.APIKey, error) {
	key, err := k.tenant(a).Key(ctx, id)
	if err != nil || key.Successor == "" {
		return nil, err
	}
	d, err := k.tenant(a).Delivery(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil || !d.DoneAt.Equal(key.RevokedAt) {
		return nil, err
	}
	next, err := k.tenant(a).Key(ctx, key.Successor)
	if err != nil || !next.RevokedAt.IsZero() {
		return nil, err
	}
	return &next, nil
}
