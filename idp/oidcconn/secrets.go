package oidcconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// clientSecret is one of the connection's at its provider. There are two of them while
// one takes the other's place there, so that nobody is locked out in between.
type clientSecret struct{ name, value string }

// openSecrets opens the connection's secrets. A connection without any is a public
// client of its provider: PKCE alone.
func openSecrets(o Opener, t storage.TenantID, con storage.Connection) ([]clientSecret, error) {
	var all []clientSecret
	for _, s := range []struct {
		name   string
		sealed []byte
	}{{"client_secret", con.SealedSecret}, {"next_secret", con.SealedNextSecret}} {
		if len(s.sealed) == 0 {
			continue
		}
		place := seal.Place{Tenant: t, Table: "connections", Column: s.name, Row: string(con.ID)}
		value, err := o.Open(place, s.sealed)
		if err != nil {
			return nil, fmt.Errorf("oidcconn: %s of connection %s: %w", s.name, con.ID, err)
		}
		all = append(all, clientSecret{s.name, string(value)})
	}
	if len(all) == 0 {
		all = []clientSecret{{}}
	}
	return all, nil
}

// redeem exchanges the code by the secret that worked last, and by the other one where
// the provider does not know us by it. A provider authenticates the client before it
// spends the code (RFC 6749 section 4.1.3).
func (c *connector) redeem(ctx context.Context, p *provider, code string, cb idp.UpstreamCallback) (got *oauth2.Token, err error) {
	ctx = oidc.ClientContext(ctx, c.cfg.Client)
	first := c.working.Load()
	for i := range len(c.secrets) {
		at := (int(first) + i) % len(c.secrets)
		got, err = c.oauth2(p, c.secrets[at].value, cb.RedirectURI).Exchange(ctx, code, oauth2.VerifierOption(cb.Verifier))
		if err == nil {
			c.working.Store(int32(at))
		}
		if !isUnknownClient(err) {
			return got, err
		}
	}
	return got, err
}

// isUnknownClient reports whether a token endpoint did not accept our secret: some say
// so by the status alone.
func isUnknownClient(err error) bool {
	var refused *oauth2.RetrieveError
	return errors.As(err, &refused) &&
		(refused.ErrorCode == "invalid_client" || refused.Response.StatusCode == http.StatusUnauthorized)
}
