package directory

import (
	"context"
	"fmt"

	"github.com/watchgate/watchgate/storage"
)

// UserByEmail returns the one of a tenant's people who has an address. A problem: nobody
// has it, or several have, whom only their ids tell apart.
func (d *Directory) UserByEmail(ctx context.Context, tenant, email string) (storage.User, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return storage.User{}, err
	}
	all, err := d.cfg.Store.Tenant(t.ID).UsersByEmail(ctx, email)
	switch {
	case err != nil:
		return storage.User{}, explain(err, "list of people")
	case len(all) == 0:
		return storage.User{}, explain(storage.ErrNotFound, fmt.Sprintf("person with the address %q", email))
	case len(all) > 1:
		return storage.User{}, problem("%d people have the address %s: name one by id", len(all), email)
	}
	return all[0], nil
}
