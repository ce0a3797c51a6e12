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
}

// Connect returns the connector of a connection. It reaches the provider only
// when the connector is used.
type Connect func(ctx context.Context, t storage.TenantID, c storage.Connection) (Connector, error)
