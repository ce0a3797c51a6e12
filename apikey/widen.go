package apikey

import (
	"context"
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// mayWiden is the rule for whatever lets a key do more than before: a scope, a later
// end, an address, another webhook, the way out of quarantine. It needs what making
// such a key would need now, or a change would be the way around the profile; and that
// the actor could hold the key, or it would be the way around their role.
func (k *Keys) mayWiden(ctx context.Context, b bounds, p Profile, was, will storage.APIKey) error {
	if _, known := k.rules[p.Name]; !known {
		return refuse(NotAllowed, "There are no keys of this profile any more.")
	}
	if err := k.mayMake(ctx, b.actor, p, was.Owner); err != nil {
		return err
	}
	if b.own(was) {
		return nil // what is new was checked, field by field
	}
	return b.couldHold(was, will)
}

// own reports whether a key is the person's, or the one with which they ask.
func (b bounds) own(key storage.APIKey) bool {
	if b.key != nil {
		return b.key.ID == key.ID
	}
	return b.actor.person() && key.Owner == b.actor.User
}

// couldHold checks a key that is not the actor's own, as it was and as it will be.
func (b bounds) couldHold(was, will storage.APIKey) error {
	beyond := func(s string) bool { return !b.permits(s) }
	switch {
	case !b.actor.person() && (b.key == nil || was.Parent != b.key.ID):
		return refuse(Forbidden, "Only a person lets this key do more. Sign in.")
	case slices.ContainsFunc(was.Scopes, beyond), slices.ContainsFunc(will.Scopes, beyond):
		return refuse(ScopeTooWide, "The key may more than who asks: it can be narrowed or revoked.")
	case !b.fenced(will.AllowedIPs):
		return refuse(ScopeTooWide, "The key is good from more places than who asks.")
	case !b.within(will.ExpiresAt):
		return refuse(LifetimeTooLong, "The key lives longer than who asks.")
	}
	return nil
}
