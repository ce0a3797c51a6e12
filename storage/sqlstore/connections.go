package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertConnection = some(insert("connections", under(connectionColumns)))
	updateConnection = update("connections", under(connectionColumns), 2)

	// A verified name's own uniqueness is not the conflict that is resolved here: a
	// domain that is another tenant's stays that tenant's.
	putDomain = some(insert("domains", under(domainColumns)) + ` ON CONFLICT (tenant_id, name)
		DO UPDATE SET connection_id = excluded.connection_id, verified_at = excluded.verified_at, token = excluded.token,
		created_at = excluded.created_at, checked_at = excluded.checked_at, failing_since = excluded.failing_since,
		sso_required = excluded.sso_required, by_operator = excluded.by_operator`)
	deleteDomain = one("DELETE FROM domains WHERE tenant_id = $1 AND name = $2")
)

const (
	connectionByID  = "SELECT " + connectionColumns + " FROM connections WHERE tenant_id = $1 AND id = $2"
	listConnections = "SELECT " + connectionColumns + " FROM connections WHERE tenant_id = $1 ORDER BY id"
	listDomains     = "SELECT " + domainColumns + " FROM domains WHERE tenant_id = $1 ORDER BY name"
)

// CreateConnection implements storage.Connections.
func (t *Tenant) CreateConnection(ctx context.Context, c storage.Connection, ev storage.Event) error {
	u := newUnit(t.id, "connection "+string(c.ID))
	u.do(insertConnection, owned(t.id, connectionArgs(c))...)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// UpdateConnection implements storage.Connections.
func (t *Tenant) UpdateConnection(ctx context.Context, c storage.Connection, ev storage.Event) error {
	u := newUnit(t.id, "connection "+string(c.ID))
	u.must(storage.ErrConflict, updateConnection, owned(t.id, connectionArgs(c))...)
	u.change(storage.ChangeConnection, t.id, string(c.ID))
	u.otherwise = &query{sql: connectionByID, args: []any{t.id, string(c.ID)}}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// Connection implements storage.ConnectionReader.
func (t *Tenant) Connection(ctx context.Context, id storage.ConnectionID) (storage.Connection, error) {
	var c storage.Connection
	err := find(ctx, t.engine, t.scope("connection"), connectionByID, connectionFields(&c), t.id, string(id))
	return c, err
}

// ListConnections implements storage.ConnectionReader.
func (t *Tenant) ListConnections(ctx context.Context) ([]storage.Connection, error) {
	return list(ctx, t.engine, t.scope("connections"), listConnections, connectionFields, t.id)
}

// PutDomain implements storage.Domains.
func (t *Tenant) PutDomain(ctx context.Context, d storage.Domain, ev storage.Event) error {
	u := newUnit(t.id, "domain "+d.Name)
	u.do(putDomain, owned(t.id, domainArgs(d))...)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// DeleteDomain implements storage.Domains.
func (t *Tenant) DeleteDomain(ctx context.Context, name string, ev storage.Event) error {
	u := newUnit(t.id, "domain "+name)
	u.must(storage.ErrNotFound, deleteDomain, t.id, name)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// ListDomains implements storage.Domains.
func (t *Tenant) ListDomains(ctx context.Context) ([]storage.Domain, error) {
	return list(ctx, t.engine, t.scope("domains"), listDomains, domainFields, t.id)
}

// scope is the tenant's eyes.
func (t *Tenant) scope(what string) scope { return scope{what: what, tenant: t.id} }
