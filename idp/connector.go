package idp

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// What a [Connector] fails with. It wraps one of them with %w; the cause is for
// the log, and holds no token, code or secret. Any other error is an internal
// one.
var (
	// ErrUpstreamDenied: the person, or the provider, said no (access_denied).
	ErrUpstreamDenied = errors.New("idp: sign-in was refused at the identity provider")
	// ErrUpstreamFailed: the provider reported another error.
	ErrUpstreamFailed = errors.New("idp: the identity provider reported an error")
	// ErrUpstreamInvalid: the answer, or the provider's configuration, failed
	// a check. Nothing in it may be acted on.
	ErrUpstreamInvalid = errors.New("idp: the identity provider's answer is not valid")
	// ErrUpstreamUnavailable: the provider could not be reached.
	ErrUpstreamUnavailable = errors.New("idp: the identity provider does not answer")
)

// Connector speaks to one connection's identity provider.
type Connector interface {
	// AuthURL returns where the browser goes to sign in.
	AuthURL(ctx context.Context, req UpstreamRequest) (string, error)
	// Finish checks what came back and returns who signed in. It is called once
	// for each callback; the caller has checked state and browser.
	Finish(ctx context.Context, cb UpstreamCallback) (Subject, error)
}

// UpstreamRequest is one trip to the identity provider. State, Nonce and
// Verifier are fresh for each trip.
type UpstreamRequest struct {
	State       string
	Nonce       string
	Verifier    string // PKCE code_verifier (RFC 7636)
	RedirectURI string
	LoginHint   string   // an e-mail address, or ""
	Prompt      string   // "login" or ""
	MaxAge      *int64   // seconds; nil: not asked for
	ACRValues   []string // in the order of preference
}

// UpstreamCallback is what the browser brought back, and what was sent.
type UpstreamCallback struct {
	Params      url.Values
	Nonce       string
	Verifier    string
	RedirectURI string
}

// Subject is a person as the identity provider describes them.
type Subject struct {
	Issuer        string
	Subject       string // sub: 1 to 255 bytes
	Email         string // may be empty
	EmailVerified bool
	// Claims are standard OpenID Connect claims (Core section 5.1) of JSON
	// types; no sub. The connection's RoleClaim is there, too, when the provider
	// sent it.
	Claims map[string]any
	// AuthTime is when the provider authenticated the person; zero when it did
	// not say.
	AuthTime time.Time
	ACR      string
	AMR      []string
	// Level is what the provider's evidence proves by the connection's settings and
	// its preset's table; absent or unknown evidence proves nothing (MF-02).
	Level storage.Level
	// SID is the provider's session id, for its logout tokens; "" when it sent none.
	SID string
	// Roles is what the connection's RoleClaim held.
	Roles RoleValues
	// Raw is every claim that came, for the trial of a connection alone: it is never
	// stored with a person.
	Raw map[string]any
}

// RoleValues is what a provider says of a person's groups or roles.
type RoleValues struct {
	// Present: the claim was there. An absent claim is not an empty one (FO-16).
	Present bool
	Values  []string
	// Problem says why values that were there do not count: "wrong_type", "oversized",
	// "overage" (too many groups for the token, and nobody to ask); "" for none.
	Problem string
}

// What follows are abilities that a [Connector] may have.

// Examiner looks at a provider without anybody signing in.
type Examiner interface {
	// Examine returns what it finds, in the order in which a person reads it:
	// discovery, issuer, keys, clock, endpoints, scopes, client secret. What could not
	// be looked at is a finding, too, and no error.
	Examine(ctx context.Context, redirectURI string) []Finding
}

// Verdict is what a check came to.
type Verdict string

// The verdicts.
const (
	VerdictOK      Verdict = "ok"
	VerdictWarning Verdict = "warning" // it works, and something should be seen to
	VerdictFailed  Verdict = "failed"  // nobody can sign in like this
	VerdictUnknown Verdict = "unknown" // only a trial sign-in can tell
)

// Finding is one check of a connection.
type Finding struct {
	Check   string  `json:"check"` // a stable word: "discovery", "keys", "clock"
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`           // what was seen, in a sentence; no secret
	Remedy  string  `json:"remedy,omitempty"` // what to do, in a sentence
}

// LogoutVerifier believes a provider's logout tokens.
type LogoutVerifier interface {
	// VerifyLogout checks one (OpenID Connect Back-Channel Logout section 2.6), but for
	// the replay of its jti. Errors wrap ErrUpstreamInvalid or ErrUpstreamUnavailable.
	VerifyLogout(ctx context.Context, token string) (LogoutToken, error)
}

// LogoutToken is a provider's word that somebody signed out there. Subject or SID
// may be empty, not both.
type LogoutToken struct {
	Issuer, Subject, SID string
	ID                   string // jti
	ExpiresAt            time.Time
}

// RevocationVerifier believes a provider's call to its apps' global token
// revocation endpoint (Okta's Universal Logout).
type RevocationVerifier interface {
	// VerifyRevocation checks the bearer token of such a call, but for the replay of
	// its jti; audience is the endpoint's URL. Errors are those of VerifyLogout.
	VerifyRevocation(ctx context.Context, token, audience string) (LogoutToken, error)
}

// Connect returns the connector of a connection. It reaches the provider only
// when the connector is used.
type Connect func(ctx context.Context, t storage.TenantID, c storage.Connection) (Connector, error)
