package apikey

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// Reveal returns the text of a key that is a JWT once more, where its profile does
// that: to its owner, or of a key that is the tenant's to an owner of the tenant, who
// signed in a moment ago. It is signed again, by the key that signed it, and is the
// same to the byte or not told. Refusals: NotFound, NotAllowed, Forbidden,
// FreshNeeded, Gone.
func (k *Keys) Reveal(ctx context.Context, a Actor, id storage.KeyID) (string, error) {
	out, err := k.reveal(ctx, a, id)
	return out, k.refused(ctx, a, id, "reveal", err)
}

func (k *Keys) reveal(ctx context.Context, a Actor, id storage.KeyID) (string, error) {
	key, p, err := k.find(ctx, a, id)
	if err != nil {
		return "", err
	}
	switch now := k.now(); {
	case !p.Reveal || p.Format != JWT || key.KID == "":
		return "", refuse(NotAllowed, "Keys of this profile are shown once.")
	case !a.person():
		return "", refuse(Forbidden, "A key is shown to a person who signed in.")
	case key.Owner != a.User && (key.Owner != "" || a.Role != storage.RoleOwner):
		return "", refuse(Forbidden, "A key is shown to its owner only.")
	case dead(key, now):
		return "", over()
	}
	if err := k.fresh(a, p.RevealMaxAge); err != nil {
		return "", err
	}
	secret, err := k.sign(ctx, a.Tenant, key)
	if err != nil {
		return "", err
	}
	if !own(secret, key) {
		k.cfg.Log.ErrorContext(ctx, "a key signed again is another one: the issuer has changed, or the record", slog.String("key", string(id)))
		return "", refuse(NotAllowed, "This key cannot be shown again.")
	}
	if err := k.tenant(a).AppendEvent(ctx, audit.KeyRevealed(ctx, k.now(), key, a.by())); err != nil {
		return "", fmt.Errorf("apikey: %w", err)
	}
	return secret, nil
}
