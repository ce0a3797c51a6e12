package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// Rotate makes a key that takes the place of another, which works beside it for the
// grace: 0 ends it at once, nil is the profile's. Refusals: NotFound, Invalid,
// Forbidden, ScopeTooWide, EmailUnverified, MFANeeded, FreshNeeded, NotAllowed, TooMany,
// Gone, Conflict.
func (k *Keys) Rotate(ctx context.Context, a Actor, id storage.KeyID, grace *time.Duration) (Issued, error) {
	out, err := k.rotate(ctx, a, id, grace)
	return out, k.refused(ctx, a, id, "rotate", err)
}

func (k *Keys) rotate(ctx context.Context, a Actor, id storage.KeyID, grace *time.Duration) (Issued, error) {
	b, err := k.boundsOf(ctx, a)
	if err != nil {
		return Issued{}, err
	}
	old, p, err := k.touched(ctx, a, id)
	if err != nil {
		return Issued{}, err
	}
	if err := k.rotatable(ctx, b, old, p); err != nil {
		return Issued{}, err
	}
	both := p.Rotation.Grace
	if grace != nil {
		both = *grace
	}
	if both < 0 || both > p.Rotation.MaxGrace {
		return Issued{}, wrong("grace", "Both keys of this profile work for at most "+p.Rotation.MaxGrace.String()+".")
	}
	if err := k.room(ctx, b, old, p, both); err != nil {
		return Issued{}, err
	}
	t := turn{tenant: a.Tenant, old: old, profile: p, grace: both, by: a.by()}
	t.end = k.renewed(b, old, p)
	return k.replace(ctx, t)
}

// rotatable checks that a key can have a successor, and the actor that.
func (k *Keys) rotatable(ctx context.Context, b bounds, old storage.APIKey, p Profile) error {
	switch _, known := k.rules[p.Name]; {
	case !known:
		return refuse(NotAllowed, "There are no keys of this profile any more.")
	case !old.QuarantinedAt.IsZero():
		return refuse(NotAllowed, "The key is in quarantine: release it or revoke it.")
	case dead(old, k.now()):
		return over()
	case old.Successor != "":
		return refuse(Conflict, "The key has a successor already.")
	}
	if b.key != nil && b.key.ID == old.ID {
		return nil
	}
	if err := b.mayHold(old, p); err != nil {
		return err
	}
	return k.mayMake(ctx, b.actor, p, old.Owner)
}

// room checks that one more key may live beside the others for a grace: by anybody but
// a person a key is not rotated while the one that it follows still works, or each of a
// thousand would; and the profile's number holds for what lives.
func (k *Keys) room(ctx context.Context, b bounds, old storage.APIKey, p Profile, grace time.Duration) error {
	if !b.actor.person() && old.Predecessor != "" {
		before, err := k.tenant(b.actor).Key(ctx, old.Predecessor)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("apikey: %w", err)
		}
		if err == nil && !dead(before, k.now()) {
			return refuse(Conflict, "The key that this one follows still works. Revoke it, or wait for its end.")
		}
	}
	if p.MaxPerOwner == 0 || grace == 0 {
		return nil
	}
	n, err := k.tenant(b.actor).CountKeys(ctx, storage.KeyFilter{Owner: &old.Owner, Profile: p.Name, State: "live", Now: k.now()})
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	if n >= p.MaxPerOwner {
		return refuse(TooMany, fmt.Sprintf("There are %d keys of this profile, and no more are allowed. Rotate with no grace, or revoke one first.", n))
	}
	return nil
}

// renewed is when the successor ends that somebody asks for: after as long a life as
// the old one was given, or as the profile allows now. A key, though, prolongs nothing.
func (k *Keys) renewed(b bounds, old storage.APIKey, p Profile) time.Time {
	if b.key != nil {
		return earlier(old.ExpiresAt, b.end())
	}
	var life time.Duration
	if !old.ExpiresAt.IsZero() {
		life = old.ExpiresAt.Sub(old.CreatedAt)
	}
	return until(k.now(), atMost(life, p.longest()))
}

