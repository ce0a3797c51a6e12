package apikey

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Create makes a key. Refusals: Invalid, Forbidden, ScopeTooWide, LifetimeTooLong,
// TooMany, EmailUnverified, MFANeeded, FreshNeeded, NotAllowed, Conflict,
// TenantSuspended.
func (k *Keys) Create(ctx context.Context, a Actor, n NewKey) (Issued, error) {
	out, err := k.create(ctx, a, n)
	return out, k.refused(ctx, a, "", "create", err)
}

func (k *Keys) create(ctx context.Context, a Actor, n NewKey) (Issued, error) {
	b, err := k.boundsOf(ctx, a)
	if err != nil {
		return Issued{}, err
	}
	p, err := k.profileOf(b, n.Profile)
	if err != nil {
		return Issued{}, err
	}
	key, err := k.drafted(b, p, n)
	if err != nil {
		return Issued{}, err
	}
	if err := k.mayMake(ctx, a, p, key.Owner); err != nil {
		return Issued{}, err
	}
	if err := k.scoped(b, p, n, &key); err != nil {
		return Issued{}, err
	}
	out := Issued{}
	if out.Secret, err = k.write(ctx, a.Tenant, p, &key); err != nil {
		return Issued{}, err
	}
	if key.WebhookURL != "" {
		if out.WebhookSecret, err = k.webhookSecret(a.Tenant, &key); err != nil {
			return Issued{}, err
		}
	}
	if err := k.store(ctx, a, p, key); err != nil {
		return Issued{}, err
	}
	out.Key = key
	return out, nil
}

// profileOf returns the profile that is asked for. A key makes keys of its own only:
// one that is for trying things makes none that is for production.
func (k *Keys) profileOf(b bounds, name string) (Profile, error) {
	if name == "" && b.key != nil {
		name = b.key.Profile
	}
	if name == "" {
		return k.cfg.Profiles.Default(), nil
	}
	p, ok := k.cfg.Profiles.Profile(name)
	if !ok {
		return Profile{}, wrong("profile", "There is no such profile.")
	}
	if b.key != nil && b.key.Profile != name {
		return Profile{}, refuse(Forbidden, "A key makes keys of its own profile only.")
	}
	return p, nil
}

// drafted is the record of a new key as far as it is not about scopes.
func (k *Keys) drafted(b bounds, p Profile, n NewKey) (storage.APIKey, error) {
	now := k.now()
	key := storage.APIKey{
		ID: storage.NewKeyID(now), Profile: p.Name, Owner: b.actor.User, Client: b.actor.Client, Parent: b.actor.Key,
		CreatedAt: now, WebhookURL: n.WebhookURL, Version: 1,
	}
	if n.Service || p.AccountKeys {
		key.Owner = ""
	}
	var r *Refusal
	if key.Name, r = nameOf(n.Name); r != nil {
		return key, r
	}
	asked := n.AllowedIPs
	if len(asked) == 0 {
		asked = b.fence()
	}
	if key.AllowedIPs, r = addressesOf(p, asked); r != nil {
		return key, r
	}
	if !b.fenced(key.AllowedIPs) {
		return key, refuse(ScopeTooWide, "A key does not make one that is good from more places.")
	}
	if n.WebhookURL != "" {
		if r := k.webhookTo(n.WebhookURL); r != nil {
			return key, r
		}
	}
	var err error
	key.ExpiresAt, err = b.endOf(p, n, now)
	key.RotateAt = until(now, p.Rotation.Every)
	return key, err
}

// scoped gives a new key its scopes: what is asked for, and where nothing is, as much
// of the profile's as is within the actor's rights.
func (k *Keys) scoped(b bounds, p Profile, n NewKey, key *storage.APIKey) error {
	asked := n.Scopes
	if len(asked) == 0 {
		for _, s := range p.Scopes {
			if b.permits(s) {
				asked = append(asked, s)
			}
		}
	}
	if len(asked) == 0 && len(p.Scopes) > 0 {
		return refuse(ScopeTooWide, "None of the profile's scopes is among your own rights.")
	}
	if len(asked) == 0 {
		return wrong("scopes", "A key needs at least one scope.")
	}
	var r *Refusal
	if key.Scopes, r = k.scopesOf(p, asked); r != nil {
		return r
	}
	return bounded(b, asked)
}

// store writes a new key, and says why where it could not be.
func (k *Keys) store(ctx context.Context, a Actor, p Profile, key storage.APIKey) error {
	in := storage.CreateKey{Key: key, Role: a.Role, VerifiedEmail: p.VerifiedEmail && key.Owner != "", Max: p.MaxPerOwner}
	if key.Owner == "" {
		in.Role = ""
	}
	err := k.tenant(a).CreateKey(ctx, in, audit.KeyCreated(ctx, key.CreatedAt, key, a.by()))
	if errors.Is(err, storage.ErrConflict) {
		return k.whyNot(ctx, a, p, key)
	}
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	return nil
}

// whyNot finds out which of the conditions of a new key did not hold.
func (k *Keys) whyNot(ctx context.Context, a Actor, p Profile, key storage.APIKey) error {
	t, err := k.cfg.Store.TenantByID(ctx, a.Tenant)
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	if !t.SuspendedAt.IsZero() {
		return refuse(TenantSuspended, "The tenant is suspended.")
	}
	if p.MaxPerOwner > 0 {
		n, err := k.tenant(a).CountKeys(ctx, storage.KeyFilter{Owner: &key.Owner, Profile: p.Name, State: "live", Now: key.CreatedAt})
		if err != nil {
			return fmt.Errorf("apikey: %w", err)
		}
		if n >= p.MaxPerOwner {
			return refuse(TooMany, fmt.Sprintf("There are %d keys of this profile, and no more are allowed. Revoke one first.", n))
		}
	}
	return refuse(Conflict, "Something about who asks has changed meanwhile: sign in again.")
}

// webhookSecret makes the secret that a key's webhook is signed with: 32 random bytes
// (Standard Webhooks 1.0.0).
func (k *Keys) webhookSecret(t storage.TenantID, key *storage.APIKey) (string, error) {
	var raw [32]byte
	rand.Read(raw[:])
	var err error
	if key.SealedWebhookSecret, err = k.cfg.Sealer.Seal(webhookPlace(t, key.ID), raw[:]); err != nil {
		return "", fmt.Errorf("apikey: %w", err)
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(raw[:]), nil
}

func webhookPlace(t storage.TenantID, id storage.KeyID) seal.Place {
	return seal.Place{Tenant: t, Table: "api_keys", Column: "webhook_secret", Row: string(id)}
}

func deliveryPlace(t storage.TenantID, id storage.KeyID) seal.Place {
	return seal.Place{Tenant: t, Table: "key_deliveries", Column: "secret", Row: string(id)}
}

// atMost is a lifetime under a limit; 0 is for ever, and no limit.
func atMost(d, limit time.Duration) time.Duration {
	if limit > 0 && (d <= 0 || d > limit) {
		return limit
	}
	return d
}
