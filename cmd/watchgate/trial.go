package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type connectionDoctor struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
}

func (c *connectionDoctor) do(ctx context.Context, ops operators) (report, error) {
	t, con, err := ops.connection(ctx, c.Tenant, c.ID)
	if err != nil {
		return report{}, err
	}
	if con.Kind != storage.OIDC {
		return report{}, fmt.Errorf("people of the connection %s have no identity provider: there is nothing to look at", con.ID)
	}
	found, err := ops.examine(ctx, t.ID, con)
	r := findings(found)
	if r.Note == "" {
		r.Note = fmt.Sprintf("Nothing stands in the way that can be seen from here. Try a sign-in: watchgate connection test %s %s", c.Tenant, c.ID)
	}
	return r, err
}

// findings is what a look at a connection came to.
func findings(found []idp.Finding) report {
	r := report{Columns: []string{"check", "verdict", "what was seen", "what to do"}, Advice: true}
	failed := false
	for _, f := range found {
		r.Rows = append(r.Rows, []string{f.Check, string(f.Verdict), f.Detail, f.Remedy})
		failed = failed || f.Verdict == idp.VerdictFailed
	}
	if failed {
		r.Note = "Nobody can sign in like this."
	}
	return r
}

type connectionTest struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
	Report string `help:"Show what came of an earlier test, by its id." placeholder:"TEST"`
}

func (c *connectionTest) do(ctx context.Context, ops operators) (report, error) {
	if c.Report != "" {
		return c.show(ctx, ops)
	}
	test, tenant, err := ops.directory.NewConnectionTest(ctx, c.Tenant, storage.ConnectionID(c.ID))
	to := provider.Addresses{Issuer: ops.issuer(), Tenant: tenant.ID, Connection: test.Connection}
	return said("Open this in a browser, and sign in at the provider. Nobody is signed in here, and nobody's account is touched:\n"+
		"  %s\nThen: watchgate connection test %s %s --report %s", to.Trial(test.ID), c.Tenant, c.ID, test.ID), err
}

// show prints the report of a trial.
func (c *connectionTest) show(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	test, err := ops.store.Tenant(t.ID).ConnectionTest(ctx, storage.TestID(c.Report), now())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return report{}, fmt.Errorf("there is no test %s in this tenant, or it is more than a day old", c.Report)
	case err != nil:
		return report{}, err
	case test.DoneAt.IsZero():
		return said("Nobody has come back from the provider yet."), nil
	}
	var came idp.TrialReport
	if err := json.Unmarshal(test.Report, &came); err != nil {
		return report{}, fmt.Errorf("read the report: %w", err)
	}
	r := findings(came.Findings)
	r.Note = outcomeOf(came) + claimsOf(came)
	return r, nil
}

// claimsOf is what the provider said.
func claimsOf(came idp.TrialReport) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(came.Claims)) {
		if i == 0 {
			b.WriteString("\nThe provider said:")
		}
		value, err := json.Marshal(came.Claims[name])
		if err != nil {
			continue // it was JSON a moment ago
		}
		fmt.Fprintf(&b, "\n  %s: %s", name, value)
	}
	return b.String()
}

// outcomeOf is what would have become of the person who tried.
func outcomeOf(came idp.TrialReport) string {
	switch {
	case came.Role != "":
		return fmt.Sprintf("%s would have the role %s.\nSecond factor proved there: %s.", who(came), came.Role, yesNo(came.Level != storage.LevelNone))
	case came.RoleReason != "":
		return fmt.Sprintf("%s would be refused (%s).", who(came), came.RoleReason)
	}
	return "The sign-in came to nothing, so that there is nobody to speak of."
}

func who(came idp.TrialReport) string {
	if came.Email == "" {
		return "Whoever tried"
	}
	return came.Email
}

type secretRotate struct {
	target     `json:"-"`
	Tenant     string `arg:"" help:"The tenant's slug or id."`
	ID         string `arg:"" help:"The connection's id."`
	SecretFile string `json:"-" help:"A file with the new client secret; or set WATCHGATE_CLIENT_SECRET." type:"existingfile" placeholder:"FILE"`
	SecretEnds string `help:"The day on which it ends, as 2027-03-14." placeholder:"DAY"`
	Secret     string `kong:"-"`
}

func (c *secretRotate) prepare(p *program) (err error) {
	c.Secret, err = clientSecret(p, c.SecretFile)
	return err
}

func (c *secretRotate) do(ctx context.Context, ops operators) (report, error) {
	ends, err := endOfSecret(c.SecretEnds)
	if err != nil {
		return report{}, err
	}
	_, err = ops.directory.RotateSecret(ctx, c.Tenant, storage.ConnectionID(c.ID), 0, directory.NextSecret{Secret: c.Secret, ExpiresAt: ends})
	return said("Both secrets work now. When the old one is gone at the provider: watchgate connection promote-secret %s %s", c.Tenant, c.ID), err
}

// endOfSecret is when a secret ends, as --secret-ends says it; zero for "".
func endOfSecret(said string) (time.Time, error) {
	if said == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.DateOnly, said)
	if err != nil {
		return at, fmt.Errorf("--secret-ends %q: write the day as 2027-03-14", said)
	}
	return at, nil
}

type secretPromote struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
}

func (c *secretPromote) do(ctx context.Context, ops operators) (report, error) {
	_, err := ops.directory.PromoteSecret(ctx, c.Tenant, storage.ConnectionID(c.ID), 0)
	return said("The old client secret is forgotten."), err
}
