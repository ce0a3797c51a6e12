package apikey

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/storage"
)

// person reports whether somebody asks who signed in, and not with a key.
func (a Actor) person() bool { return a.User != "" && a.Key == "" }

// runs reports whether they run the tenant.
func (a Actor) runs() bool {
	return a.User != "" && (a.Role == storage.RoleOwner || a.Role == storage.RoleAdmin)
}

func (a Actor) by() audit.KeyBy { return audit.KeyBy{User: a.User, Client: a.Client, Key: a.Key} }

// sees reports whether a key exists for the actor: those who run the tenant see all,
// others their own, machines and service keys those that are the tenant's alone.
func (a Actor) sees(key storage.APIKey) bool {
	return a.runs() || key.Owner == a.User || a.Key != "" && a.Key == key.ID
}

// touches reports whether an actor may narrow or end a key that they see. People may. A
// person's key may with the keys of that person, a service key with itself and those
// that it made, and a machine with those that were made through its client: whoever
// stole one has not all the others with it.
func (a Actor) touches(key storage.APIKey) bool {
	switch {
	case a.person():
		return true
	case a.Key != "":
		return key.ID == a.Key || key.Parent == a.Key || a.User != "" && key.Owner == a.User
	}
	return a.Client != "" && key.Client == a.Client
}

// touched is find, of a key that the actor may change or end.
func (k *Keys) touched(ctx context.Context, a Actor, id storage.KeyID) (storage.APIKey, Profile, error) {
	key, p, err := k.find(ctx, a, id)
	if err == nil && !a.touches(key) {
		err = refuse(Forbidden, "A key or a machine deals with what is its own. Sign in.")
	}
	return key, p, err
}

// find returns a key that exists for the actor, with its profile. A key whose profile
// is gone has one that allows nothing.
func (k *Keys) find(ctx context.Context, a Actor, id storage.KeyID) (storage.APIKey, Profile, error) {
	key, err := k.tenant(a).Key(ctx, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && !a.sees(key) {
		return storage.APIKey{}, Profile{}, unknown()
	}
	if err != nil {
		return storage.APIKey{}, Profile{}, fmt.Errorf("apikey: %w", err)
	}
	p, ok := k.cfg.Profiles.Profile(key.Profile)
	if !ok {
		p = Profile{Name: key.Profile, Create: storage.RoleOwner, AllowedScopes: []string{}, MaxLifetime: 1}
	}
	return key, p, nil
}

// bounds are what an actor can give away at most.
type bounds struct {
	actor Actor
	cat   *catalogue.Catalogue
	// key is the actor's own, as it is stored now; nil: they hold none.
	key *storage.APIKey
}

// boundsOf reads the actor's own key, if that is what they hold.
func (k *Keys) boundsOf(ctx context.Context, a Actor) (bounds, error) {
	b := bounds{actor: a, cat: k.cfg.Catalogue}
	if a.Key == "" {
		return b, nil
	}
	key, err := k.tenant(a).Key(ctx, a.Key)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return b, refuse(Forbidden, "The key that this request is made with is no more.")
	case err != nil:
		return b, fmt.Errorf("apikey: %w", err)
	case dead(key, k.now()):
		return b, refuse(Forbidden, "The key that this request is made with is no more.")
	}
	b.key = &key
	return b, nil
}

// permits reports whether a scope, with all that it implies, is among the actor's own
// rights: a person's are those of their role, whichever app they use; a machine's and
// a key's are what their credential has, and a key's as it is stored now.
func (b bounds) permits(scope string) bool {
	need := b.cat.Expand([]string{scope})
	has := b.actor.Scopes
	if b.actor.person() {
		has = b.cat.Effective([]string{scope}, b.actor.Role)
	}
	if !subset(need, has) {
		return false
	}
	if b.key == nil {
		return true
	}
	return subset(need, b.cat.Effective(b.key.Scopes, b.actor.Role)) && !slices.ContainsFunc(need, issuesCredentials)
}

// issuesCredentials reports whether who has a scope can let others in: no key hands
// that on.
func issuesCredentials(scope string) bool {
	return slices.Contains(catalogue.IssueCredentials(), scope)
}

// end is when the actor's own key ends; zero: never, or they hold none.
func (b bounds) end() time.Time {
	if b.key == nil {
		return time.Time{}
	}
	return earlier(b.key.ExpiresAt, b.actor.Expires)
}

// within reports whether something that ends at t ends with the actor's own key or
// before.
func (b bounds) within(t time.Time) bool {
	end := b.end()
	return end.IsZero() || !t.IsZero() && !t.After(end)
}

// fence is where the actor's own key is good from; empty: anywhere.
func (b bounds) fence() []string {
	if b.key == nil {
		return nil
	}
	return b.key.AllowedIPs
}

// fenced reports whether a list of prefixes, of which an empty one is everywhere, stays
// within the actor's own: from a key that is good from some places only comes nothing
// that is good from others.
func (b bounds) fenced(list []string) bool {
	return !opens(b.fence(), list)
}

