package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type tenantCmd struct {
	List    tenantList    `cmd:"" help:"List the tenants."`
	Show    tenantShow    `cmd:"" help:"Show one tenant with its policy."`
	Create  tenantCreate  `cmd:"" help:"Add a tenant."`
	Suspend tenantSuspend `cmd:"" help:"Stop everything of a tenant at once: sign-ins, sessions, tokens."`
	Resume  tenantResume  `cmd:"" help:"Undo a suspension. Access tokens issued before stay dead."`
	Policy  tenantPolicy  `cmd:"" help:"Set what holds for a tenant's people: sessions, second factors, which apps they may use, what is done with leaked API keys."`

	BreakGlass tenantBreakGlass `cmd:"" help:"Let a tenant's owners in by their passkeys for a while, when their identity provider is down."`
}

type tenantList struct {
	target `json:"-"`
}

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
	Slug   string `arg:"" help:"Its short name, which commands and APIs use: a-z, 0-9 and hyphens."`
	Name   string `required:"" help:"What people read on the pages." placeholder:"NAME"`
}

func (c *tenantCreate) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.CreateTenant(ctx, c.Slug, c.Name)
	return tenantRow(t), err
}

type tenantSuspend struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	Reason string `required:"" help:"Why, in up to 200 bytes: shown to the tenant's people when they try to sign in, and kept in the audit trail." placeholder:"TEXT"`
}

func (c *tenantSuspend) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.SuspendTenant(ctx, c.Tenant, c.Reason)
	return said("The tenant %s is suspended: none of its sessions, tokens and grants is good any more.", t.Slug), err
}

type tenantResume struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

func (c *tenantResume) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.ResumeTenant(ctx, c.Tenant)
	return said("The tenant %s is active again. Access tokens from before the suspension stay dead; apps refresh theirs.", t.Slug), err
}

type tenantShow struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

func (c *tenantShow) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	return policyRow(t), err
}

type tenantPolicy struct {
	target          `json:"-"`
	Tenant          string         `arg:"" help:"The tenant's slug or id."`
	SessionLifetime *time.Duration `help:"How long a sign-in lasts: at most 24h, which is the default." placeholder:"TIME"`
	SessionIdle     *time.Duration `help:"How long it lasts without being used: at most 1h, which is the default." placeholder:"TIME"`
	OnlyClients     []string       `help:"The only apps of the platform that its people may use, by client_id. Its own it always may." placeholder:"ID" xor:"clients"`
	AllClients      bool           `help:"Let its people use every app of the platform again." xor:"clients"`

	QuarantineLeakedKeys bool `help:"Put an API key that was seen in public out of use until one of its people decides." xor:"leaked"`
	RevokeLeakedKeys     bool `help:"Revoke an API key that was seen in public, which is the default." xor:"leaked"`

	RequireLevel          *string        `help:"What everybody has to prove to sign in: none, mfa (two factors) or phr (one of them resistant to phishing); none is the default." placeholder:"LEVEL"`
	CredentialsWithoutMFA *bool          `name:"credentials-without-mfa" help:"Let people make API keys and connect providers without having proved a second factor." negatable:""`
	CredentialMFAAge      *time.Duration `name:"credential-mfa-age" help:"How old that proof may be: from 1m to 24h; 1h is the default." placeholder:"TIME"`
	SignOutEverything     *bool          `help:"End what apps may do for a person while they are away, too, when they sign out." negatable:""`
	Contact               *string        `help:"Whom people ask who cannot get in: an address or a sentence, in up to 200 bytes." placeholder:"TEXT"`
}

func (c *tenantPolicy) do(ctx context.Context, ops operators) (report, error) {
	if c.RequireLevel != nil && !slices.Contains([]string{"none", "mfa", "phr"}, *c.RequireLevel) {
		return report{}, fmt.Errorf("--require-level %q: it is none, mfa or phr", *c.RequireLevel)
	}
	change := directory.PolicyChange{SessionLifetime: c.SessionLifetime, SessionIdle: c.SessionIdle, AllClients: c.AllClients}
	if c.QuarantineLeakedKeys || c.RevokeLeakedKeys {
		change.QuarantineLeakedKeys = &c.QuarantineLeakedKeys
	}
	for _, id := range c.OnlyClients {
		change.OnlyClients = append(change.OnlyClients, storage.ClientID(id))
	}
	c.secondFactors(&change)
	t, err := ops.directory.SetTenantPolicy(ctx, c.Tenant, change)
	return policyRow(t), err
}

