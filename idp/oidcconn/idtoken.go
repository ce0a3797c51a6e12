package oidcconn

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/watchgate/watchgate/idp"
)

// maxSubject is OpenID Connect Core's limit for sub (section 2), in bytes.
const maxSubject = 255

// idToken is a verified ID token.
type idToken struct {
	*oidc.IDToken
	all map[string]any
}

// verify validates an ID token (OpenID Connect Core section 3.1.3.7; FO-05 to
// FO-07). go-oidc checks signature, algorithm, audience and expiry; it is asked
// about a moment one leeway ago, because it knows none.
func (c *connector) verify(ctx context.Context, p *provider, tokens upstreamTokens, nonce string) (idToken, error) {
	now := c.cfg.Now()
	keys := &remembering{keys: p.keys, want: acceptable{types: []string{"", "jwt"}, by: c.mayHaveSigned}}
	verifier := oidc.NewVerifier(c.con.Issuer, keys, &oidc.Config{
		ClientID: c.con.ClientID, SupportedSigningAlgs: c.algs,
		Now:             func() time.Time { return now.Add(-Leeway) },
		SkipIssuerCheck: true, // refuse has it, and knows which product it is
	})
	got, err := verifier.Verify(ctx, tokens.idToken)
	switch {
	case errors.Is(keys.err, idp.ErrUpstreamUnavailable):
		return idToken{}, keys.err
	case err != nil:
		return idToken{}, invalid("ID token: %w", brief(err))
	}
	t := idToken{IDToken: got}
	if err := got.Claims(&t.all); err != nil {
		return idToken{}, invalid("ID token: no JSON object")
	}
	if reason := c.refuse(t, nonce, now); reason != "" {
		return idToken{}, invalid("ID token: %s", reason)
	}
	if got.AccessTokenHash != "" && got.VerifyAccessToken(tokens.access.AccessToken) != nil {
		return idToken{}, invalid("ID token: at_hash")
	}
	return t, nil
}

// remembering is go-oidc's KeySet. It keeps the key set's error, of which go-oidc
// passes on the text.
type remembering struct {
	keys *keySet
	want acceptable
	err  error
}

var _ oidc.KeySet = (*remembering)(nil)

// VerifySignature implements oidc.KeySet.
func (k *remembering) VerifySignature(ctx context.Context, compact string) (payload []byte, err error) {
	payload, k.err = k.keys.verify(ctx, compact, k.want)
	return payload, k.err
}

// mayHaveSigned reports whether a key that is published for an issuer may sign what is
// in payload.
func (c *connector) mayHaveSigned(keyIssuer string, payload []byte) bool {
	if c.quirks.mayHaveSigned == nil {
		return true
	}
	var claims map[string]any
	return json.Unmarshal(payload, &claims) == nil && c.quirks.mayHaveSigned(c.con, keyIssuer, claims)
}

// refuse says what go-oidc leaves to its caller, or does laxly, or "".
func (c *connector) refuse(t idToken, nonce string, now time.Time) string {
	latest := now.Add(Leeway)
	issued, hasIssued := numericDate(t.all["iat"])
	notBefore, hasNotBefore := numericDate(t.all["nbf"])
	azp, hasAzp := t.all["azp"]
	switch {
	case !c.isIssuer(t.Issuer, t.all):
		return "iss is not the connection's"
	case t.Subject == "" || len(t.Subject) > maxSubject:
		return "sub is missing or too long"
	case !c.onlyUs(t.Audience):
		return "aud names somebody else"
	case hasAzp && azp != c.con.ClientID:
		return "azp is somebody else"
	case !hasIssued || issued.After(latest):
		return "iat is missing or in the future"
	case t.all["nbf"] != nil && (!hasNotBefore || notBefore.After(latest)):
		return "nbf is in the future"
	case nonce == "" || subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(nonce)) != 1:
		return "nonce is missing or another one"
	case c.quirks.refuse != nil:
		return c.quirks.refuse(c.con, t.all)
	}
	return ""
}

// onlyUs reports whether we are the whole audience: we trust no other.
func (c *connector) onlyUs(audience []string) bool {
	for _, a := range audience {
		if a != c.con.ClientID {
			return false
		}
	}
	return len(audience) > 0
}

// numericDate reads a NumericDate (RFC 7519 section 2) from the first years of
// this calendar to well past ours; a number beyond would overflow.
func numericDate(v any) (time.Time, bool) {
	n, ok := v.(float64)
	if !ok || n < 0 || n > 1<<40 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(n * 1000)).UTC(), true
}

func decodeSegment(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
