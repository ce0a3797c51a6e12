package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp/devidp"
	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// The secrets of the demonstration are in the documentation; they open nothing
// but this machine's loopback ports.
const (
	demoWebSecret      = "demo-web-secret"
	demoMachineSecret  = "demo-m2m-secret"
	demoAPISecret      = "demo-api-secret"
	demoProviderSecret = "watchgate-at-demo-idp"
)

// demoTenants are the tenants with their e-mail domains.
var demoTenants = []struct{ slug, name, domain string }{
	{"acme", "Acme Monitoring", "acme.test"},
	{"globex", "Globex Corporation", "globex.test"},
}

// demo sets up what the demonstration needs. It runs at every start and adds
// what is missing.
type demo struct {
	d    *deployment
	urls devURLs
}

func (m demo) seed(ctx context.Context) error {
	ctx = audit.WithActor(ctx, "operator", "watchgate dev")
	for _, t := range demoTenants {
		if err := m.tenant(ctx, t.slug, t.name, t.domain); err != nil {
			return err
		}
	}
	if err := m.clients(ctx); err != nil {
		return err
	}
	return m.resourceServer(ctx)
}

// tenant makes a tenant with its connection to the demo provider, which may be
// on other ports than last time.
func (m demo) tenant(ctx context.Context, slug, name, domain string) error {
	_, err := m.d.store.TenantBySlug(ctx, slug)
	if errors.Is(err, storage.ErrNotFound) {
		_, err = m.d.dir.CreateTenant(ctx, slug, name)
	}
	if err != nil {
		return err
	}
	con, err := m.connection(ctx, slug, name)
	if err != nil {
		return err
	}
	// A domain that is somewhere was put there: by an earlier start, or by hand.
	_, err = m.d.store.DomainOwner(ctx, domain)
	if errors.Is(err, storage.ErrNotFound) {
		err = m.d.dir.AddDomain(ctx, slug, domain, con)
	}
	return err
}

// connection returns a tenant's connection to the demo provider, and makes it if
// there is none. The provider starts later, so nobody looks at it.
func (m demo) connection(ctx context.Context, slug, name string) (storage.ConnectionID, error) {
	cons, err := m.d.dir.Connections(ctx, slug)
	if err != nil {
		return "", err
	}
	client := "watchgate-" + slug
	for _, con := range cons {
		if con.ClientID == client {
			return con.ID, m.moveConnection(ctx, slug, con)
		}
	}
	con, err := m.d.dir.CreateUnseenConnection(ctx, slug, storage.Connection{
		Kind: storage.OIDC, Name: name + " (demo identity provider)", Issuer: m.urls.idp, ClientID: client,
		Scopes: []string{"openid", "profile", "email", "address", "phone"}, Algs: []string{"RS256", "ES256"},
		CreateUsers: true, DefaultRole: storage.RoleMember, RoleClaim: "role",
	}, demoProviderSecret)
	return con.ID, err
}

// moveConnection follows the demo provider to its ports of today. People keep
// their accounts only as long as it stays where it was: the issuer is part of
// who they are.
func (m demo) moveConnection(ctx context.Context, slug string, con storage.Connection) error {
	if con.Issuer == m.urls.idp && con.RoleClaim != "" {
		return nil
	}
	con.Issuer, con.RoleClaim = m.urls.idp, "role"
	return m.d.dir.ReplaceConnection(ctx, slug, con, "")
}

// clients makes the three apps.
func (m demo) clients(ctx context.Context) error {
	acme, err := m.d.store.TenantBySlug(ctx, "acme")
	if err != nil {
		return err
	}
	api := scopeNames(append(m.d.cfg.product.apiScopes(), m.d.cfg.product.ownScopes()...))
	person := append([]string{"openid", "profile", "email", "address", "phone", "offline_access"}, api...)
	code := []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken}
	redirect := []string{m.urls.api + "/callback"}
	for _, c := range []struct {
		storage.Client
		secret string
	}{
		{storage.Client{ID: "demo-spa", Name: "Demo status board", AuthMethod: storage.AuthNone, GrantTypes: code, RedirectURIs: redirect, Scopes: person, Verified: true, FormPost: true}, ""},
		{storage.Client{ID: "demo-web", Name: "Demo web app", AuthMethod: storage.AuthBasic, GrantTypes: code, RedirectURIs: redirect, Scopes: person, Verified: true, FormPost: true}, demoWebSecret},
		{storage.Client{ID: "demo-m2m", Name: "Demo check runner", AuthMethod: storage.AuthBasic, GrantTypes: []string{storage.GrantClientCredentials, storage.GrantTokenExchange, storage.GrantRefreshToken}, Scopes: api, ServiceTenant: acme.ID, Verified: true}, demoMachineSecret},
	} {
		if err := m.client(ctx, c.Client, c.secret); err != nil {
			return err
		}
	}
	return nil
}

// client adds a client with a secret that is known to everybody, which only a
// demonstration may have: the directory generates all others.
func (m demo) client(ctx context.Context, c storage.Client, secret string) error {
	at := now()
	old, err := m.d.store.Client(ctx, c.ID)
	if err == nil && slices.Equal(old.RedirectURIs, c.RedirectURIs) && slices.Equal(old.Scopes, c.Scopes) && slices.Equal(old.GrantTypes, c.GrantTypes) {
		return nil // every change makes people consent again
	}
	if err == nil {
		old.RedirectURIs, old.Scopes, old.GrantTypes = c.RedirectURIs, c.Scopes, c.GrantTypes
		return m.d.store.UpdateClient(ctx, old, audit.ClientUpdated(ctx, at, old))
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	c.CreatedAt, c.Version = at, 1
	if secret != "" {
		c.Secrets = []storage.Secret{token.Seal(secret, at, time.Time{})}
	}
	return m.d.store.CreateClient(ctx, c, audit.ClientCreated(ctx, at, c))
}

// resourceServer adds the demo API.
func (m demo) resourceServer(ctx context.Context) error {
	at := now()
	rs := storage.ResourceServer{
		ID: "demo-api", Name: "Demo monitoring API", Audience: m.urls.api + "/",
		Secrets: []storage.Secret{token.Seal(demoAPISecret, at, time.Time{})},
		Scopes:  m.d.cfg.product.apiScopes(), CreatedAt: at, Version: 1,
	}
	old, err := m.d.store.ResourceServer(ctx, rs.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return m.d.store.CreateResourceServer(ctx, rs, audit.ResourceServerCreated(ctx, at, rs))
	}
	if err != nil || old.Audience == rs.Audience && slices.Equal(old.Scopes, rs.Scopes) {
		return err
	}
	old.Audience, old.Scopes = rs.Audience, rs.Scopes
	return m.d.store.UpdateResourceServer(ctx, old, audit.ResourceServerUpdated(ctx, at, old))
}

// providerClients are the two tenants, as the demo provider knows them.
func (m demo) providerClients(ctx context.Context) ([]devidp.Client, error) {
	var out []devidp.Client
	for _, t := range demoTenants {
		cons, err := m.d.dir.Connections(ctx, t.slug)
		if err != nil {
			return nil, err
		}
		c := devidp.Client{ID: "watchgate-" + t.slug, Secret: demoProviderSecret}
		for _, con := range cons {
			c.RedirectURIs = append(c.RedirectURIs, provider.Addresses{Issuer: m.urls.issuer, Connection: con.ID}.RedirectURI())
		}
		out = append(out, c)
	}
	return out, nil
}
