package storage

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"
)

// Ids are readable (a prefix says of what), time-ordered (an index grows at one
// end) and unguessable enough to be public (80 random bits); they are no
// secrets. Each kind is a type of its own, so that one cannot be passed for
// another.
type (
	// TenantID names a tenant for ever; its slug may change.
	TenantID string
	// UserID names a person in one tenant.
	UserID string
	// ClientID names an OAuth client. Operators may choose one (demo-spa); it
	// never starts with the prefix of another kind.
	ClientID string
	// ResourceServerID names an API that may introspect.
	ResourceServerID string
	// ConnectionID names a tenant's identity provider.
	ConnectionID string
	// SessionID names a signed-in browser. The cookie never holds it.
	SessionID string
	// GrantID names one user's authorization of one client: a token family.
	GrantID string
	// LoginID names a login transaction.
	LoginID string
	// EventID names an audit event.
	EventID string
	// TokenID is the jti of an access token.
	TokenID string
	// KeyID names an API key. It is no part of what works as a credential.
	KeyID string
	// ExecutionID names work that runs under an API key.
	ExecutionID string
	// FactorID names a second factor of a person.
	FactorID string
	// MailID names an e-mail that waits to be sent.
	MailID string
	// TestID names a trial of a connection.
	TestID string
)

// The prefixes of generated ids.
const (
	prefixTenant         = "ten_"
	prefixUser           = "usr_"
	prefixClient         = "app_"
	prefixResourceServer = "rs_"
	prefixConnection     = "con_"
	prefixSession        = "ses_"
	prefixGrant          = "grt_"
	prefixLogin          = "log_"
	prefixEvent          = "evt_"
	prefixToken          = "tok_"
	prefixKey            = "key_"
	prefixExecution      = "exe_"
	prefixFactor         = "fac_"
	prefixMail           = "eml_"
	prefixTest           = "tst_"
)

// NewTenantID returns a fresh id, ordered by now.
func NewTenantID(now time.Time) TenantID { return TenantID(newID(prefixTenant, now)) }

// NewUserID returns a fresh id, ordered by now.
func NewUserID(now time.Time) UserID { return UserID(newID(prefixUser, now)) }

// NewClientID returns a fresh id, ordered by now.
func NewClientID(now time.Time) ClientID { return ClientID(newID(prefixClient, now)) }

// NewResourceServerID returns a fresh id, ordered by now.
func NewResourceServerID(now time.Time) ResourceServerID {
	return ResourceServerID(newID(prefixResourceServer, now))
}

// NewConnectionID returns a fresh id, ordered by now.
func NewConnectionID(now time.Time) ConnectionID { return ConnectionID(newID(prefixConnection, now)) }

// NewSessionID returns a fresh id, ordered by now.
func NewSessionID(now time.Time) SessionID { return SessionID(newID(prefixSession, now)) }

// NewGrantID returns a fresh id, ordered by now.
func NewGrantID(now time.Time) GrantID { return GrantID(newID(prefixGrant, now)) }

// NewLoginID returns a fresh id, ordered by now.
func NewLoginID(now time.Time) LoginID { return LoginID(newID(prefixLogin, now)) }

// NewEventID returns a fresh id, ordered by now.
func NewEventID(now time.Time) EventID { return EventID(newID(prefixEvent, now)) }

// NewTokenID returns a fresh id, ordered by now.
func NewTokenID(now time.Time) TokenID { return TokenID(newID(prefixToken, now)) }

// NewKeyID returns a fresh id, ordered by now.
func NewKeyID(now time.Time) KeyID { return KeyID(newID(prefixKey, now)) }

// NewExecutionID returns a fresh id, ordered by now.
func NewExecutionID(now time.Time) ExecutionID { return ExecutionID(newID(prefixExecution, now)) }

// NewFactorID returns a fresh id, ordered by now.
func NewFactorID(now time.Time) FactorID { return FactorID(newID(prefixFactor, now)) }

// NewMailID returns a fresh id, ordered by now.
func NewMailID(now time.Time) MailID { return MailID(newID(prefixMail, now)) }

// NewTestID returns a fresh id, ordered by now.
func NewTestID(now time.Time) TestID { return TestID(newID(prefixTest, now)) }

// ReservedClientID reports whether an id that an operator chose for a client
// would be taken for something else: another kind's prefix, or an https URL,
// which names a client metadata document. Subjects of clients and of users live
// in disjoint namespaces (RFC 9700 section 4.15).
func ReservedClientID(id string) bool {
	for _, p := range []string{
		prefixTenant, prefixUser, prefixResourceServer, prefixConnection, prefixSession, prefixGrant,
		prefixLogin, prefixEvent, prefixToken, prefixKey, prefixExecution, prefixFactor, prefixMail, prefixTest, "http://", "https://",
	} {
		if strings.HasPrefix(id, p) {
			return true
		}
	}
	return false
}

// alphabet is Crockford's base 32 in lower case: it sorts as the bytes do.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// newID joins 48 bits of milliseconds and 80 random bits: 26 characters.
func newID(prefix string, now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	rand.Read(b[6:])
	out := make([]byte, 0, len(prefix)+26)
	out = append(out, prefix...)
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	for shift := 125; shift >= 0; shift -= 5 {
		out = append(out, alphabet[five(hi, lo, shift)])
	}
	return string(out)
}

// five returns the five bits of the 128-bit number hi:lo that start at shift.
func five(hi, lo uint64, shift int) uint64 {
	switch {
	case shift >= 64:
		return hi >> (shift - 64) & 31
	case shift > 59:
		return (hi<<(64-shift) | lo>>shift) & 31
	default:
		return lo >> shift & 31
	}
}
