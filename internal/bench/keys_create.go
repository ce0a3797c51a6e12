package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// insertKeyRow is what pgbench does: one row a transaction into a table of the same
// shape, with the same indexes and computed columns. A colon would be a variable.
const insertKeyRow = `\set n random(1, 9000000000000000000)
INSERT INTO bench_keys (tenant_id, id, profile, name, hash, hint, kid, owner_id, client_id, parent_id, scopes, allowed_ips, created_at,
  expires_at, revoked_reason, predecessor, successor, webhook_url, version)
VALUES ('ten_01kb0000000000000000000000', 'key_01kb000' || lpad((:n)::text, 19, '0'), 'default', 'ci', sha256(((:n)::text)::bytea), 'wgk_a1b2****',
  '', '', 'bench-m2m', '', 'monitor_read', '', 1789000000000, 1791592000000, '', '', '', '', 1);
`

// Creating runs in turns, as races do: pgbench, over HTTP, in process.
const (
	creatingRounds  = 4
	creatingSeconds = 2
)

// contender is somebody who writes rows; its rates are one for each round.
type contender struct {
	run   func(ctx context.Context) (float64, error)
	rates []float64
}

// against is the median of the rounds' ratios.
func (c *contender) against(base *contender) float64 {
	ratios := make([]float64, len(c.rates))
	for i, r := range c.rates {
		ratios[i] = r / base.rates[i]
	}
	return median(ratios)
}

// measureCreating compares API keys made per second, durably committed with their
// audit events, with pgbench inserting rows: over HTTP, by a machine, and in process.
func measureCreating(ctx context.Context, b *bench) error {
	if err := psql(ctx, b.pg.DSN("watchgate"), "CREATE TABLE bench_keys (LIKE api_keys INCLUDING ALL)"); err != nil {
		return err
	}
	o, err := b.site.orderKeys()
	if err != nil {
		return err
	}
	defer o.close()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DSN: b.site.database})
	if err != nil {
		return err
	}
	defer store.Close()
	base := &contender{run: func(ctx context.Context) (float64, error) {
		return b.pgbench(ctx, insertKeyRow, workers, creatingSeconds)
	}}
	remote, local := &contender{run: o.run}, &contender{run: b.site.makeKeys(store)}
	for range creatingRounds {
		for _, c := range []*contender{base, remote, local} {
			rate, err := c.run(ctx)
			if err != nil {
				return err
			}
			c.rates = append(c.rates, rate)
		}
	}
	b.figures.versus("API keys made, over HTTP", remote, base, "ratio >= 0.4")
	b.figures.versus("API keys made, in process", local, base, "")
	return nil
}

// versus notes how many rows a second somebody wrote, against pgbench.
func (f *figures) versus(name string, of, base *contender, goal string) {
	*f = append(*f, figure{
		Name: name, Value: median(of.rates), Unit: "1/s", Baseline: median(base.rates), Ratio: of.against(base),
		against: "pgbench, one row a transaction, same shape", goal: goal,
	})
}

// rate lets workers do steps for a turn and returns how many they did a second.
func rate(ctx context.Context, step func(ctx context.Context, worker int) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, creatingSeconds*time.Second)
	defer cancel()
	var done atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, workers)
	began := time.Now()
	for i := range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := step(context.WithoutCancel(ctx), i); err != nil {
					failed <- err
					cancel()
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(done.Load()) / took.Seconds(), nil
	}
}

// orders are requests for keys on connections of their own.
type orders struct {
	wires []*wire
	order []byte
}

// orderKeys connects as the machine, with all scopes that it may have.
func (s *site) orderKeys() (*orders, error) {
	o := &orders{}
	for range workers {
		w, err := dial(s.node.URL)
		if err != nil {
			o.close()
			return nil, err
		}
		o.wires = append(o.wires, w)
	}
	bearer, err := tokenFrom(o.wires[0].do(post(s.deployment.Issuer, "/oauth2/token", s.machine, url.Values{"grant_type": {"client_credentials"}})))
	o.order = bearing(http.MethodPost, s.deployment.Issuer, listPath, bearer, `{"name":"ci","scopes":["monitor:read"],"expires_in":"720h"}`)
	return o, err
}

func (o *orders) close() {
	for _, w := range o.wires {
		w.conn.Close()
	}
}

func (o *orders) run(ctx context.Context) (float64, error) {
	return rate(ctx, func(_ context.Context, worker int) error {
		status, body, err := o.wires[worker].do(o.order)
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("create a key: status %d: %s", status, body)
		}
		return err
	})
}

// makeKeys makes keys for the machine without a server in between.
func (s *site) makeKeys(store *sqlstore.Store) func(ctx context.Context) (float64, error) {
	keys := apikey.New(apikey.Config{Store: store, Now: time.Now, Issuer: s.deployment.Issuer})
	actor := apikey.Actor{
		Tenant: storage.TenantID(s.tenant), TenantSlug: "acme", Client: storage.ClientID(s.machine.ID), Scopes: []string{"api-keys:write", "monitor:read"},
	}
	return func(ctx context.Context) (float64, error) {
		return rate(ctx, func(ctx context.Context, _ int) error {
			_, err := keys.Create(ctx, actor, apikey.NewKey{Name: "ci", Scopes: []string{"monitor:read"}})
			return err
		})
	}
}
