package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// The deployment's own limits, which a tenant can only tighten.
const (
	MaxSessionLifetime = 24 * time.Hour
	MaxSessionIdle     = time.Hour
)

// The limits of how old the proof of a second factor may be when somebody issues a
// credential.
const (
	MinCredentialMFAAge = time.Minute
	MaxCredentialMFAAge = 24 * time.Hour
)

// maxContact bounds whom the tenant's people are told to ask, in bytes.
const maxContact = 200

// PolicyChange is what changes in a tenant's policy; what is nil or false stays.
type PolicyChange struct {
	SessionLifetime *time.Duration // more than 0, at most MaxSessionLifetime
	SessionIdle     *time.Duration // more than 0, at most MaxSessionIdle
	// OnlyClients closes the tenant to every platform client but these; AllClients
	// opens it to all again.
	OnlyClients []storage.ClientID
	AllClients  bool
	// QuarantineLeakedKeys puts the tenant's API keys that are seen in public out of use
	// until somebody decides; false revokes them, as without a policy.
	QuarantineLeakedKeys *bool
	// RequireLevel is what everybody has to prove: "", mfa or phr.
	RequireLevel *storage.Level
	// CredentialsWithoutMFA lifts the rule that whoever issues credentials proved a second
	// factor.
	CredentialsWithoutMFA *bool
	// CredentialMFAAge is how old that proof may be: from MinCredentialMFAAge to
	// MaxCredentialMFAAge; 0 is the deployment's.
	CredentialMFAAge *time.Duration
	// SignOutEverything ends offline access, too, when a person signs out.
	SignOutEverything *bool
	// Contact is whom people ask: at most 200 bytes; "" names nobody.
	Contact *string
}

// empty reports whether nothing changes.
func (c PolicyChange) empty() bool {
	return c.SessionLifetime == nil && c.SessionIdle == nil && !c.AllClients && len(c.OnlyClients) == 0 && c.QuarantineLeakedKeys == nil &&
		c.RequireLevel == nil && c.CredentialsWithoutMFA == nil && c.CredentialMFAAge == nil && c.SignOutEverything == nil && c.Contact == nil
}

// SetTenantPolicy changes what holds for the people of a tenant. A problem: the
// change is empty, a duration is out of its range, a level is unknown, or a client is
// unknown or another tenant's.
func (d *Directory) SetTenantPolicy(ctx context.Context, name string, change PolicyChange) (storage.Tenant, error) {
	return d.SetTenantPolicyAt(ctx, name, 0, change)
}

// SetTenantPolicyAt is SetTenantPolicy of a tenant at that version; 0 is whichever
// there is. A problem that wraps storage.ErrConflict: it is another.
func (d *Directory) SetTenantPolicyAt(ctx context.Context, name string, version int64, change PolicyChange) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	switch {
	case err != nil:
		return t, err
	case version != 0 && version != t.Version:
		return t, explain(storage.ErrConflict, "policy")
	}
	p := &Problem{}
	checkDuration(p, "session_lifetime", "session's lifetime", change.SessionLifetime, MaxSessionLifetime)
	checkDuration(p, "session_idle", "session's idle time", change.SessionIdle, MaxSessionIdle)
	change.checkProof(p)
	if err := d.checkListed(ctx, p, t.ID, change); err != nil {
		return t, err
	}
	if err := p.or(); err != nil {
		return t, err
	}
	t.Policy = change.apply(t.Policy)
	return d.updateTenant(ctx, t, audit.TenantUpdated(ctx, d.cfg.Now(), t))
}

// Tenant returns a tenant by slug or id.
func (d *Directory) Tenant(ctx context.Context, name string) (storage.Tenant, error) {
	return d.tenant(ctx, name)
}

func (c PolicyChange) apply(p storage.TenantPolicy) storage.TenantPolicy {
	set(&p.SessionLifetime, c.SessionLifetime)
	set(&p.SessionIdle, c.SessionIdle)
	set(&p.QuarantineLeakedKeys, c.QuarantineLeakedKeys)
	set(&p.RequireLevel, c.RequireLevel)
	set(&p.CredentialsWithoutMFA, c.CredentialsWithoutMFA)
	set(&p.CredentialMFAAge, c.CredentialMFAAge)
	set(&p.SignOutEverything, c.SignOutEverything)
	set(&p.Contact, c.Contact)
	if c.AllClients {
		p.OnlyListedClients, p.Clients = false, nil
	}
	if len(c.OnlyClients) > 0 {
		p.OnlyListedClients, p.Clients = true, slices.Compact(slices.Sorted(slices.Values(c.OnlyClients)))
	}
	return p
}

// set changes a field if there is something to change it to.
func set[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// checkProof looks at what is asked of people beyond their first factor, and whom they
// ask.
func (c PolicyChange) checkProof(p *Problem) {
	if l := c.RequireLevel; l != nil && !slices.Contains([]storage.Level{storage.LevelNone, storage.LevelMFA, storage.LevelPHR}, *l) {
		p.in("require_level", "what everybody has to prove is none, mfa or phr, not %q", *l)
	}
	if a := c.CredentialMFAAge; a != nil && *a != 0 && (*a < MinCredentialMFAAge || *a > MaxCredentialMFAAge) {
		p.in("credential_mfa_age", "the proof of a second factor may be from %s to %s old, not %s", MinCredentialMFAAge, MaxCredentialMFAAge, *a)
	}
	if c.Contact != nil && *c.Contact != "" {
		checkText(p, "contact", *c.Contact, maxContact)
	}
}

func checkDuration(p *Problem, field, what string, d *time.Duration, limit time.Duration) {
	if d != nil && (*d <= 0 || *d > limit) {
		p.in(field, "a %s must be more than 0 and at most %s, not %s", what, limit, *d)
	}
}

// checkListed looks at what a change says about clients. An error that is no
// problem is the store's.
func (d *Directory) checkListed(ctx context.Context, p *Problem, t storage.TenantID, change PolicyChange) error {
	switch {
	case change.AllClients && len(change.OnlyClients) > 0:
		p.add("a tenant is open to all apps or to the listed ones, not to both")
	case change.empty():
		p.add("say what changes: sessions, the apps, what people have to prove, whom they ask, or what is done with leaked keys")
	}
	for i, id := range change.OnlyClients {
		c, err := d.cfg.Store.Client(ctx, id)
		switch {
		case err != nil && !errors.Is(err, storage.ErrNotFound):
			return explain(err, fmt.Sprintf("client %q", id))
		case err != nil || c.Owner != "" && c.Owner != t:
			p.in(at("clients", i), "there is no client %q", id) // another tenant's is as good as none
		}
	}
	return nil
}