// opens reports whether a list of prefixes lets in anybody whom another does not; an
// empty one lets in everybody.
func opens(was, will []string) bool {
	if len(was) == 0 {
		return false
	}
	outside := func(a string) bool {
		return !slices.ContainsFunc(was, func(w string) bool { return covers(w, a) })
	}
	return len(will) == 0 || slices.ContainsFunc(will, outside)
}

// covers reports whether every address of the prefix inner is one of outer.
func covers(outer, inner string) bool {
	o, err := netip.ParsePrefix(outer)
	i, errInner := netip.ParsePrefix(inner)
	return err == nil && errInner == nil && o.Bits() <= i.Bits() && o.Contains(i.Addr())
}

// mayMake checks what a profile asks of who gets a new secret of it for an owner
// ("": the tenant).
func (k *Keys) mayMake(ctx context.Context, a Actor, p Profile, owner storage.UserID) error {
	switch {
	case p.AccountKeys && !a.person():
		return refuse(Forbidden, "Only people make keys of this profile.")
	case p.AccountKeys:
	case owner == "" && !p.ServiceKeys && !a.person():
		return refuse(Forbidden, "Only people make keys of this profile.")
	case owner == "" && !p.ServiceKeys:
		return refuse(NotAllowed, "Every key of this profile belongs to a person.")
	case owner == "" && a.User != "" && !a.runs():
		return refuse(Forbidden, "Only owners and admins make keys that belong to nobody.")
	}
	switch {
	case a.User == "" && (p.Create == storage.RoleOwner || p.MFA || p.VerifiedEmail):
		return refuse(Forbidden, "Only people make keys of this profile: a machine is no owner, and proves nothing.")
	case a.User != "" && !p.MayCreate(a.Role):
		return refuse(Forbidden, "The role does not permit to make keys of this profile.")
	case p.MFA && !a.person() && a.User != "":
		return refuse(MFANeeded, "This profile wants proof of a second factor, which a key cannot give. Sign in.")
	case p.MFA && a.person():
		if err := k.proved(a, p); err != nil {
			return err
		}
	}
	if p.VerifiedEmail && a.User != "" {
		return k.verified(ctx, a)
	}
	return nil
}

// proved checks that a second factor was proved, and lately enough. Which evidence
// counts was decided when the person signed in.
func (k *Keys) proved(a Actor, p Profile) error {
	if !a.Level.AtLeast(storage.LevelMFA) {
		return refuse(MFANeeded, "This profile wants proof of a second factor. Sign in again with one.")
	}
	if p.MFAMaxAge > 0 && !k.recent(a.MFATime, p.MFAMaxAge) {
		r := refuse(MFANeeded, "The second factor was proved too long ago. Prove one again.")
		r.MaxAge = p.MFAMaxAge
		return r
	}
	return nil
}

// recent reports whether something was at most age ago.
func (k *Keys) recent(at time.Time, age time.Duration) bool {
	now := k.now()
	return !at.IsZero() && !at.After(now.Add(time.Minute)) && now.Sub(at) <= age
}

// fresh checks that the person signed in at most age ago.
func (k *Keys) fresh(a Actor, age time.Duration) error {
	if !a.person() || !k.recent(a.AuthTime, age) {
		r := refuse(FreshNeeded, "The last sign-in is too long ago. Sign in again.")
		r.MaxAge = age
		return r
	}
	return nil
}

// verified checks the person's e-mail address.
func (k *Keys) verified(ctx context.Context, a Actor) error {
	u, err := k.tenant(a).User(ctx, a.User)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return refuse(Forbidden, "There is no such person any more.")
	case err != nil:
		return fmt.Errorf("apikey: %w", err)
	case !u.EmailProved():
		return refuse(EmailUnverified, "This profile wants a verified e-mail address.")
	}
	return nil
}

// mayHold checks that the actor may come to hold the secret of a key: it is theirs, or
// nobody's, and may no more than they may. Whoever runs the tenant can end anybody's
// key, and be nobody with it.
func (b bounds) mayHold(key storage.APIKey, p Profile) error {
	if b.key != nil && b.key.ID == key.ID {
		return nil
	}
	switch {
	case key.Owner != b.actor.User && key.Owner != "":
		return refuse(Forbidden, "The key is somebody else's: only they may have its successor. It can be revoked.")
	case key.Owner == "" && b.actor.User != "" && !b.actor.runs():
		return refuse(Forbidden, "Only owners and admins hold keys that belong to nobody.")
	case b.key != nil && b.key.Profile != p.Name:
		return refuse(Forbidden, "A key deals with keys of its own profile only.")
	}
	for _, s := range key.Scopes {
		if !b.permits(s) {
			return refuse(ScopeTooWide, "The key may more than who asks.")
		}
	}
	if !b.fenced(key.AllowedIPs) {
		return refuse(Forbidden, "The key is good from more places than who asks.")
	}
	return nil
}

func dead(key storage.APIKey, now time.Time) bool {
	return storage.LiveKey{APIKey: key}.Dead(now) != ""
}

func subset(need, has []string) bool {
	return !slices.ContainsFunc(need, func(s string) bool { return !slices.Contains(has, s) })
}

// earlier is the first of two ends; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// personal are the scopes of OpenID Connect: they are about people who sign in, and no
// key has one.
var personal = strings.Fields("openid profile email address phone offline_access")
