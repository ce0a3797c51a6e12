package web

import (
	"net/http"
	"net/netip"
	"strings"
	"unicode"
)

// clientIP is the address of the peer, or, behind n trusted proxies, the n-th
// address from the right of X-Forwarded-For: what stands further left was
// written by strangers. Forwarded, X-Real-IP and their like are never read
// (SE-18).
func clientIP(r *http.Request, proxies int) string {
	peer := address(r.RemoteAddr)
	if proxies <= 0 {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	if ip := address(strings.TrimSpace(hops[max(0, len(hops)-proxies)])); ip != "" {
		return ip
	}
	return peer
}

// address returns the IP of "ip" or "ip:port", or "".
func address(s string) string {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("").String()
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("").String()
	}
	return ""
}

// userAgent is what the client calls itself, short and without control
// characters.
func userAgent(r *http.Request) string {
	ua := r.UserAgent()
	ua = ua[:min(len(ua), maxUserAgent)]
	if isPlain(ua) {
		return ua
	}
	return strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || unicode.In(c, unicode.C, unicode.Zl, unicode.Zp) {
			return -1
		}
		return c
	}, ua)
}

// isPlain reports whether s is printable ASCII, as nearly all are.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func hostSet(hosts []string) map[string]bool {
	set := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		set[canonicalHost(h)] = true
	}
	return set
}

// canonicalHost is a Host header in lower case and without a default port.
func canonicalHost(h string) string {
	h = strings.ToLower(h)
	return strings.TrimSuffix(strings.TrimSuffix(h, ":443"), ":80")
}
