package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Reseal seals under the newest master every client secret and every seed of an
// authenticator app that an older one sealed, so that the older one can be taken away
// (KM-05), and returns how many.
// It reads every connection and every person's factors: call it while masters change.
// What fails is in the error, and the others are sealed all the same; running it again does the rest.
func (d *Directory) Reseal(ctx context.Context) (int, error) {
	tenants, err := d.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	var failed error
	count := func(changed bool, err error) {
		failed = errors.Join(failed, err)
		if changed {
			done++
		}
	}
	for _, t := range tenants {
		cons, err := d.cfg.Store.Tenant(t.ID).ListConnections(ctx)
		failed = errors.Join(failed, explain(err, "list of connections"))
		for _, c := range cons {
			count(d.resealConnection(ctx, t.ID, c))
		}
		people, err := d.cfg.Store.Tenant(t.ID).ListUsers(ctx)
		failed = errors.Join(failed, explain(err, "list of people"))
		for _, u := range people {
			factors, err := d.cfg.Store.Tenant(t.ID).ListFactors(ctx, u.ID)
			failed = errors.Join(failed, explain(err, "list of factors"))
			for _, f := range factors {
				count(d.resealSeed(ctx, t.ID, f))
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

// resealSeed reports whether it stored the seed of an authenticator app anew. One that
// another node was faster with is theirs, and one that was removed is nobody's.
func (d *Directory) resealSeed(ctx context.Context, t storage.TenantID, f storage.Factor) (bool, error) {
	sealed := f.SealedSecret
	changed, err := d.resealed(&sealed, seal.Place{Tenant: t, Table: "factors", Column: "secret", Row: string(f.ID)})
	if !changed {
		return false, err
	}
	err = d.cfg.Store.Tenant(t).ResealFactor(ctx, f, sealed)
	if errors.Is(err, storage.ErrConflict) {
		return false, nil
	}
	return err == nil, explain(err, fmt.Sprintf("factor %q", f.ID))
}