// turn is one key that is to be replaced.
type turn struct {
	tenant  storage.TenantID
	old     storage.APIKey
	profile Profile
	grace   time.Duration
	end     time.Time // of the successor
	by      audit.KeyBy
	// unattended: nobody is there to be told the secret.
	unattended bool
}

// replace makes the successor.
func (k *Keys) replace(ctx context.Context, t turn) (Issued, error) {
	now := k.now()
	next, secret, err := k.successorOf(ctx, t, now)
	if err != nil {
		return Issued{}, err
	}
	in := storage.RotateKey{
		Old: t.old.ID, OldVersion: t.old.Version, At: now, Successor: next,
		DiesAt: earlier(now.Add(t.grace), t.old.ExpiresAt),
	}
	if t.unattended {
		if in.Delivery, err = k.deliveryOf(t, in, secret); err != nil {
			return Issued{}, err
		}
	}
	err = k.cfg.Store.Tenant(t.tenant).RotateKey(ctx, in, audit.KeyRotated(ctx, now, t.old, next, in.DiesAt, t.by))
	switch {
	case errors.Is(err, storage.ErrConflict):
		return Issued{}, refuse(Conflict, "The key has changed meanwhile: read it again.")
	case errors.Is(err, storage.ErrNotFound):
		return Issued{}, unknown()
	case err != nil:
		return Issued{}, fmt.Errorf("apikey: %w", err)
	}
	return Issued{Key: next, Secret: secret, OldEnds: in.DiesAt}, nil
}

// successorOf is a key like the old one, with a text of its own.
func (k *Keys) successorOf(ctx context.Context, t turn, now time.Time) (storage.APIKey, string, error) {
	next := storage.APIKey{
		ID: storage.NewKeyID(now), Profile: t.old.Profile, Name: t.old.Name, Owner: t.old.Owner, Client: t.old.Client, Parent: t.old.Parent,
		Scopes: t.old.Scopes, AllowedIPs: t.old.AllowedIPs, CreatedAt: now, ExpiresAt: t.end,
		RotateAt: until(now, t.profile.Rotation.Every), Predecessor: t.old.ID, WebhookURL: t.old.WebhookURL, Version: 1,
	}
	if t.old.WebhookURL != "" {
		raw, err := k.cfg.Sealer.Open(webhookPlace(t.tenant, t.old.ID), t.old.SealedWebhookSecret)
		if err != nil {
			return next, "", fmt.Errorf("apikey: webhook secret of %s: %w", t.old.ID, err)
		}
		if next.SealedWebhookSecret, err = k.cfg.Sealer.Seal(webhookPlace(t.tenant, next.ID), raw); err != nil {
			return next, "", fmt.Errorf("apikey: %w", err)
		}
	}
	secret, err := k.write(ctx, t.tenant, t.profile, &next)
	return next, secret, err
}

// deliveryOf keeps a successor's secret until it is handed over. The signal that it
// was not comes before the old key ends, however short the grace is.
func (k *Keys) deliveryOf(t turn, in storage.RotateKey, secret string) (*storage.KeyDelivery, error) {
	sealed, err := k.cfg.Sealer.Seal(deliveryPlace(t.tenant, in.Successor.ID), []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("apikey: %w", err)
	}
	left := in.DiesAt.Sub(in.At)
	warn := t.profile.Rotation.WarnBefore
	if warn <= 0 || warn >= left {
		warn = left / 2
	}
	d := &storage.KeyDelivery{
		Key: in.Successor.ID, Old: in.Old, Sealed: sealed, CreatedAt: in.At, ExpiresAt: in.DiesAt,
		WarnAt: in.DiesAt.Add(-warn).Truncate(time.Millisecond),
	}
	if in.Successor.WebhookURL != "" {
		d.NextAt = in.At
	}
	return d, nil
}
