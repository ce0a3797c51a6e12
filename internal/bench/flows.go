package main

import (
	"context"
	"path/filepath"
)

// measureFlowsPostgres has as its baseline one durable transaction.
func measureFlowsPostgres(ctx context.Context, b *bench) error {
	base, err := b.insertTokens(ctx)
	if err != nil {
		return err
	}
	return b.measureFlows(ctx, b.site, "PostgreSQL", base, "pgbench, one row a transaction")
}

func measureFlowsSQLite(ctx context.Context, b *bench) error {
	s, err := newSite(ctx, filepath.Join(b.dir, "sqlite"), "data")
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.run(ctx); err != nil {
		return err
	}
	request := s.clientCredentials()
	base, err := load(ctx, s.node.URL, func(_ int, w *wire) error {
		status, body, err := w.do(request)
		return expect("client credentials", status, body, err)
	})
	if err != nil {
		return err
	}
	b.figures.add("client-credentials tokens on SQLite", base, "1/s", 0, "", "")
	return b.measureFlows(ctx, s, "SQLite", base, "client-credentials tokens on SQLite")
}

// measureFlows counts full code flows (authorize with a session and remembered
// consent, code, tokens) and refreshes per second.
func (b *bench) measureFlows(ctx context.Context, s *site, engine string, base float64, against string) error {
	a, err := s.signIn(ctx)
	if err != nil {
		return err
	}
	rate, err := load(ctx, s.node.URL, func(_ int, w *wire) error {
		_, err := a.flow(w)
		return err
	})
	if err != nil {
		return err
	}
	b.figures.add("full code flows on "+engine, rate, "1/s", base, against, "")
	held := make([]tokens, workers)
	rate, err = load(ctx, s.node.URL, func(worker int, w *wire) (err error) {
		if held[worker].Refresh == "" {
			held[worker], err = a.flow(w)
			return err
		}
		held[worker], err = a.refresh(w, held[worker].Refresh)
		return err
	})
	b.figures.add("refreshes on "+engine, rate, "1/s", base, against, "")
	return err
}
