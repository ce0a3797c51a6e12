package storage

import (
	"context"
	"time"
)

// APIKey is a scoped key of a tenant at rest. Its whole text is known to who holds
// it, and to nobody else.
type APIKey struct {
	ID KeyID
	// Profile is the name of the key profile under which it was made: the rules that
	// hold for it now are those that the profile has now.
	Profile string
	Name    string // what its people call it
	// Hash is the SHA-256 of the whole key. It never changes: a key with another
	// secret is another key.
	Hash [32]byte
	// Hint is what lists show of the key: its prefix and four characters.
	Hint string
	// KID is set when the key is a JWT: the kid of the key that signed it.
	KID string

	// Owner is whose key it is; "" for a service key, which is the tenant's alone.
	Owner UserID
	// Client is the app through which it was made, and Parent the key. Each may be "".
	Client ClientID
	Parent KeyID

	Scopes     []string
	AllowedIPs []string // CIDRs, masked; empty: from anywhere

	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time
	// RevokedReason is a short stable code: revoked, rotated, leaked.
	RevokedReason string
	// QuarantinedAt is set while the key is out of use because it was seen in public.
	QuarantinedAt time.Time

	// RotateAt is when a successor is made without anybody asking; zero: never.
	RotateAt    time.Time
	Predecessor KeyID
	Successor   KeyID
	// WebhookURL is where a successor is delivered, signed with the secret in
	// SealedWebhookSecret (sealed for (tenant, "api_keys", "webhook_secret", ID)).
	WebhookURL          string
	SealedWebhookSecret []byte

	// LastUsedAt is coarse and late, by up to a minute. It is no part of the version.
	LastUsedAt time.Time
	Version    int64
}

// LiveKey is a key with what its life hangs on: its tenant, its owner, and the app
// through which it was made. A key survives a suspension of its tenant: its Life has
// no TokensNotBefore.
type LiveKey struct {
	APIKey
	Life     Life
	UserInfo User // the owner, without Claims and CreatedAt; zero for a service key
}

// Dead returns why the key is not live at now; see [Life.Dead].
func (k LiveKey) Dead(now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.QuarantinedAt.IsZero():
		return "quarantined"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return k.Life.Dead(now)
}

// CreateKey is one key, and what it was decided on.
type CreateKey struct {
	Key APIKey
	// Role is the owner's; of a service key it is "".
	Role Role
	// VerifiedEmail demands that the owner's e-mail address is proved ([User.EmailProved]).
	VerifiedEmail bool
	// Max is how many live keys of this profile the owner (of service keys: the
	// tenant) may have, this one included. 0: any number.
	Max int
}

// RotateKey is one key that takes the place of another.
type RotateKey struct {
	Old KeyID
	// OldVersion is the version that was decided on.
	OldVersion int64
	At         time.Time
	// DiesAt is when the old one ends: At or earlier ends it at once. It never ends
	// later than it would have.
	DiesAt    time.Time
	Successor APIKey
	// Delivery is set when nobody is there to be told the successor's secret.
	Delivery *KeyDelivery
}

// KeyDelivery is a successor's secret that waits to be fetched with the old key, or
// to be sent to the old key's webhook.
type KeyDelivery struct {
	Tenant TenantID // as read; a tenant handle sets its own
	// Key is the successor, and Old the key that it replaces.
	Key, Old KeyID
	// Sealed is the successor's secret, sealed for (tenant, "key_deliveries",
	// "secret", Key). It is gone when DoneAt is set.
	Sealed    []byte
	Attempts  int
	NextAt    time.Time // of the next attempt; zero: nobody is to be called
	CreatedAt time.Time
	ExpiresAt time.Time // when the old key ends
	WarnAt    time.Time // when a missed pick-up is signalled
	WarnedAt  time.Time
	DoneAt    time.Time
}

// KeyExecution is work that runs under a key and has to stop when the key dies.
type KeyExecution struct {
	ID        ExecutionID
	Key       KeyID
	Name      string
	StartedAt time.Time
	EndedAt   time.Time
}

