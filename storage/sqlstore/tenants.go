package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertTenant = some(insert("tenants", tenantColumns))
	updateTenant = update("tenants", tenantColumns, 1)
)

const (
	tenantByID   = "SELECT " + tenantColumns + " FROM tenants WHERE id = $1"
	tenantBySlug = "SELECT " + tenantColumns + " FROM tenants WHERE slug = $1"
	listTenants  = "SELECT " + tenantColumns + " FROM tenants ORDER BY slug"
)

// CreateTenant implements storage.Tenants.
func (s *Store) CreateTenant(ctx context.Context, t storage.Tenant, ev storage.Event) error {
	u := platformUnit("tenant "+string(t.ID), ev)
	u.do(insertTenant, tenantArgs(t)...)
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// UpdateTenant implements storage.Tenants. ErrExists: the new slug is another's.
func (s *Store) UpdateTenant(ctx context.Context, t storage.Tenant, ev storage.Event) error {
	u := platformUnit("tenant "+string(t.ID), ev)
	u.must(storage.ErrConflict, updateTenant, tenantArgs(t)...)
	u.change(storage.ChangeTenant, "", string(t.ID))
	u.otherwise = &query{sql: tenantByID, args: []any{string(t.ID)}}
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// TenantByID implements storage.TenantReader.
func (s *Store) TenantByID(ctx context.Context, id storage.TenantID) (storage.Tenant, error) {
	var t storage.Tenant
	err := find(ctx, s.engine, scope{what: "tenant " + string(id)}, tenantByID, tenantFields(&t), string(id))
	return t, err
}

// TenantBySlug implements storage.TenantReader.
func (s *Store) TenantBySlug(ctx context.Context, slug string) (storage.Tenant, error) {
	var t storage.Tenant
	err := find(ctx, s.engine, scope{what: "tenant by slug"}, tenantBySlug, tenantFields(&t), slug)
	return t, err
}

// ListTenants implements storage.TenantReader.
func (s *Store) ListTenants(ctx context.Context) ([]storage.Tenant, error) {
	return list(ctx, s.engine, scope{what: "tenants"}, listTenants, tenantFields)
}
