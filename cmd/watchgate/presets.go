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
	to := pasted{provider.Addresses{Issuer: ops.issuer(), Tenant: "TENANT", Connection: storage.NewConnectionID(now())}, "TENANT"}
	if c.For != "" {
		t, err := ops.directory.Tenant(ctx, c.For)
		if err != nil {
			return report{}, err
		}
		to.slug, to.Tenant = t.Slug, t.ID
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
	provider.Addresses
	slug string
}

// address is one of ours that a provider has to know.
type address struct{ name, why, uri string }

// addresses are all that a provider of this kind can use.
func (to pasted) addresses(preset storage.Preset) []address {
	all := []address{{"redirect URI", "Register this redirect URI at the provider", to.RedirectURI()}}
	p, _ := provider.Find(string(preset))
	for _, step := range p.Steps {
		switch step.Paste {
		case provider.PasteBackchannel:
			all = append(all, address{"back-channel logout URI", "And, so that who signs out there is out here, its back-channel logout URI", to.Paste(step.Paste)})
		case provider.PasteRevocation:
			all = append(all, address{"logout endpoint URL", "And, for Okta's Universal Logout, its logout endpoint URL", to.Paste(step.Paste)})
		}
	}
	return all
}

// text is what to do at a provider, and what to bring back.
func (to pasted) text(p provider.Preset) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nThere:\n", p.Title)
	for i, step := range p.Steps {
		number := fmt.Sprintf("%3d. ", i+1)
		for _, line := range folded([]string{""}, step.Do) {
			fmt.Fprintf(&b, "%5s%s\n", number, line[0])
			number = ""
		}
		if step.Paste != "" {
			fmt.Fprintf(&b, "       %s\n", to.Paste(step.Paste))
		}
	}
	fmt.Fprintf(&b, "\nThen here, with what you find there:\n\n%s\n\n", to.command(p))
	for _, f := range p.Fields {
		optional := ""
		if f.Optional {
			optional = " (if there is one)"
		}
		fmt.Fprintf(&b, "  %s%s: %s. It is at %s.\n", named(f), optional, f.Label, f.Where)
	}
	fmt.Fprintf(&b, "\nRead more: %s\n", p.Page)
	return b.String()
}

// command is what makes the connection.
func (to pasted) command(p provider.Preset) string {
	name := p.Title
	if p.Name == storage.PresetOIDC {
		name = "..." // whose it is, nobody knows
	}
	c := fmt.Sprintf("  WATCHGATE_CLIENT_SECRET=... watchgate connection create %s --preset %s --id %s --name %q --off", to.slug, p.Name, to.Connection, name)
	for _, f := range p.Fields {
		if !f.Secret && !f.Optional {
			c += " \\\n      --" + flagOf(f.Name) + " " + exampleOf(f)
		}
	}
	return c
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
