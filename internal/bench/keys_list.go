package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Sizes of what is said about lists of keys.
const (
	fewKeys  = 10
	manyKeys = 100_000

	listRounds      = 10
	listsAtOnce     = 200
	listConnections = 2

	listPath = "/v1/auth/keys"
)

// bearing renders a request with a bearer token; body may be empty.
func bearing(method, base, path, bearer, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", method, path, strings.TrimPrefix(base, "http://"), bearer)
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return b.Bytes()
}

// measureListing compares the first page of an account that has many keys with the
// first (and only) one of an account that has few, before the database has gathered
// any statistics of keys, and after.
func measureListing(ctx context.Context, b *bench) error {
	conn, err := pgx.Connect(ctx, b.site.database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := psql(ctx, b.site.database, "ALTER TABLE api_keys SET (autovacuum_enabled = false)"); err != nil {
		return err
	}
	few, err := b.site.newAccount(ctx, conn, "few", fewKeys)
	if err != nil {
		return err
	}
	many, err := b.site.newAccount(ctx, conn, "many", manyKeys)
	if err != nil {
		return err
	}
	if err := psql(ctx, b.site.database, "CHECKPOINT"); err != nil {
		return err
	}
	if err := b.compareLists(ctx, few, many, "", "before ANALYZE", "ratio <= 1.50"); err != nil {
		return err
	}
	if err := psql(ctx, b.site.database, "ALTER TABLE api_keys RESET (autovacuum_enabled)", "VACUUM (ANALYZE) api_keys", "CHECKPOINT"); err != nil {
		return err
	}
	if err := b.compareLists(ctx, few, many, "", "after ANALYZE", "ratio <= 1.50"); err != nil {
		return err
	}
	return b.compareLists(ctx, few, many, fmt.Sprintf("?limit=%d", fewKeys), fmt.Sprintf("pages of %d", fewKeys), "")
}

// compareLists lets both accounts list, in turns.
func (b *bench) compareLists(ctx context.Context, few, many *account, query, when, goal string) error {
	sides := make([]*side, 2)
	for i, a := range []*account{few, many} {
		d, err := newDriver(b.site.node.URL, listConnections, [][]byte{bearing("GET", b.site.deployment.Issuer, listPath+query, a.key, "")}, `{"items":[{"id":"key_`)
		if err != nil {
			return err
		}
		sides[i] = &side{driver: d, pid: b.site.node.PID()}
		if _, err := d.run(ctx, time.Minute, listsAtOnce); err != nil {
			return err
		}
	}
	if err := raceCounted(ctx, listRounds, listsAtOnce, sides...); err != nil {
		return err
	}
	b.figures.compare(fmt.Sprintf("first page of an account with %d keys, %s: p50", many.count, when), "us", sides[1], sides[0],
		func(l lap) float64 { return l.micros(0.50) }, fmt.Sprintf("an account with %d keys", few.count), goal)
	return nil
}
