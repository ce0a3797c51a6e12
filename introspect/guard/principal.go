package guard

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Principal is who calls, as the authorization server described them a moment ago
// (RFC 7662 section 2.2).
type Principal struct {
	Subject  string // sub: the user, or the client when a machine acts for itself
	Username string // username; blank for a machine
	ClientID string // client_id: the app that calls; blank for a key that was made without one
	Tenant   string // tenant: the slug of the token's tenant, which may change
	TenantID string // tenant_id: the same for ever
	// Scopes are those that this API registered, in no particular order.
	Scopes    []string
	TokenID   string    // jti: for logs; it is no secret
	ExpiresAt time.Time // exp; zero for an API key that never ends
	AuthTime  time.Time // auth_time: when the user signed in; zero for a machine
	ACR       string    // acr: how strongly; blank when nobody said
	AMR       []string  // amr: by which means
	TokenType string    // token_type: Bearer, or api_key
	KeyID     string    // key_id: of an API key, which it is in lists; it is no secret
}

// HasScope reports whether the token holds a scope.
func (p Principal) HasScope(scope string) bool { return slices.Contains(p.Scopes, scope) }

// holds reports whether the token holds every scope of a list.
func (p *Principal) holds(list string) bool {
	for list != "" {
		var scope string
		scope, list, _ = strings.Cut(list, " ")
		if scope != "" && !slices.Contains(p.Scopes, scope) {
			return false
		}
	}
	return true
}

// of reports whether a tenant is the principal's, by slug or by id.
func (p *Principal) of(tenant string) bool {
	return tenant != "" && (tenant == p.Tenant || tenant == p.TenantID)
}

// underKey reports whether it is an API key, or a token that was made under one.
func (p *Principal) underKey() bool { return p.TokenType == apiKey || p.KeyID != "" }

// machine reports whether it is a client's own token: the client is the subject.
func (p *Principal) machine() bool { return p.ClientID != "" && p.Subject == p.ClientID }

// own is a copy whose slices nobody else has: what a handler does to them must not
// reach other calls with the same token.
func (p *Principal) own() Principal {
	c := *p
	both := make([]string, 0, len(p.Scopes)+len(p.AMR))
	both = append(append(both, p.Scopes...), p.AMR...)
	n := len(p.Scopes)
	c.Scopes, c.AMR = both[:n:n], both[n:]
	return c
}

// packed is a copy whose strings lie side by side in memory, with those first that
// decisions read: one that nobody looked at for a while is at hand sooner.
func (p *Principal) packed() *Principal {
	c := p.own()
	parts := []*string{&c.Tenant, &c.TenantID}
	for i := range c.Scopes {
		parts = append(parts, &c.Scopes[i])
	}
	parts = append(parts, &c.ACR, &c.Subject, &c.ClientID, &c.Username, &c.TokenID, &c.TokenType, &c.KeyID)
	for i := range c.AMR {
		parts = append(parts, &c.AMR[i])
	}
	var b strings.Builder
	for _, part := range parts {
		b.WriteString(*part)
	}
	rest := b.String()
	for _, part := range parts {
		*part, rest = rest[:len(*part)], rest[len(*part):]
	}
	return &c
}

type principalKey struct{}

// PrincipalFrom returns who calls. It is true in every handler behind
// [Guard.Require].
func PrincipalFrom(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(*Principal)
	if !ok {
		return Principal{}, false
	}
	return p.own(), true
}

// WithPrincipal returns a context in which [PrincipalFrom] finds p: for tests of
// handlers, and for programs that call [Guard.Check] themselves.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	own := p.own()
	return context.WithValue(ctx, principalKey{}, &own)
}
