package guard

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// keyHeader is where an API key may be beside Authorization, as Go spells it.
const keyHeader = "X-Api-Key"

// Credential returns what a request presents: the token of [Bearer], or, with
// [Config.APIKeyHeader], the key in X-API-Key. ErrHTTPSRequired, before anything of it
// is looked at; otherwise the errors of [Bearer], and ErrInvalidRequest where there
// are two credentials, or one in the query or in a cookie: what is in a URL is in
// logs, and a cookie is sent by whoever gets a browser to.
func (g *Guard) Credential(r *http.Request) (string, error) {
	if g.cfg.RequireHTTPS && g.proto(r) != "https" {
		return "", ErrHTTPSRequired
	}
	if misplaced(r) {
		return "", ErrInvalidRequest
	}
	if keys := r.Header[keyHeader]; g.cfg.APIKeyHeader && len(keys) > 0 {
		if len(keys) > 1 || len(r.Header["Authorization"]) > 0 {
			return "", ErrInvalidRequest
		}
		return wellPresented(keys[0])
	}
	return Bearer(r.Header)
}

// misplaced reports whether there is a credential where none is taken from: what is
// called so, and what Watchgate issued, whatever it is called.
func misplaced(r *http.Request) bool {
	if r.URL != nil && r.URL.RawQuery != "" && inQuery(r.URL.RawQuery) {
		return true
	}
	return len(r.Header["Cookie"]) > 0 && inCookies(r)
}

// inQuery does not need a query that is well formed: an API may read it in another
// way than this.
func inQuery(query string) bool {
	for part := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		if named(unescaped(name)) && value != "" || issued(unescaped(value)) {
			return true
		}
	}
	return false
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func inCookies(r *http.Request) bool {
	for _, c := range r.Cookies() {
		if named(c.Name) && c.Value != "" || issued(c.Value) {
			return true
		}
	}
	return false
}

// named reports whether a name stands for a credential, and for nothing else in any
// API. (A parameter "key" or "token" may be anything: its value decides.)
func named(s string) bool {
	switch strings.ToLower(strings.ReplaceAll(s, "-", "_")) {
	case "access_token", "api_key", "apikey", "x_api_key":
		return true
	}
	return false
}

// origin is where a call came from: the caller's address, and http or https; each ""
// when it is not known.
func (g *Guard) origin(need *Need) (ip, proto string) {
	if r := need.request; r != nil {
		return plainAddress(g.clientIP(r)), g.proto(r)
	}
	return plainAddress(need.IP), plainProto(need.Proto)
}

func (g *Guard) clientIP(r *http.Request) string {
	if g.cfg.ClientIP != nil {
		return g.cfg.ClientIP(r)
	}
	return r.RemoteAddr
}

func (g *Guard) proto(r *http.Request) string {
	switch {
	case g.cfg.Proto != nil:
		return plainProto(g.cfg.Proto(r))
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// plainProto is https for https, and http for whatever else is said.
func plainProto(s string) string {
	switch {
	case s == "":
		return ""
	case strings.EqualFold(s, "https"):
		return "https"
	}
	return "http"
}

// plainAddress is the one spelling of the address in "ip" or "ip:port"; "" for what
// is none.
func plainAddress(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return ""
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone("").String()
}
