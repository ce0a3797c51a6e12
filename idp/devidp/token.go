package devidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// The authentication contexts of the two kinds of button.
const (
	acrMFA      = "urn:watchgate:demo:mfa"
	acrPassword = "urn:watchgate:demo:password"
)

// token is the token endpoint (Core section 3.1.3).
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || repeated(r.PostForm) || r.URL.RawQuery != "" {
		oauthError(w, http.StatusBadRequest, "invalid_request", "the parameters are malformed, repeated or in the query")
		return
	}
	client, ok := p.authenticate(w, r)
	if !ok {
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "only authorization_code is supported")
		return
	}
	c, ok := p.codes.take(r.PostForm.Get("code"))
	if !ok || !c.redeems(client, r.PostForm) {
		oauthError(w, http.StatusBadRequest, "invalid_grant", "the code is unknown, used, expired or not for this request")
		return
	}
	p.issue(w, c.session)
}

func repeated(form url.Values) bool {
	for _, values := range form {
		if len(values) > 1 {
			return true
		}
	}
	return false
}

// authenticate accepts client_secret_basic and client_secret_post, one of them,
// and writes the refusal.
func (p *provider) authenticate(w http.ResponseWriter, r *http.Request) (Client, bool) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	basicID, basicSecret, basic := r.BasicAuth()
	if basic {
		if secret != "" {
			oauthError(w, http.StatusBadRequest, "invalid_request", "two ways of client authentication at once")
			return Client{}, false
		}
		// RFC 6749 section 2.3.1: both parts are form-encoded.
		bodyID := id
		id, secret = unescape(basicID), unescape(basicSecret)
		if bodyID != "" && bodyID != id {
			oauthError(w, http.StatusBadRequest, "invalid_request", "two client ids")
			return Client{}, false
		}
	}
	client, known := p.clients[id]
	got, want := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(client.Secret))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !known {
		w.Header().Set("WWW-Authenticate", `Basic realm="demo identity provider"`)
		oauthError(w, http.StatusUnauthorized, "invalid_client", "the client is unknown or its secret is wrong")
		return Client{}, false
	}
	return client, true
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// redeems checks client, redirect URI and PKCE (RFC 7636 section 4.6).
func (c code) redeems(client Client, form url.Values) bool {
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	return c.client == client.ID && c.redirectURI == form.Get("redirect_uri") &&
		subtle.ConstantTimeCompare([]byte(challenge), []byte(c.challenge)) == 1
}

// issue answers with an access token for userinfo and an ID token.
func (p *provider) issue(w http.ResponseWriter, s session) {
	access, ok := p.tokens.put(s)
	if !ok {
		oauthError(w, http.StatusServiceUnavailable, "temporarily_unavailable", "too many sign-ins at once")
		return
	}
	idToken, err := p.idToken(s, access)
	if err != nil {
		oauthError(w, http.StatusInternalServerError, "server_error", "the ID token could not be made")
		return
	}
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": int(tokenTTL.Seconds()),
		"scope": strings.Join(s.scopes, " "), "id_token": idToken,
	})
}

// idToken is that of Core section 2; it carries the claims of userinfo as well.
func (p *provider) idToken(s session, access string) (string, error) {
	now := p.now()
	claims := s.claims()
	half := sha256.Sum256([]byte(access))
	maps.Copy(claims, map[string]any{
		"iss": p.issuer, "aud": s.client, "iat": now.Unix(), "exp": now.Add(tokenTTL).Unix(),
		"auth_time": s.authTime.Unix(), "acr": s.acr(), "amr": []string{"pwd"}, "sid": s.sid,
		"at_hash": base64.RawURLEncoding.EncodeToString(half[:16]),
	})
	if s.mfa {
		claims["amr"] = []string{"pwd", "otp", "mfa"}
	}
	if s.nonce != "" {
		claims["nonce"] = s.nonce
	}
	return p.sign(claims)
}

func (p *provider) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("devidp: encode claims: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("devidp: signer: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("devidp: sign: %w", err)
	}
	return jws.CompactSerialize()
}

// claims are sub and what the scopes open.
func (s session) claims() map[string]any {
	claims := s.person.claims(s.scopes)
	claims["sub"] = s.person.subject()
	return claims
}

func oauthError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}
