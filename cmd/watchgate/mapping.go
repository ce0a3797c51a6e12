package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/watchgate/watchgate/storage"
)

// mapping is what a provider's claims mean here, as flags say it.
type mapping struct {
	Role         *string  `help:"The role of people who sign in for the first time, where no claim says it: owner, admin, member or viewer; member when absent." placeholder:"ROLE"`
	RoleClaim    *string  `help:"The claim that says a person's role at each sign-in, as groups or https://acme.example/roles, or a JSON pointer as /realm_access/roles. People of whom it says no role are refused." placeholder:"CLAIM"`
	RoleRule     []string `help:"Which value of that claim gives which role, as 00g1abcd=admin; repeat it for more. Without rules, or with an empty word, a value is the role's own name." sep:"none" placeholder:"VALUE=ROLE"`
	UnmappedRole *string  `help:"The role of people whom no rule fits; they are refused when absent." placeholder:"ROLE"`
	CreateUsers  *bool    `help:"Let a first sign-in create the person, which is the default." negatable:""`
	Scope        words    `help:"The scopes to ask the provider for; those of the preset when absent." placeholder:"SCOPE"`
	Algs         words    `help:"The algorithms of ID tokens to accept; RS256,ES256 when absent." placeholder:"ALG"`

	MFAByAMR  words `name:"mfa-amr" help:"Values of the claim amr that prove a second factor, instead of what the preset says; an empty word: what the preset says." placeholder:"VALUE"`
	MFAByACR  words `name:"mfa-acr" help:"Values of the claim acr (Entra ID: of acrs, too) that prove a second factor; an empty word: none does." placeholder:"VALUE"`
	MFAPhr    words `name:"mfa-phishing-resistant" help:"Values of amr or acr that prove one that resists phishing; an empty word: none beside those of the preset." placeholder:"VALUE"`
	MFAAskFor words `name:"mfa-ask-for" help:"The acr_values to ask the provider for when a second factor is missing; an empty word: it is not asked, and a local one is." placeholder:"VALUE"`
	MFALocal  *bool `name:"mfa-local" help:"Do not count the provider's second factor: everybody has a local one." negatable:""`

	AllowGuests     *bool `help:"entra: let in guests of the directory." negatable:""`
	GroupsFromGraph *bool `help:"entra: ask Microsoft Graph for the groups of people who have too many for a token; otherwise they are refused." negatable:""`
}

// words are a flag's values: nil when it is absent, and none when it is given an empty
// word, which takes back what was said before.
type words []string

// Decode implements [kong.MapperValue].
func (w *words) Decode(ctx *kong.DecodeContext) error {
	var said string
	if err := ctx.Scan.PopValueInto("value", &said); err != nil {
		return err
	}
	if *w == nil {
		*w = words{}
	}
	for word := range strings.SplitSeq(said, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

// apply puts what was said into a connection.
func (m mapping) apply(con *storage.Connection) error {
	if con.Preset != storage.PresetEntra && (m.AllowGuests != nil || m.GroupsFromGraph != nil) {
		return errors.New("--allow-guests and --groups-from-graph are for connections of the preset entra")
	}
	set(&con.DefaultRole, (*storage.Role)(m.Role))
	set(&con.RoleClaim, m.RoleClaim)
	set(&con.Settings.UnmappedRole, (*storage.Role)(m.UnmappedRole))
	set(&con.CreateUsers, m.CreateUsers)
	set(&con.Settings.AllowGuests, m.AllowGuests)
	set(&con.Settings.GroupsFromGraph, m.GroupsFromGraph)
	m.applyMFA(&con.Settings.MFA)
	replace(&con.Scopes, m.Scope)
	replace(&con.Algs, m.Algs)
	return m.applyRules(&con.Settings)
}

// set changes a field of which something was said.
func set[T any](field *T, said *T) {
	if said != nil {
		*field = *said
	}
}

// replace is set for a list.
func replace(field *[]string, said words) {
	if said != nil {
		*field = said
	}
}

func (m mapping) applyRules(to *storage.ConnectionSettings) error {
	if len(m.RoleRule) > 0 {
		to.RoleRules = nil
	}
	for _, said := range m.RoleRule {
		if said == "" && len(m.RoleRule) == 1 {
			break
		}
		i := strings.LastIndexByte(said, '=')
		if i < 1 {
			return fmt.Errorf("--role-rule %q: write it as VALUE=ROLE, as 00g1abcd=admin", said)
		}
		to.RoleRules = append(to.RoleRules, storage.RoleRule{Value: said[:i], Role: storage.Role(said[i+1:])})
	}
	return nil
}

func (m mapping) applyMFA(to *storage.UpstreamMFA) {
	replace(&to.AMR, m.MFAByAMR)
	replace(&to.ACR, m.MFAByACR)
	replace(&to.PhishingResistant, m.MFAPhr)
	replace(&to.AskFor, m.MFAAskFor)
	set(&to.Ignore, m.MFALocal)
}

type connectionSet struct {
	target `json:"-"`
	mapping
	Tenant     string  `arg:"" help:"The tenant's slug or id."`
	ID         string  `arg:"" help:"The connection's id."`
	Name       *string `help:"What the tenant calls its provider." placeholder:"NAME"`
	SecretEnds *string `help:"The day on which the client secret ends, as 2027-03-14: the tenant's owners are told before; an empty word: it is not known." placeholder:"DAY"`
}

func (c *connectionSet) do(ctx context.Context, ops operators) (report, error) {
	if c.Name == nil && c.SecretEnds == nil && reflect.ValueOf(c.mapping).IsZero() {
		return report{}, errors.New("say what changes: 'watchgate connection set --help' lists what can")
	}
	con, err := ops.directory.Connection(ctx, c.Tenant, storage.ConnectionID(c.ID))
	if err != nil {
		return report{}, err
	}
	set(&con.Name, c.Name)
	if c.SecretEnds != nil {
		con.SecretWarnedAt = time.Time{}
		if con.SecretExpiresAt, err = endOfSecret(*c.SecretEnds); err != nil {
			return report{}, err
		}
	}
	if err := c.mapping.apply(&con); err != nil {
		return report{}, err
	}
	r := connectionReport(con)
	r.Note = "It holds from each person's next sign-in on."
	return r, ops.directory.ReplaceConnection(ctx, c.Tenant, con, "")
}
