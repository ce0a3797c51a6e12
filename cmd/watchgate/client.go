package main

import (
	"context"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type clientCmd struct {
	List         clientList    `cmd:"" help:"List the clients."`
	Create       clientCreate  `cmd:"" help:"Register a client; its secret is shown once."`
	Disable      clientDisable `cmd:"" help:"Stop a client: every token it holds is dead at once."`
	Enable       clientEnable  `cmd:"" help:"Undo a disable."`
	RotateSecret clientRotate  `cmd:"" help:"Give a client a new secret; the old one works a while longer."`
}

type clientList struct {
	target `json:"-"`
}

func (c *clientList) Run(p *program) error { return p.operate(c.target, "client list", c) }

func (c *clientList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.Clients(ctx)
	r := report{Columns: []string{"id", "name", "owner", "authentication", "grants", "state"}}
	for _, cl := range all {
		owner := string(cl.Owner)
		if owner == "" {
			owner = "platform"
		}
		r.Rows = append(r.Rows, []string{
			string(cl.ID), cl.Name, owner, string(cl.AuthMethod), strings.Join(cl.GrantTypes, " "), state(cl.DisabledAt, "disabled"),
		})
	}
	return r, err
}

type clientCreate struct {
	target       `json:"-"`
	ID           string   `help:"The client_id; made when absent."`
	Name         string   `required:"" help:"What people read when they consent."`
	Auth         string   `help:"none, client_secret_basic or client_secret_post." default:"client_secret_basic"`
	Grant        []string `help:"authorization_code, refresh_token, client_credentials." default:"authorization_code,refresh_token"`
	Redirect     []string `help:"A redirect URI; repeat the flag for more." sep:"none"`
	Scope        []string `help:"What it may ask for." default:"openid,profile,email,offline_access"`
	Owner        string   `help:"The id of the tenant that owns the client; the platform when absent."`
	Tenant       string   `help:"The id of the tenant that client_credentials tokens act in."`
	URI          string   `name:"uri" help:"The app's home page."`
	IDTokenAlg   string   `name:"id-token-alg" help:"RS256, ES256 or EdDSA." default:"RS256"`
	FormPost     bool     `help:"Allow response_mode=form_post."`
	PKCEOptional bool     `name:"pkce-optional" help:"Do not demand PKCE; for confidential OpenID Connect clients that cannot."`
	Verified     bool     `help:"The platform vouches for this app."`
}

func (c *clientCreate) Run(p *program) error { return p.operate(c.target, "client create", c) }

func (c *clientCreate) do(ctx context.Context, ops operators) (report, error) {
	out, err := ops.directory.CreateClient(ctx, storage.Client{
		ID: storage.ClientID(c.ID), Owner: storage.TenantID(c.Owner), Name: c.Name, URI: c.URI,
		AuthMethod: storage.AuthMethod(c.Auth), GrantTypes: c.Grant, RedirectURIs: c.Redirect, Scopes: c.Scope,
		FormPost: c.FormPost, PKCEOptional: c.PKCEOptional, ServiceTenant: storage.TenantID(c.Tenant),
		IDTokenAlg: c.IDTokenAlg, Verified: c.Verified,
	})
	return secretReport("client_id", out), err
}

type clientDisable struct {
	target `json:"-"`
	ID     string `arg:"" help:"The client_id."`
}

func (c *clientDisable) Run(p *program) error { return p.operate(c.target, "client disable", c) }

func (c *clientDisable) do(ctx context.Context, ops operators) (report, error) {
	return said("The client %s is disabled: every token it holds is dead.", c.ID),
		ops.directory.SetClientEnabled(ctx, storage.ClientID(c.ID), false)
}

type clientEnable struct {
	target `json:"-"`
	ID     string `arg:"" help:"The client_id."`
}

func (c *clientEnable) Run(p *program) error { return p.operate(c.target, "client enable", c) }

func (c *clientEnable) do(ctx context.Context, ops operators) (report, error) {
	return said("The client %s is enabled.", c.ID), ops.directory.SetClientEnabled(ctx, storage.ClientID(c.ID), true)
}

type clientRotate struct {
	target  `json:"-"`
	ID      string        `arg:"" help:"The client_id."`
	Overlap time.Duration `help:"How long the old secret still works." default:"24h"`
}

func (c *clientRotate) Run(p *program) error { return p.operate(c.target, "client rotate-secret", c) }

func (c *clientRotate) do(ctx context.Context, ops operators) (report, error) {
	out, err := ops.directory.RotateClientSecret(ctx, storage.ClientID(c.ID), c.Overlap)
	return secretReport("client_id", out), err
}

// secretReport shows a new secret, once.
func secretReport(id string, s directory.NewSecret) report {
	r := report{Columns: []string{id}, Rows: [][]string{{s.ID}}}
	if s.Secret != "" {
		r.Columns, r.Rows[0] = append(r.Columns, "secret"), append(r.Rows[0], s.Secret)
		r.Note = "Keep the secret now: only its hash is stored, and it is not shown again."
	}
	return r
}
