package apikey

import (
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Actor is who asks for something to be done to a key, as introspection of their
// credential described them a moment ago.
type Actor struct {
	Tenant     storage.TenantID
	TenantSlug string
	// User is "" for a machine (client credentials) and for a service key.
	User storage.UserID
	Role storage.Role // of User
	// Client is the app through which they ask; "" when they present a key.
	Client storage.ClientID
	// Key is the API key that they present; "" when it is an access token. Then
	// Secret is the key's whole text.
	Key    storage.KeyID
	Secret string
	// Expires is when their credential ends; zero: never.
	Expires time.Time
	// Scopes are what their credential is good for at any resource server: implied
	// ones included, and what their role does not allow left out.
	Scopes []string

	AuthTime time.Time // when the person last signed in; zero: it is not known
	AMR      []string  // RFC 8176
	ACR      string
	// Level is what they proved of second factors in that session, and MFATime when.
	Level   storage.Level
	MFATime time.Time
}

// NewKey is a key that somebody asks for. The zero value of a field is the profile's
// default.
type NewKey struct {
	Profile string // "": the deployment's default profile
	Name    string
	Scopes  []string
	// Lifetime is how long it lives; nil: the profile's default; 0: for ever.
	Lifetime *time.Duration
	// EndsAt says the same by the moment at which it ends; zero: Lifetime says it.
	EndsAt     time.Time
	AllowedIPs []string
	// Service asks for a key that belongs to the tenant and to nobody in it.
	Service bool
	// WebhookURL gets successors; "": they are fetched with the old key.
	WebhookURL string
}

// Issued is a key with what is told once.
type Issued struct {
	Key    storage.APIKey
	Secret string // the whole key
	// WebhookSecret signs what is sent to WebhookURL; "" when there is none. It is
	// "whsec_" and base64 (Standard Webhooks).
	WebhookSecret string
	// OldEnds is, of a successor, when its predecessor stops working.
	OldEnds time.Time
}

// Change is what shall be different; nil leaves a field as it is.
type Change struct {
	Name       *string
	Scopes     *[]string
	AllowedIPs *[]string
	// ExpiresAt moves the end; the zero time: never.
	ExpiresAt  *time.Time
	WebhookURL *string // "" removes it
	// Release puts a key that is in quarantine back to use.
	Release bool
}

// Code says why something was refused; each is a problem type with a page in docs.
type Code string

// The refusals.
const (
	NotFound        Code = "not-found"          // no such key for this tenant, or for this caller
	Invalid         Code = "invalid"            // a field is wrong: Fields says which
	Forbidden       Code = "forbidden"          // the caller's role or credential may not
	ScopeTooWide    Code = "scope-exceeds"      // more than the caller's own rights
	LifetimeTooLong Code = "lifetime-exceeds"   // longer than the caller's own key
	TooMany         Code = "too-many-keys"      // the profile's number is reached
	EmailUnverified Code = "email-not-verified" // the profile wants a verified address
	MFANeeded       Code = "mfa-required"       // the profile wants proof of a second factor (RFC 9470)
	FreshNeeded     Code = "reauthenticate"     // the last sign-in is too long ago (RFC 9470)
	NotAllowed      Code = "not-allowed"        // the profile does not do that: reveal, rotate
	Conflict        Code = "conflict"           // it changed meanwhile: read again
	Gone            Code = "gone"               // it was there, and can be had no more
	TenantSuspended Code = "tenant-suspended"
)

// Refusal is an answer that is no failure. Its texts are for the caller.
type Refusal struct {
	Code   Code
	Detail string // one or two sentences
	Fields []FieldError
	// MaxAge is how old the sign-in (FreshNeeded) or the second factor (MFANeeded) may be;
	// 0: any age will do.
	MaxAge time.Duration
}

// FieldError says what is wrong with one field of a request.
type FieldError struct {
	Field  string // as in the JSON body: scopes[1]
	Detail string
}

// Error is the code and the detail.
func (r *Refusal) Error() string { return "apikey: " + string(r.Code) + ": " + r.Detail }
