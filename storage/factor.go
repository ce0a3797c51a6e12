package storage

import (
	"context"
	"time"
)

// FactorKind is what a second factor is.
type FactorKind string

// The kinds.
const (
	FactorPasskey FactorKind = "passkey" // WebAuthn Level 2
	FactorTOTP    FactorKind = "totp"    // RFC 6238
)

// Factor is something by which a person proves to this server that it is they.
type Factor struct {
	ID   FactorID
	User UserID
	Kind FactorKind
	Name string // what the person calls it, 1 to 64 characters

	// CredentialID is a passkey's, 1 to 1023 bytes; a tenant has it once. Public is
	// the rest of it, JSON of package idp/mfa; no secret.
	CredentialID, Public []byte
	// SealedSecret is a TOTP seed, sealed for (tenant, "factors", "secret", ID).
	SealedSecret []byte
	// Count is a passkey's signature counter, or the time step of the last TOTP code
	// that was accepted.
	Count int64

	CreatedAt  time.Time
	LastUsedAt time.Time
	Version    int64
}

// MaxFactors is how many factors a person has at most.
const MaxFactors = 10

// Factors keeps one tenant's people's factors.
type Factors interface {
	// AddFactor adds one. ErrExists: the id or the passkey's credential is there.
	// ErrNotFound: no such user. ErrConflict: they have MaxFactors, however many are
	// added at once.
	AddFactor(ctx context.Context, f Factor, ev Event) error
	// RenameFactor stores what the person calls it. ErrNotFound: unknown, or not that
	// person's.
	RenameFactor(ctx context.Context, user UserID, id FactorID, name string, ev Event) error
	// ResealFactor replaces SealedSecret by the same secret under another key, if f's is
	// what is stored. ErrConflict: it is not, or there is no such factor. The version
	// stays: a code that is checked at the same moment counts.
	ResealFactor(ctx context.Context, f Factor, sealed []byte) error
	// RemoveFactor removes one. ErrNotFound: unknown, or not that person's.
	RemoveFactor(ctx context.Context, user UserID, id FactorID, ev Event) error
	// UseFactor stores Count, Public and LastUsedAt if the stored version is
	// f.Version; it stores f.Version+1. ErrConsumed otherwise: of two proofs by one
	// code, one counts (MF-05).
	UseFactor(ctx context.Context, f Factor) error
	// ListFactors returns a person's, oldest first.
	ListFactors(ctx context.Context, user UserID) ([]Factor, error)
	// FactorByCredential returns a passkey. ErrNotFound.
	FactorByCredential(ctx context.Context, credential []byte) (Factor, error)
}

// RecoveryCodes keeps one tenant's people's codes for when a factor is lost.
type RecoveryCodes interface {
	// ReplaceRecoveryCodes stores the SHA-256 of new ones and forgets the others
	// (MF-07). None: the person has none any more.
	ReplaceRecoveryCodes(ctx context.Context, user UserID, hashes [][]byte, at time.Time, ev Event) error
	// UseRecoveryCode uses one up. ErrConsumed: there is no such code of theirs, or
	// it was used.
	UseRecoveryCode(ctx context.Context, user UserID, hash []byte, at time.Time, ev Event) error
	// CountRecoveryCodes returns how many are left.
	CountRecoveryCodes(ctx context.Context, user UserID) (int, error)
}

// MaxTries is how often in a row a person's codes are guessed at most, however long it
// takes (NIST SP 800-63B section 5.2.2).
const MaxTries = 100

// Tries limits how often a person's codes are guessed.
type Tries interface {
	// TakeTry counts a try before it is looked at, and returns how many there were
	// since ClearTries, with this one. ErrConsumed: there were limit of them, and since
	// the last one less than pause has passed; or there were MaxTries. After the pause
	// one try is given each time, until there were MaxTries: what is refused is not
	// counted, and how many there were is returned with the error.
	TakeTry(ctx context.Context, user UserID, limit int, pause time.Duration, at time.Time) (int, error)
	// ClearTries forgets them, after a success.
	ClearTries(ctx context.Context, user UserID) error
}

// LinkPurpose is what an e-mailed link is for.
type LinkPurpose string

