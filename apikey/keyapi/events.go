package keyapi

import (
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Kind is the name of a server-sent event.
type Kind string

// The events. After revoked and expired the stream ends: nothing else can happen.
const (
	KindState       Kind = "state"       // how the key is; the first event of a stream, and the first after unknown
	KindChanged     Kind = "changed"     // something of it was edited, or it was released from quarantine
	KindRotated     Kind = "rotated"     // it has a successor, and works until expires_at
	KindQuarantined Kind = "quarantined" // it is out of use until somebody decides
	KindRevoked     Kind = "revoked"     // it works no more
	KindExpired     Kind = "expired"     // it works no more
	KindUnknown     Kind = "unknown"     // for some seconds the server has not been able to find out
)

// Why a key works no more, when its own record does not say it.
const (
	reasonOwner  = "owner"  // the person whose key it is was disabled
	reasonTenant = "tenant" // the tenant was suspended
	reasonApp    = "app"    // the app through which it was made was disabled
	reasonGone   = "gone"   // there is no such key any more
)

// Event is the data of a server-sent event.
type Event struct {
	Kind Kind   `json:"-"`
	Key  string `json:"key" example:"key_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The key that it is about."`
	// State is "" when it is not known.
	State     State      `json:"state,omitempty" enum:"live,expired,revoked,quarantined" doc:"What the key is good for; absent while that is not known."`
	Reason    string     `json:"reason,omitempty" example:"revoked" doc:"Why it works no more: revoked, rotated, leaked, owner (who was disabled), app (which was disabled), tenant (which was suspended), gone."`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it ends; absent: never."`
	Successor string     `json:"successor,omitempty" doc:"The key that replaces it."`
	Version   int64      `json:"version,omitempty" doc:"The version of the key; it is the id of the event, too."`
	At        time.Time  `json:"at" doc:"When the server found it out."`
}

// sight is what a stream knows about its key at a moment.
type sight struct {
	key   storage.APIKey
	state State
	// reason is why it is revoked.
	reason string
}

// see reads what a stored key says at now; nil: there is none.
func see(id storage.KeyID, k *storage.LiveKey, now time.Time) sight {
	if k == nil {
		return sight{key: storage.APIKey{ID: id}, state: Revoked, reason: reasonGone}
	}
	s := sight{key: k.APIKey, state: stateOf(k.APIKey, now), reason: k.RevokedReason}
	if s.state != Live || k.Dead(now) == "" {
		return s
	}
	s.state, s.reason = Revoked, reasonOwner
	switch {
	case !k.Life.TenantSuspendedAt.IsZero() || !k.Life.TokensNotBefore.IsZero():
		s.reason = reasonTenant
	case !k.Life.ClientDisabledAt.IsZero():
		s.reason = reasonApp
	}
	return s
}

// over reports whether nothing more can happen.
func (s sight) over() bool { return s.state == Revoked || s.state == Expired }

// event tells a sight.
func (s sight) event(kind Kind, now time.Time) Event {
	e := Event{
		Kind: kind, Key: string(s.key.ID), State: s.state, ExpiresAt: moment(s.key.ExpiresAt),
		Successor: string(s.key.Successor), Version: s.key.Version, At: now.UTC(),
	}
	if s.state == Revoked {
		e.Reason = s.reason
	}
	return e
}

// since lists what has happened from one sight to the next.
func (s sight) since(before sight) []Kind {
	var kinds []Kind
	if s.key.Successor != "" && before.key.Successor == "" {
		kinds = append(kinds, KindRotated)
	}
	switch {
	case s.state == Expired:
		return append(kinds, KindExpired)
	case s.state == Revoked:
		return append(kinds, KindRevoked)
	case s.state == Quarantined && before.state != Quarantined:
		return append(kinds, KindQuarantined)
	case len(kinds) == 0 && s.key.Version != before.key.Version:
		return append(kinds, KindChanged)
	}
	return kinds
}
