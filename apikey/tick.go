package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

const (
	// batch is how many due things are read at once.
	batch = 100
	// leastGrace is for a scheduled rotation, of which nobody knows yet.
	leastGrace = time.Hour
	// retryRotation is after how long a rotation is tried again that failed.
	retryRotation = 10 * time.Minute
	// retryUnknown is after how long a rotation is looked at again whose profile is not
	// there. Each time is a change in the trail.
	retryUnknown = 6 * time.Hour
	// atOnce is how many webhooks are called at once: one that does not answer is not
	// to hold up those of other tenants.
	atOnce = 16
)

// Tick does what is due: successors of keys whose time has come, webhooks, and signals
// about successors that nobody has. Any number of nodes may run it at once, and again;
// run it every few seconds. What fails for one key does not stop the others, is in the
// error, and is tried again later.
func (k *Keys) Tick(ctx context.Context) error {
	return errors.Join(k.rotateDue(ctx), k.deliverDue(ctx))
}

func (k *Keys) rotateDue(ctx context.Context) error {
	due, err := k.cfg.Store.DueRotations(ctx, k.now(), batch)
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	var failed []error
	for _, d := range due {
		if err := k.rotateOne(ctx, d); err != nil {
			failed = append(failed, fmt.Errorf("apikey: rotate %s: %w", d.Key, err))
		}
	}
	return errors.Join(failed...)
}

// rotateOne makes the successor of a key by the rules of now. Keys of a profile that
// does not rotate any more stay as they are, and those of one that is not there wait.
func (k *Keys) rotateOne(ctx context.Context, due storage.DueKey) error {
	key, err := k.cfg.Store.Tenant(due.Tenant).Key(ctx, due.Key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := k.now()
	p, known := k.cfg.Profiles.Profile(key.Profile)
	switch {
	case dead(key, now) || key.RotateAt.IsZero() || key.RotateAt.After(now):
		return nil
	case !known:
		// This node may be the one that has an old catalogue file.
		return k.postpone(ctx, due.Tenant, key, now.Add(retryUnknown))
	case p.Rotation.Every <= 0 || key.Successor != "":
		return k.postpone(ctx, due.Tenant, key, time.Time{})
	}
	t := turn{tenant: due.Tenant, old: key, profile: p, grace: max(p.Rotation.Grace, leastGrace), end: key.ExpiresAt, unattended: true}
	_, err = k.replace(ctx, t)
	var r *Refusal
	if errors.As(err, &r) {
		return nil // somebody else was faster
	}
	if err != nil {
		return errors.Join(err, k.postpone(ctx, due.Tenant, key, now.Add(retryRotation)))
	}
	k.cfg.Log.InfoContext(ctx, "an API key was rotated", slog.String("tenant", string(due.Tenant)), slog.String("key", string(key.ID)))
	return nil
}

// postpone moves a rotation; the zero time is never.
func (k *Keys) postpone(ctx context.Context, t storage.TenantID, key storage.APIKey, at time.Time) error {
	key.RotateAt = at
	ev := audit.KeyUpdated(ctx, k.now(), key, audit.KeyBy{}, []string{"rotate_at"})
	err := k.cfg.Store.Tenant(t).UpdateKey(ctx, key, ev)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

func (k *Keys) deliverDue(ctx context.Context) error {
	due, err := k.cfg.Store.DueDeliveries(ctx, k.now(), batch)
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	failed := make([]error, len(due))
	var callers errgroup.Group
	callers.SetLimit(atOnce)
	for i, d := range due {
		callers.Go(func() error {
			if err := k.attend(ctx, d); err != nil {
				failed[i] = fmt.Errorf("apikey: deliver %s: %w", d.Key, err)
			}
			return nil
		})
	}
	return errors.Join(append(failed, callers.Wait())...)
}

// attend does what is due about one delivery.
func (k *Keys) attend(ctx context.Context, d storage.KeyDelivery) error {
	now := k.now()
	var failed []error
	if !d.NextAt.IsZero() && !now.Before(d.NextAt) {
		failed = append(failed, k.deliver(ctx, d))
	}
	if d.WarnedAt.IsZero() && !now.Before(d.WarnAt) {
		failed = append(failed, k.warn(ctx, d))
	}
	return errors.Join(failed...)
}

// warn signals, once, that the old key ends soon and nobody has its successor.
func (k *Keys) warn(ctx context.Context, d storage.KeyDelivery) error {
	now := k.now()
	err := k.cfg.Store.Tenant(d.Tenant).WarnDelivery(ctx, d.Key, now, audit.KeyPickupMissed(ctx, now, d))
	if errors.Is(err, storage.ErrConsumed) || errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	k.signals.WithLabelValues("key_pickup_missed").Inc()
	k.cfg.Log.WarnContext(ctx, "the successor of an API key was not picked up", slog.String("tenant", string(d.Tenant)),
		slog.String("key", string(d.Old)), slog.String("successor", string(d.Key)), slog.Time("ends_at", d.ExpiresAt))
	k.tellMissed(ctx, d)
	return nil
}
