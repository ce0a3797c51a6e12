package devidp

import (
	"net/http"
	"strings"
)

// userinfo is Core section 5.3: the token comes in the header, or in the body of
// a POST (RFC 6750 sections 2.1 and 2.2).
func (p *provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, ok := bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="demo identity provider"`)
		// RFC 6750 section 3.1: no error code where there were no credentials.
		writeJSON(w, http.StatusUnauthorized, map[string]string{"message": "an access token is needed: Authorization: Bearer ..."})
		return
	}
	s, live := p.tokens.get(token)
	if !live {
		w.Header().Set("WWW-Authenticate", `Bearer realm="demo identity provider", error="invalid_token"`)
		oauthError(w, http.StatusUnauthorized, "invalid_token", "the token is unknown or expired")
		return
	}
	writeJSON(w, http.StatusOK, s.claims())
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return token, true
	}
	if r.Method == http.MethodPost && r.ParseForm() == nil {
		token = r.PostForm.Get("access_token")
		return token, token != ""
	}
	return "", false
}
