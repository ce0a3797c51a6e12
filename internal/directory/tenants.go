package directory

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

var slug = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// CreateTenant adds a tenant. A problem: the slug is not 1 to 63 characters of
// a-z, 0-9 and inner hyphens, the name is empty or long, or the slug is taken.
func (d *Directory) CreateTenant(ctx context.Context, slugName, name string) (storage.Tenant, error) {
	p := &Problem{}
	if !slug.MatchString(slugName) || strings.HasPrefix(slugName, "ten_") {
		p.add("the slug %q must be 1 to 63 characters of a-z, 0-9 and hyphens, with no hyphen at its ends", slugName)
	}
	checkName(p, name)
	if err := p.or(); err != nil {
		return storage.Tenant{}, err
	}
	now := d.cfg.Now()
	t := storage.Tenant{ID: storage.NewTenantID(now), Slug: slugName, Name: name, CreatedAt: now, Version: 1}
	err := d.cfg.Store.CreateTenant(ctx, t, audit.TenantCreated(ctx, now, t))
	return t, explain(err, fmt.Sprintf("tenant %q", slugName))
}

// SuspendTenant kills, by one row, every session, token and grant of a tenant
// until it is resumed. Suspending again changes the reason.
func (d *Directory) SuspendTenant(ctx context.Context, name, reason string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	if err != nil {
		return t, err
	}
	if strings.TrimSpace(reason) == "" || len(reason) > 200 {
		return t, problem("say why in 1 to 200 characters: the tenant's people will read it")
	}
	now := d.cfg.Now()
	if t.SuspendedAt.IsZero() {
		t.SuspendedAt = now
	}
	t.SuspendReason = reason
	return d.updateTenant(ctx, t, audit.TenantSuspended(ctx, now, t))
}

// ResumeTenant undoes a suspension: keys and grants revive, access tokens that
// were issued before do not.
func (d *Directory) ResumeTenant(ctx context.Context, name string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	if err != nil {
		return t, err
	}
	if t.SuspendedAt.IsZero() {
		return t, problem("the tenant %q is not suspended", t.Slug)
	}
	now := d.cfg.Now()
	t.TokensNotBefore, t.SuspendReason = now, ""
	t.SuspendedAt = time.Time{}
	return d.updateTenant(ctx, t, audit.TenantResumed(ctx, now, t))
}

// Tenants lists all tenants in the order of their slugs.
func (d *Directory) Tenants(ctx context.Context) ([]storage.Tenant, error) {
	all, err := d.cfg.Store.ListTenants(ctx)
	return all, explain(err, "list of tenants")
}

// updateTenant stores a changed tenant and returns it as it now is.
func (d *Directory) updateTenant(ctx context.Context, t storage.Tenant, ev storage.Event) (storage.Tenant, error) {
	err := d.cfg.Store.UpdateTenant(ctx, t, ev)
	t.Version++
	return t, explain(err, fmt.Sprintf("tenant %q", t.Slug))
}

// checkName notes what is wrong with a name that people read.
func checkName(p *Problem, name string) {
	if strings.TrimSpace(name) == "" || len(name) > 100 {
		p.add("the name must have 1 to 100 bytes: people read it")
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == 0x7f || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069)
	}) {
		p.add("the name must have no control or direction characters")
	}
}
