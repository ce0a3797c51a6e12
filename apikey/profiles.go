package apikey

import (
	"maps"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/storage"
)

// Format is what a key looks like.
type Format string

// The formats.
const (
	Opaque Format = "opaque" // prefix, id, 256 random bits, checksum
	JWT    Format = "jwt"    // a signed statement of which key it is (RFC 7519)
)

// Header is where a resource server takes a key from.
type Header string

// The headers.
const (
	HeaderBearer  Header = "bearer"    // Authorization: Bearer (RFC 6750 section 2.1)
	HeaderXAPIKey Header = "x-api-key" // X-API-Key
)

// AddressRule says whether keys are good from some addresses only.
type AddressRule string

// The rules.
const (
	AddressesOptional AddressRule = "optional" // a key may have a list
	AddressesRequired AddressRule = "required" // each key has one
	AddressesNone     AddressRule = "none"     // no key has one
)

// Profile is the rules of a kind of key. They hold for keys that are there already,
// too, but for those about making one. Its slices are not to be changed.
type Profile struct {
	Name   string
	Prefix string // of an opaque key, with its last _; "" of a JWT
	Format Format

	// Scopes are a new key's where none are asked for; it may be empty.
	Scopes []string
	// AllowedScopes are what a key may be asked for; nil: every scope there is.
	AllowedScopes []string

	// Lifetimes are the only ones to choose from, in the file's order, 0 for ever;
	// nil: any up to MaxLifetime.
	Lifetimes       []time.Duration
	DefaultLifetime time.Duration // 0: for ever
	MaxLifetime     time.Duration // 0: no limit, and for ever is one

	// Create is the least role that may make a key, and ServiceKeys says whether
	// machines may, and whether there are keys that are the tenant's alone.
	Create      storage.Role
	ServiceKeys bool
	// AccountKeys makes every key the tenant's: it outlives who made it, and whoever may
	// make one may see and replace all. Only people make them.
	AccountKeys   bool
	VerifiedEmail bool
	MFA           bool          // the session has to prove a second factor
	MFAMaxAge     time.Duration // of that sign-in; 0: any
	MaxPerOwner   int           // live keys; 0: any number

	Headers []Header

	// Reveal: a key can be shown again, to somebody who signed in at most
	// RevealMaxAge ago.
	Reveal       bool
	RevealMaxAge time.Duration

	Rotation   Rotation
	AllowedIPs AddressRule
	Rate       limit.Rate // of each key; the zero value: none
	HTTPSOnly  bool       // over anything else a key is inactive
}

// Rotation is how a key is followed by another.
type Rotation struct {
	// Every is after how long a successor is made without anybody asking; 0: never.
	Every time.Duration
	// Grace is how long the old one works beside its successor where nobody says; 0:
	// it dies at once. Nobody may say more than MaxGrace.
	Grace, MaxGrace time.Duration
	// WarnBefore is how long before the old one's end it is signalled that nobody has
	// fetched the successor.
	WarnBefore time.Duration
}

// rank orders the roles, from least to most.
var rank = map[storage.Role]int{
	storage.RoleViewer: 1, storage.RoleMember: 2, storage.RoleAdmin: 3, storage.RoleOwner: 4,
}

// MayCreate reports whether somebody of that role may make a key. A viewer never may.
func (p Profile) MayCreate(r storage.Role) bool {
	return rank[r] >= rank[p.Create] && rank[r] > rank[storage.RoleViewer]
}

// Offers reports whether a key may live that long; 0 is for ever, and less is nothing.
func (p Profile) Offers(lifetime time.Duration) bool {
	switch {
	case lifetime < 0:
		return false
	case p.Lifetimes != nil:
		return slices.Contains(p.Lifetimes, lifetime)
	case p.MaxLifetime == 0:
		return true
	}
	return lifetime > 0 && lifetime <= p.MaxLifetime
}

// Allows reports whether a key may be asked for with that scope. Whether there is
// such a scope is another question.
func (p Profile) Allows(scope string) bool {
	return p.AllowedScopes == nil || slices.Contains(p.AllowedScopes, scope)
}

// Profiles are the key profiles of a deployment. They do not change, and are safe for
// concurrent use.
type Profiles struct {
	byName map[string]Profile
	normal string // the default's name
}

// Profile returns the profile of that name.
func (p *Profiles) Profile(name string) (Profile, bool) {
	found, ok := p.byName[name]
	return found, ok
}

// Default returns the profile of a key for which none is named.
func (p *Profiles) Default() Profile { return p.byName[p.normal] }

// All returns every profile, by name.
func (p *Profiles) All() []Profile {
	out := make([]Profile, 0, len(p.byName))
	for _, name := range slices.Sorted(maps.Keys(p.byName)) {
		out = append(out, p.byName[name])
	}
	return out
}

// DefaultProfiles returns what a deployment has that declares none: the one profile
// "default", whose keys start with wgk_ and live 90 days where nobody says otherwise,
// and a year at most.
func DefaultProfiles() *Profiles {
	p := plainProfile("default")
	p.Prefix, p.ServiceKeys = "wgk_", true
	p.DefaultLifetime, p.MaxLifetime = 90*day, year
	p.Rotation.Grace = 24 * time.Hour
	return &Profiles{byName: map[string]Profile{p.Name: p}, normal: p.Name}
}

// plainProfile is what a profile is where its file says nothing.
func plainProfile(name string) Profile {
	return Profile{
		Name: name, Format: Opaque, Create: storage.RoleMember, AllowedIPs: AddressesOptional,
		Headers:      []Header{HeaderBearer, HeaderXAPIKey},
		RevealMaxAge: 5 * time.Minute,
		Rotation:     Rotation{MaxGrace: longestGrace},
	}
}
