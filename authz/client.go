package authz

import (
	"slices"

	"github.com/ory/fosite"
)

// engineClient is a unit's client as fosite sees it. It has no secret, because
// fosite does not authenticate, and one redirect URI: the one that our matcher
// approved, so that fosite's own, laxer, matcher has nothing left to decide.
type engineClient struct{ u *unit }

func (c engineClient) GetID() string                      { return string(c.u.client.ID) }
func (c engineClient) GetHashedSecret() []byte            { return nil }
func (c engineClient) GetGrantTypes() fosite.Arguments    { return slices.Clone(c.u.client.GrantTypes) }
func (c engineClient) GetResponseTypes() fosite.Arguments { return fosite.Arguments{"code"} }
func (c engineClient) GetScopes() fosite.Arguments        { return slices.Clone(c.u.client.Scopes) }
func (c engineClient) IsPublic() bool                     { return c.u.client.Public() }
func (c engineClient) GetAudience() fosite.Arguments      { return nil }
func (c engineClient) GetRedirectURIs() []string {
	if c.u.redirectURI == "" {
		return nil
	}
	return []string{c.u.redirectURI}
}
