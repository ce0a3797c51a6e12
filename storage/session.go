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

	AuthTime time.Time // when the identity provider authenticated the person
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
	// Session is the new session; Replaces ("" for none) ends at the same
	// moment, so that a sign-in always changes the handle (SE-02).
	Session  Session
	Replaces SessionID
}

// Sessions keeps one tenant's signed-in browsers.
type Sessions interface {
	// SignIn writes user, identity and session in one transaction. ErrExists:
	// the identity was created by somebody else meanwhile. ErrConflict: the
	// user changed meanwhile. In both cases nothing changed: read again.
	SignIn(ctx context.Context, in SignIn, ev Event) error
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
