package manage

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Principal is who sends a request, as introspection of their credential described
// them a moment ago.
type Principal struct {
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
	// Scopes are what their credential is good for: implied ones included, and what
	// their role does not allow left out.
	Scopes []string

	AuthTime time.Time // when the person last signed in; zero: it is not known
	AMR      []string  // RFC 8176
	ACR      string
	// Level is what they proved of second factors in that session, and MFATime when.
	Level   storage.Level
	MFATime time.Time
}

// String keeps the secret out of whatever prints a Principal.
func (p Principal) String() string { return "principal of " + string(p.Tenant) }

// GoString is String for %#v.
func (p Principal) GoString() string { return p.String() }

// lacks returns the scopes that are needed and not there.
func (p Principal) lacks(needed []string) []string {
	var missing []string
	for _, scope := range needed {
		if !slices.Contains(p.Scopes, scope) {
			missing = append(missing, scope)
		}
	}
	return missing
}

// Credential is what a request presents, and how it came.
type Credential struct {
	Token string
	IP    string // of the caller, after trusted proxies
	HTTPS bool   // the caller speaks https, with us or with a proxy before us
	// Again is set for a credential that was accepted for this request and is looked
	// at once more: nothing is counted, and its rate is left alone.
	Again bool
	// Needed are the scopes that the operation needs, for the record of how keys are
	// used.
	Needed []string
}

// String keeps the token out of whatever prints a Credential.
func (c Credential) String() string { return "credential from " + c.IP }

// GoString is String for %#v.
func (c Credential) GoString() string { return c.String() }

// ErrInactive: the credential is good for nothing here, for whatever reason.
var ErrInactive = errors.New("manage: the credential is not active")

// Authenticator says whom a credential stands for, now.
type Authenticator interface {
	// Authenticate returns ErrInactive for a credential that is not live, and a
	// [web.Error] with 429 for one that is live and over its rate; never when
	// c.Again is set. Any other error means that the question has no answer now.
	Authenticate(ctx context.Context, c Credential) (Principal, error)
}

// CredentialFrom returns what the request presented, for who has to look at it again
// (and sets Again).
// Outside an operation it is the zero value.
func CredentialFrom(ctx context.Context) Credential {
	if c := callFrom(ctx); c != nil {
		return c.cred
	}
	return Credential{}
}

// PrincipalFrom returns who sent the request. Outside an operation it is the zero
// value.
func PrincipalFrom(ctx context.Context) Principal {
	if c := callFrom(ctx); c != nil {
		return c.who
	}
	return Principal{}
}
