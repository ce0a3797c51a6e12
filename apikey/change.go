package apikey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// attempts is how often a change is tried that others get ahead of.
const attempts = 5

// Change changes a key that has not ended. Whatever lets it do more needs what making
// such a key would need now, and that the actor could hold it; a key or a machine
// changes itself and what it made only. version is the one that was decided on; 0 is
// whichever there is. Its text stays as it is: what it says is only which key it is. Refusals: NotFound, Invalid, Forbidden, ScopeTooWide, LifetimeTooLong, NotAllowed,
// EmailUnverified, MFANeeded, FreshNeeded, Gone, Conflict.
func (k *Keys) Change(ctx context.Context, a Actor, id storage.KeyID, version int64, c Change) (storage.APIKey, error) {
	b, err := k.boundsOf(ctx, a)
	if err != nil {
		return storage.APIKey{}, k.refused(ctx, a, id, "change", err)
	}
	for range attempts {
		out, err := k.change(ctx, b, id, version, c)
		if version == 0 && errors.Is(err, storage.ErrConflict) {
			continue
		}
		if !errors.Is(err, storage.ErrConflict) {
			return out, k.refused(ctx, a, id, "change", err)
		}
		break
	}
	return storage.APIKey{}, refuse(Conflict, "The key has changed meanwhile: read it again.")
}

func (k *Keys) change(ctx context.Context, b bounds, id storage.KeyID, version int64, c Change) (storage.APIKey, error) {
	key, p, err := k.touched(ctx, b.actor, id)
	if err != nil {
		return storage.APIKey{}, err
	}
	now := k.now()
	switch {
	case version != 0 && version != key.Version:
		return storage.APIKey{}, storage.ErrConflict
	case !key.RevokedAt.IsZero() || !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
		return storage.APIKey{}, over()
	}
	e := &edit{b: b, p: p, now: now, key: key}
	for _, step := range []func(*Keys, Change) error{e.name, e.scopes, e.addresses, e.end, e.webhook, e.release} {
		if err := step(k, c); err != nil {
			return storage.APIKey{}, err
		}
	}
	if e.widened {
		if err := k.mayWiden(ctx, b, p, key, e.key); err != nil {
			return storage.APIKey{}, err
		}
	}
	return k.update(ctx, e)
}

// update stores an edited key, if anything is different.
func (k *Keys) update(ctx context.Context, e *edit) (storage.APIKey, error) {
	if len(e.changed) == 0 {
		return e.key, nil
	}
	ev := audit.KeyUpdated(ctx, e.now, e.key, e.b.actor.by(), e.changed)
	if e.released {
		ev = audit.KeyReleased(ctx, e.now, e.key, e.b.actor.by())
	}
	err := k.tenant(e.b.actor).UpdateKey(ctx, e.key, ev)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return storage.APIKey{}, storage.ErrConflict
	case errors.Is(err, storage.ErrNotFound):
		return storage.APIKey{}, unknown()
	case err != nil:
		return storage.APIKey{}, fmt.Errorf("apikey: %w", err)
	}
	e.key.Version++
	return e.key, nil
}

// edit is a key that is being changed, with the fields that are different by now.
type edit struct {
	b        bounds
	p        Profile
	now      time.Time
	key      storage.APIKey
	changed  []string
	released bool
	// widened: by now it lets the key do more than before.
	widened bool
}

func (e *edit) name(_ *Keys, c Change) error {
	if c.Name == nil {
		return nil
	}
	name, r := nameOf(*c.Name)
	if r != nil {
		return r
	}
	if name != e.key.Name {
		e.key.Name, e.changed = name, append(e.changed, "name")
	}
	return nil
}

// scopes checks those that are new: what somebody else gave the key stays, though who
// changes it may less.
func (e *edit) scopes(k *Keys, c Change) error {
	if c.Scopes == nil {
		return nil
	}
	if len(*c.Scopes) == 0 {
		return wrong("scopes", "A key needs at least one scope.")
	}
	scopes, r := k.scopesOf(e.p, *c.Scopes)
	if r != nil {
		return r
	}
	more := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(e.key.Scopes, s) })
	if err := bounded(e.b, more); err != nil {
		return err
	}
	e.widened = e.widened || !subset(e.b.cat.Expand(scopes), e.b.cat.Expand(e.key.Scopes))
	if !slices.Equal(scopes, e.key.Scopes) {
		e.key.Scopes, e.changed = scopes, append(e.changed, "scopes")
	}
	return nil
}

