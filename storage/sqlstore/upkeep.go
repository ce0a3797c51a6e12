package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// The longest lifetimes, with the hours that may pass until Prepare is called
// again. A unit that needs more makes it by itself, at the price of a second
// round trip.
const (
	accessAhead  = 4 * time.Hour
	refreshAhead = 31 * 24 * time.Hour
)

// keepOver is how long sessions and grants are kept after their end: longer
// than anything lives that asks for them.
const keepOver = 7 * 24 * time.Hour

// batch is the number of rows that one transaction of a sweep deletes.
const batch = 1000

var (
	sweepLogins = some("DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires_at <= $1 LIMIT 1000)")
	sweepKeys   = some("DELETE FROM signing_keys WHERE remove_at <= $1")

	sweepSessions = some(`DELETE FROM sessions WHERE tenant_id = $1 AND id IN (
		SELECT id FROM sessions WHERE tenant_id = $1 AND expires_at <= $2 LIMIT 1000)`)
	sweepGrants = some(`DELETE FROM grants WHERE tenant_id = $1 AND id IN (
		SELECT id FROM grants WHERE tenant_id = $1 AND expires_at <= $2 LIMIT 1000)`)
)

const tenantsToSweep = `SELECT tenant_id FROM sessions WHERE expires_at <= $1
	UNION SELECT tenant_id FROM grants WHERE expires_at <= $1`

// hour is the bucket that ends the hour before now.
func hour(now time.Time) int64 { return now.Unix() / 3600 }

// Prepare implements storage.Upkeep.
func (s *Store) Prepare(ctx context.Context, now time.Time) error {
	first := hour(now)
	return s.upkeep.prepare(ctx,
		room{"access_tokens", first, hour(now.Add(accessAhead))},
		room{"codes", first, hour(now.Add(accessAhead))},
		room{"refresh_tokens", first, hour(now.Add(refreshAhead))})
}

// Sweep implements storage.Upkeep. Tokens and codes go an hour or more after their
// end, sessions and grants a week after theirs, logins and signing keys at once.
func (s *Store) Sweep(ctx context.Context, now time.Time) (storage.Swept, error) {
	swept, err := s.upkeep.sweep(ctx, hour(now))
	if err != nil {
		return swept, err
	}
	for _, c := range []*command{sweepLogins, sweepKeys} {
		u := newUnit(platform, "sweep")
		u.do(c, when(now))
		if err := sweepRows(ctx, s.engine, u, &swept); err != nil {
			return swept, err
		}
	}
	err = s.sweepTenants(ctx, now, &swept)
	return swept, err
}

// sweepTenants asks first, across all tenants, which have something to sweep.
func (s *Store) sweepTenants(ctx context.Context, now time.Time, swept *storage.Swept) error {
	tenant := func(id *str) []any { return []any{id} }
	tenants, err := list(ctx, s.engine, scope{what: "sweep", lookup: true}, tenantsToSweep, tenant, when(now.Add(-keepOver)))
	if err != nil {
		return err
	}
	for _, id := range tenants {
		if err := s.sweepTenant(ctx, string(id), now, swept); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepTenant(ctx context.Context, tenant string, now time.Time, swept *storage.Swept) error {
	for _, c := range []*command{sweepSessions, sweepGrants} {
		u := newUnit(tenant, "sweep")
		u.do(c, tenant, when(now.Add(-keepOver)))
		if err := sweepRows(ctx, s.engine, u, swept); err != nil {
			return err
		}
	}
	return nil
}

// sweepRows runs a unit that deletes a batch until it finds no more.
func sweepRows(ctx context.Context, e engine, u *unit, swept *storage.Swept) error {
	for {
		n, err := e.run(ctx, u)
		if err != nil {
			return err
		}
		swept.Rows += n
		if n < batch {
			return nil
		}
	}
}
