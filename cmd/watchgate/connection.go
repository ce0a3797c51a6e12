package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

type connectionCmd struct {
	List         connectionList   `cmd:"" help:"List a tenant's identity providers."`
	Create       connectionCreate `cmd:"" help:"Connect an OpenID provider to a tenant."`
	Disable      connectionSwitch `cmd:"" help:"Stop a connection: sessions and tokens that came through it are dead at once."`
	Enable       connectionSwitch `cmd:"" help:"Enable a disabled connection again."`
	AddDomain    domainAdd        `cmd:"" help:"Send people with addresses of an e-mail domain to a connection."`
	RemoveDomain domainRemove     `cmd:"" help:"Take an e-mail domain from a tenant."`
}

type connectionList struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

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
	Tenant      string   `arg:"" help:"The tenant's slug or id."`
	Name        string   `required:"" help:"What the tenant calls its provider." placeholder:"NAME"`
	Issuer      string   `required:"" help:"The provider's issuer, exactly as its discovery document says it." placeholder:"URL"`
	ClientID    string   `required:"" help:"Our client id at the provider." placeholder:"ID"`
	SecretFile  string   `json:"-" help:"A file with our client secret at the provider; or set WATCHGATE_CLIENT_SECRET." type:"existingfile" placeholder:"FILE"`
	Scope       []string `help:"The scopes to ask the provider for; openid,profile,email when absent." placeholder:"SCOPE" default:"openid,profile,email"`
	Algs        []string `help:"The algorithms of ID tokens to accept; RS256,ES256 when absent." placeholder:"ALG" default:"RS256,ES256"`
	Role        string   `help:"The role of people who sign in for the first time: owner, admin, member or viewer; member when absent." placeholder:"ROLE" default:"member"`
	RoleClaim   string   `help:"The claim that says a person's role at each sign-in, as role or https://acme.example/role: owner, admin, member or viewer, or a list with one of them. Where it says none of them, people keep the role they have; absent: no claim does." placeholder:"CLAIM"`
	CreateUsers bool     `help:"Let a first sign-in create the person, which is the default." default:"true" negatable:""`
	NoCheck     bool     `help:"Do not read the provider's discovery document first: for a provider that is not up yet."`
	Secret      string   `kong:"-"`
}

// prepare reads the client secret where the operator is: the server that may run
// the command cannot.
func (c *connectionCreate) prepare(p *program) error {
	c.Secret = p.env("WATCHGATE_CLIENT_SECRET")
	if c.SecretFile != "" {
		body, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return fmt.Errorf("cannot read the client secret: %w", err)
		}
		c.Secret = strings.TrimSpace(string(body))
	}
	return nil
}

func (c *connectionCreate) do(ctx context.Context, ops operators) (report, error) {
	create := ops.directory.CreateConnection
	if c.NoCheck {
		create = ops.directory.CreateUnseenConnection
	}
	con, err := create(ctx, c.Tenant, storage.Connection{
		Kind: storage.OIDC, Name: c.Name, Issuer: c.Issuer, ClientID: c.ClientID, Scopes: c.Scope, Algs: c.Algs,
		CreateUsers: c.CreateUsers, DefaultRole: storage.Role(c.Role), RoleClaim: c.RoleClaim,
	}, c.Secret)
	r := report{Columns: []string{"id", "issuer"}, Rows: [][]string{{string(con.ID), con.Issuer}}}
	r.Note = fmt.Sprintf("Register this redirect URI at the provider: the issuer of this server, then /login/callback/%s\n"+
		"Then send people there: watchgate connection add-domain %s %s YOUR-DOMAIN", con.ID, c.Tenant, con.ID)
	return r, err
}

type connectionSwitch struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
	on     bool
}

func (c *connectionSwitch) do(ctx context.Context, ops operators) (report, error) {
	err := ops.directory.SetConnectionEnabled(ctx, c.Tenant, storage.ConnectionID(c.ID), c.on)
	if c.on {
		return said("The connection %s is enabled.", c.ID), err
	}
	return said("The connection %s is disabled: what was signed in through it is dead.", c.ID), err
}

type domainAdd struct {
	target     `json:"-"`
	Tenant     string `arg:"" help:"The tenant's slug or id."`
	Connection string `arg:"" help:"The connection's id."`
	Domain     string `arg:"" help:"An e-mail domain that you know to be the tenant's."`
}

func (c *domainAdd) do(ctx context.Context, ops operators) (report, error) {
	return said("People with addresses at %s sign in through %s.", strings.ToLower(c.Domain), c.Connection),
		ops.directory.AddDomain(ctx, c.Tenant, c.Domain, storage.ConnectionID(c.Connection))
}

type domainRemove struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c *domainRemove) do(ctx context.Context, ops operators) (report, error) {
	return said("The domain %s is nobody's.", strings.ToLower(c.Domain)), ops.directory.RemoveDomain(ctx, c.Tenant, c.Domain)
}
