package oidcconn

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/watchgate/watchgate/idp"
)

// maxJTI bounds a token's id, in bytes.
const maxJTI = 255

// signed returns the claims of a token that is no ID token and that one of the
// provider's keys signed.
func (c *connector) signed(ctx context.Context, raw string, types []string) (map[string]any, error) {
	if len(raw) > maxIDToken {
		return nil, invalid("the token is too long")
	}
	p, err := c.discover(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := p.keys.verify(ctx, raw, acceptable{types: types, by: c.mayHaveSigned})
	switch {
	case errors.Is(err, idp.ErrUpstreamUnavailable):
		return nil, err
	case err != nil:
		return nil, invalid("the token: %w", brief(err))
	}
	var claims map[string]any
	if json.Unmarshal(payload, &claims) != nil || claims == nil {
		return nil, invalid("the token is no JSON object")
	}
	return claims, nil
}

// unverifiedIssuer is the iss of a token's payload, of which nothing is believed yet.
func unverifiedIssuer(payload string) string {
	var claims map[string]any
	raw, err := decodeSegment(payload)
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return ""
	}
	return text(claims, "iss")
}

// period is how long a token may be believed: it says when it ends, and is not believed
// for longer than age after it was made. until is the first moment at which it is not.
func (c *connector) period(claims map[string]any, age time.Duration) (until time.Time, reason string) {
	now := c.cfg.Now()
	issued, hasIssued := numericDate(claims["iat"])
	expires, _ := numericDate(claims["exp"]) // without one it ended long ago
	notBefore, hasNotBefore := numericDate(claims["nbf"])
	until = expires.Add(Leeway)
	if oldest := issued.Add(age); oldest.Before(until) {
		until = oldest
	}
	switch {
	case !hasIssued || issued.After(now.Add(Leeway)):
		return until, "iat is missing or in the future"
	case claims["nbf"] != nil && (!hasNotBefore || notBefore.After(now.Add(Leeway))):
		return until, "nbf is in the future"
	case !now.Before(until):
		return until, "exp is missing, or it is over, or too old"
	}
	return until, ""
}

// audience reads aud, which is a text or a list of texts (RFC 7519 section 4.1.3); nil
// for anything else.
func audience(claims map[string]any) []string {
	named, isList := claims["aud"].([]any)
	all := list(claims, "aud")
	if isList && len(all) != len(named) {
		return nil
	}
	return all
}
