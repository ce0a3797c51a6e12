package idp

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// attempts is how often a sign-in is tried anew when somebody else changed the
// person meanwhile.
const attempts = 4

// arrival is a person whom a tenant's identity provider has signed in.
type arrival struct {
	tenant     storage.Tenant
	connection storage.Connection
	subject    Subject
}

// arrive turns an authentication into a session of this browser and takes the
// transaction to its next step. Session handle and browser binding are new:
// those from before the sign-in are worth nothing after it (SE-02).
func (s *Server) arrive(w http.ResponseWriter, r *http.Request, l storage.Login, a arrival) error {
	handle := token.NewSecret()
	session, before, err := s.signIn(r, l, a, s.newSession(a, hashOf(handle)))
	if err != nil {
		return err
	}
	if err := s.cookies.put(w, r, sessionCookie+string(a.tenant.ID), handle); err != nil {
		return err
	}
	if err := s.makeRoom(w, r, before, a.tenant.ID); err != nil {
		return away(err)
	}
	return s.arrived(w, r, l, session)
}

// arrived stores where the transaction goes on.
func (s *Server) arrived(w http.ResponseWriter, r *http.Request, l storage.Login, session storage.Session) error {
	l.Step, l.Session = storage.StepConsent, session.ID
	if l.Request == nil {
		return s.home(w, r, l)
	}
	var err error
	if l.Browser, err = s.bind(w, r, l.ID); err != nil {
		return err
	}
	if l, err = s.advance(r.Context(), l); err != nil {
		return err
	}
	s.to(w, r, l, "")
	return nil
}

// home ends the transaction of somebody who came by themselves where they wanted
// to go.
func (s *Server) home(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	if err := s.done(w, r, l); err != nil {
		return err
	}
	http.Redirect(w, r, l.ReturnTo, http.StatusSeeOther)
	return nil
}

// newSession takes the assurance from the authentication and the lifetimes from
// the deployment, tightened by the tenant (SE-05). When the person was
// authenticated only the provider knows: where it does not say, nobody does.
func (s *Server) newSession(a arrival, handle []byte) storage.Session {
	now := s.now()
	lifetime := tighter(s.cfg.Lifetimes.Session, a.tenant.Policy.SessionLifetime)
	authTime := a.subject.AuthTime.UTC().Truncate(time.Millisecond)
	if authTime.After(now) { // its clock is ahead of ours
		authTime = now
	}
	return storage.Session{
		ID: storage.NewSessionID(now), Connection: a.connection.ID, Handle: handle,
		AuthTime: authTime, ACR: a.subject.ACR, AMR: a.subject.AMR,
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(lifetime),
		IdleTimeout: tighter(s.cfg.Lifetimes.Idle, a.tenant.Policy.SessionIdle),
	}
}

func tighter(limit, policy time.Duration) time.Duration {
	if policy > 0 {
		return min(limit, policy)
	}
	return limit
}

// signIn stores person and session. It returns the session as it is stored, and
// those that this browser had before.
func (s *Server) signIn(r *http.Request, l storage.Login, a arrival, fresh storage.Session) (storage.Session, []storage.LiveSession, error) {
	ctx, none := r.Context(), storage.Session{}
	var err error
	for range attempts {
		var before []storage.LiveSession
		if before, err = s.sessions(r); err != nil {
			break
		}
		in := storage.SignIn{Session: fresh}
		if err = s.person(ctx, l, a, &in); errors.Is(err, storage.ErrConflict) {
			continue
		} else if err != nil {
			return none, nil, err
		}
		more := s.succeed(ctx, &in, before, a.tenant.ID)
		ev := audit.SignedIn(ctx, s.now(), in.User, in.Session, in.Create)
		err = s.cfg.Store.Tenant(a.tenant.ID).SignIn(ctx, in, ev, more...)
		if err == nil {
			return in.Session, before, nil
		}
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	return none, nil, away(err)
}

// person finds or makes who signed in. The key is (tenant, connection, iss, sub)
// and nothing else (FO-08). ErrConflict: somebody changed them meanwhile.
func (s *Server) person(ctx context.Context, l storage.Login, a arrival, in *storage.SignIn) error {
	in.Identity = storage.Identity{Connection: a.connection.ID, Issuer: a.subject.Issuer, Subject: a.subject.Subject}
	known, err := s.cfg.Store.Tenant(a.tenant.ID).UserByIdentity(ctx, in.Identity)
	in.User, in.Create = known, errors.Is(err, storage.ErrNotFound)
	switch {
	case in.Create && !a.connection.CreateUsers:
		return s.refused(ctx, l, refuse("no_account", nil))
	case in.Create:
		in.User = storage.User{ID: storage.NewUserID(s.now()), Role: a.role(a.defaultRole()), CreatedAt: s.now(), Version: 1}
	case err != nil:
		return away(err)
	case !known.DisabledAt.IsZero():
		return s.refused(ctx, l, refuse("user_suspended", nil))
	}
	if err := s.follow(ctx, a, &in.User); err != nil {
		return err
	}
	a.describe(&in.User)
	in.Session.User = in.User.ID
	return nil
}

// follow gives somebody known the role that the connection's claim says now. It is a
// change of its own, and comes before the sign-in: once it is stored, no node lets
// what hangs on the old role through. ErrConflict: somebody changed them meanwhile.
func (s *Server) follow(ctx context.Context, a arrival, u *storage.User) error {
	if u.Role == a.role(u.Role) {
		return nil
	}
	u.Role = a.role(u.Role)
	ev := audit.UserUpdated(ctx, s.now(), *u)
	ev.Connection = a.connection.ID
	err := s.cfg.Store.Tenant(a.tenant.ID).UpdateUser(ctx, *u, ev)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return err
	case err != nil:
		return away(err)
	}
	u.Version++
	return nil
}

