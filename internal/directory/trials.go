package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// testLife is for how long a trial of a connection, and what came of it, is kept.
const testLife = 24 * time.Hour

// NewConnectionTest prepares a trial of a connection, which may be disabled, and returns
// it with its tenant: whoever opens /login/test/{tenant}/{test} under the issuer signs in at
// the provider, and nobody here. A problem: there is no such connection, or nobody
// signs in anywhere else through it.
func (d *Directory) NewConnectionTest(ctx context.Context, tenant string, id storage.ConnectionID) (storage.ConnectionTest, storage.Tenant, error) {
	t, c, err := d.connection(ctx, tenant, id, 0)
	if err != nil {
		return storage.ConnectionTest{}, t, err
	}
	if c.Kind != storage.OIDC {
		return storage.ConnectionTest{}, t, problem("a connection of kind %s has no provider to try", c.Kind)
	}
	now := d.cfg.Now()
	test := storage.ConnectionTest{ID: storage.NewTestID(now), Connection: id, CreatedAt: now, ExpiresAt: now.Add(testLife)}
	err = d.cfg.Store.Tenant(t.ID).PutConnectionTest(ctx, test, audit.ConnectionTested(ctx, now, test))
	return test, t, explain(err, fmt.Sprintf("connection %q", id))
}
