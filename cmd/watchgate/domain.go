package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/storage"
)

type domainCmd struct {
	List   domainList   `cmd:"" help:"List a tenant's e-mail domains."`
	Add    domainAdd    `cmd:"" help:"Say that an e-mail domain is a tenant's, and see the DNS record that proves it."`
	Verify domainVerify `cmd:"" help:"Look for the DNS record; from then on people with such addresses are sent to the connection."`
	Set    domainSet    `cmd:"" help:"Let people of a domain in through its connection alone, or send them to another one."`
	Remove domainRemove `cmd:"" help:"Take an e-mail domain from a tenant."`
}

type domainList struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

func (c *domainList) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	all, err := ops.store.Tenant(t.ID).ListDomains(ctx)
	r := report{Columns: []string{"domain", "connection", "state", "other ways in"}}
	for _, d := range all {
		r.Rows = append(r.Rows, []string{d.Name, string(d.Connection), domainState(d), map[bool]string{true: "closed", false: "open"}[d.SSORequired]})
	}
	return r, err
}

func domainState(d storage.Domain) string {
	switch {
	case d.VerifiedAt.IsZero():
		return "not verified"
	case !d.FailingSince.IsZero():
		return "record missing since " + d.FailingSince.UTC().Format(time.RFC3339)
	case d.ByOperator:
		return "an operator's word"
	}
	return "verified"
}

type domainAdd struct {
	target     `json:"-"`
	Tenant     string `arg:"" help:"The tenant's slug or id."`
	Connection string `arg:"" help:"The connection's id."`
	Domain     string `arg:"" help:"The e-mail domain, as acme.example."`
	Vouch      bool   `help:"You know that the domain is the tenant's: no record is looked for."`
}

func (c *domainAdd) do(ctx context.Context, ops operators) (report, error) {
	if c.Vouch {
		return said("People with addresses at %s sign in through %s.", strings.ToLower(c.Domain), c.Connection),
			ops.directory.AddDomain(ctx, c.Tenant, c.Domain, storage.ConnectionID(c.Connection))
	}
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	d, err := ops.domains.Claim(ctx, t.ID, c.Domain, storage.ConnectionID(c.Connection))
	if errors.Is(err, domains.ErrClaimed) { // to read the record again
		d, err = ops.domains.Get(ctx, t.ID, c.Domain)
	}
	if err != nil {
		return report{}, inWords(err, c.Domain)
	}
	if d.ByOperator {
		return vouchedFor(d), nil
	}
	r := recordReport(c.Tenant, d)
	if string(d.Connection) != c.Connection {
		r.Note += fmt.Sprintf("\nIt was there before, with the connection %s. To change that: watchgate domain set %s %s --connection %s", d.Connection, c.Tenant, d.Name, c.Connection)
	}
	return r, nil
}

// vouchedFor says why a domain has no record.
func vouchedFor(d storage.Domain) report {
	return said("An operator vouched for %s, and no record is looked for: people with addresses there sign in through %s.", d.Name, d.Connection)
}

// recordReport is what proves a domain, and what to do then.
func recordReport(tenant string, d storage.Domain) report {
	rec := domains.RecordOf(d)
	return report{
		Columns: []string{"record", "type", "value"}, Rows: [][]string{{rec.Name, "TXT", rec.Value}},
		Note: fmt.Sprintf("Have this record added at %s, and leave it there: it is looked for each day.\nThen: watchgate domain verify %s %s", d.Name, tenant, d.Name),
	}
}

// inWords is what a domain's refusal means for an operator.
func inWords(err error, domain string) error {
	said, hint := strings.TrimPrefix(err.Error(), "domains: "), ""
	if errors.Is(err, domains.ErrNotProved) || errors.Is(err, domains.ErrNoAnswer) {
		hint = ". DNS may need some minutes to show a new record"
	}
	return fmt.Errorf("%s: %s%s", domain, said, hint)
}

type domainVerify struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c *domainVerify) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	d, err := ops.domains.Verify(ctx, t.ID, c.Domain)
	if err != nil {
		return report{}, inWords(err, c.Domain)
	}
	if d.ByOperator {
		return vouchedFor(d), nil
	}
	return said("The domain %s is verified: people with addresses there sign in through %s.", d.Name, d.Connection), nil
}

type domainSet struct {
	target      `json:"-"`
	Tenant      string  `arg:"" help:"The tenant's slug or id."`
	Domain      string  `arg:"" help:"The e-mail domain."`
	Connection  *string `help:"The connection to send people to." placeholder:"ID"`
	SSORequired *bool   `name:"sso-required" help:"Close every other way in: links by e-mail, passkeys, other connections." negatable:""`
}

func (c *domainSet) do(ctx context.Context, ops operators) (report, error) {
	if c.Connection == nil && c.SSORequired == nil {
		return report{}, errors.New("say what changes: --connection, or --sso-required")
	}
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	d, err := ops.domains.Change(ctx, t.ID, c.Domain, domains.Change{Connection: (*storage.ConnectionID)(c.Connection), SSORequired: c.SSORequired})
	if err != nil {
		return report{}, inWords(err, c.Domain)
	}
	con, err := ops.directory.Connection(ctx, c.Tenant, d.Connection)
	return domainSays(d, con), err
}

// domainSays is what a domain does to who has an address there.
func domainSays(d storage.Domain, con storage.Connection) report {
	ways := "other ways in are open"
	if d.SSORequired {
		ways = "every other way in is closed"
	}
	r := said("People with addresses at %s sign in through %s; %s.", d.Name, d.Connection, ways)
	if d.VerifiedAt.IsZero() {
		r.Note += "\nThis begins when the domain is verified."
	}
	if !con.DisabledAt.IsZero() {
		r.Note += fmt.Sprintf("\nThe connection %s is disabled: until it is enabled, nobody comes in through it.", con.Name)
	}
	return r
}

type domainRemove struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c *domainRemove) do(ctx context.Context, ops operators) (report, error) {
	return said("The domain %s is nobody's.", strings.ToLower(c.Domain)), ops.directory.RemoveDomain(ctx, c.Tenant, c.Domain)
}
