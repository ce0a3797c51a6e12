package audit

import (
	"context"
	"strconv"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// ConnectionTested records connection.tested: a trial was begun, or ended when its
// DoneAt is set. What the person's claims were is not repeated.
func ConnectionTested(ctx context.Context, at time.Time, t storage.ConnectionTest) storage.Event {
	ev := success("connection.tested")
	ev.Connection, ev.Object, ev.Reason = t.Connection, string(t.ID), "begun"
	if !t.DoneAt.IsZero() {
		ev.Reason = "done"
	}
	return event(ctx, at, ev)
}

// ConnectionSecretRotated records connection.secret_rotated: the connection has
// another client secret, or the one that came with it is gone.
func ConnectionSecretRotated(ctx context.Context, at time.Time, c storage.Connection) storage.Event {
	ev := aboutConnection("connection.secret_rotated", c)
	ev.Details["expires_at"] = moment(c.SecretExpiresAt)
	return event(ctx, at, ev)
}

// SecretExpiring records secret.expiring, a signal: the client secret at the provider
// ends soon, and nobody gets in through the connection then.
func SecretExpiring(ctx context.Context, at time.Time, c storage.Connection) storage.Event {
	ev := aboutConnection("secret.expiring", c)
	ev.Details["expires_at"] = moment(c.SecretExpiresAt)
	return event(ctx, at, ev)
}

// DomainClaimed records domain.claimed: the tenant says that the domain is theirs.
func DomainClaimed(ctx context.Context, at time.Time, d storage.Domain) storage.Event {
	return event(ctx, at, aboutDomain("domain.claimed", d))
}

// DomainFailing records domain.failing, a signal: the record that proves the domain
// is not there any more.
func DomainFailing(ctx context.Context, at time.Time, d storage.Domain) storage.Event {
	ev := aboutDomain("domain.failing", d)
	ev.Reason = "record_missing"
	ev.Details = map[string]string{"since": moment(d.FailingSince)}
	return event(ctx, at, ev)
}

// DomainLost records domain.lost: the record was missing for too long, and the domain
// is the tenant's no more.
func DomainLost(ctx context.Context, at time.Time, d storage.Domain) storage.Event {
	ev := aboutDomain("domain.lost", d)
	ev.Reason = "record_missing"
	ev.Details = map[string]string{"since": moment(d.FailingSince)}
	return event(ctx, at, ev)
}

// DomainChecked records domain.checked: somebody looked for the record of a verified
// domain. sight is what was seen: "found", "not_found", "no_answer".
func DomainChecked(ctx context.Context, at time.Time, d storage.Domain, sight string) storage.Event {
	ev := aboutDomain("domain.checked", d)
	ev.Details = map[string]string{"sight": sight, "failing": strconv.FormatBool(!d.FailingSince.IsZero())}
	return event(ctx, at, ev)
}

// DomainUpdated records domain.updated.
func DomainUpdated(ctx context.Context, at time.Time, d storage.Domain) storage.Event {
	ev := aboutDomain("domain.updated", d)
	ev.Details = map[string]string{"sso_required": strconv.FormatBool(d.SSORequired)}
	return event(ctx, at, ev)
}

// BreakGlassOpened records break_glass.opened, a signal: until then, owners may sign in
// past an enforced provider. reason is what whoever opened it gave as one.
func BreakGlassOpened(ctx context.Context, at time.Time, t storage.Tenant, reason string) storage.Event {
	ev := aboutTenant("break_glass.opened", t)
	ev.Details["until"], ev.Details["reason"] = moment(t.Policy.BreakGlassUntil), reason
	return event(ctx, at, ev)
}

// BreakGlassClosed records break_glass.closed.
func BreakGlassClosed(ctx context.Context, at time.Time, t storage.Tenant) storage.Event {
	return event(ctx, at, aboutTenant("break_glass.closed", t))
}

// BreakGlassUsed records break_glass.used, a signal: an owner signed in past an
// enforced provider (MF-12).
func BreakGlassUsed(ctx context.Context, at time.Time, user storage.UserID, session storage.SessionID) storage.Event {
	ev := byUser(success("break_glass.used"), user)
	ev.Session = session
	return event(ctx, at, ev)
}