// KeyFilter says which keys are listed.
type KeyFilter struct {
	Owner   *UserID // nil: anybody's; "": service keys
	Profile string  // "": any
	// State is "" for all, or live, expired, revoked: a key is in one of the three. One
	// in quarantine counts as live, because it may be released.
	State string
	Now   time.Time // what live and expired mean
	After KeyID     // the last of the page before; "" for the first page
	Limit int       // 1 to 1000
}

// KeyUse is how often a key was used in one way on one day.
type KeyUse struct {
	Key KeyID
	Day time.Time // midnight UTC
	// Refused is why, as a short stable code; "" for calls that were answered active.
	Refused        string
	IP             string // "" when it was not told
	Scope          string // what the call needed, as asked; "" when it was not told
	ResourceServer ResourceServerID
	Calls          int64
	LastAt         time.Time
}

// APIKeys keeps one tenant's keys.
type APIKeys interface {
	// CreateKey stores a key if, at that moment, the tenant is live, the owner is
	// live and has Role (and a verified address, where that is demanded), the parent
	// is live, and the owner has fewer than Max. ErrConflict: one of them is not so;
	// nothing changed.
	CreateKey(ctx context.Context, in CreateKey, ev Event) error
	// UpdateKey replaces Name, Scopes, AllowedIPs, ExpiresAt, QuarantinedAt, RotateAt,
	// WebhookURL and SealedWebhookSecret, if the stored version is k.Version and the
	// key is not revoked. ErrConflict, ErrNotFound.
	UpdateKey(ctx context.Context, k APIKey, ev Event) error
	// RotateKey stores the successor and its delivery and sets the end of the old one,
	// in one transaction, if the old one is live at in.At, has no successor, and is of
	// OldVersion. An end that is At or earlier also revokes it ("rotated"), with all
	// that depends on it. ErrConflict, ErrNotFound.
	RotateKey(ctx context.Context, in RotateKey, ev Event) error
	// RevokeKey kills a key, the grants that were made under it and its executions, in
	// one transaction, and forgets a delivery that waits with it. Revoking again is no
	// error, and changes nothing. ErrNotFound: unknown or another tenant's.
	RevokeKey(ctx context.Context, id KeyID, at time.Time, reason string, ev Event) error
	KeyReader
}

// KeyReader finds one tenant's keys.
type KeyReader interface {
	// Key returns ErrNotFound for an unknown id, and for another tenant's.
	Key(ctx context.Context, id KeyID) (APIKey, error)
	// ListKeys returns the newest first. A page costs as much for 100,000 keys as for
	// ten, of all, of the live, and of an owner's; expired and revoked ones, and those
	// of a profile, are picked out on the way.
	ListKeys(ctx context.Context, f KeyFilter) ([]APIKey, error)
	// CountKeys counts what ListKeys would list on all pages. It costs as much as
	// there are.
	CountKeys(ctx context.Context, f KeyFilter) (int, error)
}

// KeyDependants are what dies with a key.
type KeyDependants interface {
	// MintUnderKey stores a grant with its tokens that hang on a key, in one
	// transaction, if the key is live at in.Grant.CreatedAt and of KeyVersion.
	// ErrConflict: it is not.
	MintUnderKey(ctx context.Context, in MintUnderKey, ev Event) error
	// StartExecution stores one if the key is live at e.StartedAt. ErrConflict: it is
	// not, or has max executions that run.
	StartExecution(ctx context.Context, e KeyExecution, max int) error
	// EndExecution notes the end of one. Ending again changes nothing. ErrNotFound.
	EndExecution(ctx context.Context, key KeyID, id ExecutionID, at time.Time) error
	// Executions returns the key's, newest first, at most limit.
	Executions(ctx context.Context, key KeyID, limit int) ([]KeyExecution, error)
}

// MintUnderKey is one exchange of a key for tokens.
type MintUnderKey struct {
	KeyVersion int64
	Grant      Grant // its Key is set
	Access     AccessToken
	Refresh    *RefreshToken
}

