package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"

	"github.com/watchgate/watchgate/internal/outbound"
)

// discovery looks at identity providers through the guarded client.
type discovery struct{ d *deployment }

// discoveryDocument is what a connection cannot do without (OpenID Connect
// Discovery 1.0 section 3), and the userinfo endpoint, which may be absent.
type discoveryDocument struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	JWKS          string `json:"jwks_uri"`
	Userinfo      string `json:"userinfo_endpoint"`
}

// Discover reads an issuer's discovery document and reports, as a sentence for
// the operator, why a sign-in through it would be refused (FO-01, FO-22).
func (d discovery) Discover(ctx context.Context, issuer string) error {
	client, err := d.d.outbound()
	if err != nil {
		return err
	}
	at := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	body, err := client.Get(ctx, at, maxUpstreamBody)
	switch {
	case errors.Is(err, outbound.ErrRefused):
		return fmt.Errorf("the provider is not asked: %s goes where this server sends nothing (%s)", at, causeOf(err))
	case err != nil:
		return fmt.Errorf("no discovery document came from %s (%s); if the provider is not up yet, --no-check connects it unseen", at, causeOf(err))
	}
	var doc discoveryDocument
	if err := json.Unmarshal(body, &doc); err != nil {
		return fmt.Errorf("what %s answers is no discovery document: it is not JSON", at)
	}
	if doc.Issuer != issuer {
		return fmt.Errorf("the provider calls itself %q and not %q: give its issuer byte for byte", doc.Issuer, issuer)
	}
	return doc.check(client, d.d.cfg.Outbound.AllowLoopbackHTTP)
}

// check reports the first endpoint that cannot be used. The browser goes to the
// authorization endpoint; the others are ours to call.
func (doc discoveryDocument) check(client *outbound.Client, loopbackHTTP bool) error {
	for _, e := range []struct {
		name, url  string
		ours, must bool
	}{
		{"authorization_endpoint", doc.Authorization, false, true},
		{"token_endpoint", doc.Token, true, true},
		{"jwks_uri", doc.JWKS, true, true},
		{"userinfo_endpoint", doc.Userinfo, true, false},
	} {
		switch {
		case e.url == "" && e.must:
			return fmt.Errorf("the provider's discovery document has no %s", e.name)
		case e.url == "":
			continue
		case !webURL(e.url, loopbackHTTP):
			return fmt.Errorf("the provider's %s %q must be an https URL without user information and fragment", e.name, e.url)
		case !e.ours:
			continue
		}
		if err := client.Check(e.url); err != nil {
			return fmt.Errorf("the provider's %s %q is where this server sends nothing (%s)", e.name, e.url, causeOf(err))
		}
	}
	return nil
}

// webURL accepts https, and http on a literal loopback address when that is
// allowed.
func webURL(raw string, loopbackHTTP bool) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || loopbackHTTP && u.Scheme == "http" && err == nil && ip.IsLoopback()
}

// causeOf is what the guarded client tells the log and nobody else: an operator
// may know it too.
func causeOf(err error) string {
	if v, ok := err.(slog.LogValuer); ok {
		return v.LogValue().String()
	}
	return err.Error()
}
