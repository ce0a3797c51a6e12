package manage

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

// Tenants reads what a tenant's policy asks of those who issue credentials;
// [storage.TenantReader] is one.
type Tenants interface {
	// TenantByID returns storage.ErrNotFound for an unknown id.
	TenantByID(ctx context.Context, id storage.TenantID) (storage.Tenant, error)
}

// person reports whether somebody asks who signed in, and not with a key.
func (p Principal) person() bool { return p.Key == "" && p.User != "" }

// assured checks that a person who issues a credential proved a second factor, and
// lately enough (MF-01): the answer to who did not is a challenge (RFC 9470 section 3).
// A key and a machine have no sign-in behind them, and may no more than what they
// were given.
func (a *API) assured(ctx context.Context, op Operation, who Principal) error {
	if !op.IssuesCredentials || !who.person() {
		return nil
	}
	t, err := a.cfg.Tenants.TenantByID(ctx, who.Tenant)
	if err != nil {
		return err
	}
	now := a.cfg.Now()
	need := t.Policy.CredentialNeed(now)
	if need.Met(storage.Session{Level: who.Level, MFAAt: who.MFATime}) {
		return nil
	}
	p := &Problem{Kind: MFARequired, Detail: "Whoever does this has proved a second factor. Sign in again with one.", Level: need.Level}
	if !need.Since.IsZero() {
		p.MaxAge = now.Sub(need.Since)
		p.Detail = "Whoever does this has proved a second factor a short time ago. Prove one again."
	}
	return p
}
