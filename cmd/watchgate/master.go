package main

import (
	"context"
	"fmt"
)

// ready does what a server has to do before it serves: a key of each algorithm
// must sign, and what an older master secret sealed is sealed anew. A value that
// cannot be is logged: the old master still opens it.
func (d *deployment) ready(ctx context.Context) error {
	if err := d.signer.CanSign(ctx); err != nil {
		return fmt.Errorf("the server could not sign: %w", explainKeys(err))
	}
	if err := d.dir.EnsureOwn(ctx, d.cfg.Issuer, d.cfg.product.ownScopes()); err != nil {
		return fmt.Errorf("cannot register the management API: %w", err)
	}
	d.attempt(ctx, "master secret", d.reseal)
	return nil
}

// reseal moves the connections' client secrets and the seeds of authenticator apps to the
// newest master secret while there is an older one. The signing keys do the same whenever they tick.
func (d *deployment) reseal(ctx context.Context) error {
	if !d.sealer.Changing() {
		return nil
	}
	n, err := d.dir.Reseal(ctx)
	if err == nil {
		d.log.InfoContext(ctx, "all client secrets of connections and seeds of authenticator apps are sealed under the first line of secret_file", "sealed_now", n)
	}
	return err
}
