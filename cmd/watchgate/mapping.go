package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// mapping is what a provider's claims mean here, as flags say it.
type mapping struct {
	Role         *string  `help:"The role of people who sign in for the first time, where no claim says it: owner, admin, member or viewer; member when absent." placeholder:"ROLE"`
	RoleClaim    *string  `help:"The claim that says a person's role at each sign-in, as groups or https://acme.example/roles, or a JSON pointer as /realm_access/roles. People of whom it says no role are refused." placeholder:"CLAIM"`
	RoleRule     []string `help:"Which value of that claim gives which role, as 00g1abcd=admin; repeat it for more. Without rules a value is the role's own name." sep:"none" placeholder:"VALUE=ROLE"`
	UnmappedRole *string  `help:"The role of people whom no rule fits; they are refused when absent." placeholder:"ROLE"`
	MFAByAMR     []string `name:"mfa-amr" help:"Values of the claim amr that prove a second factor, instead of what the preset says." placeholder:"VALUE"`
	MFAByACR     []string `name:"mfa-acr" help:"Values of the claim acr that prove a second factor." placeholder:"VALUE"`
	MFAAskFor    []string `name:"mfa-ask-for" help:"The acr_values to ask the provider for when a second factor is missing; none: a local one is asked for." placeholder:"VALUE"`
	MFALocal     *bool    `name:"mfa-local" help:"Do not count the provider's second factor: everybody has a local one." negatable:""`
}

// apply puts what was said into a connection.
func (m mapping) apply(con *storage.Connection) error {
	if m.Role != nil {
		con.DefaultRole = storage.Role(*m.Role)
	}
	if m.RoleClaim != nil {
		con.RoleClaim = *m.RoleClaim
	}
	if m.UnmappedRole != nil {
		con.Settings.UnmappedRole = storage.Role(*m.UnmappedRole)
	}
	if len(m.RoleRule) > 0 {
		con.Settings.RoleRules = nil
	}
	for _, said := range m.RoleRule {
		i := strings.LastIndexByte(said, '=')
		if i < 1 {
			return fmt.Errorf("--role-rule %q: write it as VALUE=ROLE, as 00g1abcd=admin", said)
		}
		con.Settings.RoleRules = append(con.Settings.RoleRules, storage.RoleRule{Value: said[:i], Role: storage.Role(said[i+1:])})
	}
	m.applyMFA(&con.Settings.MFA)
	return nil
}

func (m mapping) applyMFA(to *storage.UpstreamMFA) {
	for _, list := range []struct {
		said []string
		to   *[]string
	}{{m.MFAByAMR, &to.AMR}, {m.MFAByACR, &to.ACR}, {m.MFAAskFor, &to.AskFor}} {
		if len(list.said) > 0 {
			*list.to = list.said
		}
	}
	if m.MFALocal != nil {
		to.Ignore = *m.MFALocal
	}
}

type connectionSet struct {
	target `json:"-"`
	mapping
	Tenant string  `arg:"" help:"The tenant's slug or id."`
	ID     string  `arg:"" help:"The connection's id."`
	Name   *string `help:"What the tenant calls its provider." placeholder:"NAME"`
}

func (c *connectionSet) do(ctx context.Context, ops operators) (report, error) {
	con, err := ops.directory.Connection(ctx, c.Tenant, storage.ConnectionID(c.ID))
	if err != nil {
		return report{}, err
	}
	if c.Name != nil {
		con.Name = *c.Name
	}
	if err := c.mapping.apply(&con); err != nil {
		return report{}, err
	}
	r := connectionReport(con)
	r.Note = "It holds from each person's next sign-in on."
	return r, ops.directory.ReplaceConnection(ctx, c.Tenant, con, "")
}
