package main

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

type tenantCmd struct {
	List    tenantList    `cmd:"" help:"List the tenants."`
	Create  tenantCreate  `cmd:"" help:"Add a tenant."`
	Suspend tenantSuspend `cmd:"" help:"Stop everything of a tenant at once: sign-ins, sessions, tokens."`
	Resume  tenantResume  `cmd:"" help:"Undo a suspension. Access tokens issued before stay dead."`
}

type tenantList struct {
	target `json:"-"`
}

func (c *tenantList) Run(p *program) error { return p.operate(c.target, "tenant list", c) }

func (c *tenantList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.Tenants(ctx)
	r := report{Columns: []string{"slug", "id", "name", "state", "reason"}}
	for _, t := range all {
		r.Rows = append(r.Rows, []string{t.Slug, string(t.ID), t.Name, state(t.SuspendedAt, "suspended"), t.SuspendReason})
	}
	return r, err
}

type tenantCreate struct {
	target `json:"-"`
	Slug   string `arg:"" help:"What URLs say: a-z, 0-9 and hyphens."`
	Name   string `required:"" help:"What people read."`
}

func (c *tenantCreate) Run(p *program) error { return p.operate(c.target, "tenant create", c) }

func (c *tenantCreate) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.CreateTenant(ctx, c.Slug, c.Name)
	return tenantRow(t), err
}

type tenantSuspend struct {
	target `json:"-"`
	Tenant string `arg:"" help:"Slug or id."`
	Reason string `required:"" help:"Why; the tenant's people read it when they try to sign in."`
}

func (c *tenantSuspend) Run(p *program) error { return p.operate(c.target, "tenant suspend", c) }

func (c *tenantSuspend) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.SuspendTenant(ctx, c.Tenant, c.Reason)
	return said("The tenant %s is suspended: none of its sessions, tokens and grants is good any more.", t.Slug), err
}

type tenantResume struct {
	target `json:"-"`
	Tenant string `arg:"" help:"Slug or id."`
}

func (c *tenantResume) Run(p *program) error { return p.operate(c.target, "tenant resume", c) }

func (c *tenantResume) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.ResumeTenant(ctx, c.Tenant)
	return said("The tenant %s is active again. Access tokens from before the suspension stay dead; apps refresh theirs.", t.Slug), err
}

func tenantRow(t storage.Tenant) report {
	return report{Columns: []string{"slug", "id", "name"}, Rows: [][]string{{t.Slug, string(t.ID), t.Name}}}
}

// state is how a list says whether something is in use.
func state(since time.Time, word string) string {
	if since.IsZero() {
		return "active"
	}
	return word + " since " + since.UTC().Format(time.RFC3339)
}
