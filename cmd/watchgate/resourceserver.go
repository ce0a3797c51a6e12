package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type resourceServerCmd struct {
	List         resourceServerList   `cmd:"" help:"List the resource servers."`
	Create       resourceServerCreate `cmd:"" help:"Register an API that may introspect; its secret is shown once."`
	Disable      resourceServerSwitch `cmd:"" help:"Take away its right to ask."`
	Enable       resourceServerSwitch `cmd:"" help:"Let a disabled resource server ask again."`
	RotateSecret resourceServerRotate `cmd:"" help:"Give it a new secret; the old one works a while longer."`
}

type resourceServerList struct {
	target `json:"-"`
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
	target    `json:"-"`
	ID        string            `help:"Its id; one is made when absent." placeholder:"ID"`
	Name      string            `required:"" help:"What operators read." placeholder:"NAME"`
	Audience  string            `required:"" help:"The API's absolute URI: the aud of tokens meant for it alone." placeholder:"URI"`
	Tenant    string            `help:"The one tenant whose credentials it sees, by slug or id; all when absent." placeholder:"TENANT"`
	Scope     map[string]string `required:"" placeholder:"SCOPE=SENTENCE" help:"A scope and its sentence on the consent page: --scope 'monitor:read=See your monitors'. Repeat for more." mapsep:"none"`
	Sensitive []string          `help:"Scopes among them that the consent page warns about." placeholder:"SCOPE,..."`
}

func (c *resourceServerCreate) do(ctx context.Context, ops operators) (report, error) {
	for _, name := range c.Sensitive {
		if _, ok := c.Scope[name]; !ok {
			return report{}, &directory.Problem{Wrong: []string{fmt.Sprintf("%q is called sensitive, and is none of the scopes", name)}}
		}
	}
	rs := storage.ResourceServer{
		ID: storage.ResourceServerID(c.ID), Name: c.Name, Audience: c.Audience, TenantID: storage.TenantID(c.Tenant),
		Scopes: directory.SortedScopes(c.Scope, c.Sensitive...),
	}
	out, err := ops.directory.CreateResourceServer(ctx, rs)
	return secretReport("id", out), err
}

type resourceServerSwitch struct {
	target `json:"-"`
	ID     string `arg:"" help:"The resource server's id."`
	on     bool
}

func (c *resourceServerSwitch) do(ctx context.Context, ops operators) (report, error) {
	err := ops.directory.SetResourceServerEnabled(ctx, storage.ResourceServerID(c.ID), c.on)
	if c.on {
		return said("The resource server %s may introspect.", c.ID), err
	}
	return said("The resource server %s may not introspect any more.", c.ID), err
}

type resourceServerRotate struct {
	target  `json:"-"`
	ID      string        `arg:"" help:"The resource server's id."`
	Overlap time.Duration `help:"How long the old secret still works; 24h when absent." default:"24h" placeholder:"TIME"`
}

func (c *resourceServerRotate) do(ctx context.Context, ops operators) (report, error) {
	out, err := ops.directory.RotateResourceServerSecret(ctx, storage.ResourceServerID(c.ID), c.Overlap)
	return secretReport("id", out), err
}
