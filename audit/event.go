package audit

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/storage"
)

// Outcomes.
const (
	Success = "success"
	Refused = "refused"
)

// Kinds of actors.
const (
	ActorUser     = "user"
	ActorClient   = "client"
	ActorOperator = "operator"
	ActorSystem   = "system"
)

type actor struct{ kind, id string }

type actorKey struct{}

// WithActor returns a context in which events are said to be done by that
// actor, whatever their constructor would have said: an operator's command, an
// administrator who acts for somebody.
func WithActor(ctx context.Context, kind, id string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor{kind, id})
}

// event completes what a constructor knows: id, time, actor and origin, with
// every text made safe for any sink.
func event(ctx context.Context, at time.Time, ev storage.Event) storage.Event {
	ev.ID = storage.NewEventID(at)
	ev.Time = at.UTC().Truncate(time.Millisecond)
	if a, ok := ctx.Value(actorKey{}).(actor); ok {
		ev.ActorKind, ev.ActorID = a.kind, a.id
	}
	if ev.ActorKind == "" {
		ev.ActorKind = ActorSystem
	}
	from := origin.From(ctx)
	ev.IP, ev.UserAgent, ev.RequestID = from.IP, from.UserAgent, from.RequestID
	return safe(ev)
}

// success and refused are events whose only texts are known.
func success(kind string) storage.Event { return storage.Event{Kind: kind, Outcome: Success} }

func refused(kind, reason string) storage.Event {
	return storage.Event{Kind: kind, Outcome: Refused, Reason: reason}
}

// byUser and byClient name the actor that the constructor knows.
func byUser(ev storage.Event, u storage.UserID) storage.Event {
	ev.User, ev.ActorKind, ev.ActorID = u, ActorUser, string(u)
	return ev
}

func byClient(ev storage.Event, c storage.ClientID) storage.Event {
	ev.Client, ev.ActorKind, ev.ActorID = c, ActorClient, string(c)
	return ev
}
