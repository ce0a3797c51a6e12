package idp

import (
	"context"
	"errors"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// discovery is what is known of an e-mail domain.
type discovery struct {
	domain string // "": of none
	// owner is who has proved it; nil when nobody has.
	owner *storage.DomainOwner
}

// discover finds who has proved the domain of an address, unless that is known
// already. What is no address has no domain.
func (s *Server) discover(ctx context.Context, address string, known discovery) (discovery, error) {
	domain, ok := domainOf(address)
	switch {
	case !ok:
		return discovery{}, nil
	case domain == known.domain:
		return known, nil
	}
	owner, err := s.cfg.Store.DomainOwner(ctx, domain)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return discovery{domain: domain}, nil
	case err != nil:
		return discovery{}, away(err)
	}
	return discovery{domain: domain, owner: &owner}, nil
}

// ssoElsewhere returns the page of somebody whose address may come in through another
// connection of the tenant alone, or nil. Break-glass, which comes in all the same
// (MF-12), does not ask.
func (s *Server) ssoElsewhere(t storage.Tenant, con storage.ConnectionID, owner *storage.DomainOwner) *web.Error {
	if owner == nil || owner.Tenant.ID != t.ID || !owner.SSORequired || owner.Connection.ID == con {
		return nil
	}
	return s.refuseIn(t, "sso_required", templates.SSOThrough(owner.Connection.Name))
}

// enforceSSO returns the page of somebody with that address who may not sign in through
// the connection, because the tenant has proved the address's domain and requires
// another connection for it; nil when they may. A page is on record when it is
// returned. Whatever signs people in asks.
func (s *Server) enforceSSO(ctx context.Context, l storage.Login, t storage.Tenant, con storage.ConnectionID, address string) error {
	found, err := s.discover(ctx, address, discovery{})
	if err != nil {
		return err
	}
	if page := s.ssoElsewhere(t, con, found.owner); page != nil {
		return s.refused(ctx, l, page)
	}
	return nil
}
