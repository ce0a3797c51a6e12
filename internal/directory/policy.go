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
}

// empty reports whether nothing changes.
func (c PolicyChange) empty() bool {
	return c.SessionLifetime == nil && c.SessionIdle == nil && !c.AllClients && len(c.OnlyClients) == 0 && c.QuarantineLeakedKeys == nil
}

// SetTenantPolicy changes what holds for the people of a tenant. A problem: the
// change is empty, a duration is out of its range, or a client is unknown or
// another tenant's.
func (d *Directory) SetTenantPolicy(ctx context.Context, name string, change PolicyChange) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	if err != nil {
		return t, err
	}
	p := &Problem{}
	checkDuration(p, "session's lifetime", change.SessionLifetime, MaxSessionLifetime)
	checkDuration(p, "session's idle time", change.SessionIdle, MaxSessionIdle)
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
	if c.SessionLifetime != nil {
		p.SessionLifetime = *c.SessionLifetime
	}
	if c.SessionIdle != nil {
		p.SessionIdle = *c.SessionIdle
	}
	if c.QuarantineLeakedKeys != nil {
		p.QuarantineLeakedKeys = *c.QuarantineLeakedKeys
	}
	if c.AllClients {
		p.OnlyListedClients, p.Clients = false, nil
	}
	if len(c.OnlyClients) > 0 {
		p.OnlyListedClients, p.Clients = true, slices.Compact(slices.Sorted(slices.Values(c.OnlyClients)))
	}
	return p
}

func checkDuration(p *Problem, what string, d *time.Duration, limit time.Duration) {
	if d != nil && (*d <= 0 || *d > limit) {
		p.add("a %s must be more than 0 and at most %s, not %s", what, limit, *d)
	}
}

// checkListed looks at what a change says about clients. An error that is no
// problem is the store's.
func (d *Directory) checkListed(ctx context.Context, p *Problem, t storage.TenantID, change PolicyChange) error {
	switch {
	case change.AllClients && len(change.OnlyClients) > 0:
		p.add("a tenant is open to all apps or to the listed ones, not to both")
	case change.empty():
		p.add("say what changes: the session's lifetime, its idle time, the apps, or what is done with leaked keys")
	}
	for _, id := range change.OnlyClients {
		c, err := d.cfg.Store.Client(ctx, id)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			p.add("there is no client %q", id)
		case err != nil:
			return explain(err, fmt.Sprintf("client %q", id))
		case c.Owner != "" && c.Owner != t:
			p.add("the client %q is another tenant's", id)
		}
	}
	return nil
}
