package storage

import (
	"context"
	"time"
)

// Grant is one user's authorization of one client in one tenant: the root of a
// token family. It is written when its code is redeemed, or a key is exchanged for tokens.
type Grant struct {
	ID     GrantID
	User   UserID
	Client ClientID
	// Session is set when the grant ends with the session (no offline_access).
	Session SessionID
	// Origin is the session in which it was approved, whether it ends with it or not:
	// the client is told when that one ends. "" when it was not in a session.
	Origin     SessionID
	Connection ConnectionID
	// Key is set when the grant was made under an API key, and ends with it.
	Key      KeyID
	Scopes   []string
	Resource []string
	// Auth, Nonce and Claims are those of the code, for refreshed ID tokens.
	Auth      Authentication
	Nonce     string
	Claims    string
	CreatedAt time.Time
	ExpiresAt time.Time // absolute end of the family
	RevokedAt time.Time
}

// Consent is a remembered approval (AZ-31): it answers for requests of the same
// user, client, redirect host and resource whose scopes it covers.
type Consent struct {
	User         UserID
	Client       ClientID
	RedirectHost string
	Resource     string // space-separated, sorted
	Scopes       []string
	// ClientVersion is the client's when the person approved: a changed client
	// asks again.
	ClientVersion int64
	At            time.Time
}

// Authentication is the authentication that a code or a token rests on.
type Authentication struct {
	AuthTime time.Time `json:"auth_time,omitzero"`
	ACR      string    `json:"acr,omitempty"`
	AMR      []string  `json:"amr,omitempty"`
	// Level and MFATime are the session's Level and MFAAt.
	Level   Level     `json:"level,omitempty"`
	MFATime time.Time `json:"mfa_time,omitzero"`
}

// Code is an authorization code. Its challenge lives and dies with it (D9).
type Code struct {
	Ref    TokenRef
	Grant  GrantID // of the grant that redeeming it creates
	User   UserID
	Client ClientID

	Session      SessionID
	Connection   ConnectionID
	RedirectURI  string
	RedirectSent bool
	Challenge    string
	Nonce        string
	Scopes       []string // granted
	Resource     []string
	Claims       string
	Auth         Authentication
	// AuthTimeRequired: max_age was sent, or auth_time asked for.
	AuthTimeRequired bool

	CreatedAt time.Time
	ExpiresAt time.Time // 60 s after CreatedAt
	UsedAt    time.Time
	Attempts  int // failed redemptions by the rightful client
}

// IssueCode is one approved authorization request.
type IssueCode struct {
	Code Code
	// ClientVersion and TenantVersion are those that were decided on.
	ClientVersion, TenantVersion int64
	// Remember is the consent that was just given; RequireConsent one that must
	// still be there. At most one of them is set.
	Remember, RequireConsent *Consent
	// Handle is that of the session, by which it was found: one that was exchanged since
	// gets nothing (SE-02). It is required, but with an Arrival.
	Handle []byte
	// Arrival is the sign-in that the code is the answer to, when both are stored at
	// once; nil: the session is there.
	Arrival *Arrival
}

// Arrival is somebody known coming back from their identity provider to an app that has
// nothing to ask: their session begins, and the transaction ends, with the code.
type Arrival struct {
	// SignIn is Unchanged; its session is new, and in the place of no other.
	SignIn SignIn
	// Login is used up, by the rules of [Logins.AdvanceLogin].
	Login Login
	// Event is that of the sign-in.
	Event Event
}

// Of reports whether a code is one that the arriving session may have: it is that
// session's, and somebody is signed in by it at the moment of the code.
func (a Arrival) Of(c Code) bool {
	s := a.SignIn.Session
	return s.ID == c.Session && s.User == c.User && a.SignIn.User.ID == c.User && s.Connection == c.Connection &&
		a.SignIn.Identity.Connection == c.Connection && !s.Pending && !s.Expired(c.CreatedAt)
}

// Codes keeps one tenant's authorization codes.
type Codes interface {
	// IssueCode stores a code if, at that moment, the tenant (at TenantVersion),
	// the user, the client (at ClientVersion), the session (under Handle) and the connection are live, and
	// RequireConsent is still there (AZ-36). ErrConflict: one is not. It also
	// notes the session's activity. more is for the consent that came with it.
	// With an Arrival, ErrConflict says besides that the user has changed, that the
	// identity is not theirs, or that the transaction is used up.
	IssueCode(ctx context.Context, in IssueCode, ev Event, more ...Event) error
	// RedeemCode consumes the code and creates grant and tokens, in one
	// transaction. ErrConsumed: it was used already, or somebody was faster.
	RedeemCode(ctx context.Context, in RedeemCode, ev Event) error
	// FailCode counts a failed redemption; at the fifth it consumes the code
	// (TK-10).
	FailCode(ctx context.Context, ref TokenRef, at time.Time, ev Event) error
}

// RedeemCode is one redemption that passed every check.
type RedeemCode struct {
	Code    TokenRef
	At      time.Time
	Grant   Grant
	Access  AccessToken
	Refresh *RefreshToken // nil: none is issued
}

// Grants keeps one tenant's token families.
type Grants interface {
	// RevokeGrant kills a family: every token of it is dead when this returns.
	// Revoking again is no error. ErrNotFound: unknown or another tenant's.
	RevokeGrant(ctx context.Context, id GrantID, at time.Time, ev Event) error
	// WithdrawConsent forgets a person's consent to a client and kills every
	// family of the two.
	WithdrawConsent(ctx context.Context, user UserID, client ClientID, at time.Time, ev Event) error
	// ListGrants returns a person's grants that are neither revoked nor over at
	// now, newest first.
	ListGrants(ctx context.Context, user UserID, now time.Time) ([]Grant, error)
	// ListConsents returns what a person's approvals are remembered for, by client,
	// redirect host and resource. They hold without a grant, too.
	ListConsents(ctx context.Context, user UserID) ([]Consent, error)
}
