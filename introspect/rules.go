package introspect

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/limit"
)

// rules are what an API key has to be held to on every call, beside what every
// credential is. The answer never depends on them: it is given, or it is not.
type rules struct {
	https  bool // only calls that came over HTTPS
	listed bool // only calls from allowed
	// allowed are without those of the list that cannot be read: they let nobody in.
	allowed []netip.Prefix
	rate    limit.Rate
}

func rulesOf(list []string, https bool, rate limit.Rate) rules {
	r := rules{https: https, listed: len(list) > 0, rate: rate}
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			r.allowed = append(r.allowed, p)
		}
	}
	return r
}

// any reports whether there are any.
func (r *rules) any() bool { return r.https || r.listed || r.rate != limit.Rate{} }

// Reasons why a key that is good is not good for this call.
const (
	plainHTTP    = "plain_http"
	wrongAddress = "address"
	tooOften     = "rate"
)

// refuse says why a key is not for this call, or "". Of its rate it knows nothing.
func (r *rules) refuse(q question) string {
	switch {
	case r.https && !strings.EqualFold(q.proto, "https"):
		return plainHTTP
	case r.listed && !r.admit(q.ip):
		return wrongAddress
	}
	return ""
}

// admit reports whether calls may come from there. They may not from an address
// that was not told, or is none.
func (r *rules) admit(ip string) bool {
	at, ok := addressOf(ip)
	return ok && slices.ContainsFunc(r.allowed, func(p netip.Prefix) bool { return p.Contains(at) })
}

// addressOf reads an address in the one spelling that it is compared in: an IPv4
// address is one, however it was mapped, and a zone says nothing.
func addressOf(s string) (netip.Addr, bool) {
	at, err := netip.ParseAddr(s)
	return at.Unmap().WithZone(""), err == nil
}
