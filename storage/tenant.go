package storage

import (
	"context"
	"slices"
	"time"
)

// Tenant is a customer of the monitoring product.
type Tenant struct {
	ID   TenantID
	Slug string // 1 to 63 of [a-z0-9-], unique; what people and URLs say
	Name string

	// SuspendedAt is set while the tenant is suspended: nothing of it is live.
	SuspendedAt   time.Time
	SuspendReason string
	// TokensNotBefore kills the access tokens and codes that were stored before the
	// tenant had this very value, whatever any clock says. Resuming a tenant
	// sets it: keys and grants revive, access tokens do not.
	TokensNotBefore time.Time

	Policy    TenantPolicy
	CreatedAt time.Time
	Version   int64 // grows by one with every change
}

// TenantPolicy is what a tenant's administrators decide for their people.
type TenantPolicy struct {
	// SessionLifetime and SessionIdle tighten the deployment's 24 h and 1 h;
	// zero keeps them.
	SessionLifetime time.Duration `json:"session_lifetime,omitempty"`
	SessionIdle     time.Duration `json:"session_idle,omitempty"`
	// OnlyListedClients closes the tenant to every platform client that is not
	// in Clients. The tenant's own clients are always usable.
	OnlyListedClients bool       `json:"only_listed_clients,omitempty"`
	Clients           []ClientID `json:"clients,omitempty"`
	// QuarantineLeakedKeys puts an API key that was seen in public out of use until
	// somebody decides, where others are revoked.
	QuarantineLeakedKeys bool `json:"quarantine_leaked_keys,omitempty"`

	// RequireLevel is what everybody has to prove to be signed in; "": nothing more
	// than the identity provider asks for.
	RequireLevel Level `json:"require_level,omitempty"`
	// CredentialsWithoutMFA lifts the rule that whoever issues credentials (API keys,
	// apps, connections) proved a second factor, within CredentialMFAAge.
	CredentialsWithoutMFA bool `json:"credentials_without_mfa,omitempty"`
	// CredentialMFAAge is how old that proof may be; zero: [DefaultCredentialMFAAge].
	CredentialMFAAge time.Duration `json:"credential_mfa_age,omitempty"`
	// SignOutEverything ends offline access, too, when a person signs out (C8).
	SignOutEverything bool `json:"sign_out_everything,omitempty"`
	// BreakGlassUntil is until when owners may sign in by their passkey alone, past an
	// enforced provider; zero, or past: they may not (MF-12).
	BreakGlassUntil time.Time `json:"break_glass_until,omitzero"`
	// Contact is whom the tenant's people ask: an address or a sentence that pages
	// show. At most 200 bytes.
	Contact string `json:"contact,omitempty"`
}

// DefaultCredentialMFAAge is how old the proof of a second factor may be when
// somebody issues a credential.
const DefaultCredentialMFAAge = time.Hour

// CredentialNeed is what the policy asks of a session in which credentials are issued.
func (p TenantPolicy) CredentialNeed(now time.Time) Need {
	if p.CredentialsWithoutMFA {
		return Need{Level: p.RequireLevel}
	}
	age, level := p.CredentialMFAAge, p.RequireLevel
	if age <= 0 {
		age = DefaultCredentialMFAAge
	}
	if !level.AtLeast(LevelMFA) {
		level = LevelMFA
	}
	return Need{Level: level, Since: now.Add(-age)}
}

// MayUse reports whether the tenant's people may use the client: its own, and
// the platform's as far as the policy lists them.
func (t Tenant) MayUse(c Client) bool {
	if c.Owner != "" {
		return c.Owner == t.ID
	}
	return !t.Policy.OnlyListedClients || slices.Contains(t.Policy.Clients, c.ID)
}

// Tenants keeps the tenants themselves.
type Tenants interface {
	// CreateTenant adds a tenant. ErrExists: the id or the slug is taken.
	CreateTenant(ctx context.Context, t Tenant, ev Event) error
	// UpdateTenant replaces everything but the id, if the stored version is
	// t.Version; it stores t.Version+1. ErrConflict: it is not. ErrNotFound.
	UpdateTenant(ctx context.Context, t Tenant, ev Event) error
	TenantReader
}

// TenantReader finds tenants.
type TenantReader interface {
	// TenantByID returns ErrNotFound for an unknown id.
	TenantByID(ctx context.Context, id TenantID) (Tenant, error)
	// TenantBySlug returns ErrNotFound for an unknown slug.
	TenantBySlug(ctx context.Context, slug string) (Tenant, error)
	// ListTenants returns all tenants in the order of their slugs.
	ListTenants(ctx context.Context) ([]Tenant, error)
}
