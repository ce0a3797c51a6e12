package sqlstore

import (
	"context"
	"strconv"
	"strings"
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

// How long rows are kept after their end: sessions and grants longer than anything
// lives that asks for them, how keys were used for a quarter, and an expired key
// among those that a list of live ones passes over for longer than any two clocks
// differ.
const (
	keepOver   = 7 * 24 * time.Hour
	keepUses   = 90 * 24 * time.Hour
	keepListed = time.Hour
)

// batch is the number of rows that one transaction of a sweep touches.
const batch = 1000

var (
	sweepLogins = some("DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE expires_at <= $1 LIMIT 1000)")
	sweepKeys   = some("DELETE FROM signing_keys WHERE remove_at <= $1")
)

// tenantSweep removes what is over of a tenant ($1), up to a moment ($2).
type tenantSweep struct {
	sweep *command
	over  string // FROM and WHERE of what it removes; $ stands for the moment
	keep  time.Duration
}

var tenantSweeps = []tenantSweep{
	sweepOf("sessions", "id", "expires_at <= $", keepOver),
	sweepOf("grants", "id", "expires_at <= $", keepOver),
	sweepOf("key_deliveries", "key_id", "expires_at <= $", keepOver),
	sweepOf("key_executions", "id", "ended_at <= $", keepUses),
	sweepOf("key_uses", "key_id, day, refused, ip, scope, resource_server", "day <= $", keepUses),
	sweepOf("idempotent_requests", "caller, request_key", "expires_at <= $", 0),
	lapse(),
	sweepOf("email_links", "hash", "expires_at <= $", 0),
	sweepOf("replays", "use, hash", "expires_at <= $", 0),
	sweepOf("connection_tests", "id", "expires_at <= $", 0),
	sweepOf("logouts", "session_id, client_id", "done_at IS NOT NULL AND done_at <= $", keepOver),
	sweepOf("mails", "id", "over_at <= $", keepOver),
}

func sweepOf(table, key, over string, keep time.Duration) tenantSweep {
	in := "SELECT " + key + " FROM " + table + " WHERE tenant_id = $1 AND " + over + "2 LIMIT 1000"
	return tenantSweep{
		sweep: some("DELETE FROM " + table + " WHERE tenant_id = $1 AND (" + key + ") IN (" + in + ")"),
		over:  table + " WHERE " + over, keep: keep,
	}
}

// lapse removes expired keys from the index of the live ones. Who moves a key's end
// puts it back.
func lapse() tenantSweep {
	const over = "expires_at <= $2 AND revoked_at IS NULL AND lapsed_at IS NULL"
	return tenantSweep{
		sweep: some("UPDATE api_keys SET lapsed_at = $2 WHERE tenant_id = $1 AND " + over + `
			AND id IN (SELECT id FROM api_keys WHERE tenant_id = $1 AND ` + over + " LIMIT 1000)"),
		over: "api_keys WHERE " + strings.ReplaceAll(over, "$2", "$"), keep: keepListed,
	}
}

// tenantsToSweep asks for the tenants that have something to sweep; SQLite would read
// whole tables for a UNION. The argument of the first sweep is $1, that of the second
// $2.
var tenantsToSweep = func() string {
	parts := make([]string, len(tenantSweeps))
	for i, s := range tenantSweeps {
		parts[i] = "SELECT tenant_id FROM " + strings.ReplaceAll(s.over, "$", "$"+strconv.Itoa(i+1))
	}
	return "SELECT DISTINCT tenant_id FROM (" + strings.Join(parts, " UNION ALL ") + ") o"
}()

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
// end, sessions, grants, deliveries, mails and logouts a week after theirs,
// logins, signing keys, idempotent requests, e-mailed links, replays and trials at
// once, and how keys were used after 90 days.
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
	moments := make([]any, len(tenantSweeps))
	for i, s := range tenantSweeps {
		moments[i] = when(now.Add(-s.keep))
	}
	tenant := func(id *str) []any { return []any{id} }
	tenants, err := list(ctx, s.engine, scope{what: "sweep", lookup: true}, tenantsToSweep, tenant, moments...)
	if err != nil {
		return err
	}
	for _, id := range tenants {
		if err := s.sweepTenant(ctx, string(id), moments, swept); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepTenant(ctx context.Context, tenant string, moments []any, swept *storage.Swept) error {
	for i, c := range tenantSweeps {
		u := newUnit(tenant, "sweep")
		u.do(c.sweep, tenant, moments[i])
		if err := sweepRows(ctx, s.engine, u, swept); err != nil {
			return err
		}
	}
	return nil
}

// sweepRows runs a unit that deals with a batch until it finds no more.
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
