package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Sizes of the growth section.
const (
	fewTokens   = 10_000
	manyTokens  = 1_000_000
	bigTokens   = 10_000_000
	askedTokens = 200_000
	perPerson   = 10

	coldRounds      = 10
	coldAtOnce      = fewTokens / coldRounds
	coldConnections = 2
)

// big reports whether the very large sizes are wanted.
func big() bool { return os.Getenv("BIG") != "" }

// town is a deployment in a database of its own, with a number of live tokens.
type town struct {
	*site
	count int
	cold  *driver
}

// prewarm reads what was inserted into the server's memory, where it would be if it
// had come in during the last hour.
const prewarm = `SELECT pg_prewarm(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i')`

// newTown fills a database and starts a server on it that remembers nothing.
func (b *bench) newTown(ctx context.Context, name string, count int) (*town, error) {
	if err := psql(ctx, b.pg.DSN("postgres"), "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	s, err := newSite(ctx, filepath.Join(b.dir, name), b.pg.DSN(name))
	if err != nil {
		return nil, err
	}
	t := &town{site: s, count: count}
	if err := t.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return t, nil
}

// open fills the database and starts the server.
func (t *town) open(ctx context.Context) error {
	tokens, err := t.settle(ctx, settlement{tokens: t.count, people: t.count / perPerson, keep: max(1, t.count/askedTokens)})
	if err != nil {
		return err
	}
	if err := psql(ctx, t.database, "CREATE EXTENSION pg_prewarm", prewarm); err != nil {
		return err
	}
	if t.node, err = t.join(ctx, "cold", forgetful); err != nil {
		return err
	}
	t.cold, err = newDriver(t.node.URL, coldConnections, t.questions(tokens), `{"active":true`)
	return err
}

// measureGrowth compares introspections that nobody remembers the answer of where
// many tokens live with the same where few do, and watches clean-up.
func measureGrowth(ctx context.Context, b *bench) error {
	n := manyTokens
	if big() {
		n = bigTokens
	}
	few, err := b.newTown(ctx, "few", fewTokens)
	if err != nil {
		return err
	}
	defer few.close()
	many, err := b.newTown(ctx, "many", n)
	if err != nil {
		return err
	}
	defer many.close()
	if err := b.measureCold(ctx, few, many); err != nil {
		return err
	}
	return b.measureSweep(ctx, many)
}

func (b *bench) measureCold(ctx context.Context, few, many *town) error {
	fewSide, manySide := &side{driver: few.cold, pid: few.node.PID()}, &side{driver: many.cold, pid: many.node.PID()}
	if err := raceCounted(ctx, coldRounds, coldAtOnce, fewSide, manySide); err != nil {
		return err
	}
	for _, q := range []struct {
		name  string
		value func(lap) float64
		goal  string
	}{
		{"p50", func(l lap) float64 { return l.micros(0.50) }, ""},
		{"p99", func(l lap) float64 { return l.micros(0.99) }, "ratio <= 1.30"},
	} {
		b.figures.compare(fmt.Sprintf("cold introspection with %d live tokens: %s", many.count, q.name), "us", manySide, fewSide, q.value,
			fmt.Sprintf("%d live tokens", few.count), q.goal)
	}
	return nil
}
