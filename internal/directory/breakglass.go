package directory

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// MaxBreakGlass is for how long owners may be let in past an enforced provider.
const MaxBreakGlass = 24 * time.Hour

// OpenBreakGlass lets a tenant's owners sign in by their passkeys alone for a time,
// past a provider that is enforced and does not work (MF-12). They come in through the
// connection of people without a provider, which is made if there is none. Opening again
// sets another end. The reason is in the audit trail, and every owner is told. A problem:
// the time is not more than 0 and at most MaxBreakGlass, the reason has not 1 to 200 bytes,
// or that connection is disabled.
func (d *Directory) OpenBreakGlass(ctx context.Context, name string, length time.Duration, reason string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	if err != nil {
		return t, err
	}
	p := &Problem{}
	checkDuration(p, "break_glass_for", "time for signing in past the provider", &length, MaxBreakGlass)
	checkText(p, "reason", reason, 200)
	if err := p.or(); err != nil {
		return t, err
	}
	if err := d.wayInForOwners(ctx, t.ID); err != nil {
		return t, err
	}
	now := d.cfg.Now()
	t.Policy.BreakGlassUntil = now.Add(length)
	if t, err = d.updateTenant(ctx, t, audit.BreakGlassOpened(ctx, now, t, reason)); err != nil {
		return t, err
	}
	return t, d.TellOwners(ctx, t.ID, mail.BreakGlass, map[string]string{"person": "", "until": moment(t.Policy.BreakGlassUntil)})
}

// wayInForOwners sees that there is the connection through which owners come in.
func (d *Directory) wayInForOwners(ctx context.Context, t storage.TenantID) error {
	con, err := d.EnsurePasskeyConnection(ctx, string(t))
	if err == nil && !con.DisabledAt.IsZero() {
		return problem("the connection %s, by which people without a provider sign in, is disabled: enable it first", con.ID)
	}
	return err
}

// CloseBreakGlass ends it. A problem: it is not open.
func (d *Directory) CloseBreakGlass(ctx context.Context, name string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, name)
	if err != nil {
		return t, err
	}
	now := d.cfg.Now()
	if !now.Before(t.Policy.BreakGlassUntil) {
		return t, problem("signing in past the provider is not open")
	}
	t.Policy.BreakGlassUntil = time.Time{}
	return d.updateTenant(ctx, t, audit.BreakGlassClosed(ctx, now, t))
}
