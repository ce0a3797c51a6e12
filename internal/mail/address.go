package mail

import (
	"errors"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrAddress: that is no e-mail address, and nobody can be told anything there.
var ErrAddress = errors.New("mail: not an e-mail address")

// maxAddress is the longest address, in bytes (RFC 5321 section 4.5.3.1.3, without the
// brackets).
const maxAddress = 254

// checkAddress accepts exactly one address without a name. Control characters, which
// would begin another header or another command, are in no address.
func checkAddress(s string) error {
	a, err := netmail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > maxAddress || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ErrAddress
	}
	return nil
}

// dialled is the address with its domain in ASCII, as servers without RFC 6531 want it.
func dialled(address string) string {
	local, domain, ok := cutLast(address, "@")
	if !ok {
		return address
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return address
	}
	return local + "@" + ascii
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
