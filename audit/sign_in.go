package audit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// FactorAdded records factor.added: a person has a new second factor.
func FactorAdded(ctx context.Context, at time.Time, user storage.UserID, f storage.Factor) storage.Event {
	return event(ctx, at, aboutFactor(byUser(success("factor.added"), user), f))
}

// FactorRenamed records factor.renamed: the person calls a second factor otherwise than
// before, which is was.
func FactorRenamed(ctx context.Context, at time.Time, user storage.UserID, f storage.Factor, was string) storage.Event {
	ev := aboutFactor(byUser(success("factor.renamed"), user), f)
	ev.Details["was"] = was
	return event(ctx, at, ev)
}

// FactorRemoved records factor.removed. by says who removed it, as the kind of an
// actor: [ActorUser] is the person.
func FactorRemoved(ctx context.Context, at time.Time, user storage.UserID, f storage.Factor, by string) storage.Event {
	ev := success("factor.removed")
	if by == ActorUser {
		ev = byUser(ev, user)
	}
	ev.User, ev.Reason = user, by
	return event(ctx, at, aboutFactor(ev, f))
}

// FactorProved records factor.proved: the session is stronger than it was. kind says
// by what: "passkey", "totp", "recovery_code".
func FactorProved(ctx context.Context, at time.Time, s storage.Session, kind string) storage.Event {
	ev := byUser(success("factor.proved"), s.User)
	ev.Session, ev.Connection = s.ID, s.Connection
	ev.Details = map[string]string{"factor": kind, "level": string(s.Level), "amr": strings.Join(s.AMR, " ")}
	return event(ctx, at, ev)
}

// FactorRefused records factor.refused: a proof that was none, or one too many.
func FactorRefused(ctx context.Context, at time.Time, user storage.UserID, reason string) storage.Event {
	return event(ctx, at, byUser(refused("factor.refused", reason), user))
}

// FactorRegressed records factor.regressed, a signal: a passkey's signature counter
// went back, as that of a copy does (WebAuthn Level 2 section 6.1.1).
func FactorRegressed(ctx context.Context, at time.Time, user storage.UserID, f storage.Factor) storage.Event {
	return event(ctx, at, aboutFactor(byUser(refused("factor.regressed", "counter"), user), f))
}

// RecoveryCodesReplaced records recovery_codes.replaced: the former ones are void.
func RecoveryCodesReplaced(ctx context.Context, at time.Time, user storage.UserID) storage.Event {
	return event(ctx, at, byUser(success("recovery_codes.replaced"), user))
}

// RecoveryCodeUsed records recovery_code.used.
func RecoveryCodeUsed(ctx context.Context, at time.Time, user storage.UserID) storage.Event {
	return event(ctx, at, byUser(success("recovery_code.used"), user))
}

// LinkSent records link.sent: an e-mail with a link was queued for the person. Who
// asked for it is not known.
func LinkSent(ctx context.Context, at time.Time, user storage.UserID, purpose storage.LinkPurpose) storage.Event {
	ev := success("link.sent")
	ev.User, ev.Reason = user, string(purpose)
	return event(ctx, at, ev)
}

// LinkUsed records link.used: somebody opened a link that was e-mailed to the person.
func LinkUsed(ctx context.Context, at time.Time, user storage.UserID, purpose storage.LinkPurpose) storage.Event {
	ev := byUser(success("link.used"), user)
	ev.Reason = string(purpose)
	return event(ctx, at, ev)
}

// AddressProved records address.proved: the person reads their e-mail address, which
// the trail does not repeat.
func AddressProved(ctx context.Context, at time.Time, u storage.User) storage.Event {
	return event(ctx, at, byUser(aboutUser("address.proved", u), u.ID))
}

// UserInvited records user.invited: somebody was added who has not signed in yet.
func UserInvited(ctx context.Context, at time.Time, u storage.User) storage.Event {
	return event(ctx, at, aboutUser("user.invited", u))
}

// UserLinked records user.linked: an identity at a provider now is this person. Its
// subject is not repeated.
func UserLinked(ctx context.Context, at time.Time, u storage.User, i storage.Identity) storage.Event {
	ev := byUser(aboutUser("user.linked", u), u.ID)
	ev.Connection = i.Connection
	ev.Details["issuer"] = i.Issuer
	return event(ctx, at, ev)
}

// RoleKept records role.kept, a signal: the provider says that the tenant's last owner
// is none, and they are kept as one.
func RoleKept(ctx context.Context, at time.Time, u storage.User) storage.Event {
	ev := aboutUser("role.kept", u)
	ev.Outcome, ev.Reason = Refused, "last_owner"
	return event(ctx, at, ev)
}

// RolesMissing records roles.missing: a sign-in through the connection gave no role.
// reason says why: "no_rule", "absent", "wrong_type", "oversized", "overage".
func RolesMissing(ctx context.Context, at time.Time, con storage.ConnectionID, reason string) storage.Event {
	ev := refused("roles.missing", reason)
	ev.Connection = con
	return event(ctx, at, ev)
}

// SessionsEnded records sessions.ended: those of a person, of which only those
// through a connection when it is not "". by says who ended them, as the kind of an
// actor, or "upstream" and "sso" for a provider's word.
func SessionsEnded(ctx context.Context, at time.Time, user storage.UserID, by string, con storage.ConnectionID) storage.Event {
	ev := success("sessions.ended")
	if by == ActorUser {
		ev = byUser(ev, user)
	}
	ev.User, ev.Connection, ev.Reason = user, con, by
	return event(ctx, at, ev)
}

// UpstreamSignedOut records upstream.signed_out: the provider's logout token ended
// sessions (OpenID Connect Back-Channel Logout section 2.5).
func UpstreamSignedOut(ctx context.Context, at time.Time, con storage.ConnectionID, user storage.UserID) storage.Event {
	return event(ctx, at, fromUpstream(success("upstream.signed_out"), con, user))
}

// UpstreamRefused records upstream.refused: what came at a connection's back channel
// was not what its provider says.
func UpstreamRefused(ctx context.Context, at time.Time, con storage.ConnectionID, reason string) storage.Event {
	return event(ctx, at, fromUpstream(refused("upstream.refused", reason), con, ""))
}

// TokensRevokedUpstream records tokens.revoked_upstream: the provider had everything
// of a person revoked, sessions and grants (Global Token Revocation).
func TokensRevokedUpstream(ctx context.Context, at time.Time, con storage.ConnectionID, user storage.UserID) storage.Event {
	return event(ctx, at, fromUpstream(success("tokens.revoked_upstream"), con, user))
}

// LogoutDelivered records logout.delivered: how telling a client that a session is
// over ended. outcome is "delivered", "refused" or "given_up".
func LogoutDelivered(ctx context.Context, at time.Time, l storage.Logout, outcome string) storage.Event {
	ev := success("logout.delivered")
	if outcome != "delivered" {
		ev = refused("logout.delivered", outcome)
	}
	ev.User, ev.Client, ev.Session = l.User, l.Client, l.Session
	ev.Details = map[string]string{"attempts": strconv.Itoa(l.Attempts)}
	return event(ctx, at, ev)
}

func aboutFactor(ev storage.Event, f storage.Factor) storage.Event {
	ev.Object = string(f.ID)
	ev.Details = map[string]string{"factor": string(f.Kind), "name": f.Name}
	return ev
}

func fromUpstream(ev storage.Event, con storage.ConnectionID, user storage.UserID) storage.Event {
	ev.Connection, ev.User = con, user
	return ev
}
