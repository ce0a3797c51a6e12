package sqlstore

import (
	"context"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// An event of a tenant that does not exist is refused, because its tenant_id is
// NULL. Every change of a tenant carries an event, so no change is made for such
// a tenant.
var (
	insertTenantEvent = some(strings.Replace(insert("audit_events", under(eventColumns)),
		"($1,", "((SELECT id FROM tenants WHERE id = $1),", 1))
	insertPlatformEvent = some(insert("audit_events", under(eventColumns)))
)

// event adds the audit event to a tenant's unit.
func (u *unit) event(ev storage.Event) {
	u.do(insertTenantEvent, eventArgs(u.tenant, ev)...)
}

// platformUnit is a unit on what the platform owns; its event goes to the
// trail of the tenant that the event names, if it names one.
func platformUnit(what string, ev storage.Event) *unit {
	if ev.Tenant != "" && ev.Tenant != platform {
		return newUnit(string(ev.Tenant), what)
	}
	return newUnit(platform, what)
}

// platformEvent adds the audit event to a platformUnit.
func (u *unit) platformEvent(ev storage.Event) {
	if u.tenant != platform {
		u.event(ev)
		return
	}
	u.do(insertPlatformEvent, eventArgs(platform, ev)...)
}

// AppendEvent implements storage.AuditLog.
func (t *Tenant) AppendEvent(ctx context.Context, ev storage.Event) error {
	u := newUnit(t.id, "append event")
	u.free = true
	u.event(ev)
	return write(ctx, t.engine, u)
}

// Events implements storage.AuditLog.
func (t *Tenant) Events(ctx context.Context, before storage.EventID, limit int) ([]storage.Event, error) {
	return events(ctx, t.engine, t.id, before, limit)
}

// AppendPlatformEvent implements storage.PlatformLog.
func (s *Store) AppendPlatformEvent(ctx context.Context, ev storage.Event) error {
	ev.Tenant = ""
	u := platformUnit("append platform event", ev)
	u.free = true
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// PlatformEvents implements storage.PlatformLog.
func (s *Store) PlatformEvents(ctx context.Context, before storage.EventID, limit int) ([]storage.Event, error) {
	return events(ctx, s.engine, platform, before, limit)
}

const (
	selectEvents       = "SELECT " + eventColumns + " FROM audit_events WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2"
	selectEventsBefore = "SELECT " + eventColumns + " FROM audit_events WHERE tenant_id = $1 AND id < $3 ORDER BY id DESC LIMIT $2"
)

func events(ctx context.Context, e engine, tenant string, before storage.EventID, limit int) ([]storage.Event, error) {
	sql, args := selectEvents, []any{tenant, int64(limit)}
	if before != "" {
		sql, args = selectEventsBefore, append(args, string(before))
	}
	fields := func(ev *storage.Event) []any {
		if tenant != platform {
			ev.Tenant = storage.TenantID(tenant)
		}
		return eventFields(ev)
	}
	return list(ctx, e, scope{what: "events", tenant: tenant}, sql, fields, args...)
}
