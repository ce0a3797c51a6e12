package authz

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"time"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/storage"
)

// defaultIDTokenAlg is for clients that registered no other (OIDC Dynamic Client
// Registration 1.0 section 2).
const defaultIDTokenAlg = "RS256"

// identity is whom an ID token or a UserInfo answer is about.
type identity struct {
	user             storage.User
	tenantID, tenant string
	session          storage.SessionID
	auth             storage.Authentication
	nonce            string // "" in refreshed ID tokens (OIDC Core 1.0 section 12.2)
	claims           string // the claims parameter, as sent
}

// idTokens signs ID tokens. Fosite's own strategy invents an auth_time, calls a
// missing acr "0", hashes wrongly for EdDSA and reads the machine's clock; it
// keeps only the decision that an ID token is due.
type idTokens struct {
	issuer string
	signer Signer
}

// GenerateIDToken returns the unit's ID token (OIDC Core 1.0 section 2).
func (i idTokens) GenerateIDToken(ctx context.Context, _ time.Duration, _ fosite.Requester) (string, error) {
	u := unitFrom(ctx)
	alg := idTokenAlg(u.client)
	return i.signer.Sign(ctx, alg, idTokenType, i.claims(u, alg))
}

func idTokenAlg(c storage.Client) string {
	if c.IDTokenAlg == "" {
		return defaultIDTokenAlg
	}
	return c.IDTokenAlg
}

func (i idTokens) claims(u *unit, alg string) map[string]any {
	who := u.identity
	claims := who.requested(requestedClaims(who.claims).IDToken, u.client.Scopes)
	claims["iss"] = i.issuer
	claims["sub"] = string(who.user.ID)
	claims["aud"] = string(u.client.ID)
	claims["iat"] = u.at.Unix()
	claims["exp"] = u.at.Add(IDTokenLifetime).Unix()
	claims["at_hash"] = halfHash(alg, u.accessRaw)
	set(claims, "auth_time", unixOrZero(who.auth.AuthTime))
	set(claims, "nonce", who.nonce)
	set(claims, "acr", who.auth.ACR)
	set(claims, "sid", string(who.session))
	if len(who.auth.AMR) > 0 {
		claims["amr"] = who.auth.AMR
	}
	return claims
}

// set adds a claim unless it is empty: an empty one must not be sent.
func set[T comparable](claims map[string]any, name string, value T) {
	var empty T
	if value != empty {
		claims[name] = value
	}
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// halfHash is at_hash: the left half of the hash that the signature algorithm
// uses (OIDC Core 1.0 section 3.1.3.6); Ed25519's is SHA-512.
func halfHash(alg, value string) string {
	var sum []byte
	switch {
	case alg == "EdDSA" || strings.HasSuffix(alg, "512"):
		h := sha512.Sum512([]byte(value))
		sum = h[:]
	case strings.HasSuffix(alg, "384"):
		h := sha512.Sum384([]byte(value))
		sum = h[:]
	default:
		h := sha256.Sum256([]byte(value))
		sum = h[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
