package audit

import (
	"context"
	"strconv"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// AuthorizeRefused records authorize.refused: an authorization request that got
// no code. code is the OAuth error code; client may be unknown or "".
func AuthorizeRefused(ctx context.Context, at time.Time, client storage.ClientID, code string) storage.Event {
	ev := refused("authorize.refused", code)
	ev.Client = client
	return event(ctx, at, ev)
}

// CodeIssued records code.issued.
func CodeIssued(ctx context.Context, at time.Time, c storage.Code) storage.Event {
	ev := byUser(aboutCode(success("code.issued"), c), c.User)
	ev.Details = granted(c.Scopes, c.Resource)
	return event(ctx, at, ev)
}

// CodeRedeemed records code.redeemed: a grant and its first tokens.
func CodeRedeemed(ctx context.Context, at time.Time, g storage.Grant, a storage.AccessToken, refresh bool) storage.Event {
	ev := aboutGrant(byClient(success("code.redeemed"), g.Client), g)
	ev.Object = string(a.ID)
	ev.Details = granted(a.Scopes, a.Audience)
	ev.Details["refresh_token"] = strconv.FormatBool(refresh)
	return event(ctx, at, ev)
}

// CodeRefused records code.refused.
func CodeRefused(ctx context.Context, at time.Time, c storage.Code, reason string) storage.Event {
	return event(ctx, at, aboutCode(byClient(refused("code.refused", reason), c.Client), c))
}

// CodeReplayed records code.replayed: a second, otherwise valid redemption; the
// grant of the first is dead (TK-08).
func CodeReplayed(ctx context.Context, at time.Time, c storage.Code) storage.Event {
	return event(ctx, at, aboutCode(byClient(refused("code.replayed", "replay"), c.Client), c))
}

// TokenIssued records token.issued, for a token without a grant
// (client_credentials).
func TokenIssued(ctx context.Context, at time.Time, a storage.AccessToken) storage.Event {
	ev := aboutToken(byClient(success("token.issued"), a.Client), a)
	ev.Details = granted(a.Scopes, a.Audience)
	return event(ctx, at, ev)
}

// TokenRefreshed records token.refreshed.
func TokenRefreshed(ctx context.Context, at time.Time, g storage.Grant, a storage.AccessToken) storage.Event {
	ev := aboutGrant(byClient(success("token.refreshed"), g.Client), g)
	ev.Object = string(a.ID)
	ev.Details = granted(a.Scopes, a.Audience)
	return event(ctx, at, ev)
}

// RefreshReused records refresh.reused: a refresh token came again after its
// successor was used; the family is dead.
func RefreshReused(ctx context.Context, at time.Time, g storage.Grant) storage.Event {
	return event(ctx, at, aboutGrant(byClient(refused("refresh.reused", "reuse"), g.Client), g))
}

// RefreshRefused records refresh.refused.
func RefreshRefused(ctx context.Context, at time.Time, g storage.Grant, reason string) storage.Event {
	return event(ctx, at, aboutGrant(byClient(refused("refresh.refused", reason), g.Client), g))
}

// TokenRevoked records token.revoked: one access token is dead.
func TokenRevoked(ctx context.Context, at time.Time, a storage.AccessToken) storage.Event {
	return event(ctx, at, aboutToken(byClient(success("token.revoked"), a.Client), a))
}

// GrantRevoked records grant.revoked: a family is dead. by names who did it,
// as the kind of an actor.
func GrantRevoked(ctx context.Context, at time.Time, g storage.GrantID, by, reason string) storage.Event {
	ev := success("grant.revoked")
	ev.Grant, ev.Object, ev.ActorKind, ev.Reason = g, string(g), by, reason
	return event(ctx, at, ev)
}

// ClientAuthFailed records client.auth_failed. The id is what was presented,
// and may be nobody's.
func ClientAuthFailed(ctx context.Context, at time.Time, client storage.ClientID) storage.Event {
	return event(ctx, at, byClient(refused("client.auth_failed", "invalid_client"), client))
}

// TokenRefused records token.refused: a client that proved itself asked the token
// endpoint, or the revocation endpoint, for what it may not have.
func TokenRefused(ctx context.Context, at time.Time, client storage.ClientID, code string) storage.Event {
	return event(ctx, at, byClient(refused("token.refused", code), client))
}

// IntrospectionRefused records introspection.refused: somebody asked about a
// token who may not. rs is what they called themselves.
func IntrospectionRefused(ctx context.Context, at time.Time, rs string, reason string) storage.Event {
	ev := refused("introspection.refused", reason)
	ev.Object = rs
	return event(ctx, at, ev)
}

// IntrospectionScanning records introspection.scanning: a signal. Within that
// time, so many of a resource server's questions were about what is no token of
// ours, or none of its own: somebody tries tokens (RFC 7662 section 4). Seconds
// are rounded up.
func IntrospectionScanning(ctx context.Context, at time.Time, rs string, count int, within time.Duration) storage.Event {
	ev := refused("introspection.scanning", "token_scanning")
	ev.Object = rs
	seconds := max(1, (within+time.Second-1)/time.Second)
	ev.Details = map[string]string{"count": strconv.Itoa(count), "within_seconds": strconv.FormatInt(int64(seconds), 10)}
	return event(ctx, at, ev)
}

// CrossTenantDenied records cross_tenant.denied: a credential of this tenant was
// used where another tenant, or an object of another tenant, was named. object
// is what was named, by who presented the credential.
func CrossTenantDenied(ctx context.Context, at time.Time, object, by string) storage.Event {
	ev := refused("cross_tenant.denied", "cross_tenant")
	ev.Object = object
	ev.Details = map[string]string{"by": by}
	return event(ctx, at, ev)
}

func aboutCode(ev storage.Event, c storage.Code) storage.Event {
	ev.User, ev.Client, ev.Session, ev.Grant, ev.Connection = c.User, c.Client, c.Session, c.Grant, c.Connection
	return ev
}

func aboutGrant(ev storage.Event, g storage.Grant) storage.Event {
	ev.User, ev.Client, ev.Session, ev.Grant, ev.Connection = g.User, g.Client, g.Session, g.ID, g.Connection
	return ev
}

func aboutToken(ev storage.Event, a storage.AccessToken) storage.Event {
	ev.User, ev.Client, ev.Session, ev.Grant, ev.Connection = a.User, a.Client, a.Session, a.Grant, a.Connection
	ev.Object = string(a.ID)
	return ev
}
