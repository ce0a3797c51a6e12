package orgapi

import (
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/storage"
)

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
