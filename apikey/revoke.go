package apikey

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// Revoke ends a key at once, with the tokens that were made under it and the work that
// runs under it. Revoking again changes nothing. Refusals: NotFound.
func (k *Keys) Revoke(ctx context.Context, a Actor, id storage.KeyID) error {
	key, _, err := k.find(ctx, a, id)
	if err != nil {
		return err
	}
	now := k.now()
	err = k.tenant(a).RevokeKey(ctx, id, now, "revoked", audit.KeyRevoked(ctx, now, key, a.by(), "revoked"))
	if errors.Is(err, storage.ErrNotFound) {
		return unknown()
	}
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	return nil
}
