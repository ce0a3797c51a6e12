package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// Successor hands over, once, the key that took the place of the one with which the
// actor asks. Refusals: Forbidden (it is no key that asks), NotFound (it has no
// successor), Gone (its successor was handed over), Conflict (it is being handed over
// right now: whether it was, the same question says a minute later).
func (k *Keys) Successor(ctx context.Context, a Actor) (Issued, error) {
	if a.Key == "" {
		return Issued{}, refuse(Forbidden, "A successor is fetched with the key that it follows.")
	}
	old, err := k.tenant(a).Key(ctx, a.Key)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return Issued{}, unknown()
	case err != nil:
		return Issued{}, fmt.Errorf("apikey: %w", err)
	case !own(a.Secret, old):
		return Issued{}, refuse(Forbidden, "A successor is fetched with the key that it follows.")
	case dead(old, k.now()):
		return Issued{}, over()
	case old.Successor == "":
		return Issued{}, refuse(NotFound, "The key has no successor.")
	}
	return k.pickUp(ctx, a, old)
}

func gone() *Refusal { return refuse(Gone, "The successor was handed over already.") }

// pickUp wins the hand-over, and only then tells the secret.
func (k *Keys) pickUp(ctx context.Context, a Actor, old storage.APIKey) (Issued, error) {
	next, err := k.tenant(a).Key(ctx, old.Successor)
	if err != nil {
		return Issued{}, fmt.Errorf("apikey: %w", err)
	}
	d, err := k.tenant(a).Delivery(ctx, old.ID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return Issued{}, gone() // somebody rotated by hand, and was told
	case err != nil:
		return Issued{}, fmt.Errorf("apikey: %w", err)
	case !d.DoneAt.IsZero():
		return Issued{}, gone()
	}
	secret, err := k.cfg.Sealer.Open(deliveryPlace(a.Tenant, d.Key), d.Sealed)
	if err != nil {
		return Issued{}, fmt.Errorf("apikey: delivery of %s: %w", d.Key, err)
	}
	if err := k.win(ctx, a, d, next.WebhookURL != ""); err != nil {
		return Issued{}, err
	}
	return Issued{Key: next, Secret: string(secret), OldEnds: d.ExpiresAt}, nil
}

// win ends the delivery in favour of a pick-up. Where a webhook may be on its way at
// this moment, it is stopped first, or has won.
func (k *Keys) win(ctx context.Context, a Actor, d storage.KeyDelivery, called bool) error {
	now := k.now()
	if called {
		if err := k.claim(ctx, a.Tenant, &d, now); err != nil {
			if errors.Is(err, storage.ErrConflict) {
				return refuse(Conflict, "The successor is being handed over to the webhook. Ask again in a minute.")
			}
			return err
		}
	}
	err := k.tenant(a).FinishDelivery(ctx, d.Key, now, audit.KeyDelivered(ctx, now, d, "successor", a.by()))
	switch {
	case errors.Is(err, storage.ErrConsumed), errors.Is(err, storage.ErrNotFound):
		return gone()
	case err != nil:
		return fmt.Errorf("apikey: %w", err)
	}
	return nil
}

// claimFor is how long one hand-over is nobody else's. A webhook is given up well
// before.
const claimFor = time.Minute

// A claim is an odd number of attempts, and over at NextAt. The winner of one is the
// only one who hands the secret over until then; what comes of it makes the number
// even again.
func claimed(d storage.KeyDelivery, now time.Time) bool {
	return d.Attempts%2 == 1 && now.Before(d.NextAt)
}

// claim makes the delivery the caller's for a minute. storage.ErrConflict: it is
// somebody else's, or was handed over.
func (k *Keys) claim(ctx context.Context, t storage.TenantID, d *storage.KeyDelivery, now time.Time) error {
	if claimed(*d, now) {
		return storage.ErrConflict
	}
	if d.Attempts%2 == 1 { // of somebody who died over it
		if err := k.try(ctx, t, d, now.Add(claimFor)); err != nil {
			return err
		}
	}
	return k.try(ctx, t, d, now.Add(claimFor))
}

// try is one conditional step of a delivery.
func (k *Keys) try(ctx context.Context, t storage.TenantID, d *storage.KeyDelivery, next time.Time) error {
	err := k.cfg.Store.Tenant(t).TryDelivery(ctx, *d, next)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrConsumed) || errors.Is(err, storage.ErrNotFound) {
		return storage.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	d.Attempts++
	d.NextAt = next
	return nil
}
