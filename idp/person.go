package idp

import (
	"context"
	"errors"
	"maps"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// person finds or makes who signed in. The key is (tenant, connection, iss, sub)
// and nothing else (FO-08). It returns what has to be on record besides.
// ErrConflict: somebody changed them meanwhile.
func (s *Server) person(ctx context.Context, l storage.Login, a arrival, in *storage.SignIn) ([]storage.Event, error) {
	in.Identity = a.identity()
	known, err := s.cfg.Store.Tenant(a.tenant.ID).UserByIdentity(ctx, in.Identity)
	address := a.subject.Email
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return nil, away(err)
	case a.local():
		address = known.Email
	}
	in.User = known
	if a.discovery, err = s.discover(ctx, address, a.discovery); err != nil {
		return nil, err
	}
	if page := s.ssoElsewhere(a.tenant, a.connection.ID, a.owner); page != nil {
		return nil, s.refused(ctx, l, page)
	}
	if known.ID == "" {
		if err := s.newcomer(ctx, l, a, in); err != nil {
			return nil, err
		}
	}
	return s.admit(ctx, l, a, in)
}

// newcomer says who an identity is that nobody has used yet: somebody whom the tenant
// knows by a verified address, or somebody new.
func (s *Server) newcomer(ctx context.Context, l storage.Login, a arrival, in *storage.SignIn) error {
	known, found, err := s.linkable(ctx, a)
	switch {
	case err != nil:
		return away(err)
	case found:
		in.User, in.Link = known, true
	case !a.connection.CreateUsers || a.local():
		return s.refused(ctx, l, s.refuseIn(a.tenant, "no_account", ""))
	default:
		in.User, in.Create = storage.User{ID: storage.NewUserID(s.now()), CreatedAt: s.now(), Version: 1}, true
	}
	return nil
}

// admit lets in who was found, with the role and the description that they have now.
func (s *Server) admit(ctx context.Context, l storage.Login, a arrival, in *storage.SignIn) (more []storage.Event, err error) {
	if !in.User.DisabledAt.IsZero() {
		return nil, s.refused(ctx, l, s.refuseIn(a.tenant, "user_suspended", ""))
	}
	role, err := s.role(ctx, l, a, in)
	if err != nil {
		return nil, err
	}
	if in.Create {
		in.User.Role = role
	} else if more, err = s.follow(ctx, a, role, &in.User); err != nil {
		return nil, err
	}
	in.Unchanged = !in.Create && !in.Link && (a.local() || a.describes(in.User))
	a.describe(&in.User)
	in.Session.User = in.User.ID
	if in.Link {
		more = append(more, audit.UserLinked(ctx, s.now(), in.User, in.Identity))
	}
	return more, nil
}

// role is the one that the person has from now on. Without a claim that says it, only
// somebody new is given one; with a claim, a sign-in that gives none is refused, and on
// record with the reason (FO-20).
func (s *Server) role(ctx context.Context, l storage.Login, a arrival, in *storage.SignIn) (storage.Role, error) {
	if a.local() || a.connection.RoleClaim == "" && !in.Create {
		return in.User.Role, nil
	}
	role, reason := MapRole(a.connection, a.subject.Roles)
	if reason == "" {
		return role, nil
	}
	if err := s.cfg.Store.Tenant(a.tenant.ID).AppendEvent(ctx, audit.RolesMissing(ctx, s.now(), a.connection.ID, reason)); err != nil {
		return "", away(err)
	}
	return "", s.refused(ctx, l, s.refuseIn(a.tenant, "no_role", ""))
}

// follow gives somebody known the role that they have now. It is a change of its own,
// and comes before the sign-in: once it is stored, no node lets what hangs on the old
// role through. The last owner stays one, which is on record. ErrConflict: somebody
// changed them meanwhile.
func (s *Server) follow(ctx context.Context, a arrival, role storage.Role, u *storage.User) ([]storage.Event, error) {
	if u.Role == role {
		return nil, nil
	}
	changed := *u
	changed.Role = role
	ev := audit.UserUpdated(ctx, s.now(), changed)
	ev.Connection = a.connection.ID
	err := s.cfg.Store.Tenant(a.tenant.ID).UpdateUser(ctx, changed, ev)
	switch {
	case errors.Is(err, storage.ErrLastOwner):
		return []storage.Event{audit.RoleKept(ctx, s.now(), *u)}, nil
	case errors.Is(err, storage.ErrConflict):
		return nil, err
	case err != nil:
		return nil, away(err)
	}
	*u = changed
	u.Version++
	return nil, nil
}

// elsewhere reports whether another tenant has proved the domain of the address. Then no
// provider of this one can say that it is somebody's here: an app of several tenants
// would take them for a person of the other.
func (a arrival) elsewhere() bool { return a.owner != nil && a.owner.Tenant.ID != a.tenant.ID }

// describe takes over what the identity provider says at each sign-in. The role is
// between it and us: apps learn nothing of that claim.
func (a arrival) describe(u *storage.User) {
	if a.local() {
		return
	}
	u.Email, u.EmailVerified, u.Claims = a.subject.Email, a.subject.EmailVerified && !a.elsewhere(), a.subject.Claims
	if _, ok := u.Claims[a.connection.RoleClaim]; ok {
		u.Claims = maps.Clone(u.Claims)
		delete(u.Claims, a.connection.RoleClaim)
	}
}
