package idp

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// maxEmail is the longest address, in bytes (RFC 5321 section 4.5.3.1.3).
const maxEmail = 254

// domainOf returns the domain of an e-mail address as domains are stored: lower
// case, ASCII. False: the string is no address. Only the domain is ever looked
// up; whether there is such a person is the identity provider's to say.
func domainOf(address string) (string, bool) {
	local, domain, found := strings.Cut(address, "@")
	if !found || len(address) > maxEmail || !utf8.ValidString(address) || local == "" || len(local) > 64 || strings.ContainsFunc(address, notInAddress) {
		return "", false
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || !isHostname(strings.ToLower(ascii)) {
		return "", false
	}
	return strings.ToLower(ascii), true
}

// isHostname reports whether an ASCII domain is one that DNS can have (RFC 1123
// section 2.1), of at least two labels. What idna makes of strange input is not
// always one.
func isHostname(domain string) bool {
	labels := strings.Split(domain, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notInLabel) {
			return false
		}
	}
	again, err := idna.Lookup.ToASCII(domain)
	return len(labels) > 1 && err == nil && again == domain
}

func notInLabel(r rune) bool {
	return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
}

// notInAddress finds what is in no address that people have: spaces, control
// characters, quotes and brackets.
func notInAddress(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>[\]`, r)
}
