package audit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// TenantCreated records tenant.created.
func TenantCreated(ctx context.Context, at time.Time, t storage.Tenant) storage.Event {
	return event(ctx, at, aboutTenant("tenant.created", t))
}

// TenantUpdated records tenant.updated.
func TenantUpdated(ctx context.Context, at time.Time, t storage.Tenant) storage.Event {
	return event(ctx, at, aboutTenant("tenant.updated", t))
}

// TenantSuspended records tenant.suspended.
func TenantSuspended(ctx context.Context, at time.Time, t storage.Tenant) storage.Event {
	return event(ctx, at, aboutTenant("tenant.suspended", t))
}

// TenantResumed records tenant.resumed.
func TenantResumed(ctx context.Context, at time.Time, t storage.Tenant) storage.Event {
	return event(ctx, at, aboutTenant("tenant.resumed", t))
}

// ClientCreated records client.created.
func ClientCreated(ctx context.Context, at time.Time, c storage.Client) storage.Event {
	return event(ctx, at, aboutClient("client.created", c))
}

// ClientUpdated records client.updated.
func ClientUpdated(ctx context.Context, at time.Time, c storage.Client) storage.Event {
	return event(ctx, at, aboutClient("client.updated", c))
}

// ClientDisabled records client.disabled.
func ClientDisabled(ctx context.Context, at time.Time, c storage.Client) storage.Event {
	return event(ctx, at, aboutClient("client.disabled", c))
}

// ClientEnabled records client.enabled.
func ClientEnabled(ctx context.Context, at time.Time, c storage.Client) storage.Event {
	return event(ctx, at, aboutClient("client.enabled", c))
}

// ClientSecretRotated records client.secret_rotated.
func ClientSecretRotated(ctx context.Context, at time.Time, c storage.Client) storage.Event {
	return event(ctx, at, aboutClient("client.secret_rotated", c))
}

// ResourceServerCreated records resource_server.created.
func ResourceServerCreated(ctx context.Context, at time.Time, rs storage.ResourceServer) storage.Event {
	return event(ctx, at, aboutResourceServer("resource_server.created", rs))
}

// ResourceServerUpdated records resource_server.updated.
func ResourceServerUpdated(ctx context.Context, at time.Time, rs storage.ResourceServer) storage.Event {
	return event(ctx, at, aboutResourceServer("resource_server.updated", rs))
}

// ResourceServerDisabled records resource_server.disabled.
func ResourceServerDisabled(ctx context.Context, at time.Time, rs storage.ResourceServer) storage.Event {
	return event(ctx, at, aboutResourceServer("resource_server.disabled", rs))
}

// ResourceServerEnabled records resource_server.enabled.
func ResourceServerEnabled(ctx context.Context, at time.Time, rs storage.ResourceServer) storage.Event {
	return event(ctx, at, aboutResourceServer("resource_server.enabled", rs))
}

// ResourceServerSecretRotated records resource_server.secret_rotated.
func ResourceServerSecretRotated(ctx context.Context, at time.Time, rs storage.ResourceServer) storage.Event {
	return event(ctx, at, aboutResourceServer("resource_server.secret_rotated", rs))
}

// ConnectionCreated records connection.created.
func ConnectionCreated(ctx context.Context, at time.Time, c storage.Connection) storage.Event {
	return event(ctx, at, aboutConnection("connection.created", c))
}

// ConnectionUpdated records connection.updated.
func ConnectionUpdated(ctx context.Context, at time.Time, c storage.Connection) storage.Event {
	return event(ctx, at, aboutConnection("connection.updated", c))
}

// ConnectionDisabled records connection.disabled.
func ConnectionDisabled(ctx context.Context, at time.Time, c storage.Connection) storage.Event {
	return event(ctx, at, aboutConnection("connection.disabled", c))
}

// ConnectionEnabled records connection.enabled.
func ConnectionEnabled(ctx context.Context, at time.Time, c storage.Connection) storage.Event {
	return event(ctx, at, aboutConnection("connection.enabled", c))
}

// DomainVerified records domain.verified.
func DomainVerified(ctx context.Context, at time.Time, d storage.Domain) storage.Event {
	return event(ctx, at, aboutDomain("domain.verified", d))
}

// DomainRemoved records domain.removed.
func DomainRemoved(ctx context.Context, at time.Time, d storage.Domain) storage.Event {
	return event(ctx, at, aboutDomain("domain.removed", d))
}

// SigningKeysChanged records signing_keys.changed; what is "created",
// "activated" (and its predecessor retired) or "dropped" (out of the JWKS before
// its time). That a retired key's time is over is no event: it was decided when
// it was retired.
func SigningKeysChanged(ctx context.Context, at time.Time, kids []string, what string) storage.Event {
	ev := success("signing_keys.changed")
	ev.Reason, ev.Object = what, strings.Join(kids, " ")
	return event(ctx, at, ev)
}

func aboutTenant(kind string, t storage.Tenant) storage.Event {
	ev := success(kind)
	// The tenant reads it, too: it is about them.
	ev.Tenant, ev.Object = t.ID, string(t.ID)
	ev.Details = map[string]string{"slug": t.Slug, "version": version(t.Version), "reason": t.SuspendReason}
	return ev
}

func aboutClient(kind string, c storage.Client) storage.Event {
	ev := success(kind)
	ev.Client, ev.Object = c.ID, string(c.ID)
	ev.Details = map[string]string{
		"name": c.Name, "version": version(c.Version), "auth_method": string(c.AuthMethod),
		"grant_types": strings.Join(c.GrantTypes, " "), "scope": strings.Join(c.Scopes, " "),
		"redirect_uris": strings.Join(c.RedirectURIs, " "),
	}
	return ev
}

func aboutResourceServer(kind string, rs storage.ResourceServer) storage.Event {
	ev := success(kind)
	ev.Object = string(rs.ID)
	ev.Details = map[string]string{
		"name": rs.Name, "version": version(rs.Version), "bound_to": string(rs.TenantID), "audience": rs.Audience,
	}
	return ev
}

func aboutConnection(kind string, c storage.Connection) storage.Event {
	ev := success(kind)
	ev.Connection, ev.Object = c.ID, string(c.ID)
	ev.Details = map[string]string{
		"name": c.Name, "version": version(c.Version), "kind": string(c.Kind), "issuer": c.Issuer, "client_id": c.ClientID,
		"create_users": strconv.FormatBool(c.CreateUsers), "default_role": string(c.DefaultRole),
	}
	return ev
}

func aboutDomain(kind string, d storage.Domain) storage.Event {
	ev := success(kind)
	ev.Connection, ev.Object = d.Connection, d.Name
	return ev
}

func version(v int64) string { return strconv.FormatInt(v, 10) }
