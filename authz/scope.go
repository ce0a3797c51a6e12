package authz

import (
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// The scopes that this server itself gives a meaning to (OIDC Core 1.0 sections
// 3.1.2.1, 5.4 and 11).
const (
	scopeOpenID  = "openid"
	scopeOffline = "offline_access"
)

var ownScopes = []string{scopeOpenID, "profile", "email", "address", "phone", scopeOffline}

// maxScope is the longest scope parameter, in bytes.
const maxScope = 4096

// parseScope splits a scope parameter (RFC 6749 section 3.3), each scope once,
// in the order of the request. False: it is too long or has a character that
// no scope has.
func parseScope(s string) ([]string, bool) {
	if len(s) > maxScope {
		return nil, false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return nil, false
		}
	}
	var scopes []string
	for _, one := range strings.Fields(s) {
		if !slices.Contains(scopes, one) {
			scopes = append(scopes, one)
		}
	}
	return scopes, true
}

// authorizeScopes are the scopes that an authorization request stands for: what
// it asks for, or, if it asks for nothing, everything of the resource servers
// that the client is registered for. Offline access means nothing for a client
// that cannot refresh (OIDC Core 1.0 section 11).
func authorizeScopes(param string, c storage.Client) ([]string, bool) {
	scopes, ok := parseScope(param)
	if !ok || !subset(scopes, c.Scopes) {
		return nil, false
	}
	if len(scopes) == 0 {
		scopes = without(c.Scopes, ownScopes...)
	}
	if !c.Allows(storage.GrantRefreshToken) {
		scopes = without(scopes, scopeOffline)
	}
	return scopes, len(scopes) > 0
}

// subset reports whether all of part is in whole.
func subset(part, whole []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
}

// without returns list without some.
func without(list []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(some, s) })
}

// common returns what of list is in other, too.
func common(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !slices.Contains(other, s) })
}

// union returns list and what of other is not in it.
func union(list, other []string) []string {
	return append(slices.Clone(list), without(other, list...)...)
}

// joined is a list as a scope parameter.
func joined(scopes []string) string { return strings.Join(scopes, " ") }
