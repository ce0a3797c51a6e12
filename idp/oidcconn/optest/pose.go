package optest

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"time"
)

// Pose gives the provider another issuer, as login.microsoftonline.com has it: Client
// goes to the provider whatever the host is, over the same certificate.
func (p *Provider) Pose(issuer string) {
	transport := p.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // one of the certificate's names
	address := p.server.Listener.Addr().String()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	p.Issuer, p.Client = issuer, &http.Client{Transport: transport}
}

// Logout returns a logout token about a person or a session, as OpenID Connect
// Back-Channel Logout section 2.4 has it; bend changes header and claims, and may be nil.
func (p *Provider) Logout(claims map[string]any, bend func(header, claims map[string]any)) string {
	now := p.Now()
	all := map[string]any{
		"iss": p.Issuer, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": "logout-1",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	maps.Copy(all, claims)
	return p.signed("logout+jwt", all, bend)
}

// Revocation returns the bearer token by which Okta calls an app's global token
// revocation endpoint.
func (p *Provider) Revocation(endpoint string, bend func(header, claims map[string]any)) string {
	now := p.Now()
	return p.signed("global-token-revocation+jwt", map[string]any{
		"iss": p.Issuer, "sub": ClientID, "aud": endpoint, "jti": "revocation-1",
		"iat": now.Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}, bend)
}

func (p *Provider) signed(typ string, claims map[string]any, bend func(header, claims map[string]any)) string {
	header := map[string]any{"typ": typ}
	if bend != nil {
		bend(header, claims)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return Sign(p.Keys[0], header, payload)
}
