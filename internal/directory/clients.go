package directory

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// maxRedirectURIs bounds what one client may register.
const maxRedirectURIs = 50

var (
	clientID  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	scopeName = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,100}$`) // RFC 6749 section 3.3
)

// NewSecret is a secret that is shown once.
type NewSecret struct {
	ID     string `json:"id"`
	Secret string `json:"secret,omitempty"` // empty for a public client
}

// CreateClient registers an OAuth client; c.ID may be empty, then one is made,
// and c.Owner and c.ServiceTenant may be slugs. A confidential client's secret is
// generated and returned, and only its hash is kept. A problem: any rule of
// registration is broken.
func (d *Directory) CreateClient(ctx context.Context, c storage.Client) (NewSecret, error) {
	now := d.cfg.Now()
	if c.ID == "" {
		c.ID = storage.NewClientID(now)
	}
	if err := d.checkClient(ctx, &c); err != nil {
		return NewSecret{}, err
	}
	out := NewSecret{ID: string(c.ID)}
	c.CreatedAt, c.Version, c.Secrets = now, 1, nil
	if !c.Public() {
		out.Secret = token.NewSecret()
		c.Secrets = []storage.Secret{token.Seal(out.Secret, now, time.Time{})}
	}
	err := d.cfg.Store.CreateClient(ctx, c, audit.ClientCreated(ctx, now, c))
	return out, explain(err, fmt.Sprintf("client %q", c.ID))
}

// RotateClientSecret adds a new secret and lets the old ones live for overlap
// more: both work meanwhile. A problem: the client is public or unknown.
func (d *Directory) RotateClientSecret(ctx context.Context, id storage.ClientID, overlap time.Duration) (NewSecret, error) {
	c, err := d.client(ctx, id)
	if err != nil {
		return NewSecret{}, err
	}
	if c.Public() {
		return NewSecret{}, problem("the client %q is public: it has no secret", id)
	}
	now, out := d.cfg.Now(), NewSecret{ID: string(id), Secret: token.NewSecret()}
	c.Secrets = rotated(c.Secrets, out.Secret, now, overlap)
	return out, d.updateClient(ctx, c, audit.ClientSecretRotated(ctx, now, c))
}

// SetClientEnabled disables a client, which kills every token it holds, or
// enables it again.
func (d *Directory) SetClientEnabled(ctx context.Context, id storage.ClientID, enabled bool) error {
	c, err := d.client(ctx, id)
	if err != nil {
		return err
	}
	now := d.cfg.Now()
	if enabled {
		c.DisabledAt = time.Time{}
		return d.updateClient(ctx, c, audit.ClientEnabled(ctx, now, c))
	}
	c.DisabledAt = now
	return d.updateClient(ctx, c, audit.ClientDisabled(ctx, now, c))
}

// Clients lists all clients in the order of their ids.
func (d *Directory) Clients(ctx context.Context) ([]storage.Client, error) {
	all, err := d.cfg.Store.ListClients(ctx)
	return all, explain(err, "list of clients")
}

func (d *Directory) client(ctx context.Context, id storage.ClientID) (storage.Client, error) {
	c, err := d.cfg.Store.Client(ctx, id)
	return c, explain(err, fmt.Sprintf("client %q", id))
}

func (d *Directory) updateClient(ctx context.Context, c storage.Client, ev storage.Event) error {
	return explain(d.cfg.Store.UpdateClient(ctx, c, ev), fmt.Sprintf("client %q", c.ID))
}

// checkClient collects everything that is wrong with a registration, and turns
// the slugs of tenants into their ids.
func (d *Directory) checkClient(ctx context.Context, named *storage.Client) error {
	p := &Problem{}
	if err := d.nameTenants(ctx, p, named); err != nil {
		return err
	}
	c := *named
	if !clientID.MatchString(string(c.ID)) || storage.ReservedClientID(string(c.ID)) {
		p.add("the id %q must be 1 to 100 of A-Z a-z 0-9 . _ - and not look like another kind of id", c.ID)
	}
	checkName(p, c.Name)
	checkMethod(p, c)
	d.checkRedirects(p, c)
	for _, s := range c.Scopes {
		if !scopeName.MatchString(s) {
			p.add("the scope %q has characters that RFC 6749 section 3.3 does not allow", s)
		}
	}
	if u, err := url.Parse(c.URI); c.URI != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		p.add("the home page %q must be an https URL", c.URI)
	}
	if !slices.Contains([]string{"", "RS256", "ES256", "EdDSA"}, c.IDTokenAlg) {
		p.add("ID tokens can be signed with RS256, ES256 or EdDSA, not %q", c.IDTokenAlg)
	}
	return p.or()
}

// checkMethod looks at how the client proves itself and what for.
func checkMethod(p *Problem, c storage.Client) {
	if !slices.Contains([]storage.AuthMethod{storage.AuthNone, storage.AuthBasic, storage.AuthPost}, c.AuthMethod) {
		p.add("the authentication method must be none, client_secret_basic or client_secret_post, not %q", c.AuthMethod)
	}
	if len(c.GrantTypes) == 0 {
		p.add("name at least one grant type")
	}
	for _, g := range c.GrantTypes {
		if !slices.Contains([]string{storage.GrantAuthorizationCode, storage.GrantRefreshToken, storage.GrantClientCredentials, storage.GrantTokenExchange}, g) {
			p.add("the grant type %q is unknown: use authorization_code, refresh_token, client_credentials or token_exchange", g)
		}
	}
	if c.Public() && c.Allows(storage.GrantClientCredentials) {
		p.add("a public client cannot use client_credentials: it has nothing to prove itself with")
	}
	if c.Public() && c.PKCEOptional {
		p.add("PKCE can be optional only for confidential clients")
	}
	if c.Allows(storage.GrantRefreshToken) && !c.Allows(storage.GrantAuthorizationCode) && !c.Allows(storage.GrantTokenExchange) {
		p.add("refresh_token goes with authorization_code or with token_exchange")
	}
}

// checkRedirects looks at where answers may be sent.
func (d *Directory) checkRedirects(p *Problem, c storage.Client) {
	if c.Allows(storage.GrantAuthorizationCode) && len(c.RedirectURIs) == 0 {
		p.add("authorization_code needs at least one redirect URI")
	}
	if len(c.RedirectURIs) > maxRedirectURIs || len(c.PostLogoutRedirectURIs) > maxRedirectURIs {
		p.add("a client may have at most %d redirect URIs", maxRedirectURIs)
	}
	for _, u := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		if err := d.cfg.RedirectURI(u); err != nil {
			p.add("the redirect URI %q is refused: %s", u, err)
		}
	}
	if c.BackchannelLogoutURI != "" && !d.goodCallback(c.BackchannelLogoutURI) {
		p.add("the address %q for logout tokens must be an https URL without fragment, of at most 2000 bytes", c.BackchannelLogoutURI)
	}
}

// goodCallback reports whether a logout token may be posted to an address (OpenID
// Connect Back-Channel Logout section 2.2).
func (d *Directory) goodCallback(address string) bool {
	u, err := url.Parse(address)
	if err != nil || len(address) > 2000 || u.Hostname() == "" || u.User != nil || strings.ContainsAny(address, "#\\") {
		return false
	}
	return u.Scheme == "https" || d.onThisMachine(u)
}

// nameTenants looks whether the tenants that the client names exist, and puts
// their ids into it. An error that is no problem is the store's.
func (d *Directory) nameTenants(ctx context.Context, p *Problem, c *storage.Client) error {
	for _, id := range []*storage.TenantID{&c.Owner, &c.ServiceTenant} {
		if err := d.nameTenant(ctx, p, id); err != nil {
			return err
		}
	}
	if c.Allows(storage.GrantClientCredentials) && c.ServiceTenant == "" {
		p.add("client_credentials needs the tenant that the client acts in")
	}
	if c.Owner != "" && c.ServiceTenant != "" && c.Owner != c.ServiceTenant {
		p.add("a tenant's client can act only in that tenant")
	}
	return nil
}

// rotated returns old, limited to overlap from now, with secret in front. At
// most two are kept.
func rotated(old []storage.Secret, secret string, now time.Time, overlap time.Duration) []storage.Secret {
	out := []storage.Secret{token.Seal(secret, now, time.Time{})}
	for _, s := range old {
		if !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt) {
			continue
		}
		if end := now.Add(overlap); s.ExpiresAt.IsZero() || end.Before(s.ExpiresAt) {
			s.ExpiresAt = end
		}
		if len(out) < 2 {
			out = append(out, s)
		}
	}
	return out
}
