package domains

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// How verified domains are looked after.
const (
	checkEvery = 23 * time.Hour // about daily, whenever the tick comes
	// graceTime is how long a record may be missing before the domain is lost.
	graceTime = 7 * 24 * time.Hour
	// A tick looks at so many, and at so many at once.
	tickLimit, tickLanes = 64, 8
)

// Tick looks again for the records of domains that were last looked for about a day ago, and
// returns at how many it looked. One whose record is gone fails; after seven
// days it is lost, and another tenant may prove it. Its owners are told both times.
// What could not be looked at is tried the next day. Any number of nodes may run it.
func (c *Claims) Tick(ctx context.Context) (int, error) {
	due, err := c.cfg.Chores.DomainsToCheck(ctx, c.cfg.Now().Add(-checkEvery), tickLimit)
	if err != nil {
		return 0, fmt.Errorf("domains: %w", err)
	}
	ctx = audit.WithActor(ctx, audit.ActorSystem, "domains")
	errs := make([]error, len(due))
	lanes := make(chan struct{}, tickLanes)
	var all sync.WaitGroup
	for i, d := range due {
		lanes <- struct{}{}
		all.Go(func() {
			defer func() { <-lanes }()
			errs[i] = c.check(ctx, d)
		})
	}
	all.Wait()
	return len(due), errors.Join(errs...)
}

// check looks at one domain, and stores what came of it if the domain is still as it
// was.
func (c *Claims) check(ctx context.Context, due storage.ClaimedDomain) error {
	sight := look(ctx, c.cfg.Lookup, due.Domain)
	c.cfg.Log.LogAttrs(ctx, slog.LevelDebug, "looked for a domain's record", slog.String("domain", due.Domain.Name), slog.String("sight", string(sight)))
	_, err := anew(func() (storage.Domain, error) { return storage.Domain{}, c.seen(ctx, due, sight) })
	return err
}

// seen stores what came of looking.
func (c *Claims) seen(ctx context.Context, due storage.ClaimedDomain, sight Sight) error {
	d, err := c.Get(ctx, due.Tenant, due.Domain.Name) // looking took time
	if errors.Is(err, ErrUnknown) || err == nil && (d.Token != due.Domain.Token || !d.CheckedAt.Equal(due.Domain.CheckedAt)) {
		return nil // it is gone, or another node looked
	}
	if err != nil {
		return err
	}
	now := c.cfg.Now()
	d.CheckedAt = now
	switch {
	case sight == NoAnswer:
		return c.note(ctx, due.Tenant, d, sight)
	case sight == Found:
		d.FailingSince = time.Time{}
		return c.note(ctx, due.Tenant, d, sight)
	case d.FailingSince.IsZero():
		return c.fail(ctx, due.Tenant, d)
	case now.Sub(d.FailingSince) >= graceTime:
		return c.lose(ctx, due.Tenant, d)
	}
	return c.note(ctx, due.Tenant, d, sight)
}

func (c *Claims) note(ctx context.Context, t storage.TenantID, d storage.Domain, sight Sight) error {
	_, err := c.put(ctx, t, d, audit.DomainChecked(ctx, d.CheckedAt, d, string(sight)))
	return err
}

func (c *Claims) fail(ctx context.Context, t storage.TenantID, d storage.Domain) error {
	d.FailingSince = d.CheckedAt
	if _, err := c.put(ctx, t, d, audit.DomainFailing(ctx, d.CheckedAt, d)); err != nil {
		return err
	}
	r := RecordOf(d)
	return c.tell(ctx, t, mail.DomainFailing, map[string]string{
		"domain": d.Name, "record": r.Name + " TXT " + r.Value, "until": d.FailingSince.Add(graceTime).UTC().Format(time.RFC3339),
	})
}

func (c *Claims) lose(ctx context.Context, t storage.TenantID, d storage.Domain) error {
	err := c.cfg.Opener.Tenant(t).DeleteDomain(ctx, d, audit.DomainLost(ctx, d.CheckedAt, d))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return nil // another node was faster
	case err != nil:
		return fmt.Errorf("domains: %w", err)
	}
	return c.tell(ctx, t, mail.DomainLost, map[string]string{"domain": d.Name})
}

func (c *Claims) tell(ctx context.Context, t storage.TenantID, kind mail.Kind, fields map[string]string) error {
	if c.cfg.Teller == nil {
		return nil
	}
	return c.cfg.Teller.TellOwners(ctx, t, kind, fields)
}
