package oidcconn

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// maxRevocationAge is how long after its making Okta's bearer token is believed: it is
// made for five minutes.
const maxRevocationAge = 5 * time.Minute

// VerifyRevocation implements [idp.RevocationVerifier]: the bearer token of Okta's
// Universal Logout (Okta, "Build Universal Logout for your app", Endpoint
// authentication; LO-11). It says that Okta is calling, and whose app it means: sub is
// our client_id there. Whom it signs out is in the body.
func (c *connector) VerifyRevocation(ctx context.Context, token, endpoint string) (idp.LogoutToken, error) {
	if c.con.Preset != storage.PresetOkta {
		return idp.LogoutToken{}, invalid("the connection's provider makes no such calls")
	}
	signer := c.signerOf(token)
	claims, err := signer.signed(ctx, token, []string{"global-token-revocation+jwt"})
	if err != nil {
		return idp.LogoutToken{}, err
	}
	until, reason := c.period(claims, maxRevocationAge)
	if reason == "" {
		reason = c.refuseRevocation(claims, signer.con.Issuer, endpoint)
	}
	if reason != "" {
		return idp.LogoutToken{}, invalid("revocation token: %s", reason)
	}
	return idp.LogoutToken{Issuer: c.con.Issuer, ID: text(claims, "jti"), ExpiresAt: until}, nil
}

func (c *connector) refuseRevocation(claims map[string]any, issuer, endpoint string) string {
	aud := audience(claims)
	switch {
	case text(claims, "iss") != issuer:
		return "iss is not the connection's"
	case endpoint == "" || len(aud) != 1 || aud[0] != endpoint:
		return "aud is not this endpoint"
	case text(claims, "sub") != c.con.ClientID:
		return "sub is another app"
	case text(claims, "jti") == "" || len(text(claims, "jti")) > maxJTI:
		return "jti is missing or too long"
	}
	return ""
}

// signerOf is who must have signed a call: the connection's authorization server, or,
// where that is a custom one, the organization's, which makes such calls too. What the
// token says of itself only chooses between these two.
func (c *connector) signerOf(token string) *connector {
	org := c.organization()
	if org == nil {
		return c
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if unverifiedIssuer(payload) == org.con.Issuer {
		return org
	}
	return c
}

// organization is the connector of the organization's authorization server behind a
// custom one; nil where the connection's is no custom one.
func (c *connector) organization() *connector {
	u, err := url.Parse(c.con.Issuer)
	if err != nil || !strings.HasPrefix(u.Path, "/oauth2/") {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.org == nil {
		con := c.con
		con.Issuer = u.Scheme + "://" + u.Host
		c.org = &connector{cfg: c.cfg, tenant: c.tenant, con: con, quirks: c.quirks, algs: c.algs}
	}
	return c.org
}
