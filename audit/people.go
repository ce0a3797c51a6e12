package audit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// SignedIn records session.started; created: it was the person's first time.
func SignedIn(ctx context.Context, at time.Time, user storage.User, s storage.Session, created bool) storage.Event {
	ev := byUser(success("session.started"), user.ID)
	ev.Session, ev.Connection = s.ID, s.Connection
	ev.Details = map[string]string{
		"acr": s.ACR, "amr": strings.Join(s.AMR, " "), "role": string(user.Role), "created": strconv.FormatBool(created),
	}
	return event(ctx, at, ev)
}

// SignInRefused records sign_in.refused; con is the connection whose answer was
// refused.
func SignInRefused(ctx context.Context, at time.Time, con storage.ConnectionID, reason string) storage.Event {
	ev := refused("sign_in.refused", reason)
	ev.Connection = con
	return event(ctx, at, ev)
}

// SignedOut records session.ended; by says who ended it: "user", "operator",
// "sign_in" (replaced by a new one).
func SignedOut(ctx context.Context, at time.Time, user storage.UserID, session storage.SessionID, by string) storage.Event {
	ev := success("session.ended")
	if by == ActorUser {
		ev = byUser(ev, user)
	}
	ev.User, ev.Session, ev.Reason = user, session, by
	return event(ctx, at, ev)
}

// ConsentGiven records consent.given, by the person that the code is for.
func ConsentGiven(ctx context.Context, at time.Time, c storage.Code) storage.Event {
	ev := byUser(success("consent.given"), c.User)
	ev.Client, ev.Session, ev.Grant, ev.Connection = c.Client, c.Session, c.Grant, c.Connection
	ev.Details = granted(c.Scopes, c.Resource)
	return event(ctx, at, ev)
}

// ConsentDenied records consent.denied.
func ConsentDenied(ctx context.Context, at time.Time, req storage.AuthorizeRequest, s storage.Session) storage.Event {
	ev := byUser(refused("consent.denied", "access_denied"), s.User)
	ev.Client, ev.Session, ev.Connection = req.Client, s.ID, s.Connection
	ev.Details = granted(req.Scopes, req.Resource)
	return event(ctx, at, ev)
}

// ConsentWithdrawn records consent.withdrawn: the families of the two are dead.
func ConsentWithdrawn(ctx context.Context, at time.Time, user storage.UserID, client storage.ClientID) storage.Event {
	ev := byUser(success("consent.withdrawn"), user)
	ev.Client = client
	return event(ctx, at, ev)
}

// UserUpdated records user.updated.
func UserUpdated(ctx context.Context, at time.Time, u storage.User) storage.Event {
	return event(ctx, at, aboutUser("user.updated", u))
}

// UserDisabled records user.disabled.
func UserDisabled(ctx context.Context, at time.Time, u storage.User) storage.Event {
	return event(ctx, at, aboutUser("user.disabled", u))
}

// UserEnabled records user.enabled.
func UserEnabled(ctx context.Context, at time.Time, u storage.User) storage.Event {
	return event(ctx, at, aboutUser("user.enabled", u))
}

func aboutUser(kind string, u storage.User) storage.Event {
	ev := success(kind)
	ev.User, ev.Object = u.ID, string(u.ID)
	ev.Details = map[string]string{"role": string(u.Role)}
	return ev
}

// granted are the details of what an app gets.
func granted(scopes, resource []string) map[string]string {
	return map[string]string{"scope": strings.Join(scopes, " "), "resource": strings.Join(resource, " ")}
}
