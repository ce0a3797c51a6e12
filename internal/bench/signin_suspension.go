package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// Sizes of the tenants that are suspended, and how often each is.
const (
	suspendedFew  = 10
	suspendedMany = 1_000_000
	suspensions   = 21
	// suspendedAsked is of how many of its tokens the node knows that they are good when
	// a tenant is suspended.
	suspendedAsked = 200
)

// crowd is a tenant with live tokens.
type crowd struct {
	slug      string
	home      home
	questions [][]byte // about some of the tokens
	took      []time.Duration
}

// measureSuspension times the suspension of a tenant with many live tokens and of one
// with few, in turns. Each time all tokens are good, and the node remembers some.
func measureSuspension(ctx context.Context, b *bench) error {
	store, err := sqlstore.Open(ctx, sqlstore.Config{DSN: b.site.database})
	if err != nil {
		return err
	}
	defer store.Close()
	few, err := b.site.crowd(ctx, "suspended-few", suspendedFew)
	if err != nil {
		return err
	}
	many, err := b.site.crowd(ctx, "suspended-many", suspendedMany)
	if err != nil {
		return err
	}
	t := turns{site: b.site, directory: b.site.directory(store)}
	for i := range suspensions {
		for j := range 2 {
			if err := t.suspend(ctx, []*crowd{few, many}[(i+j)%2]); err != nil {
				return err
			}
		}
	}
	b.noteSuspension(few, many, t)
	return nil
}

func (b *bench) noteSuspension(few, many *crowd, t turns) {
	const millisecond = float64(time.Millisecond)
	ratios := make([]float64, len(many.took))
	for i := range ratios {
		ratios[i] = float64(many.took[i]) / float64(few.took[i])
	}
	b.figures = append(b.figures, figure{
		Name:  fmt.Sprintf("suspending a tenant with %d live tokens", suspendedMany),
		Value: float64(median(many.took)) / millisecond, Unit: "ms", Baseline: float64(median(few.took)) / millisecond, Ratio: median(ratios),
		against: fmt.Sprintf("a tenant with %d", suspendedFew), goal: "ratio <= 1.5",
	})
	b.figures.add("suspending a tenant: stale answers afterwards", float64(t.stale), "", float64(t.asked), "answers asked for", "0")
}

// directory is what the operators' commands act through, in this process.
func (s *site) directory(store *sqlstore.Store) *directory.Directory {
	return directory.New(directory.Config{
		Store: store, Issuer: s.deployment.Issuer, RedirectURI: authz.ValidRedirectURI, InsecureIssuers: true,
		Now: func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) },
	})
}

// crowd makes a tenant with so many live tokens.
func (s *site) crowd(ctx context.Context, slug string, count int) (*crowd, error) {
	tenant, err := s.operate(ctx, nil, "tenant", "create", slug, "--name", slug)
	if err != nil {
		return nil, err
	}
	con, err := s.operate(ctx, []string{"WATCHGATE_CLIENT_SECRET=bench-upstream"}, "connection", "create", slug,
		"--name", "Provider", "--issuer", "http://127.0.0.1:9", "--client-id", "watchgate-"+slug, "--no-check")
	if err != nil {
		return nil, err
	}
	c := &crowd{slug: slug, home: home{tenant["id"], con["id"]}}
	tokens, err := s.settle(ctx, settlement{tokens: count, people: count / perPerson, keep: max(1, count/suspendedAsked), in: c.home})
	for _, t := range tokens {
		c.questions = append(c.questions, post(s.deployment.Issuer, "/oauth2/introspect", s.api, url.Values{"token": {t}, "tenant": {slug}}))
	}
	return c, err
}

// turns are suspensions of crowds, each undone before the next.
type turns struct {
	site         *site
	directory    *directory.Directory
	stale, asked int // answers after suspensions
}

// suspend suspends a crowd's tenant when its tokens are good and remembered, and times
// the call: it returns when no node takes one of them for good.
func (t *turns) suspend(ctx context.Context, c *crowd) error {
	if n, err := t.active(c); err != nil || n != len(c.questions) {
		return fmt.Errorf("%d of %d tokens of %s are active: %w", n, len(c.questions), c.slug, err)
	}
	began := time.Now()
	if _, err := t.directory.SuspendTenant(ctx, c.slug, "measured"); err != nil {
		return err
	}
	c.took = append(c.took, time.Since(began))
	n, err := t.active(c)
	if err != nil {
		return err
	}
	t.stale, t.asked = t.stale+n, t.asked+len(c.questions)
	return t.revive(ctx, c)
}

// revive resumes the tenant. Its tokens stay dead then, as they should: that they do is
// taken back in the database, so that the next turn finds them alive.
func (t *turns) revive(ctx context.Context, c *crowd) error {
	if _, err := t.directory.ResumeTenant(ctx, c.slug); err != nil {
		return err
	}
	return psql(ctx, t.site.database, "UPDATE tenants SET tokens_not_before = NULL WHERE slug = '"+c.slug+"'")
}

// active asks the node about the crowd's tokens and returns how many are good.
func (t *turns) active(c *crowd) (n int, err error) {
	w, err := dial(t.site.node.URL)
	if err != nil {
		return 0, err
	}
	defer w.conn.Close()
	for _, q := range c.questions {
		ok, err := good(w.do(q))
		if err != nil {
			return n, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}