// secondFactors adds what was said of them.
func (c *tenantPolicy) secondFactors(change *directory.PolicyChange) {
	if c.RequireLevel != nil {
		level := storage.Level(strings.TrimPrefix(*c.RequireLevel, "none"))
		change.RequireLevel = &level
	}
	change.CredentialsWithoutMFA, change.CredentialMFAAge = c.CredentialsWithoutMFA, c.CredentialMFAAge
	change.SignOutEverything, change.Contact = c.SignOutEverything, c.Contact
}

type tenantBreakGlass struct {
	target `json:"-"`
	Tenant string        `arg:"" help:"The tenant's slug or id."`
	For    time.Duration `help:"For how long: at most 24h; 4h when absent." default:"4h" placeholder:"TIME"`
	Reason string        `help:"Why, in up to 200 bytes, for the audit trail; needed to open it." placeholder:"TEXT"`
	Close  bool          `help:"Close it again."`
}

func (c *tenantBreakGlass) do(ctx context.Context, ops operators) (report, error) {
	if c.Close {
		t, err := ops.directory.CloseBreakGlass(ctx, c.Tenant)
		return said("The owners of %s sign in as everybody does.", t.Slug), err
	}
	if c.Reason == "" {
		return report{}, errors.New("--reason: say why, for the audit trail")
	}
	t, err := ops.directory.OpenBreakGlass(ctx, c.Tenant, c.For, c.Reason)
	return said("Until %s the owners of %s who have a passkey may sign in with it alone, at %s/login/break-glass.\nAll owners are told of this, and of each such sign-in.",
		t.Policy.BreakGlassUntil.UTC().Format(time.RFC3339), t.Slug, ops.issuer()), err
}

// policyRow is a tenant with what holds for its people.
func policyRow(t storage.Tenant) report {
	apps := "all"
	if t.Policy.OnlyListedClients {
		ids := make([]string, len(t.Policy.Clients))
		for i, id := range t.Policy.Clients {
			ids[i] = string(id)
		}
		apps = strings.Join(ids, " ")
	}
	leaked := "revoked"
	if t.Policy.QuarantineLeakedKeys {
		leaked = "quarantined"
	}
	afterSignOut := "apps keep offline access"
	if t.Policy.SignOutEverything {
		afterSignOut = "apps have nothing any more"
	}
	return report{
		Columns: []string{"slug", "id", "name", "state", "reason", "session lifetime", "session idle", "platform apps", "leaked keys",
			"second factor", "credentials", "after a sign-out", "whom to ask", "break-glass until"},
		Rows: [][]string{{
			t.Slug, string(t.ID), t.Name, state(t.SuspendedAt, "suspended"), t.SuspendReason,
			span(cmp.Or(t.Policy.SessionLifetime, directory.MaxSessionLifetime)), span(cmp.Or(t.Policy.SessionIdle, directory.MaxSessionIdle)), apps, leaked,
			cmp.Or(string(t.Policy.RequireLevel), "none"), credentialRule(t.Policy), afterSignOut, t.Policy.Contact, openUntil(t.Policy.BreakGlassUntil),
		}},
		Tall: true,
	}
}

// openUntil is a moment to come; "" for none.
func openUntil(t time.Time) string {
	if !t.After(now()) {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// span is a length of time without units of which there is nothing.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// credentialRule is what the policy asks of whoever issues credentials.
func credentialRule(p storage.TenantPolicy) string {
	if p.CredentialsWithoutMFA {
		return "as everything else"
	}
	return "second factor in the last " + span(cmp.Or(p.CredentialMFAAge, storage.DefaultCredentialMFAAge))
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
