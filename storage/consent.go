package storage

import (
	"net/url"
	"slices"
	"strings"
)

// RedirectHost is the host for which consent to a redirect URI is remembered:
// without port, in lower case; the scheme with its colon for an app's own
// scheme, and "" for what is no URI.
func RedirectHost(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host == "":
		return u.Scheme + ":"
	}
	return strings.ToLower(u.Hostname())
}

// ResourceKey is the other thing that consent is remembered for: the audiences,
// sorted and separated by spaces.
func ResourceKey(audiences []string) string {
	return strings.Join(slices.Sorted(slices.Values(audiences)), " ")
}
