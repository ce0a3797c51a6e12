package introspect

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// identityHeaders are what a proxy gets about a request that may pass, and hands
// to the API. Whatever a client sends under these names, the proxy has to take
// away.
var identityHeaders = []string{
	"X-Watchgate-Subject", "X-Watchgate-Username", "X-Watchgate-Client", "X-Watchgate-Tenant", "X-Watchgate-Tenant-Id",
	"X-Watchgate-Scope", "X-Watchgate-Token-Id", "X-Watchgate-Expires", "X-Watchgate-Key-Id",
}

// identify sets all of the identityHeaders, always: some proxies overwrite with
// what is there, and leave alone, as the client sent it, what is not. What there
// is not is empty. So is a user name that is no plain header value; anything else
// that is none is an error, because an API that is told half of who it is would
// have to guess.
func identify(h http.Header, a active) error {
	values := []string{
		a.Sub, a.Username, string(a.ClientID), a.Tenant, string(a.TenantID), a.Scope, a.JTI, expires(a.Exp), string(a.KeyID),
	}
	for i, name := range identityHeaders {
		value := values[i]
		if !plainValue(value) {
			if name != "X-Watchgate-Username" {
				return fmt.Errorf("%s of a token cannot be a header's value", name)
			}
			value = ""
		}
		h.Set(name, value)
	}
	return nil
}

// expires is blank for a key that never ends.
func expires(exp int64) string {
	if exp == 0 {
		return ""
	}
	return strconv.FormatInt(exp, 10)
}

// plainValue reports whether s is a header's value that every proxy and every API
// reads in the same way: printable ASCII, no space at its ends. "" is one.
func plainValue(s string) bool {
	return strings.Trim(s, " ") == s && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

const invalidToken = `{"error":"invalid_token","error_description":"The access token is not active."}`

// refuseToken writes the one answer about a credential that is not good here,
// whatever the reason, whole: nothing of it may wait for what is recorded.
func refuseToken(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(invalidToken)))
	w.WriteHeader(http.StatusUnauthorized)
	// Whoever went away before the answer was written needs no other.
	_, _ = w.Write([]byte(invalidToken))
	return nil
}
