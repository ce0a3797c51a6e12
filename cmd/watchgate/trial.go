package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type connectionDoctor struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
}

func (c *connectionDoctor) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	con, err := ops.directory.Connection(ctx, c.Tenant, storage.ConnectionID(c.ID))
	if err != nil {
		return report{}, err
	}
	found, err := ops.examine(ctx, t.ID, con)
	return findings(found), err
}

// findings is what a look at a connection came to.
func findings(found []idp.Finding) report {
	r := report{Columns: []string{"check", "verdict", "what was seen", "what to do"}}
	failed := false
	for _, f := range found {
		r.Rows = append(r.Rows, []string{f.Check, string(f.Verdict), f.Detail, f.Remedy})
		failed = failed || f.Verdict == idp.VerdictFailed
	}
	r.Note = "Nothing stands in the way that can be seen from here. Try a sign-in: watchgate connection test"
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
	return said("Open this in a browser, and sign in at the provider. Nobody is signed in here, and nobody's account is touched:\n"+
		"  %s/login/test/%s/%s\nThen: watchgate connection test %s %s --report %s",
		ops.issuer(), tenant.ID, test.ID, c.Tenant, c.ID, test.ID), err
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
	role := "would be refused: " + came.RoleReason
	if came.Role != "" {
		role = "would have the role " + string(came.Role)
	}
	r.Note = fmt.Sprintf("%s %s.\nSecond factor proved there: %s.", came.Email, role, yesNo(came.Level != storage.LevelNone))
	return r, nil
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
	next := directory.NextSecret{Secret: c.Secret}
	if c.SecretEnds != "" {
		var err error
		if next.ExpiresAt, err = time.Parse(time.DateOnly, c.SecretEnds); err != nil {
			return report{}, fmt.Errorf("--secret-ends %q: write the day as 2027-03-14", c.SecretEnds)
		}
	}
	_, err := ops.directory.RotateSecret(ctx, c.Tenant, storage.ConnectionID(c.ID), 0, next)
	return said("Both secrets work now. When the old one is gone at the provider: watchgate connection promote-secret %s %s", c.Tenant, c.ID), err
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
