package apikey

import (
	"context"
	"log/slog"
	"time"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// Teller tells people what happened to their keys.
type Teller interface {
	// TellOwner tells a person; a tenant's owners where user is "" (a service key's), or
	// is nobody who can be told anything. The teller adds the field "tenant".
	TellOwner(ctx context.Context, t storage.TenantID, user storage.UserID, kind mail.Kind, fields map[string]string) error
}

// tell tells whose key it is. What was done is done, whether they hear of it or not.
func (k *Keys) tell(ctx context.Context, t storage.TenantID, key storage.APIKey, kind mail.Kind, fields map[string]string) {
	if k.cfg.Teller == nil {
		return
	}
	fields["key"] = key.Name
	if err := k.cfg.Teller.TellOwner(ctx, t, key.Owner, kind, fields); err != nil {
		k.cfg.Log.ErrorContext(ctx, "nobody could be told about an API key", slog.String("tenant", string(t)),
			slog.String("key", string(key.ID)), slog.String("mail", string(kind)), slog.String("cause", err.Error()))
	}
}

// tellLeak tells, once, somebody whose key is out of use because the root was seen
// in public: the root itself, or what came of it.
func (k *Keys) tellLeak(ctx context.Context, s seizure, key storage.APIKey) {
	if s.told[key.Owner] {
		return
	}
	s.told[key.Owner] = true
	root := s.root
	root.Owner = key.Owner
	k.tell(ctx, s.tenant, root, mail.KeyLeaked, map[string]string{"hint": root.Hint, "done": s.did})
}

// tellMissed tells of a successor that nobody has.
func (k *Keys) tellMissed(ctx context.Context, d storage.KeyDelivery) {
	if k.cfg.Teller == nil {
		return
	}
	old, err := k.cfg.Store.Tenant(d.Tenant).Key(ctx, d.Old)
	if err != nil {
		// Its owner is not known; the tenant's owners are.
		k.cfg.Log.WarnContext(ctx, "the key that is rotated was not found", slog.String("key", string(d.Old)), slog.String("cause", err.Error()))
		old = storage.APIKey{ID: d.Old, Name: string(d.Old)}
	}
	k.tell(ctx, d.Tenant, old, mail.KeyNotFetched, map[string]string{"until": d.ExpiresAt.UTC().Format(time.RFC3339)})
}
