package directory

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
// until it is resumed. Its people read the reason; suspending again changes it.
func (d *Directory) SuspendTenant(ctx context.Context, name, reason string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	if err != nil {
		return t, err
	}
	p := &Problem{}
	checkText(p, "reason", reason, 200)
	if err := p.or(); err != nil {
		return t, err
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
	// Another value than before, whatever the clock says: that is what ends tokens.
	if !now.After(t.TokensNotBefore) {
		now = t.TokensNotBefore.Add(time.Millisecond)
	}
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
func checkName(p *Problem, name string) { checkText(p, "name", name, 100) }

// checkText notes what is wrong with a text that people read in pages, lists and
// the audit trail: it must not be able to change how the rest of them reads.
func checkText(p *Problem, what, text string, limit int) {
	if strings.TrimSpace(text) == "" || len(text) > limit {
		p.in(what, "the %s must have 1 to %d bytes: people read it", what, limit)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, invisible) {
		p.in(what, "the %s must have no control, direction or line break characters", what)
	}
}

// invisible finds control characters (C0, C1), those that turn the direction of
// writing (Unicode TR 36 section 2.2), and line and paragraph separators.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}
