package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/storage"
)

type connectionPresets struct {
	target `json:"-"`
	Preset string `arg:"" optional:"" help:"okta, entra, auth0, google or oidc; the list of them when absent."`
	For    string `help:"The tenant, by slug or id: everything to paste is complete then, and so is the command that comes after." placeholder:"TENANT"`
}

func (c *connectionPresets) do(ctx context.Context, ops operators) (report, error) {
	if c.Preset == "" {
		r := report{Columns: []string{"preset", "provider", "read more"}}
		for _, p := range provider.All() {
			r.Rows = append(r.Rows, []string{string(p.Name), p.Title, p.Page})
		}
		return r, nil
	}
	p, err := presetNamed(c.Preset)
	if err != nil {
		return report{}, err
	}
	to := pasted{issuer: ops.issuer(), slug: "TENANT", tenant: "TENANT", connection: storage.NewConnectionID(now())}
	if c.For != "" {
		t, err := ops.directory.Tenant(ctx, c.For)
		if err != nil {
			return report{}, err
		}
		to.slug, to.tenant = t.Slug, t.ID
	}
	return report{Note: to.text(p)}, nil
}

func presetNamed(name string) (provider.Preset, error) {
	p, ok := provider.Find(name)
	if !ok {
		return p, fmt.Errorf("there is no preset %q: it is okta, entra, auth0, google or oidc", name)
	}
	return p, nil
}

// pasted is what of ours is pasted at a provider, whether the connection is there yet or not.
type pasted struct {
	issuer     string
	slug       string
	tenant     storage.TenantID
	connection storage.ConnectionID
}

// uri is what a step pastes.
func (to pasted) uri(what string) string {
	switch what {
	case provider.PasteBackchannel:
		return fmt.Sprintf("%s/login/backchannel/%s/%s", to.issuer, to.tenant, to.connection)
	case provider.PasteRevocation:
		return fmt.Sprintf("%s/login/revocation/%s/%s", to.issuer, to.tenant, to.connection)
	}
	return fmt.Sprintf("%s/login/callback/%s", to.issuer, to.connection)
}

// text is what to do at a provider, and what to bring back.
func (to pasted) text(p provider.Preset) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nThere:\n", p.Title)
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, step.Do)
		if step.Paste != "" {
			fmt.Fprintf(&b, "       %s\n", to.uri(step.Paste))
		}
	}
	b.WriteString("\nThen here, with what you find there:\n\n")
	command := fmt.Sprintf("  WATCHGATE_CLIENT_SECRET=... watchgate connection create %s --preset %s --id %s --name %q --off", to.slug, p.Name, to.connection, p.Title)
	var where strings.Builder
	for _, f := range p.Fields {
		optional := ""
		if f.Optional {
			optional = " (if there is one)"
		}
		if !f.Secret && !f.Optional {
			command += " \\\n      --" + flagOf(f.Name) + " " + exampleOf(f)
		}
		fmt.Fprintf(&where, "  %s%s: %s. It is at %s.\n", named(f), optional, f.Label, f.Where)
	}
	fmt.Fprintf(&b, "%s\n\n%s\nRead more: %s\n", command, where.String(), p.Page)
	return b.String()
}

func exampleOf(f provider.Field) string {
	if f.Example == "" {
		return "..."
	}
	return f.Example
}

// named is how a field is given here.
func named(f provider.Field) string {
	if f.Secret {
		return "WATCHGATE_CLIENT_SECRET"
	}
	return "--" + flagOf(f.Name)
}
