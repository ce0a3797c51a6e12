package apikey

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/internal/outbound"
)

// Limits of what a key may be asked for.
const (
	maxName      = 100 // characters
	maxScopes    = 200
	maxScopeLen  = 128 // bytes
	maxAddresses = 100
	maxURL       = 2048 // bytes
)

// nameOf returns a name as it is stored.
func nameOf(s string) (string, *Refusal) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", wrong("name", "A key needs a name.")
	case !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName:
		return "", wrong("name", fmt.Sprintf("A name has at most %d characters.", maxName))
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }):
		return "", wrong("name", "A name has no control or invisible characters.")
	}
	return s, nil
}

// scopesOf checks that there are such scopes and that keys of the profile may have
// them, and returns them sorted, each once.
func (k *Keys) scopesOf(p Profile, asked []string) ([]string, *Refusal) {
	if len(asked) > maxScopes {
		return nil, wrong("scopes", fmt.Sprintf("A key has at most %d scopes.", maxScopes))
	}
	r := &Refusal{Code: Invalid, Detail: "A scope is not right."}
	for i, s := range asked {
		if why := k.scopeProblem(p, s); why != "" {
			r.Fields = append(r.Fields, FieldError{fmt.Sprintf("scopes[%d]", i), why})
		}
	}
	if len(r.Fields) > 0 {
		return nil, r
	}
	out := slices.Clone(asked)
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (k *Keys) scopeProblem(p Profile, s string) string {
	switch {
	case s == "" || len(s) > maxScopeLen || strings.ContainsFunc(s, notInScope):
		return "This is no scope (RFC 6749, section 3.3)."
	case slices.Contains(personal, s):
		return "No key has this scope: it is about a person who signs in."
	case !k.cfg.Catalogue.Known(s):
		return "There is no such scope."
	case !p.Allows(s):
		return "No key of this profile has this scope."
	}
	return ""
}

// notInScope finds what is no character of a scope-token (RFC 6749 section 3.3).
func notInScope(r rune) bool { return r < 0x21 || r == '"' || r == '\\' || r > 0x7e }

// bounded refuses scopes beyond the actor's own rights.
func bounded(b bounds, scopes []string) error {
	r := &Refusal{Code: ScopeTooWide, Detail: "A key has at most the rights of who makes it."}
	for i, s := range scopes {
		if !b.permits(s) {
			r.Fields = append(r.Fields, FieldError{fmt.Sprintf("scopes[%d]", i), "This is more than your own rights."})
		}
	}
	if len(r.Fields) > 0 {
		return r
	}
	return nil
}

// addressesOf reads a list of CIDRs and single addresses, as they are stored: masked,
// sorted, each once, an IPv4 address never inside an IPv6 one.
func addressesOf(p Profile, asked []string) ([]string, *Refusal) {
	switch {
	case len(asked) > 0 && p.AllowedIPs == AddressesNone:
		return nil, wrong("allowed_ips", "No key of this profile has a list of addresses.")
	case len(asked) == 0 && p.AllowedIPs == AddressesRequired:
		return nil, wrong("allowed_ips", "A key of this profile says from which addresses it is used.")
	case len(asked) > maxAddresses:
		return nil, wrong("allowed_ips", fmt.Sprintf("A key has at most %d addresses.", maxAddresses))
	}
	var out []string
	for i, s := range asked {
		prefix, why := prefixOf(s)
		if why != "" {
			return nil, wrong(fmt.Sprintf("allowed_ips[%d]", i), why)
		}
		out = append(out, prefix.String())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func prefixOf(s string) (netip.Prefix, string) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		a, errAddr := netip.ParseAddr(s)
		if errAddr != nil || a.Zone() != "" {
			return prefix, "This is neither an address nor a CIDR (RFC 4632), as 192.0.2.0/24 or 2001:db8::/32."
		}
		a = a.Unmap()
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	if a := prefix.Addr(); a.Is4In6() {
		if prefix.Bits() < 96 {
			return prefix, "This mixes IPv4 and IPv6: write the IPv4 network alone."
		}
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	if prefix.Bits() == 0 {
		return prefix, "This is every address: leave the list empty instead."
	}
	return prefix.Masked(), ""
}

// webhookTo checks an address that secrets are to be sent to: nothing is kept that says
// by itself that it leads inside. Where a name leads is checked when it is called, on
// the connection itself (NW-02).
func (k *Keys) webhookTo(s string) *Refusal {
	if r := webhookOf(s); r != nil {
		return r
	}
	u, err := url.Parse(s)
	if err != nil {
		return wrong("webhook_url", "This is no URL.")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	a, err := netip.ParseAddr(host)
	loopback := err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case loopback && k.cfg.LoopbackWebhooks, err == nil && outbound.Public(a):
		return nil
	case err == nil, host == "localhost", strings.HasSuffix(host, ".localhost"):
		return wrong("webhook_url", "This is no public address.")
	case last == "" || last[0] >= '0' && last[0] <= '9': // 127.1 is an address to some
		return wrong("webhook_url", "This is no host name.")
	}
	return nil
}

// webhookOf checks the form of an address that secrets are sent to.
func webhookOf(s string) *Refusal {
	u, err := url.Parse(s)
	switch {
	case err != nil || len(s) > maxURL || u.Hostname() == "" || u.Opaque != "":
		return wrong("webhook_url", "This is no URL.")
	case u.Scheme != "https":
		return wrong("webhook_url", "A secret is sent by https only.")
	case u.User != nil || u.Fragment != "":
		return wrong("webhook_url", "A webhook's URL has neither user information nor a fragment.")
	}
	return nil
}

// endOf is when a key made now ends as it was asked for.
func (b bounds) endOf(p Profile, n NewKey, now time.Time) (time.Time, error) {
	asked, field := n.Lifetime, "expires_in"
	if !n.EndsAt.IsZero() {
		lifetime := n.EndsAt.Sub(now)
		if lifetime <= 0 {
			return time.Time{}, wrong("expires_at", "This is not in the future.")
		}
		asked, field = &lifetime, "expires_at"
	}
	if asked == nil {
		end := until(now, p.DefaultLifetime)
		return earlier(end, b.end()), nil
	}
	if !p.Offers(*asked) {
		return time.Time{}, wrong(field, "A key of this profile lives "+offered(p)+".")
	}
	end := until(now, *asked).Truncate(time.Millisecond)
	if !b.within(end) {
		return time.Time{}, refuse(LifetimeTooLong, "A key does not make one that outlives it.")
	}
	return end, nil
}

// until is the end of what lives that long from now; 0 is for ever.
func until(now time.Time, lifetime time.Duration) time.Time {
	if lifetime <= 0 {
		return time.Time{}
	}
	return now.Add(lifetime)
}

// offered is a profile's choice of lifetimes, in words.
func offered(p Profile) string {
	if p.Lifetimes == nil {
		return "at most " + FormatLifetime(p.MaxLifetime)
	}
	var all []string
	for _, d := range p.Lifetimes {
		all = append(all, FormatLifetime(d))
	}
	return "one of: " + strings.Join(all, ", ")
}
