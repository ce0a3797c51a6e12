package storage

import (
	"context"
	"slices"
	"time"
)

// AuthMethod is how a client proves itself at the token endpoint; each client
// has one (RFC 7591 section 2, requirement CA-01).
type AuthMethod string

// The methods in use.
const (
	AuthNone  AuthMethod = "none"
	AuthBasic AuthMethod = "client_secret_basic"
	AuthPost  AuthMethod = "client_secret_post"
)

// The grant types in use (RFC 6749 sections 4.1, 6 and 4.4; RFC 8693 section 2.1).
const (
	GrantAuthorizationCode = "authorization_code"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	// GrantTokenExchange gets tokens under an API key, for whoever holds it.
	GrantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// Secret is the SHA-256 of a generated secret of at least 256 bits. Two may be
// active while one replaces the other.
type Secret struct {
	Hash      []byte    `json:"hash"` // 32 bytes
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
}

// Client is an OAuth application. Clients belong to the platform, or to one
// tenant.
type Client struct {
	ID    ClientID
	Owner TenantID // "" for the platform's
	Name  string   // what people read on the consent page
	URI   string   // the app's home page, https; may be empty

	AuthMethod             AuthMethod
	Secrets                []Secret // empty when AuthMethod is none
	GrantTypes             []string // GrantAuthorizationCode and the others
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	// BackchannelLogoutURI is told when a session ends in which the client got
	// tokens; "": it is not told (OpenID Connect Back-Channel Logout section 2.2).
	BackchannelLogoutURI string
	// BackchannelSession: its logout tokens have to have a sid. Ours always have.
	BackchannelSession bool
	Scopes             []string // what it may ask for
	FormPost           bool     // may use response_mode=form_post
	// PKCEOptional lifts the demand for PKCE; confidential clients only (D9).
	PKCEOptional bool
	// ServiceTenant is the tenant in which client_credentials tokens act.
	ServiceTenant TenantID
	IDTokenAlg    string // RS256 (the default when empty), ES256 or EdDSA
	// Verified says that the platform vouches for the app; the consent page
	// warns about others.
	Verified bool

	DisabledAt time.Time
	CreatedAt  time.Time
	Version    int64 // grows by one with every change
}

// Public reports whether the client cannot keep a secret.
func (c Client) Public() bool { return c.AuthMethod == AuthNone }

// Allows reports whether the client was registered for a grant type.
func (c Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// Clients keeps OAuth applications.
type Clients interface {
	// CreateClient adds a client. ErrExists: the id is taken.
	CreateClient(ctx context.Context, c Client, ev Event) error
	// UpdateClient replaces everything but id and owner, if the stored version
	// is c.Version; it stores c.Version+1. Access tokens and codes of one that comes to
	// be disabled stay dead when it is enabled again; what has offline access goes on
	// then. ErrConflict: it is not. ErrNotFound.
	UpdateClient(ctx context.Context, c Client, ev Event) error
	ClientReader
}

// ClientReader finds OAuth applications.
type ClientReader interface {
	// Client returns ErrNotFound for an unknown id; a disabled client is found.
	Client(ctx context.Context, id ClientID) (Client, error)
	// ListClients returns all clients in the order of their ids.
	ListClients(ctx context.Context) ([]Client, error)
}

// Scope is one thing a resource server offers, with the sentence that the
// consent page shows.
type Scope struct {
	Name        string `json:"name"`
	Description string `json:"description"` // a sentence: "See your monitors"
	Sensitive   bool   `json:"sensitive,omitempty"`
}

// ResourceServer is an API that may ask whether a credential is good.
type ResourceServer struct {
	ID   ResourceServerID
	Name string
	// TenantID binds it to one tenant: every other tenant's credentials are
	// inactive for it. "" is platform-wide.
	TenantID TenantID
	Audience string // the aud of tokens meant for it; an absolute URI
	Secrets  []Secret
	Scopes   []Scope // what it offers, and all it sees of a token's scope

	DisabledAt time.Time
	CreatedAt  time.Time
	Version    int64
}

// ResourceServers keeps the APIs that may introspect.
type ResourceServers interface {
	// CreateResourceServer adds one. ErrExists: the id is taken.
	CreateResourceServer(ctx context.Context, rs ResourceServer, ev Event) error
	// UpdateResourceServer replaces everything but the id, if the stored
	// version is rs.Version. ErrConflict, ErrNotFound.
	UpdateResourceServer(ctx context.Context, rs ResourceServer, ev Event) error
	ResourceServerReader
}

// ResourceServerReader finds the APIs that may introspect.
type ResourceServerReader interface {
	// ResourceServer returns ErrNotFound for an unknown id.
	ResourceServer(ctx context.Context, id ResourceServerID) (ResourceServer, error)
	// ListResourceServers returns all, in the order of their ids.
	ListResourceServers(ctx context.Context) ([]ResourceServer, error)
}
