package storage

import (
	"context"
	"time"
)

// ChangeKind is what kind of thing a [Change] is about.
type ChangeKind string

// What a credential's life, or the answer about it, can hang on. The ID of a
// change is that of the thing, except where it says otherwise. What is new is no
// change: nobody remembers that something is not there.
const (
	ChangeTenant         ChangeKind = "tenant"
	ChangeClient         ChangeKind = "client"
	ChangeResourceServer ChangeKind = "resource_server"
	ChangeUser           ChangeKind = "user"
	ChangeConnection     ChangeKind = "connection"
	ChangeSession        ChangeKind = "session"
	ChangeGrant          ChangeKind = "grant"
	ChangeConsent        ChangeKind = "consent" // ID: [ConsentChange]
	ChangeKey            ChangeKind = "key"     // an API key
	ChangeToken          ChangeKind = "token"   // ID: the 32 bytes of TokenRef.Hash in lower-case hexadecimal
)

// Change says that a thing is not what it was: whoever remembers something that
// hangs on it has to forget that. It does not say what became of it.
type Change struct {
	Kind   ChangeKind
	Tenant TenantID // "" for what belongs to the platform (client, resource server, tenant)
	ID     string
}

// ConsentChange is the ID of the change by which a person's consent to a client
// is withdrawn: it concerns every grant of the two.
func ConsentChange(user UserID, client ClientID) string { return string(user) + " " + string(client) }

// The promise that nodes give each other (design, section 6).
const (
	// LeaseFor is how long, on its own clock, a node may trust what it remembers
	// after it began to read the changes that it then applied and recorded.
	LeaseFor = 2 * time.Second
	// LeaseMargin is what a change waits longer than a lease for a node that does
	// not answer: it allows for clocks of which one is a tenth faster than the
	// other.
	LeaseMargin = 200 * time.Millisecond
	// RenewEvery is how often a node renews when nothing changes.
	RenewEvery = 500 * time.Millisecond
)

// Feed tells nodes what changed. A store that can implements it; on one that
// cannot, nothing may be remembered.
//
// The mutators of such a store return, when they killed or narrowed something,
// only after every node that has joined has recorded a mark that includes the
// change, or after LeaseFor + LeaseMargin, counted from when it was committed. A
// caller who goes away does not shorten that. One that refuses, because somebody
// else has just killed the same thing, returns no earlier than it would have. A
// sign-in tells of its user and of the session that it renews, but waits only for
// the session that it ends.
type Feed interface {
	// Join registers this process, durably, and returns its membership. From the
	// moment when Join returns, changes wait for it. A store has one membership at a
	// time: joining ends the one before, for which nobody waits any more, so that
	// nothing may be trusted by it from when Join is called.
	Join(ctx context.Context) (Membership, error)
}

// Mark says up to where a node has read. It means something to its store only.
type Mark string

// Membership is one node's place in the register, on one connection. Its methods
// are called by one goroutine, in the order Read, Record, and then Wait or Read.
// After any error but a done context's in Wait the membership is over: what was
// remembered has to be forgotten, and the node has to join anew.
type Membership interface {
	// Read returns every change that became visible since the last Read, or since
	// the registration, and the mark that stands for having read them.
	Read(ctx context.Context) ([]Change, Mark, error)
	// Record tells everybody that all changes up to the mark were applied.
	// ErrNotFound: the node was silent for so long that it was struck, or has
	// joined anew.
	Record(ctx context.Context, m Mark) error
	// Wait returns nil when something changed, and ctx.Err() when ctx is done
	// first. It may return early, it need not return for what nobody waits for, and
	// correctness never rests on it.
	Wait(ctx context.Context) error
	// Leave takes the node out of the register and ends the connection. The node
	// must have stopped trusting what it remembers. When it fails, the node is
	// waited for until others strike it. Leaving again, or after another membership
	// took its place, does nothing.
	Leave(ctx context.Context) error
}
