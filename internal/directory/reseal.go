package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// Reseal seals under the newest master every client secret that an older one
// sealed, so that the older one can be taken away (KM-05), and returns how many.
// It reads every connection: call it while masters change. What fails is in the
// error, and the others are sealed all the same; running it again does the rest.
func (d *Directory) Reseal(ctx context.Context) (int, error) {
	tenants, err := d.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	var failed error
	for _, t := range tenants {
		cons, err := d.cfg.Store.Tenant(t.ID).ListConnections(ctx)
		failed = errors.Join(failed, err)
		for _, c := range cons {
			changed, err := d.resealConnection(ctx, t.ID, c)
			failed = errors.Join(failed, err)
			if changed {
				done++
			}
		}
	}
	return done, failed
}

// resealConnection reports whether it stored the connection anew. One that
// somebody changed at the same moment is left to them: they sealed it now.
func (d *Directory) resealConnection(ctx context.Context, t storage.TenantID, c storage.Connection) (bool, error) {
	if !d.cfg.Sealer.Stale(c.SealedSecret) {
		return false, nil
	}
	secret, err := d.cfg.Sealer.Open(secretPlace(t, c.ID), c.SealedSecret)
	if err != nil {
		return false, fmt.Errorf("directory: client secret of connection %s: %w", c.ID, err)
	}
	if c.SealedSecret, err = d.sealSecret(t, c.ID, string(secret)); err != nil {
		return false, err
	}
	err = d.cfg.Store.Tenant(t).UpdateConnection(ctx, c, audit.ConnectionUpdated(ctx, d.cfg.Now(), c))
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, explain(err, fmt.Sprintf("connection %q", c.ID))
}
