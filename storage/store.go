package storage

import (
	"context"
	"time"
)

// Lookups are the reads that start from a secret or from a client's own id.
// Each is one statement or one round trip. On PostgreSQL they run under a role
// that may read and not write.
type Lookups interface {
	TokenLookups
	SessionLookups
	// DomainOwner finds who signs in people of an e-mail domain. ErrNotFound.
	DomainOwner(ctx context.Context, domain string) (DomainOwner, error)
}

// TokenLookups find what a presented secret stands for, with what its life
// hangs on. They return the dead as well as the living: the caller asks Dead.
type TokenLookups interface {
	// FindCode returns the client of that id, and the code if there is one of
	// any client. ErrNotFound: no such client; a nil code: no such code.
	FindCode(ctx context.Context, client ClientID, ref TokenRef) (Client, *LiveCode, error)
	// FindRefresh is FindCode for refresh tokens.
	FindRefresh(ctx context.Context, client ClientID, ref TokenRef) (Client, *LiveRefresh, error)
	// FindAccess returns the client of that id ("" asks for none and returns a
	// zero one), and the access token, nil when there is none.
	FindAccess(ctx context.Context, client ClientID, ref TokenRef) (Client, *LiveToken, error)
}

// IntrospectLookup is the one statement of an introspection.
type IntrospectLookup interface {
	// Introspect returns the resource server that asks and the access token, in
	// one statement. ErrNotFound: no such resource server; a nil token: no such
	// token. Its UserInfo has no Claims and no CreatedAt: no introspection says
	// them, and reading them would cost more than the rest.
	Introspect(ctx context.Context, rs ResourceServerID, ref TokenRef) (ResourceServer, *LiveToken, error)
}

// SessionLookups find the sessions of a browser.
type SessionLookups interface {
	// SessionsByHandle returns the sessions with these handles (SHA-256),
	// whatever their state; the caller asks Usable. At most 16 handles.
	SessionsByHandle(ctx context.Context, handles [][]byte) ([]LiveSession, error)
	// AuthorizeView returns in one round trip what an authorization request is
	// decided on: the client, and the browser's sessions with each one's
	// remembered consent for this client, redirect host and resource.
	// ErrNotFound: no such client.
	AuthorizeView(ctx context.Context, client ClientID, redirectHost, resource string, handles [][]byte) (Client, []LiveSession, error)
	// ArrivalView returns in one statement what an arrival is decided on: the client,
	// and whose identity it is in the tenant, with what they approved for this client,
	// redirect host and resource. A user without ID: nobody's; a nil consent: nothing.
	// ErrNotFound: no such client.
	ArrivalView(ctx context.Context, at ArrivalPoint) (Client, User, *Consent, error)
}

// ArrivalPoint says who arrives, and at what.
type ArrivalPoint struct {
	Tenant                 TenantID
	Identity               Identity
	Client                 ClientID
	RedirectHost, Resource string
}

// SigningKey is a key of the deployment, sealed at rest.
type SigningKey struct {
	KID    string
	Alg    string     // RS256, ES256 or EdDSA
	Use    SigningUse // what it signs
	Public []byte     // JWK, JSON
	Sealed []byte     // private JWK, sealed for ("", "signing_keys", "private", KID)

	// The life of a key: published when created, signing from ActiveAt, only
	// verifying from RetiredAt, gone from the JWKS at RemoveAt. Zero: not yet
	// decided.
	CreatedAt, ActiveAt, RetiredAt, RemoveAt time.Time
	Version                                  int64
}

// SigningUse is what a signing key signs: keys of one use sign nothing else.
type SigningUse string

// The uses.
const (
	SignTokens  SigningUse = ""        // ID tokens, signed answers
	SignAPIKeys SigningUse = "api_key" // API keys that are JWTs; such a key is kept for as long as there may be one
)

// SigningKeys keeps the deployment's signing keys.
type SigningKeys interface {
	// SigningKeys returns all of a use that are not removed, oldest first.
	SigningKeys(ctx context.Context, use SigningUse) ([]SigningKey, error)
	// PutSigningKeys adds keys of version 0 and replaces the times and Sealed of
	// others whose stored version is the given one, in one transaction. A use and
	// algorithm have at most one key with ActiveAt and without RetiredAt: a unit
	// that would make a second is refused with ErrExists. ErrExists, ErrConflict:
	// another node was faster; nothing changed.
	PutSigningKeys(ctx context.Context, keys []SigningKey, ev Event) error
}

// Swept counts what cleaning up removed.
type Swept struct {
	Partitions int
	Rows       int64
}

// Upkeep is what runs beside the requests.
type Upkeep interface {
	// Prepare makes room for tokens that expire until now plus the longest
	// lifetime (PostgreSQL: partitions). Idempotent; run at start and hourly.
	Prepare(ctx context.Context, now time.Time) error
	// Sweep removes what is over: whole partitions on PostgreSQL, batches of a
	// thousand rows on SQLite; expired logins and codes on both. Idempotent. What
	// it cannot get hold of without stopping others (beside a backup, or while
	// another node sweeps) it leaves for the next time: that is no error.
	Sweep(ctx context.Context, now time.Time) (Swept, error)
	// Ping reports whether the store answers.
	Ping(ctx context.Context) error
}

// Clock is a store that knows what time it is where the records are. No decision
// about a credential rests on it; a machine whose own clock is far from it should
// not clean up.
type Clock interface {
	Clock(ctx context.Context) (time.Time, error)
}

// TenantStore is everything that belongs to one tenant.
type TenantStore interface {
	Users
	Connections
	Domains
	Sessions
	SessionToucher
	Codes
	Grants
	Tokens
	APIKeys
	KeyDependants
	KeyDeliveries
	KeyUses
	Idempotency
	AuditLog
	ConnectionTests
	SessionsByUpstream
	Logouts
	Factors
	RecoveryCodes
	Tries
	EmailLinks
	Mails
	Replays
}

// Store is a deployment's storage. Rooms ask for the parts that they use.
type Store interface {
	Tenants
	Clients
	ResourceServers
	SigningKeys
	Logins
	Lookups
	IntrospectLookup
	KeyLookups
	LocalLookups
	Chores
	PlatformLog
	Upkeep
	// Tenant returns the handle of one tenant. It reads nothing: an unknown id
	// gives a handle on which everything is ErrNotFound.
	Tenant(id TenantID) TenantStore
	// Close ends all connections.
	Close() error
}

// TenantOpener is the part of a Store that leads to a tenant.
type TenantOpener interface {
	Tenant(id TenantID) TenantStore
}
