package orgapi

import (
	"reflect"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// What an administrator who is no owner does not decide, because owners are made, kept or
// guarded by it:
//
//   - a connection by which people can come to be owners, or through which an owner signs
//     in (mayTouch, mayClose);
//   - of every connection, what of its provider is believed to be a second factor
//     (mayBelieve): the policy that only owners change would be worth nothing;
//   - a domain in which an owner has their address (mayGovern);
//   - of every verified domain, where its people sign in, whether they have to there, and
//     that the tenant has it (maySteer, mayGiveUp).

// mayTouch refuses whoever is no owner a connection by which owners are made or get in,
// in any of the states that are given: who decides what it says of people could become
// an owner by it, make an owner less, or keep one out.
func (a *API) mayTouch(c caller, states ...storage.Connection) error {
	if c.owner() {
		return nil
	}
	if slices.ContainsFunc(states, makesOwners) {
		return forOwners()
	}
	return a.mayClose(c, states[0].ID)
}

// mayClose refuses whoever is no owner a connection through which an owner signs in.
func (a *API) mayClose(c caller, id storage.ConnectionID) error {
	return a.unlessOwners(c, func(store storage.TenantStore, u storage.User) (bool, error) {
		ids, err := store.Identities(c, u.ID)
		return slices.ContainsFunc(ids, func(i storage.Identity) bool { return i.Connection == id }), err
	})
}

// mayBelieve refuses whoever is no owner to change what of a connection's provider is
// believed to be a second factor. What it is asked for proves nothing.
func mayBelieve(c caller, was, will storage.Connection) error {
	before, after := was.Settings.MFA, will.Settings.MFA
	before.AskFor, after.AskFor = nil, nil
	if c.owner() || reflect.DeepEqual(before, after) {
		return nil
	}
	return manage.Refuse(manage.Forbidden, "Only an owner decides what of a provider proves a second factor.")
}

// maySteer refuses whoever is no owner to change where people of a verified domain sign
// in, or whether they have to there: who chooses the provider of a domain chooses who its
// people are.
func (a *API) maySteer(c caller, was, will storage.Domain) error {
	if !c.owner() && !was.VerifiedAt.IsZero() {
		switch {
		case was.Connection != will.Connection:
			return manage.Refuse(manage.Forbidden, "Only an owner sends people of a verified domain to another connection.")
		case was.SSORequired != will.SSORequired:
			return manage.Refuse(manage.Forbidden, "Only an owner decides whether people of a verified domain sign in through its connection alone.")
		}
	}
	return a.mayGovern(c, was.Name)
}

// mayGiveUp refuses whoever is no owner to remove a verified domain: claimed anew, it
// could be sent to another connection before it is verified.
func (a *API) mayGiveUp(c caller, d storage.Domain) error {
	if !c.owner() && !d.VerifiedAt.IsZero() {
		return manage.Refuse(manage.Forbidden, "Only an owner removes a verified domain.")
	}
	return a.mayGovern(c, d.Name)
}

// mayGovern refuses whoever is no owner a domain in which an owner has their address:
// where its people sign in, and whether they have to, holds for the owner.
func (a *API) mayGovern(c caller, domain string) error {
	return a.unlessOwners(c, func(_ storage.TenantStore, u storage.User) (bool, error) {
		_, of, _ := strings.Cut(u.Email, "@")
		name, err := domains.Name(of)
		return err == nil && name == domain, nil
	})
}

// unlessOwners refuses whoever is no owner what concerns an owner who is not disabled.
func (a *API) unlessOwners(c caller, concerns func(storage.TenantStore, storage.User) (bool, error)) error {
	if c.owner() {
		return nil
	}
	store := a.cfg.Store.Tenant(c.Tenant)
	owners, err := store.Owners(c)
	if err != nil {
		return refusal(err)
	}
	for _, u := range owners {
		switch does, err := concerns(store, u); {
		case err != nil:
			return refusal(err)
		case does:
			return forOwners()
		}
	}
	return nil
}
