package introspect

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
)

// presented reads the credential of the request in the proxy's hands: a bearer token
// or an API key in Authorization, or a key in X-API-Key. Without one, there is no
// error code (RFC 6750 section 3.1). Two are 400, and so is one in the address or in a
// cookie, as far as the proxy shows them; none of them is looked at any further.
func (s *Server) presented(r *http.Request) (string, error) {
	bearers, keys := r.Header["Authorization"], r.Header["X-Api-Key"]
	key, bearer := strings.Trim(strings.Join(keys, ""), " "), strings.Trim(strings.Join(bearers, ""), " ")
	switch {
	case len(bearers) > 1 || len(keys) > 1 || key != "" && bearer != "":
		return "", notOnce("The request has more than one credential.")
	case s.misplaced(r):
		return "", notOnce("A credential does not belong in an address or in a cookie.")
	case key != "":
		return key, nil
	}
	scheme, credential, _ := strings.Cut(bearer, " ")
	if credential = strings.Trim(credential, " "); credential == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", web.Refuse(http.StatusUnauthorized, "unauthorized", "An access token is needed.", nil).With("WWW-Authenticate", "Bearer")
	}
	return credential, nil
}

func notOnce(description string) error {
	return web.Refuse(http.StatusBadRequest, "invalid_request", description, nil).
		With("WWW-Authenticate", `Bearer error="invalid_request"`)
}

// misplaced reports whether a token or a key is in the address of the request in the
// proxy's hands, or in a cookie. Their form says so, whatever they are called.
func (s *Server) misplaced(r *http.Request) bool {
	if r.URL.Path != forwardAuthPath && s.inQuery(r.URL.RawQuery) {
		return true
	}
	for _, address := range r.Header["X-Forwarded-Uri"] {
		if _, query, _ := strings.Cut(address, "?"); s.inQuery(query) {
			return true
		}
	}
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool { return s.issued(c.Value) })
}

// inQuery does not need a query that is well formed: the API may read it in another
// way.
func (s *Server) inQuery(query string) bool {
	for part := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		_, value, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(value); err == nil && s.issued(plain) {
			return true
		}
	}
	return false
}

// issued reports whether a string has the form of a token or a key.
func (s *Server) issued(value string) bool { return s.subjectOf(value).form != formless }

// fromOf is where the request in the proxy's hands came from, for keys that are good
// from some addresses, or over HTTPS, only: as the proxy's configuration says in the
// query, and otherwise as the headers say that proxies set.
//
// X-Forwarded-For counts as far as package web believes it, so that the proxy has to
// be one of the trusted ones. Where it is not, the address is not known: taking the
// proxy's own for its client's would let in everybody where a key's list has that.
func fromOf(r *http.Request, own web.Form) (ip, proto string) {
	proto = strings.Join(r.Header["X-Forwarded-Proto"], ",")
	if len(own.All("proto")) > 0 || own.Blank["proto"] {
		proto = strings.Join(own.All("proto"), ",")
	}
	if len(own.All("ip")) > 0 || own.Blank["ip"] {
		return strings.Join(own.All("ip"), ","), proto // two are none
	}
	return forwardedFor(r), proto
}

// forwardedFor is the address that package web found, if it found it in a header.
func forwardedFor(r *http.Request) string {
	ip := origin.From(r.Context()).IP
	peer := r.RemoteAddr
	if at, err := netip.ParseAddrPort(peer); err == nil {
		peer = at.Addr().Unmap().WithZone("").String()
	}
	if ip != peer {
		return ip
	}
	// Or else the client is at the proxy's own address.
	all := strings.Join(r.Header["X-Forwarded-For"], ",")
	last, ok := addressOf(strings.Trim(all[strings.LastIndex(all, ",")+1:], " "))
	if !ok || last.String() != ip {
		return ""
	}
	return ip
}
