package storage

import (
	"context"
	"time"
)

// ConnectionKind says what a tenant's identity provider speaks.
type ConnectionKind string

// The kinds.
const (
	// OIDC is OpenID Connect 1.0.
	OIDC ConnectionKind = "oidc"
	// Passkey is no provider: people prove themselves to this server, by a passkey
	// after an e-mailed link (D8). Its Issuer is the deployment's, and the subject
	// of an identity is the user's id.
	Passkey ConnectionKind = "passkey"
)

// Preset says whose product a provider is: what its tokens look like, and how they
// lie, differs.
type Preset string

// The presets. PresetOIDC, which is also "", is any other provider.
const (
	PresetOIDC   Preset = "oidc"
	PresetOkta   Preset = "okta"
	PresetEntra  Preset = "entra"
	PresetAuth0  Preset = "auth0"
	PresetGoogle Preset = "google"
)

// ConnectionSettings are what an administrator decides about a provider. Only the
// fields of its own preset mean something, beside Roles and MFA.
type ConnectionSettings struct {
	// DirectoryIDs (Entra) are the tid values that may sign in, GUIDs in lower case.
	// With none, the one in the issuer is meant.
	DirectoryIDs []string `json:"directory_ids,omitempty"`
	// AllowGuests (Entra) lets in people of another directory who are guests there.
	AllowGuests bool `json:"allow_guests,omitempty"`
	// AllowPersonal (Entra) lets in personal Microsoft accounts.
	AllowPersonal bool `json:"allow_personal,omitempty"`
	// GroupsFromGraph (Entra) asks Microsoft Graph when a token has too many groups;
	// otherwise such a sign-in is refused.
	GroupsFromGraph bool `json:"groups_from_graph,omitempty"`
	// Organization (Auth0) is the org_id that every ID token must have; "": any.
	Organization string `json:"organization,omitempty"`
	// HostedDomains (Google) are the hd values that may sign in; there is at least one.
	HostedDomains []string `json:"hosted_domains,omitempty"`

	// RoleRules say which value of RoleClaim gives which role, compared exactly; the
	// highest that matches counts. None: a value is the role's own name.
	RoleRules []RoleRule `json:"role_rules,omitempty"`
	// UnmappedRole is the role of people whom no rule fits; "": they are refused
	// (FO-20).
	UnmappedRole Role `json:"unmapped_role,omitempty"`

	MFA UpstreamMFA `json:"mfa,omitzero"`
}

// RoleRule gives a role to whoever has a value, as a group's id, in a claim.
type RoleRule struct {
	Value string `json:"value"` // 1 to 200 bytes
	Role  Role   `json:"role"`
}

// UpstreamMFA says what of a provider counts as proof of a second factor. With
// nothing in it, what the preset's table says; absent evidence is one factor.
type UpstreamMFA struct {
	// AMR are single values of amr that prove it, instead of the preset's table.
	AMR []string `json:"amr,omitempty"`
	// ACR are values of acr (Entra: of acrs, too) that prove it.
	ACR []string `json:"acr,omitempty"`
	// PhishingResistant are values of amr or acr that prove a phishing-resistant
	// factor, too.
	PhishingResistant []string `json:"phishing_resistant,omitempty"`
	// AskFor are the acr_values that are sent when a second factor is missing; none:
	// the provider is not asked, and the local factor is.
	AskFor []string `json:"ask_for,omitempty"`
	// Ignore makes the provider's evidence worthless: everybody uses a local factor.
	Ignore bool `json:"ignore,omitempty"`
}

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

	// SealedNextSecret is the secret that comes next (or came last), sealed for
	// (tenant, "connections", "next_secret", ID): where the provider refuses the one,
	// the other is tried, so that a rotation there interrupts nobody. nil: none.
	SealedNextSecret []byte
	// SecretExpiresAt is when the provider's secret ends, as its administrator said;
	// zero: not known. SecretWarnedAt is when the tenant was last told so.
	SecretExpiresAt, SecretWarnedAt time.Time

	Preset   Preset
	Settings ConnectionSettings

	// CreateUsers lets a first sign-in make the user; DefaultRole is theirs where
	// there is no RoleClaim.
	CreateUsers bool
	DefaultRole Role
	// RoleClaim names the claim that says a person's role at each sign-in: a top-level
	// name, compared exactly, or a JSON pointer (RFC 6901) when it starts with a
	// slash. "": none does. See ConnectionSettings.RoleRules.
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
	// c.Version. One that comes to be disabled, or to be enabled, ends all sessions that
	// came through it, as EndSession does, at the time of ev; access tokens and codes that
	// were issued through it stay dead when it is enabled again, and what has offline
	// access goes on then. ErrConflict, ErrNotFound.
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

// Domain is an e-mail domain that a tenant claims. Several may claim one; once a
// tenant has proved by DNS that it is theirs, it is nobody else's (TN-06).
type Domain struct {
	Name       string // lower case, ASCII (punycode)
	Connection ConnectionID
	// Token is what the TXT record has to say, as long as the tenant has the domain, and
	// CreatedAt when it was made.
	Token     string
	CreatedAt time.Time
	// VerifiedAt is when the proof was first seen; zero: not yet, and nobody is sent
	// anywhere by it. CheckedAt is when it was last looked for, and FailingSince since
	// when it is not found any more.
	VerifiedAt, CheckedAt, FailingSince time.Time
	// SSORequired lets people with an address of the domain in through its connection
	// alone.
	SSORequired bool
	// ByOperator: an operator vouched for it, and no record is looked for.
	ByOperator bool
	Version    int64
}

// ClaimedDomain is a domain with whose it is.
type ClaimedDomain struct {
	Tenant TenantID
	Domain Domain
}

// Domains keeps one tenant's domains.
type Domains interface {
	// PutDomain adds a domain of the tenant, of Version 0, or replaces all but its Token
	// if the stored version and Token are d's. It stores d.Version+1. ErrConflict: the tenant has it
	// already, or it is no longer as it was read, or it has gone. ErrExists: it is
	// verified, and another tenant's verified one. ErrNotFound: no such connection in
	// this tenant.
	PutDomain(ctx context.Context, d Domain, ev Event) error
	// DeleteDomain removes the one of d's name if the stored version and Token are d's.
	// ErrConflict: they are not. ErrNotFound.
	DeleteDomain(ctx context.Context, d Domain, ev Event) error
	// ListDomains returns the tenant's, in the order of their names.
	ListDomains(ctx context.Context) ([]Domain, error)
}

// DomainOwner is the answer of home-realm discovery.
type DomainOwner struct {
	Tenant      Tenant
	Connection  Connection
	SSORequired bool
}

// ConnectionTest is one trial of a connection by an administrator: nobody is signed
// in by it. It is kept for a day.
type ConnectionTest struct {
	ID         TestID
	Connection ConnectionID
	CreatedAt  time.Time
	ExpiresAt  time.Time
	DoneAt     time.Time // zero: the person has not come back yet
	// Report is JSON of package idp: what was found, and the claims that came.
	Report []byte
}

// ConnectionTests keeps one tenant's trials.
type ConnectionTests interface {
	// PutConnectionTest adds or replaces one.
	PutConnectionTest(ctx context.Context, t ConnectionTest, ev Event) error
	// ConnectionTest returns ErrNotFound for one that is unknown, another tenant's,
	// or over at now.
	ConnectionTest(ctx context.Context, id TestID, now time.Time) (ConnectionTest, error)
}
