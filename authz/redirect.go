package authz

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxURI is the longest redirect URI and resource identifier, in bytes.
const maxURI = 2048

// What is wrong with a redirect URI, in words for an operator.
var (
	errURILength   = errors.New("must have between 1 and 2048 characters")
	errURIChars    = errors.New("must consist of the characters of RFC 3986, with everything else percent-encoded")
	errURIFragment = errors.New("must have no fragment")
	errURIAbsolute = errors.New("must be absolute, with a scheme in lower case")
	errURIHost     = errors.New("must have a plain host: no user information, no wildcard, and a port from 1 to 65535 if any")
	errURIDots     = errors.New("must have no . or .. segments in its path")
	errURILoopback = errors.New("may use http only for 127.0.0.1, [::1] and localhost")
	errURIPrivate  = errors.New("may use a private-use scheme only if the scheme has a dot and one slash follows it: com.example.app:/callback")
)

// ValidRedirectURI reports what is wrong with a redirect URI that a client
// wants to register; nil: nothing. It must be https, http on loopback, or a
// private-use scheme in reverse domain order (RFC 9700 section 2.6, RFC 8252
// section 7; AZ-09, AZ-10). The same rule holds again at every authorization
// request, whatever was registered.
func ValidRedirectURI(uri string) error {
	u, err := parseURI(uri)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "https":
		return validWeb(uri)
	case "http":
		if _, _, ok := loopback(uri); !ok {
			return errURILoopback
		}
		return validWeb(uri)
	}
	return validPrivateUse(uri, u.Scheme)
}

// parseURI takes an absolute URI without fragment, in RFC 3986's characters.
func parseURI(uri string) (*url.URL, error) {
	switch {
	case uri == "" || len(uri) > maxURI:
		return nil, errURILength
	case strings.Contains(uri, "#"):
		return nil, errURIFragment
	case strings.ContainsFunc(uri, notURI):
		return nil, errURIChars
	}
	u, err := url.Parse(uri)
	if err != nil {
		return nil, errURIChars
	}
	scheme, _, _ := strings.Cut(uri, ":")
	if u.Scheme == "" || u.Scheme != scheme {
		return nil, errURIAbsolute
	}
	return u, nil
}

// notURI finds what RFC 3986 section 2 does not know.
func notURI(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~:/?#[]@!$&'()*+,;=%", r)
}

// validWeb checks what follows http: or https:, on the undecoded string.
func validWeb(uri string) error {
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return errURIHost
	}
	authority, path := cutAuthority(rest)
	host, ok := cutPort(authority)
	if !ok || !plainHost(host) {
		return errURIHost
	}
	return validPath(path)
}

func validPrivateUse(uri, scheme string) error {
	rest := uri[len(scheme)+1:]
	if !strings.Contains(scheme, ".") || !strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "//") {
		return errURIPrivate
	}
	return validPath(rest)
}

// validPath refuses dot segments, plain or encoded: a browser removes them, and
// then goes elsewhere than where the strings that we compared say.
func validPath(rest string) error {
	path, _, _ := strings.Cut(rest, "?")
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return errURIDots
		}
	}
	return nil
}

// cutAuthority splits what follows "://" where path or query begin.
func cutAuthority(rest string) (authority, path string) {
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i], rest[i:]
	}
	return rest, ""
}

// cutPort takes the port off an authority. False: the port is empty, no number
// or out of range, or written with a leading zero.
func cutPort(authority string) (host string, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || strings.HasSuffix(authority, "]") {
		return authority, true
	}
	port, err := strconv.ParseUint(authority[i+1:], 10, 16)
	return authority[:i], err == nil && port > 0 && authority[i+1] >= '1' && authority[i+1] <= '9'
}

// plainHost accepts a DNS name, an IPv4 address, and an IPv6 address in
// brackets.
func plainHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && inner != "" && strings.Trim(inner, "0123456789abcdefABCDEF:.") == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || label[0] == '-' || strings.ContainsFunc(label, notHost) {
			return false
		}
	}
	return true
}

func notHost(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-')
}

// loopbackHosts are compared as literals: none of them matches another.
var loopbackHosts = []string{"127.0.0.1", "[::1]", "localhost"}

// loopback takes apart an http URI on a loopback host (RFC 8252 section 7.3).
func loopback(uri string) (host, rest string, ok bool) {
	after, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		return "", "", false
	}
	authority, rest := cutAuthority(after)
	host, ok = cutPort(authority)
	return host, rest, ok && slices.Contains(loopbackHosts, host) && !strings.Contains(rest, "#")
}

// matchRedirect reports whether a client may be answered at requested: it is
// one of the registered URIs byte for byte (AZ-07), or both are http on the same
// loopback literal and differ in the port alone (AZ-08).
func matchRedirect(registered []string, requested string) bool {
	if ValidRedirectURI(requested) != nil {
		return false
	}
	if slices.Contains(registered, requested) {
		return true
	}
	host, rest, ok := loopback(requested)
	return ok && slices.ContainsFunc(registered, func(r string) bool {
		rHost, rRest, rOK := loopback(r)
		return rOK && rHost == host && rRest == rest
	})
}
