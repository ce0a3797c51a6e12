package domains

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// maxDomains is how many domains a tenant may have, proved or not.
const maxDomains = 100

// What claims fail with, beside those of [Name]. Any other error is the store's.
var (
	ErrUnknown      = errors.New("domains: the tenant has no such domain")
	ErrClaimed      = errors.New("domains: the tenant has it already")
	ErrTooMany      = errors.New("domains: the tenant has as many as it may have")
	ErrNoConnection = errors.New("domains: the tenant has no such connection")
	// ErrNotProved: the record is not there. ErrNoAnswer: nobody could say.
	ErrNotProved = errors.New("domains: the record was not found")
	ErrNoAnswer  = errors.New("domains: the name servers did not answer")
	// ErrTaken: it is verified, and another tenant's. Whose it is not said.
	ErrTaken = errors.New("domains: another tenant has proved it")
)

// Teller tells a tenant's owners things by e-mail.
type Teller interface {
	TellOwners(ctx context.Context, t storage.TenantID, kind mail.Kind, fields map[string]string) error
}

// Config is what claims need; Log and Teller may be nil.
type Config struct {
	Opener storage.TenantOpener
	Chores storage.Chores
	Lookup Lookup
	Teller Teller
	Now    func() time.Time
	Log    *slog.Logger
}

// Claims are the domains of tenants. It is safe for concurrent use.
type Claims struct{ cfg Config }

// New returns the claims.
func New(cfg Config) *Claims {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Claims{cfg}
}

// Claim notes that a tenant says that a domain is theirs, with the record that will
// prove it ([RecordOf]). Several tenants may claim one. Errors: those of [Name],
// ErrClaimed, ErrTooMany, ErrNoConnection.
func (c *Claims) Claim(ctx context.Context, t storage.TenantID, said string, con storage.ConnectionID) (storage.Domain, error) {
	name, err := Name(said)
	if err != nil {
		return storage.Domain{}, err
	}
	store := c.cfg.Opener.Tenant(t)
	all, err := store.ListDomains(ctx)
	switch _, has := find(all, name); {
	case err != nil:
		return storage.Domain{}, fmt.Errorf("domains: %w", err)
	case has:
		return storage.Domain{}, ErrClaimed
	case len(all) >= maxDomains:
		return storage.Domain{}, ErrTooMany
	}
	now := c.cfg.Now()
	d := storage.Domain{Name: name, Connection: con, Token: newToken(), CreatedAt: now}
	d, err = c.put(ctx, t, d, audit.DomainClaimed(ctx, now, d))
	if errors.Is(err, storage.ErrConflict) {
		return storage.Domain{}, ErrClaimed
	}
	return d, err
}

// put stores a domain, if it is as it was read, and returns it as it is then.
func (c *Claims) put(ctx context.Context, t storage.TenantID, d storage.Domain, ev storage.Event) (storage.Domain, error) {
	if err := c.cfg.Opener.Tenant(t).PutDomain(ctx, d, ev); err != nil {
		return d, explain(err)
	}
	d.Version++
	return d, nil
}

// attempts is how often a change is decided anew when somebody else changed the domain
// meanwhile.
const attempts = 4

// anew decides again until nobody else was faster.
func anew(decide func() (storage.Domain, error)) (storage.Domain, error) {
	d, err := decide()
	for i := 1; i < attempts && errors.Is(err, storage.ErrConflict); i++ {
		d, err = decide()
	}
	return d, err
}

// Verify looks for the record now. A domain that is verified stays so, whatever comes
// of it. Errors: ErrUnknown, ErrNotProved, ErrNoAnswer, ErrTaken.
func (c *Claims) Verify(ctx context.Context, t storage.TenantID, name string) (storage.Domain, error) {
	d, err := c.Get(ctx, t, name)
	if err != nil || d.ByOperator {
		return d, err
	}
	switch look(ctx, c.cfg.Lookup, d) {
	case NotFound:
		return d, ErrNotProved
	case NoAnswer:
		return d, ErrNoAnswer
	}
	token := d.Token
	return anew(func() (storage.Domain, error) {
		switch d, err := c.Get(ctx, t, name); { // looking took time
		case err != nil:
			return d, err
		case d.Token != token:
			return d, ErrNotProved // it was claimed anew
		default:
			return c.verified(ctx, t, d)
		}
	})
}

func (c *Claims) verified(ctx context.Context, t storage.TenantID, d storage.Domain) (storage.Domain, error) {
	now := c.cfg.Now()
	d.CheckedAt, d.FailingSince = now, time.Time{}
	if d.VerifiedAt.IsZero() {
		d.VerifiedAt = now
	}
	return c.put(ctx, t, d, audit.DomainVerified(ctx, now, d))
}

// Change is what shall be different; nil leaves a field as it is.
type Change struct {
	Connection  *storage.ConnectionID
	SSORequired *bool
}

// Change changes where people of a domain are sent, as the domain is then. Errors:
// ErrUnknown, ErrNoConnection.
func (c *Claims) Change(ctx context.Context, t storage.TenantID, name string, change Change) (storage.Domain, error) {
	return anew(func() (storage.Domain, error) {
		d, err := c.Get(ctx, t, name)
		if err != nil {
			return d, err
		}
		return c.ChangeAsRead(ctx, t, d, change)
	})
}

// ChangeAsRead is Change of a domain that something was decided on. An error that is
// [storage.ErrConflict]: it is no longer as it was read.
func (c *Claims) ChangeAsRead(ctx context.Context, t storage.TenantID, d storage.Domain, change Change) (storage.Domain, error) {
	if change.Connection != nil {
		d.Connection = *change.Connection
	}
	if change.SSORequired != nil {
		d.SSORequired = *change.SSORequired
	}
	return c.put(ctx, t, d, audit.DomainUpdated(ctx, c.cfg.Now(), d))
}

// Remove takes a domain from a tenant, if it is as it was read: another may prove it.
// ErrUnknown, and [storage.ErrConflict]: it is not.
func (c *Claims) Remove(ctx context.Context, t storage.TenantID, d storage.Domain) error {
	err := c.cfg.Opener.Tenant(t).DeleteDomain(ctx, d, audit.DomainRemoved(ctx, c.cfg.Now(), d))
	if errors.Is(err, storage.ErrNotFound) {
		return ErrUnknown
	}
	return explain(err)
}

// Get returns one of a tenant's domains. ErrUnknown.
func (c *Claims) Get(ctx context.Context, t storage.TenantID, said string) (storage.Domain, error) {
	name, err := Name(said)
	if err != nil {
		return storage.Domain{}, ErrUnknown
	}
	all, err := c.cfg.Opener.Tenant(t).ListDomains(ctx)
	if err != nil {
		return storage.Domain{}, fmt.Errorf("domains: %w", err)
	}
	if d, has := find(all, name); has {
		return d, nil
	}
	return storage.Domain{}, ErrUnknown
}

func find(all []storage.Domain, name string) (storage.Domain, bool) {
	for _, d := range all {
		if d.Name == name {
			return d, true
		}
	}
	return storage.Domain{}, false
}

// explain is what the store says of a domain that is put there.
func explain(err error) error {
	switch {
	case errors.Is(err, storage.ErrExists):
		return ErrTaken
	case errors.Is(err, storage.ErrNotFound):
		return ErrNoConnection
	case err != nil:
		return fmt.Errorf("domains: %w", err)
	}
	return nil
}
