package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// attempts is how often a sign-in is tried anew when somebody else changed the
// person meanwhile.
const attempts = 4

// arrival is a person whom a tenant's identity provider has signed in, or who has
// proved themselves to this server at a connection of kind Passkey: then the subject is
// the user's id, and says nothing of their address, claims and role.
type arrival struct {
	tenant     storage.Tenant
	connection storage.Connection
	subject    Subject
	discovery  // of the subject's address
}

// identity is the key of the person who arrives (FO-08).
func (a arrival) identity() storage.Identity {
	return storage.Identity{Connection: a.connection.ID, Issuer: a.subject.Issuer, Subject: a.subject.Subject}
}

// local reports whether they proved themselves here.
func (a arrival) local() bool { return a.connection.Kind == storage.Passkey }

// arrive turns an authentication into a session of this browser and takes the
// transaction to its next step. Session handle and browser binding are new:
// those from before the sign-in are worth nothing after it (SE-02).
func (s *Server) arrive(w http.ResponseWriter, r *http.Request, l storage.Login, a arrival) error {
	if done, err := s.settle(w, r, l, a); done || err != nil {
		return err
	}
	handle := token.NewSecret()
	session, before, err := s.signIn(r, l, a, s.newSession(r.Context(), a, hashOf(handle)))
	if err != nil {
		return err
	}
	if err := s.cookies.put(w, r, sessionCookie+string(a.tenant.ID), handle); err != nil {
		return err
	}
	if err := s.makeRoom(w, r, before, a.tenant.ID); err != nil {
		return away(err)
	}
	l.Tenant, l.Connection, l.Need = a.tenant.ID, a.connection.ID, s.needOf(l, a.tenant.Policy, session)
	return s.onward(w, r, l, session)
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
// authenticated only the provider knows: where it does not say, nobody does, and
// nobody knows the age of the second factor either.
func (s *Server) newSession(ctx context.Context, a arrival, handle []byte) storage.Session {
	now, from := s.now(), origin.From(ctx)
	session := storage.Session{
		ID: storage.NewSessionID(now), Connection: a.connection.ID, Handle: handle,
		AuthTime: notAfter(a.subject.AuthTime, now), ACR: foreign(a.subject.ACR), AMR: a.subject.AMR, Level: a.subject.Level,
		IP: cut(from.IP, maxIP), UserAgent: cut(from.UserAgent, maxUserAgent), UpstreamSID: a.subject.SID,
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(tighter(s.cfg.Lifetimes.Session, a.tenant.Policy.SessionLifetime)),
		IdleTimeout: tighter(s.cfg.Lifetimes.Idle, a.tenant.Policy.SessionIdle),
	}
	if session.Level != storage.LevelNone {
		session.MFAAt = session.AuthTime
	}
	return session
}

// foreign is a provider's context. The names of levels are this server's, which judges
// by evidence (MF-02): a provider that uses one of them has said nothing.
func foreign(acr string) string {
	if isLevel(acr) {
		return ""
	}
	return acr
}

// What a session keeps of the request that made it, in bytes.
const (
	maxIP        = 45
	maxUserAgent = 255
)

// cut returns at most limit bytes of a text, in whole characters.
func cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// notAfter is a moment as it is stored; one of a clock that is ahead of ours is now.
func notAfter(at, now time.Time) time.Time {
	at = at.UTC().Truncate(time.Millisecond)
	if at.After(now) {
		return now
	}
	return at
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
		var more []storage.Event
		if more, err = s.person(ctx, l, a, &in); errors.Is(err, storage.ErrConflict) {
			continue
		} else if err != nil {
			return none, nil, err
		}
		more = append(more, s.succeed(ctx, &in, before, a.tenant.ID)...)
		in.Session.Pending = !in.Session.Level.AtLeast(a.tenant.Policy.RequireLevel)
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
		in.Renews, in.Session.ID = true, old.ID
		if old.Standing(now) && !old.MFAAt.Before(now.Add(-s.cfg.Lifetimes.Session)) {
			carryOver(&in.Session, old.Session)
		}
		return nil
	}
	in.Replaces = old.ID
	return []storage.Event{audit.SignedOut(ctx, now, old.User, old.ID, "sign_in")}
}

// carryOver keeps the second factor that the same person proved in the session that
// goes on, where it is worth more than that of the new authentication. It is never older
// than a session can be: one that is renewed again and again would keep it for ever.
func carryOver(fresh *storage.Session, old storage.Session) {
	better := old.Level.AtLeast(fresh.Level) && (old.Level != fresh.Level || old.MFAAt.After(fresh.MFAAt))
	if old.Level == storage.LevelNone || !better {
		return
	}
	fresh.Level, fresh.MFAAt = old.Level, old.MFAAt
	fresh.AMR = slices.Clone(fresh.AMR)
	for _, method := range old.AMR {
		if !slices.Contains(fresh.AMR, method) {
			fresh.AMR = append(fresh.AMR, method)
		}
	}
}

// makeRoom drops the cookies of sessions that are over, and ends the oldest
// where a browser has too many.
func (s *Server) makeRoom(w http.ResponseWriter, r *http.Request, before []storage.LiveSession, arriving storage.TenantID) error {
	others := slices.DeleteFunc(standing(before, s.now()), func(l storage.LiveSession) bool { return l.Tenant.ID == arriving })
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
