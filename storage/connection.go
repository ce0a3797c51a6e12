package storage

import (
	"context"
	"time"
)

// ConnectionKind says what a tenant's identity provider speaks.
type ConnectionKind string

// OIDC is OpenID Connect 1.0.
const OIDC ConnectionKind = "oidc"

// Connection is a tenant's identity provider.
type Connection struct {
	ID   ConnectionID
	Kind ConnectionKind
	Name string // what the tenant calls it

	Issuer   string // pinned byte for byte (FO-01)
	ClientID string // ours, at the provider
	// SealedSecret is our client secret there, sealed for (tenant,
	// "connections", "client_secret", ID).
	SealedSecret []byte
	Scopes       []string // asked for; openid is always among them
	Algs         []string // accepted id_token algorithms; empty: RS256 and ES256

	// CreateUsers lets a first sign-in make the user; DefaultRole is theirs.
	CreateUsers bool
	DefaultRole Role
	// RoleClaim names the claim that says a person's role at each sign-in; "": none
	// does. A value that is no role says nothing.
	RoleClaim string

	DisabledAt time.Time
	CreatedAt  time.Time
	Version    int64
}

// Connections keeps one tenant's identity providers.
type Connections interface {
	// CreateConnection adds one. ErrExists: the id is taken.
	CreateConnection(ctx context.Context, c Connection, ev Event) error
	// UpdateConnection replaces everything but the id, if the stored version is
	// c.Version. ErrConflict, ErrNotFound.
	UpdateConnection(ctx context.Context, c Connection, ev Event) error
	ConnectionReader
}

// ConnectionReader finds one tenant's identity providers.
type ConnectionReader interface {
	// Connection returns ErrNotFound for an unknown id, and for another
	// tenant's.
	Connection(ctx context.Context, id ConnectionID) (Connection, error)
	// ListConnections returns the tenant's, in the order of their ids.
	ListConnections(ctx context.Context) ([]Connection, error)
}

// Domain is an e-mail domain that a tenant has proved to own. One tenant per
// domain (TN-06).
type Domain struct {
	Name       string // lower case, ASCII (punycode)
	Connection ConnectionID
	VerifiedAt time.Time
}

// Domains keeps one tenant's domains.
type Domains interface {
	// PutDomain adds or replaces a domain of the tenant. ErrExists: it is
	// another tenant's. ErrNotFound: no such connection in this tenant.
	PutDomain(ctx context.Context, d Domain, ev Event) error
	// DeleteDomain removes one. ErrNotFound.
	DeleteDomain(ctx context.Context, name string, ev Event) error
	// ListDomains returns the tenant's, in the order of their names.
	ListDomains(ctx context.Context) ([]Domain, error)
}

// DomainOwner is the answer of home-realm discovery.
type DomainOwner struct {
	Tenant     Tenant
	Connection Connection
}
