package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)

// claimName is that of a claim: a word, or a URI as some providers want it for claims
// of one's own.
var claimName = regexp.MustCompile(`^[\x21-\x7E]{1,200}$`)

// knownClaims are those of ID tokens and of OpenID Connect Core section 5.1.
var knownClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash",
	"sid", "cnf", "scope", "client_id",
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
	"email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at",
}

// publicMail are domains at which anybody can have an address: no tenant can
// own one (TN-06).
var publicMail = []string{
	"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com",
	"me.com", "aol.com", "proton.me", "protonmail.com", "gmx.com", "gmx.de", "gmx.net", "web.de", "mail.com", "mail.ru",
	"yandex.com", "yandex.ru", "qq.com", "163.com", "zoho.com", "fastmail.com",
}

// CreateConnection adds an identity provider to a tenant; secret is our client
// secret there and is sealed at once. The provider's discovery document is looked
// at first. A problem: a rule is broken, or the document does not fit.
func (d *Directory) CreateConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Connection, error) {
	t, err := d.newConnection(ctx, tenant, c, secret)
	if err != nil {
		return c, err
	}
	if err := d.cfg.Discoverer.Discover(ctx, c.Issuer); err != nil {
		return c, problem("%s", err)
	}
	return d.addConnection(ctx, t, c, secret)
}

// CreateUnseenConnection is CreateConnection for a provider that does not answer
// yet: nobody looks at it.
func (d *Directory) CreateUnseenConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Connection, error) {
	t, err := d.newConnection(ctx, tenant, c, secret)
	if err != nil {
		return c, err
	}
	return d.addConnection(ctx, t, c, secret)
}

// newConnection returns the tenant of a connection that may be added.
func (d *Directory) newConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return t, err
	}
	return t, d.checkConnection(c, secret)
}

func (d *Directory) addConnection(ctx context.Context, t storage.Tenant, c storage.Connection, secret string) (storage.Connection, error) {
	var err error
	now := d.cfg.Now()
	c.ID, c.CreatedAt, c.Version = storage.NewConnectionID(now), now, 1
	if c.SealedSecret, err = d.sealSecret(t.ID, c.ID, secret); err != nil {
		return c, err
	}
	err = d.cfg.Store.Tenant(t.ID).CreateConnection(ctx, c, audit.ConnectionCreated(ctx, now, c))
	return c, explain(err, fmt.Sprintf("connection %q", c.ID))
}

// ReplaceConnection stores a changed connection; an empty secret keeps the old
// one. A problem: a rule is broken, or it changed meanwhile.
func (d *Directory) ReplaceConnection(ctx context.Context, tenant string, c storage.Connection, secret string) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	if secret != "" {
		if c.SealedSecret, err = d.sealSecret(t.ID, c.ID, secret); err != nil {
			return err
		}
	}
	if err := d.checkConnection(c, "kept"); err != nil {
		return err
	}
	err = d.cfg.Store.Tenant(t.ID).UpdateConnection(ctx, c, audit.ConnectionUpdated(ctx, d.cfg.Now(), c))
	return explain(err, fmt.Sprintf("connection %q", c.ID))
}

// SetConnectionEnabled disables a connection, which kills every session and
// token that came through it, or enables it again.
func (d *Directory) SetConnectionEnabled(ctx context.Context, tenant string, id storage.ConnectionID, enabled bool) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	c, err := d.cfg.Store.Tenant(t.ID).Connection(ctx, id)
	if err != nil {
		return explain(err, fmt.Sprintf("connection %q", id))
	}
	now := d.cfg.Now()
	ev := audit.ConnectionDisabled(ctx, now, c)
	c.DisabledAt = now
	if enabled {
		c.DisabledAt = time.Time{}
		ev = audit.ConnectionEnabled(ctx, now, c)
	}
	return explain(d.cfg.Store.Tenant(t.ID).UpdateConnection(ctx, c, ev), fmt.Sprintf("connection %q", id))
}

