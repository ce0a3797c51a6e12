package storage

import (
	"context"
	"time"
)

// TokenRef is where a token's row is: its expiry bucket, which the token
// carries, and the SHA-256 of the whole token. A lookup touches one partition.
type TokenRef struct {
	Bucket uint32 // hours since 1970 at which the token is over, rounded up
	Hash   [32]byte
}

// AccessToken is an opaque access token at rest.
type AccessToken struct {
	Ref    TokenRef
	ID     TokenID // jti
	Grant  GrantID // "" for client_credentials
	Client ClientID
	User   UserID // "" for client_credentials
	// Session is set when the token ends with the session.
	Session    SessionID
	Connection ConnectionID
	Scopes     []string
	Audience   []string
	Auth       Authentication
	// Claims is the claims parameter's userinfo part, as sent; may be empty.
	Claims    string
	IssuedAt  time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
}

// RefreshToken is a refresh token at rest. All tokens of a family share the
// bucket of the grant's absolute end.
type RefreshToken struct {
	Ref TokenRef
	// Parent is the hash of the predecessor; nil for the first of a family.
	Parent    []byte
	Grant     GrantID
	Client    ClientID
	IssuedAt  time.Time
	IdleUntil time.Time // 14 days after IssuedAt
	ExpiresAt time.Time // the grant's absolute end
	RotatedAt time.Time // when it was first exchanged
}

// RetryWindow is how long a rotated refresh token may be presented again, as
// long as its successor is unused: a lost answer can be fetched once more.
const RetryWindow = 30 * time.Second

// RotateRefresh is one refresh that passed every check.
type RotateRefresh struct {
	Old TokenRef
	At  time.Time
	// Successor is derived from Old, so that a concurrent refresh or a retry
	// writes the same one: it is then there already, and that is no error.
	Successor RefreshToken
	Access    AccessToken
}

// IssueToken is one access token for a machine, and what it was decided on.
type IssueToken struct {
	Token                        AccessToken
	ClientVersion, TenantVersion int64
}

// Tokens keeps one tenant's tokens.
type Tokens interface {
	// IssueToken stores an access token that has no grant (client_credentials)
	// if, at that moment, the tenant and the client are live, and at the
	// versions that were decided on. ErrConflict: they are not; nothing changed.
	IssueToken(ctx context.Context, in IssueToken, ev Event) error
	// RotateRefresh marks Old as rotated and stores successor and access token,
	// in one transaction, if the grant is not revoked and Old is either unused,
	// or was rotated less than RetryWindow before At and its successor is
	// unused. ErrConsumed otherwise; nothing changed.
	RotateRefresh(ctx context.Context, in RotateRefresh, ev Event) error
	// RevokeToken kills one access token. Revoking again is no error.
	// ErrNotFound: unknown or another tenant's.
	RevokeToken(ctx context.Context, ref TokenRef, at time.Time, ev Event) error
}

// Life is everything that a credential's life hangs on, as one statement read
// it. A time is zero when that never happened, or when the credential does not
// hang on that thing.
type Life struct {
	TenantID          TenantID
	TenantSlug        string
	TenantSuspendedAt time.Time
	// TokensNotBefore is not zero if the tenant was suspended, or the client or the
	// connection disabled, after the credential was stored, whatever they are now; never
	// for what survives that.
	TokensNotBefore      time.Time
	ClientDisabledAt     time.Time
	GrantRevokedAt       time.Time
	GrantExpiresAt       time.Time
	UserDisabledAt       time.Time
	SessionEndedAt       time.Time
	SessionExpiresAt     time.Time // the absolute end; silence alone kills no token
	ConnectionDisabledAt time.Time
	// Key is the API key under which the grant was made; "" for none.
	Key          KeyID
	KeyRevokedAt time.Time // or quarantined, or its app disabled
	KeyExpiresAt time.Time
	// What else the key is held to now holds for what was made under it.
	KeyScopes, KeyAllowedIPs []string
	KeyProfile               string
	KeyClient                ClientID // through which the key was made; it dies with it
}

// Dead returns why the credential is not live at now, as a short stable code for the log, or "" when it is. What it says is never
// told to a client.
func (l Life) Dead(now time.Time) string {
	switch {
	case !l.TenantSuspendedAt.IsZero():
		return "tenant_suspended"
	case !l.ClientDisabledAt.IsZero():
		return "client_disabled"
	case !l.GrantRevokedAt.IsZero():
		return "grant_revoked"
	case !l.GrantExpiresAt.IsZero() && !now.Before(l.GrantExpiresAt):
		return "grant_expired"
	case !l.UserDisabledAt.IsZero():
		return "user_disabled"
	case !l.ConnectionDisabledAt.IsZero():
		return "connection_disabled"
	case !l.SessionEndedAt.IsZero():
		return "session_ended"
	case !l.SessionExpiresAt.IsZero() && !now.Before(l.SessionExpiresAt):
		return "session_expired"
	case !l.TokensNotBefore.IsZero():
		return "issued_before_interruption"
	case !l.KeyRevokedAt.IsZero():
		return "key_revoked"
	case !l.KeyExpiresAt.IsZero() && !now.Before(l.KeyExpiresAt):
		return "key_expired"
	}
	return ""
}

// LiveToken is an access token with what its life hangs on.
type LiveToken struct {
	AccessToken
	Life     Life
	UserInfo User // zero for client_credentials
}

// Dead returns why the token is not live at now; see [Life.Dead].
func (t LiveToken) Dead(now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !now.Before(t.ExpiresAt):
		return "expired"
	}
	return t.Life.Dead(now)
}

// LiveCode is a code with what its life hangs on.
type LiveCode struct {
	Code
	Tenant   Tenant // of the code; its policy may have changed since
	Life     Life
	UserInfo User
}

// LiveRefresh is a refresh token with its grant and what its life hangs on.
type LiveRefresh struct {
	RefreshToken
	Tenant Tenant // of the token; its policy may have changed since
	Family Grant
	// SuccessorUsed: the token that replaced this one has itself been used.
	SuccessorUsed bool
	Life          Life
	UserInfo      User
}

// Retry reports whether a second use at now is a retry and not reuse.
func (t LiveRefresh) Retry(now time.Time) bool {
	return !t.RotatedAt.IsZero() && now.Sub(t.RotatedAt) < RetryWindow && !t.SuccessorUsed
}
