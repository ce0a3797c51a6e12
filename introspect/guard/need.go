package guard

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Need is what a call needs of an access token or an API key.
type Need struct {
	// Tenant is the one that the call is for, by slug or id. A blank one is
	// nobody's: ErrOtherTenant, unless AnyTenant says otherwise.
	Tenant string
	// AnyTenant lets tokens of every tenant in, where Tenant is blank. What the call
	// reaches must not depend on a tenant then, or must be chosen by the Principal's.
	AnyTenant bool
	// Scope is what the token must hold, space-separated, all of it; blank: nothing.
	Scope string
	// OrScope is enough without Scope: for one scope that stands for all of an API's.
	OrScope string
	// MaxAge is how long ago the user may have signed in; 0: any time. A credential
	// without a user's sign-in never meets it.
	MaxAge time.Duration
	// ACR is what the sign-in must have been, one of these; empty: anything. "phr" is
	// also "mfa".
	ACR []string
	// OrAPIKey lets API keys in, and tokens that were made under one, where MaxAge or
	// ACR asks for a sign-in: nobody signed in for them.
	OrAPIKey bool

	// IP is the caller's address and Proto "http" or "https", as this API saw them,
	// for API keys that are good from some addresses, or over https, only. Blank: not
	// known, and such keys are not active then. [Guard.Require] fills them in.
	IP, Proto string

	request *http.Request // instead of IP and Proto; nil: there is none
}

// Option adds to what [Guard.Require] asks of a token.
type Option func(*Need)

// MaxAge asks for a user who signed in at most d ago, and has clients told so: 401,
// error="insufficient_user_authentication", max_age="..." (RFC 9470). It counts
// whole seconds, and panics on less than one.
func MaxAge(d time.Duration) Option {
	if d < time.Second {
		panic(fmt.Sprintf("guard: MaxAge of %v: a sign-in takes longer", d))
	}
	return func(n *Need) { n.MaxAge = d.Truncate(time.Second) }
}

// ACR asks for a sign-in of one of the given authentication context classes, the
// best first, and has clients told so: 401,
// error="insufficient_user_authentication", acr_values="..." (RFC 9470). It panics
// on values that are not printable ASCII without spaces, quotes and backslashes.
func ACR(values ...string) Option {
	if len(values) == 0 || slices.ContainsFunc(values, notScopeToken) {
		panic(fmt.Sprintf("guard: ACR values %q", values))
	}
	return func(n *Need) { n.ACR = slices.Clone(values) }
}

// OrAPIKey lets API keys in, and tokens that were made under one, where [MaxAge] or
// [ACR] asks for a sign-in. What is asked of a person's sign-in is not asked of a key
// then; whoever made it had to prove what their organization asks for. Without it a
// key is answered 403: it has no sign-in, and none can be got for it.
func OrAPIKey() Option { return func(n *Need) { n.OrAPIKey = true } }

// OrScope lets tokens with another scope in, too: one that stands for all of an
// API's scopes. Challenges do not mention it. It panics on a malformed scope.
func OrScope(scope string) Option {
	mustBeScope(scope)
	return func(n *Need) { n.OrScope = scope }
}

// met returns why a token that is good for the tenant does not do.
func (n *Need) met(p *Principal, now func() time.Time) error {
	if !p.holds(n.Scope) && (n.OrScope == "" || !p.holds(n.OrScope)) {
		return &ScopeError{Needed: n.Scope}
	}
	if n.OrAPIKey && p.underKey() {
		return nil
	}
	old := n.MaxAge != 0 && (p.AuthTime.IsZero() || now().Sub(p.AuthTime) > n.MaxAge)
	if old || len(n.ACR) > 0 && !n.reached(p.ACR) {
		return &AuthenticationError{ACR: n.ACR, MaxAge: n.MaxAge, NoPerson: p.underKey() || p.machine()}
	}
	return nil
}

// Watchgate's own contexts (OpenID Connect EAP ACR Values section 2 has the first).
const (
	phishingResistant = "phr"
	multiFactor       = "mfa"
)

// reached reports whether a sign-in was of a context that is asked for: one that
// resists phishing is of two factors, too.
func (n *Need) reached(acr string) bool {
	return slices.Contains(n.ACR, acr) || acr == phishingResistant && slices.Contains(n.ACR, multiFactor)
}

// mustBeScope panics on a list that would not mean what its writer thinks, or that
// could not stand in a challenge (RFC 6749 section 3.3).
func mustBeScope(list string) {
	scopes := strings.Fields(list)
	if len(scopes) == 0 || strings.Join(scopes, " ") != list || slices.ContainsFunc(scopes, notScopeToken) {
		panic(fmt.Sprintf("guard: %q is not a scope, or several with a space between", list))
	}
}

// scopeToken is RFC 6749 section 3.3: 1*( %x21 / %x23-5B / %x5D-7E ).
func scopeToken(s string) bool { return s != "" && quotable(s) && !strings.Contains(s, " ") }

func notScopeToken(s string) bool { return !scopeToken(s) }
