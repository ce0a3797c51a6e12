package introspect

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/web"
)

// needs are what a request in a proxy's hands needs to pass.
type needs struct {
	scopes []string // all of them
	tenant string   // "": any, unless nobody
	// nobody: a tenant was to be named and was not, or two were. No token is of
	// both.
	nobody bool
	signIn signInNeeds

	// Where the request in the proxy's hands came from: see fromOf.
	ip, proto string
}

// needsOf reads what the proxy's configuration asks for, in the query of
// /forward-auth and in the headers. All that is named anywhere is needed: what a
// client adds to it can only be more.
//
// Its errors are the operator's mistakes. A question that needs nothing is one,
// and so is a parameter that is not known: nobody would notice an open door.
func needsOf(r *http.Request) (needs, error) {
	f, err := ownQuery(r)
	if err != nil {
		return needs{}, misconfigured(err)
	}
	n := needsTenant(append(f.All("tenant"), r.Header["X-Watchgate-Require-Tenant"]...), f.Blank["tenant"])
	n.ip, n.proto = fromOf(r, f)
	if f.Blank["scope"] {
		return needs{}, misconfigured(errNoScope)
	}
	for _, value := range append(f.All("scope"), r.Header["X-Watchgate-Require-Scope"]...) {
		if n.scopes, err = appendScopes(n.scopes, value); err != nil {
			return needs{}, misconfigured(err)
		}
	}
	if len(n.scopes) == 0 && n.tenant == "" && !n.nobody {
		return needs{}, misconfigured(errNothing)
	}
	if n.signIn, err = signInNeedsOf(r, f); err != nil {
		return needs{}, misconfigured(err)
	}
	return n, nil
}

// The operator's mistakes, for the log.
var (
	errParameter = errors.New("a parameter of /forward-auth is not known: there are scope, tenant, acr_values, max_age, or_api_key, ip and proto")
	errNoScope   = errors.New("a scope was to be named, and was not")
	errBadScope  = errors.New("a needed scope has characters that no scope has")
	errNothing   = errors.New("neither a scope nor a tenant is needed: name one in the query of /forward-auth, or in X-Watchgate-Require-Scope or -Tenant")
)

func misconfigured(cause error) error {
	return web.Refuse(http.StatusInternalServerError, "invalid_request",
		"The proxy in front of this API asks in a way that is not understood here.", cause)
}

// ownNames are the parameters of /forward-auth.
var ownNames = []string{"scope", "tenant", "acr_values", "max_age", "or_api_key", "ip", "proto"}

// ownQuery is the query that the proxy's configuration wrote. Below the path, it
// is the client's and says nothing.
func ownQuery(r *http.Request) (web.Form, error) {
	if r.URL.Path != forwardAuthPath {
		return web.Form{}, nil
	}
	f, err := web.ReadQueryOrForm(nil, &http.Request{Method: http.MethodGet, URL: r.URL})
	if err != nil {
		return web.Form{}, err
	}
	for _, names := range [][]string{slices.Collect(maps.Keys(f.Values)), slices.Collect(maps.Keys(f.Blank))} {
		if slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(ownNames, name) }) {
			return web.Form{}, errParameter
		}
	}
	return f, nil
}

// needsTenant is the one tenant that is named, however often.
func needsTenant(named []string, blank bool) needs {
	named = slices.Compact(named)
	if blank || len(named) > 1 || slices.Contains(named, "") {
		return needs{nobody: true}
	}
	return needs{tenant: strings.Join(named, "")}
}

// appendScopes adds the scopes of a space-separated list. They come back in the
// challenge, so that nothing but scopes may be among them (RFC 6749 section 3.3).
func appendScopes(to []string, list string) ([]string, error) {
	before := len(to)
	for s := range strings.SplitSeq(list, " ") {
		if !quotable(s) {
			return nil, errBadScope
		}
		if s != "" && !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	if len(to) == before && strings.Trim(list, " ") == "" {
		return nil, errNoScope
	}
	return to, nil
}

// quotable reports whether a word can come back in a challenge.
func quotable(word string) bool {
	return !strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}
