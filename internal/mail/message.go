package mail

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Kind is which mail it is. Its sentences are in package templates.
type Kind string

// The kinds, with the fields that each has in [Message].Fields. A field that is absent
// is left out of the sentences; only a link that its mail is about is required. Moments
// (until, expires, at) are RFC 3339. Each kind may have these too, and gets them from the
// [Box] where it has not: at (when it happened; the moment of queueing), issuer (who says
// so) and support (whom to ask).
const (
	SignInLink    Kind = "sign_in_link"    // link
	Invitation    Kind = "invitation"      // link, tenant, by
	VerifyAddress Kind = "verify_address"  // link, tenant
	FactorAdded   Kind = "factor_added"    // tenant, factor, ip, device
	FactorRemoved Kind = "factor_removed"  // tenant, factor, by, ip, device
	RecoveryUsed  Kind = "recovery_used"   // tenant, left, ip, device
	NewRecovery   Kind = "new_recovery"    // tenant, replaced, ip, device
	CodesGuessed  Kind = "codes_guessed"   // tenant, ip, device
	SessionsEnded Kind = "sessions_ended"  // tenant, by, others
	BreakGlass    Kind = "break_glass"     // tenant, person, ip, device, until
	SecretExpires Kind = "secret_expires"  // tenant, connection, expires, link
	DomainFailing Kind = "domain_failing"  // tenant, domain, record, until
	DomainLost    Kind = "domain_lost"     // tenant, domain
	KeyLeaked     Kind = "key_leaked"      // tenant, key, hint, where, done
	KeyNotFetched Kind = "key_not_fetched" // tenant, key, until
)

// Message is a mail to one person.
type Message struct {
	Kind   Kind
	To     string // an address
	Fields map[string]string
	// Life is for how long it is worth sending; zero: a day.
	Life time.Duration
}

// String keeps links out of whatever prints a Message.
func (m Message) String() string { return "mail " + string(m.Kind) }

// GoString is String for %#v.
func (m Message) GoString() string { return m.String() }

// Post takes mails. Rooms that tell people something declare the part of it that
// they use.
type Post interface {
	// Queue stores a mail; it is sent soon.
	Queue(ctx context.Context, t storage.TenantID, m Message) error
	// Prepare seals a mail for a room that stores it together with something else.
	Prepare(t storage.TenantID, m Message) (storage.Mail, error)
}
