package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Reseal seals under the newest master every client secret that an older one
// sealed, so that the older one can be taken away (KM-05), and returns how many.
// It reads every connection and every person's factors: call it while masters change.
// What fails is in the error, and the others are sealed all the same; running it again does the rest.
// The seeds of authenticator apps stay as they are: while an older master sealed one,
// that is in the error, because without that master nobody could use it.
func (d *Directory) Reseal(ctx context.Context) (int, error) {
	tenants, err := d.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	var failed error
	for _, t := range tenants {
		failed = errors.Join(failed, d.staleSeeds(ctx, t))
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
	first, err := d.resealed(&c.SealedSecret, secretPlace(t, c.ID))
	if err != nil {
		return false, err
	}
	second, err := d.resealed(&c.SealedNextSecret, nextSecretPlace(t, c.ID))
	if err != nil || !first && !second {
		return false, err
	}
	err = d.cfg.Store.Tenant(t).UpdateConnection(ctx, c, audit.ConnectionUpdated(ctx, d.cfg.Now(), c))
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return err == nil, explain(err, fmt.Sprintf("connection %q", c.ID))
}

// resealed seals a value anew, if it is there and has to be.
func (d *Directory) resealed(sealed *[]byte, p seal.Place) (bool, error) {
	if *sealed == nil || !d.cfg.Sealer.Stale(*sealed) {
		return false, nil
	}
	plain, err := d.cfg.Sealer.Open(p, *sealed)
	if err != nil {
		return false, fmt.Errorf("directory: %s of %s: %w", p.Column, p.Row, err)
	}
	if *sealed, err = d.cfg.Sealer.Seal(p, plain); err != nil {
		return false, fmt.Errorf("directory: seal %s: %w", p.Column, err)
	}
	return true, nil
}

// staleSeeds says how many authenticator apps of a tenant need an older master.
func (d *Directory) staleSeeds(ctx context.Context, t storage.Tenant) error {
	store := d.cfg.Store.Tenant(t.ID)
	people, err := store.ListUsers(ctx)
	if err != nil {
		return explain(err, "list of people")
	}
	stale := 0
	for _, u := range people {
		factors, err := store.ListFactors(ctx, u.ID)
		if err != nil {
			return explain(err, "list of factors")
		}
		for _, f := range factors {
			if f.SealedSecret != nil && d.cfg.Sealer.Stale(f.SealedSecret) {
				stale++
			}
		}
	}
	if stale > 0 {
		return problem("%d authenticator apps of the tenant %s need an older master secret: keep its line", stale, t.Slug)
	}
	return nil
}
