package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// The policies of SE-12. What answers a program may load nothing at all; a page
// may load the styles and images of this server.
const (
	policyAPI  = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	policyPage = "default-src 'none'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

const policyHeader = "Content-Security-Policy"

// commonHeaders are on every answer (SE-14).
func commonHeaders(h http.Header, https bool) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set(policyHeader, policyAPI)
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

func pageHeaders(h http.Header) {
	h.Set(policyHeader, policyPage)
	h["Cache-Control"] = noStore
}

// allowAnyOrigin lets scripts of any origin read the answer. There is no
// Access-Control-Allow-Credentials: no cookie is ever looked at.
func allowAnyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce, X-Request-Id, Retry-After")
}

func writePreflight(w http.ResponseWriter, methods []string) {
	h := w.Header()
	allowAnyOrigin(h)
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, MCP-Protocol-Version")
	h.Set("Access-Control-Max-Age", "600") // seconds
	w.WriteHeader(http.StatusNoContent)
}

// AllowFormAction lets this page's forms lead, by way of redirects, to an
// origin ("https://app.example.com") or a scheme ("com.example.app:"). Browsers
// check form-action on every hop after a POST (SE-13). The caller has proven
// the origin; one that is no single CSP source is not added.
func AllowFormAction(w http.ResponseWriter, origin string) {
	addSource(w.Header(), "form-action", origin)
}

// AllowScript lets this page run one inline script: hash is the base64 of its
// SHA-256, with or without the prefix "sha256-".
func AllowScript(w http.ResponseWriter, hash string) {
	hash = strings.TrimPrefix(strings.Trim(hash, "'"), "sha256-")
	if hash != "" {
		addSource(w.Header(), "script-src", "'sha256-"+hash+"'")
	}
}

// addSource adds one source to one directive of the answer's policy.
func addSource(h http.Header, directive, source string) {
	if source == "" || strings.ContainsFunc(source, notSource) {
		return
	}
	policy := strings.Split(h.Get(policyHeader), "; ")
	for i, d := range policy {
		name, _, _ := strings.Cut(d, " ")
		if name == directive {
			policy[i] = strings.TrimSuffix(d, " 'none'") + " " + source
			h.Set(policyHeader, strings.Join(policy, "; "))
			return
		}
	}
	h.Set(policyHeader, strings.Join(append(policy, directive+" "+source), "; "))
}

// notSource finds what would end a source and begin something else.
func notSource(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' || r == ',' }

// FormTarget is the source for [AllowFormAction] that names where a web or app
// URI is: its origin, or its scheme for what has no host and for an IPv6 address,
// which CSP cannot name. "" for what is no URI.
func FormTarget(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host == "" || strings.HasPrefix(u.Host, "["):
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// headerLine is a header that many answers share. Nobody changes values: Set
// replaces it, and Add copies it, because it has no room.
type headerLine struct {
	name   string
	values []string
}

func headerLines(h http.Header) []headerLine {
	lines := make([]headerLine, 0, len(h))
	for name, values := range h {
		lines = append(lines, headerLine{name, values[:len(values):len(values)]})
	}
	return lines
}

// share sets headers without copying them.
func share(h http.Header, lines []headerLine) {
	for _, line := range lines {
		h[line.name] = line.values
	}
}

// Values that most answers share, in the sense of headerLine.
var (
	noStore  = []string{"no-store"}
	jsonType = []string{"application/json"}
)

// lengths are the values of Content-Length that came up, by length.
var lengths [2048]atomic.Pointer[[]string]

// lengthValue is the value of a Content-Length header.
func lengthValue(n int) []string {
	if n >= len(lengths) {
		return []string{strconv.Itoa(n)}
	}
	if known := lengths[n].Load(); known != nil {
		return *known
	}
	v := []string{strconv.Itoa(n)}
	lengths[n].Store(&v)
	return v
}
