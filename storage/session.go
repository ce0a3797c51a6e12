package storage

import (
	"context"
	"time"
)

// Session is a signed-in browser in one tenant. Its assurance (ACR, AMR,
// AuthTime) is that of its authentication and never grows (SE-07).
type Session struct {
	ID         SessionID
	User       UserID
	Connection ConnectionID
	// Handle is the SHA-256 of what the cookie holds.
	Handle []byte

	// AuthTime is when the identity provider authenticated the person, as it
	// says; zero when it does not say. Nobody invents it.
	AuthTime time.Time
	ACR      string
	AMR      []string

	CreatedAt  time.Time
	LastSeenAt time.Time
	// ExpiresAt is the absolute end; IdleTimeout the longest silence.
	ExpiresAt   time.Time
	IdleTimeout time.Duration
	EndedAt     time.Time
}

// Expired reports whether the session is over at now: ended, past its end, or
// silent for too long.
func (s Session) Expired(now time.Time) bool {
	return !s.EndedAt.IsZero() || !now.Before(s.ExpiresAt) || now.Sub(s.LastSeenAt) >= s.IdleTimeout
}

// LiveSession is a session with what its life hangs on.
type LiveSession struct {
	Session
	Tenant   Tenant
	UserInfo User
	// ConnectionDisabledAt is the connection's.
	ConnectionDisabledAt time.Time
	// Consent is the remembered consent for the client that was asked about,
	// nil when there is none. See [Lookups.AuthorizeView].
	Consent *Consent
}

// Usable reports whether somebody is signed in by it at now.
func (s LiveSession) Usable(now time.Time) bool {
	return !s.Expired(now) && s.Tenant.SuspendedAt.IsZero() && s.UserInfo.DisabledAt.IsZero() && s.ConnectionDisabledAt.IsZero()
}

// SignIn is one completed authentication.
type SignIn struct {
	Identity Identity
	// User is stored as it is: created when Create is set, otherwise replaced
	// if the stored version is User.Version.
	User   User
	Create bool
	// Session is stored with a new handle (SE-02): as a new row, or, when Renews
	// is set, in place of the same person's session with that id, so that what
	// hangs on it goes on living.
	Session Session
	Renews  bool
	// Replaces ("" for none) is another session, which ends at the same moment.
	Replaces SessionID
}

// Sessions keeps one tenant's signed-in browsers.
type Sessions interface {
	// SignIn writes user, identity and session in one transaction. ErrExists:
	// the identity was created by somebody else meanwhile. ErrConflict: the
	// user changed meanwhile, or the session to renew is not that user's, has
	// ended, or is past its ExpiresAt. In all cases nothing changed: read again. more is for the session
	// that it replaces.
	SignIn(ctx context.Context, in SignIn, ev Event, more ...Event) error
	// EndSession ends one. ErrNotFound: unknown, another tenant's, or ended.
	EndSession(ctx context.Context, id SessionID, at time.Time, ev Event) error
	// ListSessions returns a person's sessions that are not over at now, newest
	// first.
	ListSessions(ctx context.Context, user UserID, now time.Time) ([]Session, error)
}

// SessionToucher notes that somebody was there; activity resets the idle time
// only, never the absolute end.
type SessionToucher interface {
	// TouchSession sets LastSeenAt, unless the session has ended. It is no
	// security decision and records no event.
	TouchSession(ctx context.Context, id SessionID, at time.Time) error
}