// addresses lets a key that is good from some places only open nothing to others, and
// itself least of all.
func (e *edit) addresses(_ *Keys, c Change) error {
	if c.AllowedIPs == nil {
		return nil
	}
	list, r := addressesOf(e.p, *c.AllowedIPs)
	if r != nil {
		return r
	}
	if !e.b.fenced(list) {
		return refuse(ScopeTooWide, "A key does not open another, or itself, to more places than it is good from.")
	}
	e.widened = e.widened || opens(e.key.AllowedIPs, list)
	if !slices.Equal(list, e.key.AllowedIPs) {
		e.key.AllowedIPs, e.changed = list, append(e.changed, "allowed_ips")
	}
	return nil
}

// end moves the end. Earlier is always right; later only as far as a new key of the
// profile would live, and not where a successor has taken over.
func (e *edit) end(_ *Keys, c Change) error {
	if c.ExpiresAt == nil || c.ExpiresAt.Equal(e.key.ExpiresAt) {
		return nil
	}
	end := c.ExpiresAt.UTC().Truncate(time.Millisecond)
	if c.ExpiresAt.IsZero() {
		end = time.Time{}
	}
	if !end.IsZero() && !end.After(e.now) {
		return wrong("expires_at", "This is in the past. To end a key now, revoke it.")
	}
	if later := earlier(e.key.ExpiresAt, end).Equal(e.key.ExpiresAt); later {
		if err := e.extendable(end); err != nil {
			return err
		}
		e.widened = true
	}
	e.key.ExpiresAt, e.changed = end, append(e.changed, "expires_at")
	return nil
}

func (e *edit) extendable(end time.Time) error {
	switch {
	case e.p.Format == "":
		return refuse(NotAllowed, "There are no keys of this profile any more.")
	case e.key.Successor != "":
		return refuse(NotAllowed, "The key has a successor, and ends when that was decided.")
	case end.IsZero() && !e.p.Offers(0), !end.IsZero() && end.After(until(e.now, e.p.longest())) && e.p.longest() > 0:
		return wrong("expires_at", "A key of this profile lives "+offered(e.p)+".")
	case !e.b.within(end):
		return refuse(LifetimeTooLong, "A key does not let another, or itself, live longer.")
	}
	return nil
}

// longest is how long a key of the profile may live; 0: for ever.
func (p Profile) longest() time.Duration {
	if p.Lifetimes == nil {
		return p.MaxLifetime
	}
	if slices.Contains(p.Lifetimes, 0) {
		return 0
	}
	return slices.Max(p.Lifetimes)
}

// webhook changes where successors are sent. Whoever does that comes to hold them.
func (e *edit) webhook(k *Keys, c Change) error {
	if c.WebhookURL == nil || *c.WebhookURL == e.key.WebhookURL {
		return nil
	}
	e.changed = append(e.changed, "webhook_url")
	if *c.WebhookURL == "" {
		e.key.WebhookURL, e.key.SealedWebhookSecret = "", nil
		return nil
	}
	if r := k.webhookTo(*c.WebhookURL); r != nil {
		return r
	}
	if err := e.b.mayHold(e.key, e.p); err != nil {
		return err
	}
	if e.key.WebhookURL == "" {
		return wrong("webhook_url", "A webhook, whose secret is told once, is given when a key is made.")
	}
	e.key.WebhookURL, e.widened = *c.WebhookURL, true
	return nil
}

// release is a person's decision: what was seen in public decides nothing about itself.
func (e *edit) release(_ *Keys, c Change) error {
	switch {
	case !c.Release || e.key.QuarantinedAt.IsZero():
		return nil
	case !e.b.actor.person() || !e.b.actor.runs() && e.key.Owner != e.b.actor.User:
		return refuse(Forbidden, "The owner of a key, or who runs the tenant, releases it, and not with a key.")
	}
	e.key.QuarantinedAt, e.released, e.widened = time.Time{}, true, true
	e.changed = append(e.changed, "quarantine")
	return nil
}
