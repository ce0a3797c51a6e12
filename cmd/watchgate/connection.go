package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

type connectionCmd struct {
	List         connectionList    `cmd:"" help:"List a tenant's identity providers."`
	Create       connectionCreate  `cmd:"" help:"Connect an OpenID provider to a tenant."`
	Disable      connectionDisable `cmd:"" help:"Stop a connection: sessions and tokens that came through it are dead at once."`
	Enable       connectionEnable  `cmd:"" help:"Undo a disable."`
	AddDomain    domainAdd         `cmd:"" help:"Send people with addresses of an e-mail domain to a connection."`
	RemoveDomain domainRemove      `cmd:"" help:"Take an e-mail domain from a tenant."`
}

type connectionList struct {
	target `json:"-"`
	Tenant string `arg:"" help:"Slug or id."`
}

func (c *connectionList) Run(p *program) error { return p.operate(c.target, "connection list", c) }

func (c *connectionList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.Connections(ctx, c.Tenant)
	r := report{Columns: []string{"id", "name", "kind", "issuer", "client_id", "state"}}
	for _, con := range all {
		r.Rows = append(r.Rows, []string{string(con.ID), con.Name, string(con.Kind), con.Issuer, con.ClientID, state(con.DisabledAt, "disabled")})
	}
	return r, err
}

type connectionCreate struct {
	target      `json:"-"`
	Tenant      string   `arg:"" help:"Slug or id."`
	Name        string   `required:"" help:"What the tenant calls its provider."`
	Issuer      string   `required:"" help:"Exactly as the provider's discovery document says it."`
	ClientID    string   `required:"" help:"Our client id at the provider."`
	SecretFile  string   `json:"-" help:"A file with our client secret at the provider; or set WATCHGATE_CLIENT_SECRET." type:"existingfile" placeholder:"FILE"`
	Scope       []string `help:"What to ask the provider for." default:"openid,profile,email"`
	Algs        []string `help:"ID token algorithms to accept." default:"RS256,ES256"`
	Role        string   `help:"The role of people who sign in for the first time." default:"member"`
	CreateUsers bool     `help:"Let a first sign-in create the person." default:"true" negatable:""`
	Secret      string   `kong:"-"`
}

func (c *connectionCreate) Run(p *program) error {
	c.Secret = p.env("WATCHGATE_CLIENT_SECRET")
	if c.SecretFile != "" {
		body, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return fmt.Errorf("cannot read the client secret: %w", err)
		}
		c.Secret = strings.TrimSpace(string(body))
	}
	return p.operate(c.target, "connection create", c)
}

func (c *connectionCreate) do(ctx context.Context, ops operators) (report, error) {
	con, err := ops.directory.CreateConnection(ctx, c.Tenant, storage.Connection{
		Kind: storage.OIDC, Name: c.Name, Issuer: c.Issuer, ClientID: c.ClientID, Scopes: c.Scope, Algs: c.Algs,
		CreateUsers: c.CreateUsers, DefaultRole: storage.Role(c.Role),
	}, c.Secret)
	r := report{Columns: []string{"id", "issuer"}, Rows: [][]string{{string(con.ID), con.Issuer}}}
	r.Note = fmt.Sprintf("Register this redirect URI at the provider: the issuer of this server, then /login/callback/%s\n"+
		"Then send people there: watchgate connection add-domain %s %s YOUR-DOMAIN", con.ID, c.Tenant, con.ID)
	return r, err
}

type connectionDisable struct {
	target `json:"-"`
	Tenant string `arg:"" help:"Slug or id."`
	ID     string `arg:"" help:"The connection's id."`
}

func (c *connectionDisable) Run(p *program) error {
	return p.operate(c.target, "connection disable", c)
}

func (c *connectionDisable) do(ctx context.Context, ops operators) (report, error) {
	return said("The connection %s is disabled: what was signed in through it is dead.", c.ID),
		ops.directory.SetConnectionEnabled(ctx, c.Tenant, storage.ConnectionID(c.ID), false)
}

type connectionEnable struct {
	target `json:"-"`
	Tenant string `arg:"" help:"Slug or id."`
	ID     string `arg:"" help:"The connection's id."`
}

func (c *connectionEnable) Run(p *program) error { return p.operate(c.target, "connection enable", c) }

func (c *connectionEnable) do(ctx context.Context, ops operators) (report, error) {
	return said("The connection %s is enabled.", c.ID),
		ops.directory.SetConnectionEnabled(ctx, c.Tenant, storage.ConnectionID(c.ID), true)
}

type domainAdd struct {
	target     `json:"-"`
	Tenant     string `arg:"" help:"Slug or id."`
	Connection string `arg:"" help:"The connection's id."`
	Domain     string `arg:"" help:"An e-mail domain that you know to be the tenant's."`
}

func (c *domainAdd) Run(p *program) error { return p.operate(c.target, "connection add-domain", c) }

func (c *domainAdd) do(ctx context.Context, ops operators) (report, error) {
	return said("People with addresses at %s sign in through %s.", strings.ToLower(c.Domain), c.Connection),
		ops.directory.AddDomain(ctx, c.Tenant, c.Domain, storage.ConnectionID(c.Connection))
}

type domainRemove struct {
	target `json:"-"`
	Tenant string `arg:"" help:"Slug or id."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c *domainRemove) Run(p *program) error {
	return p.operate(c.target, "connection remove-domain", c)
}

func (c *domainRemove) do(ctx context.Context, ops operators) (report, error) {
	return said("The domain %s is nobody's.", strings.ToLower(c.Domain)), ops.directory.RemoveDomain(ctx, c.Tenant, c.Domain)
}
