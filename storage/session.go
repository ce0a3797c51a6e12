package storage

import (
	"context"
	"slices"
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
	ACR      string   // the provider's
	AMR      []string // the provider's, and those of the local factors (RFC 8176)
	// Level is what was proved of second factors, upstream or here, and MFAAt when.
	Level Level
	MFAAt time.Time
	// Pending: the tenant's policy asks for a factor that is still missing. Nobody is
	// signed in by it.
	Pending bool

	// IP and UserAgent are those of the sign-in, for the person's own list; at most 45
	// and 255 bytes.
	IP, UserAgent string
	// UpstreamSID is the provider's sid, for its logout tokens; "" when it has none.
	UpstreamSID string

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

// Contexts are the acr values that the session satisfies: its Level and those below it,
// then the provider's own, which knows nothing of a factor that was proved here. A
// provider's word for a level is none.
func (s Session) Contexts() []string {
	var all []string
	for _, l := range []Level{LevelPHR, LevelMFA} {
		if s.Level.AtLeast(l) {
			all = append(all, string(l))
		}
	}
	if s.ACR != "" && s.ACR != string(LevelMFA) && s.ACR != string(LevelPHR) {
		all = append(all, s.ACR)
	}
	return all
}

// ContextFor is the acr that an app is told: the first that it wants of those that
// the session satisfies, and otherwise the first that there is; "" for none.
func (s Session) ContextFor(wanted []string) string {
	all := s.Contexts()
	for _, v := range wanted {
		if slices.Contains(all, v) {
			return v
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return ""
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
	return !s.Pending && s.Standing(now)
}

// Standing is Usable for a session that may still be pending.
func (s LiveSession) Standing(now time.Time) bool {
	return !s.Expired(now) && s.Tenant.SuspendedAt.IsZero() && s.UserInfo.DisabledAt.IsZero() && s.ConnectionDisabledAt.IsZero()
}

// SignIn is one completed authentication.
type SignIn struct {
	Identity Identity
	// User is stored as it is: created when Create is set, otherwise replaced
	// if the stored version is User.Version.
	User   User
	Create bool
	// Link adds the identity to the user, who has none yet (FO-09).
	Link bool
	// Demotes: the user was an owner and is none any more. ErrLastOwner.
	Demotes bool
	// Unchanged: User is as it was read. That it still is, and that the identity is
	// theirs, is asked, and nothing of them is written.
	Unchanged bool
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
	// RaiseSession notes a second factor. Its handle is new (SE-02), and it is not
	// pending any more. ErrConflict: it is over, or its handle is not r.Was.
	RaiseSession(ctx context.Context, id SessionID, r RaiseSession, ev Event) error
	// EndSession ends one. ErrNotFound: unknown, another tenant's, or ended. Clients
	// that got tokens in it and have a BackchannelLogoutURI get a [Logout], in the
	// same transaction.
	EndSession(ctx context.Context, id SessionID, at time.Time, ev Event) error
	// EndSessions ends all that e is about, as EndSession does, and returns which
	// they were. None is no error.
	EndSessions(ctx context.Context, e EndSessions, at time.Time, ev Event) ([]SessionID, error)
	// Session returns ErrNotFound for an unknown id, and for another tenant's.
	Session(ctx context.Context, id SessionID) (Session, error)
	// PageSessions returns up to limit of the tenant's sessions that are not over at
	// now, newest first, older than before when that is not "".
	PageSessions(ctx context.Context, before SessionID, limit int, now time.Time) ([]Session, error)
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

// RaiseSession is a second factor that was proved in a session.
type RaiseSession struct {
	Was, Handle []byte // SHA-256, before and after
	Level       Level
	MFAAt       time.Time
	AMR         []string
	// AuthTime replaces the session's when it is not zero: the factor was a whole
	// authentication (a passkey).
	AuthTime time.Time
}

// EndSessions says whose sessions end.
type EndSessions struct {
	User   UserID    // one person's
	Except SessionID // but for this; "": all
	// Connection limits it to those that came through it, and UpstreamSID further to
	// the one that the provider calls so; "" for no limit.
	Connection  ConnectionID
	UpstreamSID string
	// Grants revokes every grant of the person, offline access included.
	Grants bool
}

// SessionsByUpstream finds what a provider's logout token is about.
type SessionsByUpstream interface {
	// UserByUpstreamSID returns whose session the provider calls so; ErrNotFound.
	UserByUpstreamSID(ctx context.Context, con ConnectionID, sid string) (UserID, error)
}

// Logout is one client that has to be told that a session is over (OpenID Connect
// Back-Channel Logout).
type Logout struct {
	Tenant  TenantID
	Session SessionID
	Client  ClientID
	User    UserID
	EndedAt time.Time
	// Attempts counts the tries so far; NextAt is when the next is due.
	Attempts int
	NextAt   time.Time
	DoneAt   time.Time
	Outcome  string // "delivered", "refused" (4xx), "given_up"; "" while it waits
}

// Logouts keeps what one tenant's clients have still to be told.
type Logouts interface {
	// TryLogout claims an attempt: it counts it and sets when the next is due.
	// ErrConflict: somebody else did, or it is done.
	TryLogout(ctx context.Context, l Logout, next time.Time) error
	// FinishLogout notes how it ended. ErrConsumed: it is done already.
	FinishLogout(ctx context.Context, l Logout, outcome string, at time.Time, ev Event) error
}

// SignOutHint is what a verified id_token_hint of ours says (OpenID Connect
// RP-Initiated Logout section 2).
type SignOutHint struct {
	User    UserID
	Client  ClientID // its only audience
	Session SessionID
	Expired bool
}