// The purposes.
const (
	LinkSignIn LinkPurpose = "sign_in" // of somebody who has no identity provider
	LinkInvite LinkPurpose = "invite"  // of somebody new
	LinkVerify LinkPurpose = "verify"  // that somebody reads an address
)

// EmailLink is a link that was e-mailed. It proves that somebody reads an address,
// and is no factor (MF-07).
type EmailLink struct {
	Hash    []byte // SHA-256 of what the link holds, 256 bits
	User    UserID
	Email   string
	Purpose LinkPurpose
	// Login is the transaction that goes on with it, in the browser in which that was
	// begun; "": any browser begins a new one.
	Login     LoginID
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

// EmailLinks keeps one tenant's e-mailed links.
type EmailLinks interface {
	// CreateEmailLink stores one and the mail that carries it, in one transaction.
	CreateEmailLink(ctx context.Context, l EmailLink, m Mail, ev Event) error
	// EmailLink returns one that is neither used nor over at now. ErrNotFound.
	EmailLink(ctx context.Context, hash []byte, now time.Time) (EmailLink, error)
	// UseEmailLink uses one up. ErrConsumed: it was used, or is over at at.
	UseEmailLink(ctx context.Context, hash []byte, at time.Time) error
}

// Mail is an e-mail that waits to be sent.
type Mail struct {
	ID     MailID
	Tenant TenantID // set on reading
	Kind   string   // which one it is, for logs and metrics
	To     string
	// Sealed is what it says (JSON of package internal/mail), sealed for (tenant,
	// "mails", "sealed", ID): it may carry a link. nil once it is done.
	Sealed    []byte
	CreatedAt time.Time
	ExpiresAt time.Time // after which it is not worth sending
	Attempts  int
	NextAt    time.Time
	DoneAt    time.Time
	Outcome   string // "sent", "refused", "given_up"; "" while it waits
}

// Mails keeps one tenant's e-mails.
type Mails interface {
	// QueueMail adds one. ErrExists.
	QueueMail(ctx context.Context, m Mail) error
	// Mail returns one. ErrNotFound.
	Mail(ctx context.Context, id MailID) (Mail, error)
	// TryMail claims an attempt: it counts it and sets when the next is due.
	// ErrConflict: somebody else did, or it is done.
	TryMail(ctx context.Context, m Mail, next time.Time) error
	// FinishMail notes how it ended, and forgets what it says. ErrConsumed: it is
	// done already.
	FinishMail(ctx context.Context, id MailID, outcome string, at time.Time) error
}

// Replays remembers what may be presented once (the jti of a logout token).
type Replays interface {
	// Once returns ErrConsumed when the id was presented before under that use. It is
	// remembered until until.
	Once(ctx context.Context, use, id string, until time.Time) error
}

// LocalAccount is somebody who signs in without an identity provider.
type LocalAccount struct {
	Tenant     Tenant
	Connection Connection // of kind Passkey
	User       User
}

// LocalLookups find people who sign in without an identity provider.
type LocalLookups interface {
	// LocalAccounts returns who has the address (compared in lower case) and an
	// identity at an enabled connection of kind Passkey, in tenants that are not
	// suspended, and is not disabled: at most 8.
	LocalAccounts(ctx context.Context, email string) ([]LocalAccount, error)
}

// Chores find, across tenants, what somebody has to see to.
type Chores interface {
	// DueLogouts returns those that wait and are due at now, oldest first.
	DueLogouts(ctx context.Context, now time.Time, limit int) ([]Logout, error)
	// DueMails returns mails that wait and are due at now, oldest first, without
	// Sealed.
	DueMails(ctx context.Context, now time.Time, limit int) ([]Mail, error)
	// DomainsToCheck returns verified domains, but those of operators, that were last
	// looked at before before, longest ago first.
	DomainsToCheck(ctx context.Context, before time.Time, limit int) ([]ClaimedDomain, error)
	// ExpiringConnections returns connections whose secret ends before before, and of
	// which the tenant was not told since warnedBefore.
	ExpiringConnections(ctx context.Context, before, warnedBefore time.Time, limit int) ([]TenantConnection, error)
}

// TenantConnection is a connection with whose it is.
type TenantConnection struct {
	Tenant     TenantID
	Connection Connection
}
