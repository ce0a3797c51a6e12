package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// repeat is how often an operation is done while its round trips are counted.
const repeat = 50

// measureRoundTrips counts what each operation asks PostgreSQL, by the server's
// own metrics (round trips) and by pg_stat_statements (statements).
func measureRoundTrips(ctx context.Context, b *bench) error {
	a, err := b.site.signIn(ctx)
	if err != nil {
		return err
	}
	w, err := dial(b.site.node.URL)
	if err != nil {
		return err
	}
	for _, op := range b.operations(a, w) {
		if err := op.measure(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
	}
	return nil
}

// operation is something whose round trips are counted. Its goal is on trips or
// on statements, and is said in words.
type operation struct {
	name    string
	once    func() error
	trips   float64 // the goal, as a baseline
	goal    string
	prepare func() error
}

func (b *bench) operations(a *app, w *wire) []operation {
	var code, verifier string
	var held tokens
	authorize := func() (err error) {
		verifier = rand.Text() + rand.Text()
		code, err = a.authorize(w, verifier)
		return err
	}
	none := func() error { return nil }
	var fresh string
	issue := func() (err error) {
		fresh, err = tokenFrom(w.do(b.site.clientCredentials()))
		return err
	}
	ask := func(token string) func() error {
		return func() error {
			status, body, err := w.do(post(b.site.deployment.Issuer, "/oauth2/introspect", b.site.api, url.Values{"token": {token}}))
			return expect("introspect", status, body, err)
		}
	}
	return []operation{
		{"authorize with a session and remembered consent", authorize, 1, "1 round trip", none},
		{"code exchange", func() (err error) { held, err = a.redeem(w, code, verifier); return err }, 2, "2 round trips", authorize},
		{"refresh", func() (err error) { held, err = a.refresh(w, held.Refresh); return err }, 2, "2 round trips", none},
		{"introspection, the first of a token", func() error { return ask(fresh)() }, 1, "1 statement", issue},
		{"introspection, cache warm", func() error { return ask(fresh)() }, 0, "0", none},
		{"introspection of a garbage token", ask("wgat_garbage"), 0, "0", none},
		{"client credentials", func() error {
			status, body, err := w.do(b.site.clientCredentials())
			return expect("token", status, body, err)
		}, 2, "", none},
	}
}

// measure does the operation repeat times and notes what it cost on average.
func (op operation) measure(ctx context.Context, b *bench) error {
	var trips, stated float64
	for i := range repeat + 1 {
		if err := op.prepare(); err != nil {
			return err
		}
		t0, s0, err := b.asked(ctx)
		if err != nil {
			return err
		}
		if err := op.once(); err != nil {
			return err
		}
		t1, s1, err := b.asked(ctx)
		if err != nil {
			return err
		}
		if i > 0 { // the first fills what is remembered
			trips, stated = trips+t1-t0, stated+s1-s0
		}
	}
	b.figures.add(op.name+": round trips", trips/repeat, "per call", op.trips, "the design", op.goal)
	b.figures.add(op.name+": statements at the server", stated/repeat, "per call", 0, "", "")
	return nil
}

// asked returns round trips by the node's count and statements by the
// database's.
func (b *bench) asked(ctx context.Context) (trips, stated float64, err error) {
	if trips, err = metric(ctx, b.site.node.OperatorURL, "watchgate_database_round_trips_total"); err != nil {
		return 0, 0, err
	}
	stated, err = statements(ctx, b.pg.DSN("watchgate"))
	return trips, stated, err
}

// metric reads one number from a node's /metrics.
func metric(ctx context.Context, operator, name string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, operator+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(io.LimitReader(res.Body, 1<<20)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s is not among the metrics", name)
}
