package oidcconn

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/idp"
)

const (
	// logoutEvent is in the events of a logout token, and in nothing else.
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutAge is how long after its making a logout token is believed.
	maxLogoutAge = 10 * time.Minute
)

// VerifyLogout implements [idp.LogoutVerifier]: OpenID Connect Back-Channel Logout 1.0
// section 2.6 (LO-08). Subject is the key by which the person's sign-ins name them;
// ExpiresAt is when the token is not believed any more, so that its jti need not be kept
// for longer.
func (c *connector) VerifyLogout(ctx context.Context, token string) (idp.LogoutToken, error) {
	claims, err := c.signed(ctx, token, []string{"", "jwt", "logout+jwt"})
	if err != nil {
		return idp.LogoutToken{}, err
	}
	until, reason := c.period(claims, maxLogoutAge)
	if reason == "" {
		reason = c.refuseLogout(claims)
	}
	if reason != "" {
		return idp.LogoutToken{}, invalid("logout token: %s", reason)
	}
	return idp.LogoutToken{
		Issuer: c.con.Issuer, Subject: c.personOf(claims), SID: text(claims, "sid"), ID: text(claims, "jti"), ExpiresAt: until,
	}, nil
}

// refuseLogout says what is wrong with a logout token's claims, or "".
func (c *connector) refuseLogout(claims map[string]any) string {
	events, _ := claims["events"].(map[string]any)
	_, isLogout := events[logoutEvent].(map[string]any)
	_, hasNonce := claims["nonce"]
	switch {
	case !c.isIssuer(text(claims, "iss"), claims):
		return "iss is not the connection's"
	case !c.onlyUs(audience(claims)):
		return "aud names somebody else"
	case !isLogout:
		return "events does not say that somebody signed out"
	case hasNonce:
		return "it has a nonce, as ID tokens do"
	case text(claims, "jti") == "" || len(text(claims, "jti")) > maxJTI:
		return "jti is missing or too long"
	case !named(claims, "sub", maxSubject) || !named(claims, "sid", maxSID):
		return "sub or sid is no text, or too long"
	case c.personOf(claims) == "" && text(claims, "sid") == "":
		return "it names neither a person nor a session"
	}
	return ""
}

// named reports whether a claim is absent, or a text of sane length.
func named(claims map[string]any, name string, limit int) bool {
	v, has := claims[name]
	s, isText := v.(string)
	return !has || isText && s != "" && len(s) <= limit
}
