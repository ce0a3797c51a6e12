package guard

import (
	"net/http"
	"strings"
)

// maxToken bounds a token or key, in bytes: a longer one is nobody's, and is not
// hashed, sent or kept.
const maxToken = 4 << 10

// Bearer returns the token of an Authorization header (RFC 6750 section 2.1).
// Nothing else is looked at; see [Guard.Credential].
//
// ErrNoCredential: there is no such header, or it is of another scheme.
// ErrInvalidRequest: it is malformed or repeated. ErrInvalidToken: the token is
// longer than 4 KiB.
func Bearer(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", ErrNoCredential
	}
	if len(values) > 1 {
		return "", ErrInvalidRequest
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoCredential
	}
	return wellPresented(strings.TrimLeft(rest, " "))
}

func wellPresented(token string) (string, error) {
	switch {
	case len(token) > maxToken:
		return "", ErrInvalidToken
	case !b64token(token):
		return "", ErrInvalidRequest
	}
	return token, nil
}

// b64token is RFC 6750 section 2.1: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" /
// "+" / "/" ) *"=".
func b64token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !tokenByte[body[i]] {
			return false
		}
	}
	return body != ""
}

var tokenByte = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		is[c] = true
	}
	return is
}()
