package manage

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/origin"
)

// headerKey is the other header that an API key may come in.
const headerKey = "X-API-Key"

// maxToken bounds a credential, in bytes: the longest are API keys that are JWTs.
const maxToken = 4096

// misplaced are names under which credentials are sent where they do not belong:
// URLs and cookies are kept by logs, histories and caches.
var misplaced = []string{"access_token", "api_key", "apikey", "key", "token", "authorization", "x-api-key", "bearer"}

// credential is what the request presents (AK-08, RFC 6750 section 2): exactly one
// thing, in a header.
func (a *API) credential(r *http.Request, query url.Values) (Credential, error) {
	for name := range query {
		if slices.Contains(misplaced, strings.ToLower(name)) {
			return Credential{}, badRequest("Credentials do not belong in the URL: send this one in a header, and replace it, because URLs are logged.",
				Field{Field: strings.ToLower(name), In: "query", Detail: "Send it in Authorization or X-API-Key."})
		}
	}
	for _, c := range r.Cookies() {
		if slices.Contains(misplaced, strings.ToLower(c.Name)) {
			return Credential{}, badRequest("Credentials do not belong in a cookie.",
				Field{Field: "Cookie", In: "header", Detail: "Send the credential in Authorization or X-API-Key."})
		}
	}
	token, err := headerToken(r.Header)
	if err != nil {
		return Credential{}, err
	}
	https := r.TLS != nil || strings.HasPrefix(a.cfg.Issuer, "https://")
	return Credential{Token: token, IP: origin.From(r.Context()).IP, HTTPS: https}, nil
}

// headerToken is the one credential of a request's header.
func headerToken(h http.Header) (string, error) {
	authorization, keys := h["Authorization"], h[http.CanonicalHeaderKey(headerKey)]
	switch len(authorization) + len(keys) {
	case 0:
		return "", &Problem{Kind: Unauthenticated, Detail: "Send an access token or an API key in the header Authorization: Bearer."}
	case 1:
	default:
		return "", badRequest("Send one credential, once.",
			Field{Field: "Authorization", In: "header", Detail: "There are several credentials in this request."})
	}
	token := strings.Join(keys, "")
	if len(authorization) == 1 {
		scheme, rest, _ := strings.Cut(authorization[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", &Problem{Kind: Unauthenticated, Detail: "The scheme of the header Authorization is Bearer here."}
		}
		token = strings.TrimLeft(rest, " ")
	}
	if token == "" || len(token) > maxToken || strings.ContainsFunc(token, notToken) {
		return "", inactive()
	}
	return token, nil
}

// notToken finds what no b64token has (RFC 6750 section 2.1).
func notToken(c rune) bool {
	return !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.ContainsRune("-._~+/=", c))
}

// inactive is the answer to everything that is no live credential: which of the
// reasons it was is not told.
func inactive() error {
	return &Problem{Kind: Unauthenticated, Detail: "The credential is unknown, expired or revoked.", challenge: "invalid_token"}
}

// badRequest is a request whose form is wrong.
func badRequest(detail string, fields ...Field) error {
	return Refuse(InvalidRequest, detail, fields...)
}
