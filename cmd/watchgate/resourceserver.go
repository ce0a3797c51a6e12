package main

import (
	"context"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type resourceServerCmd struct {
	List         resourceServerList    `cmd:"" help:"List the resource servers."`
	Create       resourceServerCreate  `cmd:"" help:"Register an API that may introspect; its secret is shown once."`
	Disable      resourceServerDisable `cmd:"" help:"Take away the right to ask."`
	Enable       resourceServerEnable  `cmd:"" help:"Undo a disable."`
	RotateSecret resourceServerRotate  `cmd:"" help:"Give it a new secret; the old one works a while longer."`
}

type resourceServerList struct {
	target `json:"-"`
}

func (c *resourceServerList) Run(p *program) error {
	return p.operate(c.target, "resource-server list", c)
}

func (c *resourceServerList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.ResourceServers(ctx)
	r := report{Columns: []string{"id", "name", "tenant", "audience", "scopes", "state"}}
	for _, rs := range all {
		tenant := string(rs.TenantID)
		if tenant == "" {
			tenant = "all"
		}
		names := make([]string, len(rs.Scopes))
		for i, s := range rs.Scopes {
			names[i] = s.Name
		}
		r.Rows = append(r.Rows, []string{string(rs.ID), rs.Name, tenant, rs.Audience, strings.Join(names, " "), state(rs.DisabledAt, "disabled")})
	}
	return r, err
}

type resourceServerCreate struct {
	target   `json:"-"`
	ID       string            `help:"The id; made when absent."`
	Name     string            `required:"" help:"What operators read."`
	Audience string            `required:"" help:"The API's absolute URI: the aud of tokens meant for it alone."`
	Tenant   string            `help:"The id of the one tenant whose credentials it sees; all when absent."`
	Scope    map[string]string `required:"" help:"A scope and its sentence on the consent page: --scope 'monitor:read=See your monitors'. Repeat for more." mapsep:"none"`
}

func (c *resourceServerCreate) Run(p *program) error {
	return p.operate(c.target, "resource-server create", c)
}

func (c *resourceServerCreate) do(ctx context.Context, ops operators) (report, error) {
	rs := storage.ResourceServer{
		ID: storage.ResourceServerID(c.ID), Name: c.Name, Audience: c.Audience, TenantID: storage.TenantID(c.Tenant),
		Scopes: directory.SortedScopes(c.Scope),
	}
	out, err := ops.directory.CreateResourceServer(ctx, rs)
	return secretReport("id", out), err
}

type resourceServerDisable struct {
	target `json:"-"`
	ID     string `arg:"" help:"The resource server's id."`
}

func (c *resourceServerDisable) Run(p *program) error {
	return p.operate(c.target, "resource-server disable", c)
}

func (c *resourceServerDisable) do(ctx context.Context, ops operators) (report, error) {
	return said("The resource server %s may not introspect any more.", c.ID),
		ops.directory.SetResourceServerEnabled(ctx, storage.ResourceServerID(c.ID), false)
}

type resourceServerEnable struct {
	target `json:"-"`
	ID     string `arg:"" help:"The resource server's id."`
}

func (c *resourceServerEnable) Run(p *program) error {
	return p.operate(c.target, "resource-server enable", c)
}

func (c *resourceServerEnable) do(ctx context.Context, ops operators) (report, error) {
	return said("The resource server %s may introspect.", c.ID),
		ops.directory.SetResourceServerEnabled(ctx, storage.ResourceServerID(c.ID), true)
}

type resourceServerRotate struct {
	target  `json:"-"`
	ID      string        `arg:"" help:"The resource server's id."`
	Overlap time.Duration `help:"How long the old secret still works." default:"24h"`
}

func (c *resourceServerRotate) Run(p *program) error {
	return p.operate(c.target, "resource-server rotate-secret", c)
}

func (c *resourceServerRotate) do(ctx context.Context, ops operators) (report, error) {
	out, err := ops.directory.RotateResourceServerSecret(ctx, storage.ResourceServerID(c.ID), c.Overlap)
	return secretReport("id", out), err
}
