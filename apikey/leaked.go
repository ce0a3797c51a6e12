package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// Leaked takes out of use what was seen in public: a key, which is revoked, or put in
// quarantine where the tenant wants that, with what came of it, or an access token,
// which is revoked. known says whether it is one of ours, whatever its state; what is
// dead already, or in quarantine, stays as it is. A key of a profile that is no more is
// one of ours, too: the profile may come back. An error means that not everything is
// done: say it again, which changes nothing about what is.
func (k *Keys) Leaked(ctx context.Context, text string) (known bool, err error) {
	if ref, err := token.Parse(token.Access, text); err == nil {
		return k.leakedToken(ctx, ref)
	}
	_, hash, err := token.ParseKey(text)
	if err != nil {
		hash, err = token.ParseJWTKey(text)
	}
	if err != nil || !k.Verify(ctx, text) {
		return false, nil
	}
	for range attempts {
		found, err := k.cfg.Store.FindKey(ctx, hash)
		if err != nil {
			return false, fmt.Errorf("apikey: %w", err)
		}
		if found == nil {
			return false, nil
		}
		err = k.leakedKey(ctx, found.Life.TenantID, found.APIKey)
		if !errors.Is(err, storage.ErrConflict) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("apikey: %w", storage.ErrConflict)
}

func (k *Keys) leakedKey(ctx context.Context, t storage.TenantID, key storage.APIKey) error {
	tenant, err := k.cfg.Store.TenantByID(ctx, t)
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	s := seizure{tenant: t, did: "revoked", root: key, told: map[storage.UserID]bool{}}
	if tenant.Policy.QuarantineLeakedKeys {
		s.did = "quarantined"
	}
	now := k.now()
	if !dead(key, now) {
		if err := k.seize(ctx, s, key, audit.KeyLeaked(ctx, now, key)); err != nil {
			return err
		}
		k.signalLeak(ctx, t, string(key.ID), s.did)
		k.tellLeak(ctx, s, key)
	}
	return k.seizeLine(ctx, s)
}

func (k *Keys) leakedToken(ctx context.Context, ref storage.TokenRef) (bool, error) {
	_, found, err := k.cfg.Store.FindAccess(ctx, "", ref)
	if err != nil {
		return false, fmt.Errorf("apikey: %w", err)
	}
	if found == nil {
		return false, nil
	}
	now := k.now()
	if !found.RevokedAt.IsZero() || !now.Before(found.ExpiresAt) {
		return true, nil
	}
	ctx = audit.WithActor(ctx, audit.ActorSystem, "leak_report")
	t := found.Life.TenantID
	if err := k.cfg.Store.Tenant(t).RevokeToken(ctx, ref, now, audit.TokenRevoked(ctx, now, found.AccessToken)); err != nil {
		return false, fmt.Errorf("apikey: %w", err)
	}
	k.signalLeak(ctx, t, string(found.ID), "revoked")
	return true, nil
}

// signalLeak tells the operators. Whose key it is, is told by tellLeak.
func (k *Keys) signalLeak(ctx context.Context, t storage.TenantID, id, did string) {
	k.signals.WithLabelValues("key_leaked").Inc()
	k.cfg.Log.WarnContext(ctx, "a credential was seen in public", slog.String("tenant", string(t)), slog.String("credential", id), slog.String("done", did))
}
