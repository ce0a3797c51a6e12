package domains

import (
	"errors"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Why a name cannot be a tenant's. Their texts are for whoever asked.
var (
	ErrNoDomain     = errors.New("this is no e-mail domain: write it as acme.example")
	ErrPublicMail   = errors.New("anybody can have an address there: no tenant can own it")
	ErrPublicSuffix = errors.New("others have domains below it: no tenant can own it as a whole")
)

var ascii = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// profile is what browsers do to a name (UTS 46), strictly.
var profile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.BidiRule())

// maxName leaves room for the label of the record, in bytes.
const maxName = 253 - len(label) - 1

// Name is a domain as it is stored: in lower case and ASCII (RFC 5891), without a dot at
// its end. ErrNoDomain, ErrPublicMail and ErrPublicSuffix: it can be no tenant's.
func Name(said string) (string, error) {
	name, err := profile.ToASCII(strings.TrimSuffix(strings.TrimSpace(said), "."))
	if err != nil || len(name) > maxName || !ascii.MatchString(name) || allDigits(name[strings.LastIndexByte(name, '.')+1:]) {
		return "", ErrNoDomain
	}
	suffix, _ := publicsuffix.PublicSuffix(name)
	switch {
	case name == suffix:
		return "", ErrPublicSuffix
	case isPublicMail(name, suffix):
		return "", ErrPublicMail
	}
	return name, nil
}

// allDigits finds addresses: no top-level domain is a number (RFC 3696 section 2).
func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isPublicMail reports whether the domain, or the one that it is a part of, is a
// provider's whose addresses are anybody's: nobody proves a subdomain of gmail.com.
func isPublicMail(name, suffix string) bool {
	registered, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(registered, ".")
	return publicMail[registered] || publicMail[first+".*"] || publicMail[name] || publicMail[suffix]
}
