package idp

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// settle ends the transaction of somebody known who arrives in a browser without
// sessions, of whom nothing has changed, who lacks nothing and is asked nothing: what
// they come to is read at once, and written at once. Not done: nothing has happened,
// and they go the long way.
func (s *Server) settle(w http.ResponseWriter, r *http.Request, l storage.Login, a arrival) (done bool, err error) {
	settler, can := s.authorizer.(Settler)
	if !can || l.Request == nil || a.local() || len(s.Handles(r)) > 0 {
		return false, nil
	}
	client, user, consent, err := s.cfg.Store.ArrivalView(r.Context(), storage.ArrivalPoint{
		Tenant: a.tenant.ID, Identity: a.identity(), Client: l.Request.Client,
		RedirectHost: storage.RedirectHost(l.Request.RedirectURI), Resource: storage.ResourceKey(l.Request.Resource),
	})
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return false, nil
	case err != nil:
		return true, away(err)
	}
	handle := token.NewSecret()
	session := s.newSession(r.Context(), a, hashOf(handle))
	session.User = user.ID
	if as, err := s.asBefore(r, a, user); !as || err != nil || !s.lacksNothing(l, a, session) {
		return err != nil, err
	}
	live := storage.LiveSession{Session: session, Tenant: a.tenant, UserInfo: user, Consent: consent}
	l.Tenant, l.Connection, l.Step = a.tenant.ID, a.connection.ID, storage.StepDone
	in := storage.Arrival{
		SignIn: storage.SignIn{Identity: a.identity(), User: user, Unchanged: true, Session: session},
		Login:  l, Event: audit.SignedIn(r.Context(), s.now(), user, session, false),
	}
	return settler.Settle(w, r, client, live, in, func() error {
		if err := s.cookies.put(w, r, sessionCookie+string(a.tenant.ID), handle); err != nil {
			return err
		}
		return s.release(w, r, l.ID)
	})
}

// asBefore reports whether somebody is known, and is and may be what they were.
func (s *Server) asBefore(r *http.Request, a arrival, known storage.User) (bool, error) {
	if known.ID == "" || !known.DisabledAt.IsZero() {
		return false, nil
	}
	if a.connection.RoleClaim != "" {
		if role, reason := MapRole(a.connection, a.subject.Roles); reason != "" || role != known.Role {
			return false, nil
		}
	}
	found, err := s.discover(r.Context(), a.subject.Email, a.discovery)
	if err != nil || s.ssoElsewhere(a.tenant, a.connection.ID, found.owner) != nil {
		return false, err
	}
	a.discovery = found
	return a.describes(known), nil
}

// lacksNothing reports whether a session is all that its transaction asks for.
func (s *Server) lacksNothing(l storage.Login, a arrival, session storage.Session) bool {
	return session.Level.AtLeast(a.tenant.Policy.RequireLevel) && s.needOf(l, a.tenant.Policy, session).Met(session) && named(*l.Request, session)
}

// describes reports whether the identity provider says of somebody what it said before.
func (a arrival) describes(known storage.User) bool {
	now := known
	a.describe(&now)
	return now.Email == known.Email && now.EmailVerified == known.EmailVerified && sameClaims(now.Claims, known.Claims)
}

// sameClaims compares claims as they are stored: as JSON. What cannot be stored so is
// like nothing.
func sameClaims(a, b map[string]any) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && bytes.Equal(x, y)
}
