package idp

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

// linkable finds whom a new identity may be linked to: somebody who was invited, or
// signs in by a passkey, and is known by the very address that the provider now says is
// verified (FO-09). All of it has to hold:
//
//  1. the tenant has proved the address's domain, and its connection is this one;
//  2. the provider says that the address is verified;
//  3. one person of the tenant has it, and no second one;
//  4. that person has no identity at a provider yet;
//  5. they are no owner: whoever may connect a provider, an administrator, would
//     otherwise become one by having it say an owner's address.
//
// False: nobody; the identity is a person of its own. An address by itself never names
// anybody.
func (s *Server) linkable(ctx context.Context, a arrival) (storage.User, bool, error) {
	if !a.subject.EmailVerified || a.owner == nil || a.owner.Tenant.ID != a.tenant.ID || a.owner.Connection.ID != a.connection.ID {
		return storage.User{}, false, nil
	}
	tenant := s.cfg.Store.Tenant(a.tenant.ID)
	same, err := tenant.UsersByEmail(ctx, a.subject.Email)
	if err != nil || len(same) != 1 || same[0].Role == storage.RoleOwner {
		return storage.User{}, false, err
	}
	federated, err := s.federated(ctx, tenant, same[0].ID)
	return same[0], err == nil && !federated, err
}

// federated reports whether a person has an identity at a provider.
func (s *Server) federated(ctx context.Context, tenant storage.TenantStore, u storage.UserID) (bool, error) {
	ids, err := tenant.Identities(ctx, u)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		con, err := tenant.Connection(ctx, id.Connection)
		if err != nil || con.Kind != storage.Passkey {
			return true, err
		}
	}
	return false, nil
}