// succeed says what becomes of the session that this browser had in the tenant.
// The same person's goes on under the new handle, and with it the apps that hang
// on it; past its absolute end it does not, because nothing comes back from the
// dead. Somebody else's ends, which is an event of its own.
func (s *Server) succeed(ctx context.Context, in *storage.SignIn, before []storage.LiveSession, tenant storage.TenantID) []storage.Event {
	i := slices.IndexFunc(before, func(l storage.LiveSession) bool { return l.Tenant.ID == tenant && l.EndedAt.IsZero() })
	if i < 0 {
		return nil
	}
	now, old := s.now(), before[i]
	if old.User == in.User.ID && now.Before(old.ExpiresAt) {
		in.Renews, in.Session.ID, in.Session.CreatedAt = true, old.ID, old.CreatedAt
		return nil
	}
	in.Replaces = old.ID
	return []storage.Event{audit.SignedOut(ctx, now, old.User, old.ID, "sign_in")}
}

// roles are those that a claim can say, from most to least.
var roles = []storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer}

// role is what the connection's claim says, and otherwise where that is no role. A
// claim that is a list, as a provider's groups are, says the most of its roles.
func (a arrival) role(otherwise storage.Role) storage.Role {
	if a.connection.RoleClaim == "" {
		return otherwise
	}
	said, isList := a.subject.Claims[a.connection.RoleClaim].([]any)
	if !isList {
		said = []any{a.subject.Claims[a.connection.RoleClaim]}
	}
	for _, r := range roles {
		if slices.Contains(said, any(string(r))) {
			return r
		}
	}
	return otherwise
}

// defaultRole is that of somebody new of whom the provider says nothing: the
// connection's, and the least where it says none.
func (a arrival) defaultRole() storage.Role {
	if a.connection.DefaultRole == "" {
		return storage.RoleViewer
	}
	return a.connection.DefaultRole
}

// describe takes over what the identity provider says at each sign-in. The role is
// between it and us: apps learn nothing of that claim.
func (a arrival) describe(u *storage.User) {
	u.Email, u.EmailVerified, u.Claims = a.subject.Email, a.subject.EmailVerified, a.subject.Claims
	if _, ok := u.Claims[a.connection.RoleClaim]; ok {
		u.Claims = maps.Clone(u.Claims)
		delete(u.Claims, a.connection.RoleClaim)
	}
}

// makeRoom drops the cookies of sessions that are over, and ends the oldest
// where a browser has too many.
func (s *Server) makeRoom(w http.ResponseWriter, r *http.Request, before []storage.LiveSession, arriving storage.TenantID) error {
	others := slices.DeleteFunc(usable(before, s.now()), func(l storage.LiveSession) bool { return l.Tenant.ID == arriving })
	crowd := others[:max(0, len(others)-(maxSeats-1))]
	for _, old := range crowd {
		if err := s.end(r.Context(), old, "sign_in"); err != nil {
			return err
		}
	}
	kept := others[len(crowd):]
	for _, seat := range s.cookies.seats(r) {
		stays := slices.ContainsFunc(kept, func(l storage.LiveSession) bool { return l.Tenant.ID == seat.tenant })
		if seat.tenant == arriving || stays {
			continue
		}
		if err := s.cookies.drop(w, r, sessionCookie+string(seat.tenant)); err != nil {
			return err
		}
	}
	return nil
}

// end ends a session; one that has ended already is no error.
func (s *Server) end(ctx context.Context, l storage.LiveSession, by string) error {
	now := s.now()
	err := s.cfg.Store.Tenant(l.Tenant.ID).EndSession(ctx, l.ID, now, audit.SignedOut(ctx, now, l.User, l.ID, by))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}
