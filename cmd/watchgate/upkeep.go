package main

import (
	"context"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// How often a node looks after what runs beside the requests. Every task is
// idempotent, and any number of nodes may do it at once.
const (
	keysEvery    = time.Minute
	sweepEvery   = 10 * time.Minute
	apiKeysEvery = 2 * time.Second
)

// upkeep rotates signing keys on schedule, makes room for the tokens to come
// and removes those that are over, until ctx is done. What fails is logged and
// done again at the next turn.
func (d *deployment) upkeep(ctx context.Context) error {
	keys, sweep := time.NewTicker(keysEvery), time.NewTicker(sweepEvery)
	defer keys.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-keys.C:
			d.attempt(ctx, "signing keys", d.signer.Tick)
			if d.keySigner != nil {
				d.attempt(ctx, "signing keys of API keys", d.keySigner.Tick)
			}
		case <-sweep.C:
			d.attempt(ctx, "prepare", func(ctx context.Context) error { return d.store.Prepare(ctx, now()) })
			d.attempt(ctx, "sweep", d.sweep)
			d.attempt(ctx, "master secret", d.reseal)
			d.attempt(ctx, "domains", func(ctx context.Context) error { _, err := d.claims.Tick(ctx); return err })
			d.attempt(ctx, "client secrets", func(ctx context.Context) error { _, err := d.dir.ExpiringSecrets(ctx); return err })
		}
	}
}

// tendKeys makes successors of API keys that are due and hands them over, until ctx
// is done. It has a turn of its own: a webhook may take its time.
func (d *deployment) tendKeys(ctx context.Context) error {
	d.tend(ctx, apiKeysEvery, nil, "API keys", d.keys.Tick)
	return nil
}

// tend does a task at each turn, and at once when it is due, until ctx is done.
func (d *deployment) tend(ctx context.Context, turn time.Duration, due <-chan struct{}, task string, do func(context.Context) error) {
	every := time.NewTicker(turn)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		case <-due:
		}
		d.attempt(ctx, task, do)
	}
}

// maxSkew is how far a node's clock may be from the database's when it cleans up.
// Tokens are kept for an hour after their end, so that less does no harm.
const maxSkew = 10 * time.Minute

// sweep leaves cleaning up to others when this node's clock is wrong: a clock that is
// ahead would take away what is good.
func (d *deployment) sweep(ctx context.Context) error {
	if c, ok := d.store.(storage.Clock); ok {
		at, err := c.Clock(ctx)
		if err != nil {
			return err
		}
		if apart := now().Sub(at); apart.Abs() > maxSkew {
			return fmt.Errorf("the clocks of this node and of the database are %s apart: nothing is cleaned up here until they agree", apart.Abs().Round(time.Second))
		}
	}
	s, err := d.store.Sweep(ctx, now())
	if s.Partitions > 0 || s.Rows > 0 {
		d.log.InfoContext(ctx, "swept", "partitions", s.Partitions, "rows", s.Rows)
	}
	return err
}

func (d *deployment) attempt(ctx context.Context, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil && ctx.Err() == nil {
		d.log.ErrorContext(ctx, "upkeep failed; it is tried again", "task", what, "error", err)
	}
}
