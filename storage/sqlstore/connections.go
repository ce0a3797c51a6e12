package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertConnection = some(insert("connections", under(connectionColumns)))
	updateConnection = counting(update("connections", under(connectionColumns), 2), under(connectionColumns))
	// Whose connection is disabled signs in anew once it is enabled, and so does whoever
	// signed in while it was being disabled.
	endSessionsOf = some(`UPDATE sessions SET ended_at = $3 WHERE connection_id = $2 AND tenant_id = $1 AND ended_at IS NULL
		AND ($4 OR (SELECT n.disabled_at FROM connections n WHERE n.tenant_id = $1 AND n.id = $2) IS NOT NULL)`)
	// Where sessions have ended it reads the tenant's grants once, with one session each,
	// whatever a planner believes.
	logoutsOfConnection = some(logoutsOf(`g.origin <> '' AND EXISTS (
		SELECT 1 FROM sessions e WHERE e.connection_id = $2 AND e.tenant_id = $1 AND e.ended_at = $3)`, " AND s.connection_id = $2"))

	// A verified name's own uniqueness is not the conflict that is resolved here: a
	// domain that is another tenant's stays that tenant's.
	insertDomain = one(insert("domains", under(domainColumns)) + " ON CONFLICT (tenant_id, name) DO NOTHING")
	// A domain that was removed and claimed anew is another one, of another token.
	updateDomain = one(update("domains", under(domainColumns), 2).plain + " AND token = $5")
	deleteDomain = one("DELETE FROM domains WHERE tenant_id = $1 AND name = $2 AND version = $3 AND token = $4")
)

const (
	connectionByID  = "SELECT " + connectionColumns + " FROM connections WHERE tenant_id = $1 AND id = $2"
	listConnections = "SELECT " + connectionColumns + " FROM connections WHERE tenant_id = $1 ORDER BY id"
	listDomains     = "SELECT " + domainColumns + " FROM domains WHERE tenant_id = $1 ORDER BY name"
	domainByName    = "SELECT 1 FROM domains WHERE tenant_id = $1 AND name = $2"
)

// CreateConnection implements storage.Connections.
func (t *Tenant) CreateConnection(ctx context.Context, c storage.Connection, ev storage.Event) error {
	u := newUnit(t.id, "connection "+string(c.ID))
	u.do(insertConnection, owned(t.id, connectionArgs(c))...)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// UpdateConnection implements storage.Connections. Sessions end at ev.Time, before the
// connection changes: who makes a code holds one.
func (t *Tenant) UpdateConnection(ctx context.Context, c storage.Connection, ev storage.Event) error {
	u := newUnit(t.id, "connection "+string(c.ID))
	of := []any{t.id, string(c.ID), when(ev.Time)}
	u.do(endSessionsOf, append(of, !c.DisabledAt.IsZero())...)
	u.do(logoutsOfConnection, of...)
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
	if d.Version == 0 {
		d.Version = 1
		u.must(storage.ErrConflict, insertDomain, owned(t.id, domainArgs(d))...)
	} else {
		u.must(storage.ErrConflict, updateDomain, owned(t.id, domainArgs(d))...)
	}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// DeleteDomain implements storage.Domains.
func (t *Tenant) DeleteDomain(ctx context.Context, d storage.Domain, ev storage.Event) error {
	u := newUnit(t.id, "domain "+d.Name)
	u.must(storage.ErrConflict, deleteDomain, t.id, d.Name, d.Version, d.Token)
	u.otherwise = &query{sql: domainByName, args: []any{t.id, d.Name}}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// ListDomains implements storage.Domains.
func (t *Tenant) ListDomains(ctx context.Context) ([]storage.Domain, error) {
	return list(ctx, t.engine, t.scope("domains"), listDomains, domainFields, t.id)
}

// scope is the tenant's eyes.
func (t *Tenant) scope(what string) scope { return scope{what: what, tenant: t.id} }
