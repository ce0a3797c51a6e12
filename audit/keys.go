package audit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// ActorKey is the kind of an actor that is an API key.
const ActorKey = "key"

// KeyBy is who does something to an API key: a person, through a client; a machine; or
// a key. The zero value is the server itself.
type KeyBy struct {
	User   storage.UserID
	Client storage.ClientID
	Key    storage.KeyID
}

// KeyCreated records key.created.
func KeyCreated(ctx context.Context, at time.Time, k storage.APIKey, by KeyBy) storage.Event {
	ev := aboutKey("key.created", k, by)
	ev.Details["scope"] = strings.Join(k.Scopes, " ")
	ev.Details["expires_at"] = moment(k.ExpiresAt)
	ev.Details["owner"] = string(k.Owner)
	ev.Details["parent"] = string(k.Parent)
	ev.Details["allowed_ips"] = strings.Join(k.AllowedIPs, " ")
	return event(ctx, at, ev)
}

// KeyUpdated records key.updated. changed are the names of the fields that are
// different now.
func KeyUpdated(ctx context.Context, at time.Time, k storage.APIKey, by KeyBy, changed []string) storage.Event {
	ev := aboutKey("key.updated", k, by)
	ev.Details["changed"] = strings.Join(changed, " ")
	ev.Details["scope"] = strings.Join(k.Scopes, " ")
	ev.Details["expires_at"] = moment(k.ExpiresAt)
	return event(ctx, at, ev)
}

// KeyRotated records key.rotated: successor takes the place of old, which ends at
// dies.
func KeyRotated(ctx context.Context, at time.Time, old, successor storage.APIKey, dies time.Time, by KeyBy) storage.Event {
	ev := aboutKey("key.rotated", old, by)
	ev.Details["successor"] = string(successor.ID)
	ev.Details["ends_at"] = moment(dies)
	return event(ctx, at, ev)
}

// KeyRevealed records key.revealed: somebody was shown a key again.
func KeyRevealed(ctx context.Context, at time.Time, k storage.APIKey, by KeyBy) storage.Event {
	return event(ctx, at, aboutKey("key.revealed", k, by))
}

// KeyRevoked records key.revoked. reason is stored with the key.
func KeyRevoked(ctx context.Context, at time.Time, k storage.APIKey, by KeyBy, reason string) storage.Event {
	ev := aboutKey("key.revoked", k, by)
	ev.Reason = reason
	return event(ctx, at, ev)
}

// KeyLeaked records key.leaked, a signal: the key was seen in public, and is revoked.
func KeyLeaked(ctx context.Context, at time.Time, k storage.APIKey) storage.Event {
	ev := aboutKey("key.leaked", k, KeyBy{})
	ev.Reason = "leaked"
	return event(ctx, at, ev)
}

// KeyQuarantined records key.quarantined, a signal: the key was seen in public, and is
// out of use until somebody decides.
func KeyQuarantined(ctx context.Context, at time.Time, k storage.APIKey) storage.Event {
	ev := aboutKey("key.quarantined", k, KeyBy{})
	ev.Reason = "leaked"
	return event(ctx, at, ev)
}

// KeyReleased records key.released: a key is back from quarantine.
func KeyReleased(ctx context.Context, at time.Time, k storage.APIKey, by KeyBy) storage.Event {
	return event(ctx, at, aboutKey("key.released", k, by))
}

// KeyDelivered records key.delivered: the secret of a successor was handed over. how is
// webhook, or successor when the old key fetched it.
func KeyDelivered(ctx context.Context, at time.Time, d storage.KeyDelivery, how string, by KeyBy) storage.Event {
	ev := handing("key.delivered", d, by)
	ev.Details["how"] = how
	return event(ctx, at, ev)
}

// KeyPickupMissed records key.pickup_missed, a signal: the old key ends soon, and
// nobody has its successor.
func KeyPickupMissed(ctx context.Context, at time.Time, d storage.KeyDelivery) storage.Event {
	ev := handing("key.pickup_missed", d, KeyBy{})
	ev.Details["ends_at"] = moment(d.ExpiresAt)
	ev.Details["attempts"] = strconv.Itoa(d.Attempts)
	return event(ctx, at, ev)
}

// KeyExchanged records key.exchanged: tokens were made under a key.
func KeyExchanged(ctx context.Context, at time.Time, g storage.Grant, a storage.AccessToken, refresh bool) storage.Event {
	ev := aboutGrant(byClient(success("key.exchanged"), g.Client), g)
	ev.Object = string(g.Key)
	ev.Details = granted(a.Scopes, a.Audience)
	ev.Details["token"] = string(a.ID)
	ev.Details["refresh_token"] = strconv.FormatBool(refresh)
	return event(ctx, at, ev)
}

// KeyRefused records key.refused: somebody with a live credential of the tenant was
// refused something about keys. id is the key, "" when one was to be made; what is the
// attempt, and reason the code of the refusal.
func KeyRefused(ctx context.Context, at time.Time, id storage.KeyID, what, reason string, by KeyBy) storage.Event {
	ev := actedBy(refused("key.refused", reason), by)
	ev.Object = string(id)
	ev.Details = map[string]string{"attempt": what}
	return event(ctx, at, ev)
}

func aboutKey(kind string, k storage.APIKey, by KeyBy) storage.Event {
	ev := actedBy(success(kind), by)
	ev.Object = string(k.ID)
	ev.Details = map[string]string{"profile": k.Profile, "name": k.Name, "hint": k.Hint}
	return ev
}

func handing(kind string, d storage.KeyDelivery, by KeyBy) storage.Event {
	ev := actedBy(success(kind), by)
	ev.Object = string(d.Key)
	ev.Details = map[string]string{"predecessor": string(d.Old)}
	return ev
}

// actedBy names the key before the client before the person: who held the credential.
func actedBy(ev storage.Event, by KeyBy) storage.Event {
	switch {
	case by.Key != "":
		ev.ActorKind, ev.ActorID = ActorKey, string(by.Key)
	case by.User != "":
		ev.ActorKind, ev.ActorID = ActorUser, string(by.User)
	case by.Client != "":
		ev.ActorKind, ev.ActorID = ActorClient, string(by.Client)
	}
	ev.User, ev.Client = by.User, by.Client
	return ev
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
