package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/storage"
)

// AddDomain records, on the operator's word, that a tenant owns an e-mail
// domain: its people are sent to the connection, and nobody looks for a record. A problem: it is no domain, a
// public mail provider's, or another tenant's.
func (d *Directory) AddDomain(ctx context.Context, tenant, said string, con storage.ConnectionID) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	name, err := domains.Name(said)
	if err != nil {
		return problem("%q: %s", said, err)
	}
	was, err := d.domain(ctx, t.ID, name)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	now := d.cfg.Now()
	dom := storage.Domain{Name: name, Connection: con, Token: was.Token, CreatedAt: now, VerifiedAt: now, ByOperator: true, Version: was.Version}
	err = d.cfg.Store.Tenant(t.ID).PutDomain(ctx, dom, audit.DomainVerified(ctx, now, dom))
	if errors.Is(err, storage.ErrExists) {
		return because(storage.ErrExists, "the domain %s belongs to another tenant", name)
	}
	return explain(err, fmt.Sprintf("connection %q in this tenant", con))
}

// RemoveDomain takes a domain from a tenant.
func (d *Directory) RemoveDomain(ctx context.Context, tenant, said string) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	name, err := domains.Name(said)
	if err != nil {
		return problem("%q: %s", said, err)
	}
	dom, err := d.domain(ctx, t.ID, name)
	if err == nil {
		err = d.cfg.Store.Tenant(t.ID).DeleteDomain(ctx, dom, audit.DomainRemoved(ctx, d.cfg.Now(), dom))
	}
	return explain(err, fmt.Sprintf("domain %q of this tenant", name))
}

// domain returns a tenant's domain. storage.ErrNotFound.
func (d *Directory) domain(ctx context.Context, t storage.TenantID, name string) (storage.Domain, error) {
	all, err := d.cfg.Store.Tenant(t).ListDomains(ctx)
	if err != nil {
		return storage.Domain{}, fmt.Errorf("directory: %w", err)
	}
	for _, dom := range all {
		if dom.Name == name {
			return dom, nil
		}
	}
	return storage.Domain{}, fmt.Errorf("directory: domain: %w", storage.ErrNotFound)
}