// Connections lists a tenant's identity providers.
func (d *Directory) Connections(ctx context.Context, tenant string) ([]storage.Connection, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := d.cfg.Store.Tenant(t.ID).ListConnections(ctx)
	return all, explain(err, "list of connections")
}

// AddDomain records, on the operator's word, that a tenant owns an e-mail
// domain: its people are sent to the connection. A problem: it is no domain, a
// public mail provider's, or another tenant's.
func (d *Directory) AddDomain(ctx context.Context, tenant, name string, con storage.ConnectionID) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	name = strings.ToLower(name)
	if !domainName.MatchString(name) || len(name) > 253 {
		return problem("%q is no e-mail domain: give it in ASCII, as in acme.example", name)
	}
	if slices.Contains(publicMail, name) {
		return problem("anybody can have an address at %s: no tenant can own it", name)
	}
	now := d.cfg.Now()
	dom := storage.Domain{Name: name, Connection: con, VerifiedAt: now}
	err = d.cfg.Store.Tenant(t.ID).PutDomain(ctx, dom, audit.DomainVerified(ctx, now, dom))
	if errors.Is(err, storage.ErrExists) {
		return problem("the domain %s belongs to another tenant", name)
	}
	return explain(err, fmt.Sprintf("connection %q in this tenant", con))
}

// RemoveDomain takes a domain from a tenant.
func (d *Directory) RemoveDomain(ctx context.Context, tenant, name string) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	dom := storage.Domain{Name: strings.ToLower(name)}
	err = d.cfg.Store.Tenant(t.ID).DeleteDomain(ctx, dom.Name, audit.DomainRemoved(ctx, d.cfg.Now(), dom))
	return explain(err, fmt.Sprintf("domain %q of this tenant", name))
}

// secretPlace is where a connection's client secret lives.
func secretPlace(t storage.TenantID, id storage.ConnectionID) seal.Place {
	return seal.Place{Tenant: t, Table: "connections", Column: "client_secret", Row: string(id)}
}

func (d *Directory) sealSecret(t storage.TenantID, id storage.ConnectionID, secret string) ([]byte, error) {
	sealed, err := d.cfg.Sealer.Seal(secretPlace(t, id), []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("directory: seal a connection's secret: %w", err)
	}
	return sealed, nil
}

// checkConnection collects everything that is wrong with a connection.
func (d *Directory) checkConnection(c storage.Connection, secret string) error {
	p := &Problem{}
	checkName(p, c.Name)
	if c.Kind != storage.OIDC {
		p.add("the kind of a connection is oidc, not %q", c.Kind)
	}
	if !d.goodIssuer(c.Issuer) {
		p.add("the issuer %q must be an https URL without query and fragment, exactly as the provider's discovery document has it", c.Issuer)
	}
	if c.ClientID == "" || secret == "" {
		p.add("give the client id and the client secret that the provider shows")
	}
	for _, alg := range c.Algs {
		if !slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, alg) {
			p.add("ID tokens signed with %q are not accepted: use an asymmetric algorithm", alg)
		}
	}
	if !slices.Contains([]storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer}, c.DefaultRole) {
		p.add("the default role must be owner, admin, member or viewer, not %q", c.DefaultRole)
	}
	checkRoleClaim(p, c.RoleClaim)
	return p.or()
}

// checkRoleClaim refuses a claim that is no statement of the tenant about a person:
// most providers let people write their own name or nickname.
func checkRoleClaim(p *Problem, claim string) {
	switch {
	case claim == "":
	case slices.Contains(knownClaims, claim):
		p.add("the role claim cannot be %s, which has a meaning of its own or is what people say about themselves: let the provider send another", claim)
	case !claimName.MatchString(claim):
		p.add("the role claim %q is no claim's name: use printable ASCII without spaces, at most 200 characters", claim)
	}
}

// goodIssuer reports whether an issuer can be pinned (OIDC Discovery section 3).
func (d *Directory) goodIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return d.cfg.InsecureIssuers && u.Scheme == "http" && err == nil && ip.IsLoopback()
}