// KeyDeliveries keeps the secrets of one tenant's successors until they are handed
// over.
type KeyDeliveries interface {
	// Delivery returns what waits for the successor of a key. ErrNotFound: nothing
	// does, or did; one that is done is returned without Sealed.
	Delivery(ctx context.Context, old KeyID) (KeyDelivery, error)
	// TryDelivery notes an attempt: it sets Attempts to d.Attempts+1 and NextAt to
	// next, if Attempts is still d.Attempts and it is not done. ErrConflict: somebody
	// else was faster.
	TryDelivery(ctx context.Context, d KeyDelivery, next time.Time) error
	// FinishDelivery sets DoneAt and forgets the secret. ErrConsumed: it was done, or
	// never there.
	FinishDelivery(ctx context.Context, key KeyID, at time.Time, ev Event) error
	// WarnDelivery sets WarnedAt, once. ErrConsumed: it was set, or it is done, or
	// never there.
	WarnDelivery(ctx context.Context, key KeyID, at time.Time, ev Event) error
}

// KeyUses keeps how one tenant's keys are used.
type KeyUses interface {
	// NoteKeyUses adds to what is stored about each key, day, refusal, address, scope
	// and resource server (at most 200 ways a key and day: what is beyond is counted
	// without them), and moves LastUsedAt on, to the latest that was not refused.
	// Uses of keys that are not the tenant's are dropped. It is no security decision
	// and records no event.
	NoteKeyUses(ctx context.Context, uses []KeyUse) error
	// KeyUsage returns a key's, since a day, the last used first. Every call is in it;
	// beyond 5000 ways, the rest is summed up for each day and refusal.
	KeyUsage(ctx context.Context, id KeyID, since time.Time) ([]KeyUse, error)
}

// IdempotentRequest is a request that may be sent again, and its answer.
type IdempotentRequest struct {
	// Caller and Key say which request: the SHA-256 of who sent it, and of its
	// Idempotency-Key.
	Caller, Key [32]byte
	// Fingerprint is the SHA-256 of method, path and body.
	Fingerprint [32]byte
	StartedAt   time.Time
	// LeaseUntil is until when an answer that is missing is still being made.
	LeaseUntil time.Time
	ExpiresAt  time.Time
	// Status is 0 while there is no answer. Answer is sealed by the caller.
	Status int
	Answer []byte
}

// Idempotency keeps the answers of one tenant's requests.
type Idempotency interface {
	// BeginRequest stores a request that was not sent before (or whose lease is over
	// without an answer, or that has expired, at r.StartedAt) and returns nil; else
	// the one that is stored. Of two at once one gets nil.
	BeginRequest(ctx context.Context, r IdempotentRequest) (*IdempotentRequest, error)
	// FinishRequest stores the answer of a request that BeginRequest stored.
	// ErrConflict: it has an answer, or began anew meanwhile.
	FinishRequest(ctx context.Context, r IdempotentRequest) error
	// ForgetRequest lets it be sent again: it changed nothing.
	ForgetRequest(ctx context.Context, r IdempotentRequest) error
}

// KeyLookups find keys without knowing their tenant.
type KeyLookups interface {
	// IntrospectKey is [IntrospectLookup] for API keys: the resource server that asks
	// and the key with that hash, in one statement. ErrNotFound: no such resource
	// server; a nil key: no such key.
	IntrospectKey(ctx context.Context, rs ResourceServerID, hash [32]byte) (ResourceServer, *LiveKey, error)
	// FindKey returns the key with that hash; nil: there is none.
	FindKey(ctx context.Context, hash [32]byte) (*LiveKey, error)
	// DueRotations returns keys that are live and have RotateAt at or before now, of
	// all tenants, the longest due first.
	DueRotations(ctx context.Context, now time.Time, limit int) ([]DueKey, error)
	// DueDeliveries returns deliveries that are not done and whose NextAt, or, while
	// WarnedAt is zero, WarnAt is at or before now, of all tenants, without Sealed.
	DueDeliveries(ctx context.Context, now time.Time, limit int) ([]KeyDelivery, error)
}

// DueKey names a key of a tenant.
type DueKey struct {
	Tenant TenantID
	Key    KeyID
}
