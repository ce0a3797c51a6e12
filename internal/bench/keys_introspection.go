package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/process"
)

// warmKeys are asked about in turns, of each profile; each is another person's, as
// the tokens are that they are compared with. The first answer about each is none from
// memory, and a node counts 24576 such uses of one tenant at once.
const warmKeys = 8_000

// keyRounds are fewer than elsewhere: there are four sides.
const keyRounds = 8

// measureKeyIntrospection compares introspection of keys and of access tokens from
// the memory of one node, for one asker, and reads what it costs to note their use.
func measureKeyIntrospection(ctx context.Context, b *bench) error {
	n, err := b.site.joinProduct(ctx)
	if err != nil {
		return err
	}
	defer n.Stop()
	sides, err := b.keySides(ctx, n)
	if err != nil {
		return err
	}
	if err := race(ctx, keyRounds, sides...); err != nil {
		return err
	}
	tokens, keys, rated, fenced := sides[0], sides[1], sides[2], sides[3]
	const warm, own = "access tokens at the same server, cache warm", "keys without"
	b.figures.compare("introspections of API keys, cache warm: processor time of the server", "us", keys, tokens, lap.cost, warm, "ratio <= 1.15")
	b.figures.compare("introspections of API keys, cache warm", "1/s", keys, tokens, lap.rate, warm, "")
	b.figures.compare("introspections of API keys with a rate: processor time of the server", "us", rated, keys, lap.cost, own, "")
	b.figures.add("processor time that a rate adds to an introspection", rated.beyond(keys, lap.cost), "us", keys.median(lap.cost), "the introspection", "")
	b.figures.compare("introspections of API keys with a list of addresses: processor time of the server", "us", fenced, keys, lap.cost, own, "")
	noting, err := b.measureNoting(ctx, n, sides[1:])
	if err != nil {
		return err
	}
	// The race's median leaves out the few turns in which uses were stored.
	share := noting * warmKeys / (keys.median(lap.rate) * noteEvery.Seconds())
	b.figures.add("introspections of API keys, cache warm: the same with noting their use", keys.median(lap.cost)+share, "us", tokens.median(lap.cost), warm, "ratio <= 1.15")
	return nil
}

// keySides are those of the race: tokens, and keys of each profile.
func (b *bench) keySides(ctx context.Context, n *process.Node) ([]*side, error) {
	first := b.site.people
	tokens, err := b.site.settle(ctx, settlement{tokens: warmKeys, people: warmKeys, keep: 1})
	if err != nil {
		return nil, err
	}
	requests := [][][]byte{b.site.questions(tokens)}
	for _, k := range []struct{ profile, allowed, ip string }{
		{"default", "", ""}, {"rated", "", ""}, {"fenced", "192.0.2.0/24 198.51.100.0/24 2001:db8::/32", "198.51.100.7"},
	} {
		keys, err := b.site.settleKeys(ctx, keyring{
			tenant: b.site.tenant, profile: k.profile, prefix: k.profile + "_", scopes: "monitor:read", allowed: k.allowed, count: warmKeys,
			owner: func(i int) string { return personID("usr_", first+i) },
		})
		if err != nil {
			return nil, err
		}
		requests = append(requests, b.site.questionsFrom(keys, k.ip))
	}
	if err := psql(ctx, b.site.database, "VACUUM (ANALYZE) api_keys", "CHECKPOINT"); err != nil {
		return nil, err
	}
	sides := make([]*side, len(requests))
	for i, of := range requests {
		if sides[i], err = newSide(ctx, n.URL, n.PID(), of); err != nil {
			return nil, err
		}
	}
	return sides, nil
}

// settleKeys is insert on a connection of its own.
func (s *site) settleKeys(ctx context.Context, k keyring) ([]string, error) {
	conn, err := pgx.Connect(ctx, s.database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return k.insert(ctx, conn)
}

// questionsFrom are questions about keys that are used from an address ("": it is
// not told).
func (s *site) questionsFrom(keys []string, ip string) [][]byte {
	requests := make([][]byte, len(keys))
	for i, k := range keys {
		form := url.Values{"token": {k}, "tenant": {"acme"}}
		if ip != "" {
			form.Set("ip", ip)
		}
		requests[i] = post(s.deployment.Issuer, "/oauth2/introspect", s.api, form)
	}
	return requests
}

// noteEvery is how often a node stores how keys were used.
const noteEvery = 10 * time.Second

// measureNoting reads what the node does beside its answers to note how keys were
// used, in microseconds for each key that was, however often.
func (b *bench) measureNoting(ctx context.Context, n *process.Node, keys []*side) (float64, error) {
	asked := 0
	for _, s := range keys {
		asked += warmKeys
		for _, l := range s.laps {
			asked += len(l.latencies)
		}
	}
	if err := b.awaitUses(ctx, asked); err != nil {
		return 0, err
	}
	if _, err := keys[0].driver.run(ctx, time.Minute, warmKeys); err != nil {
		return 0, err
	}
	before, err := cpuTime(n.PID())
	if err != nil {
		return 0, err
	}
	if err := b.awaitUses(ctx, asked+warmKeys); err != nil {
		return 0, err
	}
	after, err := cpuTime(n.PID())
	each := float64((after-before)/time.Microsecond) / warmKeys
	b.figures.add(fmt.Sprintf("noting every %s that each of %d API keys was used: processor time of the server", noteEvery, warmKeys),
		each, "us per key", keys[0].median(lap.cost), "one introspection", "")
	return each, err
}

// awaitUses waits until so many calls of the tenant's keys are recorded.
func (b *bench) awaitUses(ctx context.Context, calls int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.site.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for noted := -1; ; {
		err := conn.QueryRow(ctx, "SELECT COALESCE(SUM(calls), 0)::bigint FROM key_uses WHERE tenant_id = $1", b.site.tenant).Scan(&noted)
		if err != nil || noted >= calls {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d uses of keys were noted instead of %d: %w", noted, calls, ctx.Err())
		case <-tick.C:
		}
	}
}
