package idp

import (
	"context"
	"errors"
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
	before, err := s.sessions(r)
	if err != nil {
		return away(err)
	}
	handle := token.NewSecret()
	session := s.newSession(a, hashOf(handle))
	if err := s.signIn(r.Context(), l, a, storage.SignIn{Session: session, Replaces: replaced(before, a.tenant.ID)}); err != nil {
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
	browser, err := s.rebind(w, r)
	if err != nil {
		return err
	}
	l.Step, l.Session, l.Browser = storage.StepConsent, session.ID, browser
	if l.Request == nil {
		l.Step = storage.StepDone
	}
	if l, err = s.advance(r.Context(), l); err != nil {
		return err
	}
	if l.Request == nil {
		http.Redirect(w, r, l.ReturnTo, http.StatusSeeOther)
		return nil
	}
	s.to(w, r, l, "")
	return nil
}

// newSession takes the assurance from the authentication and the lifetimes from
// the deployment, tightened by the tenant (SE-05).
func (s *Server) newSession(a arrival, handle []byte) storage.Session {
	now := s.now()
	lifetime := tighter(s.cfg.Lifetimes.Session, a.tenant.Policy.SessionLifetime)
	authTime := now
	if t := a.subject.AuthTime; !t.IsZero() && t.Before(now) {
		authTime = t.UTC().Truncate(time.Millisecond)
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

// signIn stores person and session. The person's key is (tenant, connection,
// iss, sub) and nothing else (FO-08).
func (s *Server) signIn(ctx context.Context, l storage.Login, a arrival, in storage.SignIn) error {
	users := s.cfg.Store.Tenant(a.tenant.ID)
	in.Identity = storage.Identity{Connection: a.connection.ID, Issuer: a.subject.Issuer, Subject: a.subject.Subject}
	var err error
	for range attempts {
		known, lookup := users.UserByIdentity(ctx, in.Identity)
		in.User, in.Create = known, errors.Is(lookup, storage.ErrNotFound)
		switch {
		case in.Create && !a.connection.CreateUsers:
			return s.refused(ctx, l, refuse("no_account", nil))
		case in.Create:
			in.User = storage.User{ID: storage.NewUserID(s.now()), Role: a.role(), CreatedAt: s.now(), Version: 1}
		case lookup != nil:
			return away(lookup)
		case !known.DisabledAt.IsZero():
			return s.refused(ctx, l, refuse("user_suspended", nil))
		}
		a.describe(&in.User)
		in.Session.User = in.User.ID
		err = users.SignIn(ctx, in, audit.SignedIn(ctx, s.now(), in.User, in.Session, in.Create))
		if !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if err != nil {
		return away(err)
	}
	return nil
}

// role of somebody new: the connection's, and the least where it says none.
func (a arrival) role() storage.Role {
	if a.connection.DefaultRole == "" {
		return storage.RoleViewer
	}
	return a.connection.DefaultRole
}

// describe takes over what the identity provider says at each sign-in.
func (a arrival) describe(u *storage.User) {
	u.Email, u.EmailVerified, u.Claims = a.subject.Email, a.subject.EmailVerified, a.subject.Claims
}

// replaced is the session that the new one takes the place of.
func replaced(before []storage.LiveSession, tenant storage.TenantID) storage.SessionID {
	for _, old := range before {
		if old.Tenant.ID == tenant && old.EndedAt.IsZero() {
			return old.ID
		}
	}
	return ""
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
