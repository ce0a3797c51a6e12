package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// CreateConnection adds an identity provider to a tenant; secret is our client
// secret there and is sealed at once. The provider's discovery document is looked
// at first. A problem: a rule is broken, or the document does not fit.
func (d *Directory) CreateConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Connection, error) {
	t, err := d.newConnection(ctx, tenant, c, secret)
	if err != nil {
		return c, err
	}
	if err := d.cfg.Discoverer.Discover(ctx, c.Issuer); err != nil {
		return c, problem("%s", err)
	}
	return d.addConnection(ctx, t, c, secret)
}

// CreateUnseenConnection is CreateConnection for a provider that does not answer
// yet: nobody looks at it.
func (d *Directory) CreateUnseenConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Connection, error) {
	t, err := d.newConnection(ctx, tenant, c, secret)
	if err != nil {
		return c, err
	}
	return d.addConnection(ctx, t, c, secret)
}

// newConnection returns the tenant of a connection that may be added.
func (d *Directory) newConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Tenant, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return t, err
	}
	return t, d.checkConnection(c, secret)
}

func (d *Directory) addConnection(ctx context.Context, t storage.Tenant, c storage.Connection, secret string) (storage.Connection, error) {
	var err error
	now := d.cfg.Now()
	if c.ID == "" {
		c.ID = storage.NewConnectionID(now)
	}
	c.CreatedAt, c.Version = now, 1
	if c.Kind == storage.OIDC {
		if c.SealedSecret, err = d.sealSecret(secretPlace(t.ID, c.ID), secret); err != nil {
			return c, err
		}
	}
	err = d.cfg.Store.Tenant(t.ID).CreateConnection(ctx, c, audit.ConnectionCreated(ctx, now, c))
	return c, explain(err, fmt.Sprintf("connection %q", c.ID))
}

// AddDisabledConnection is CreateUnseenConnection for one that nobody signs in through
// until it is enabled: it can be tested first.
func (d *Directory) AddDisabledConnection(ctx context.Context, tenant string, c storage.Connection, secret string) (storage.Connection, error) {
	c.DisabledAt = d.cfg.Now()
	return d.CreateUnseenConnection(ctx, tenant, c, secret)
}

// Connection returns one of a tenant's connections. A problem that wraps
// storage.ErrNotFound: there is none.
func (d *Directory) Connection(ctx context.Context, tenant string, id storage.ConnectionID) (storage.Connection, error) {
	_, c, err := d.connection(ctx, tenant, id, 0)
	return c, err
}

// connection finds one at a version; 0 is whichever there is.
func (d *Directory) connection(ctx context.Context, tenant string, id storage.ConnectionID, version int64) (storage.Tenant, storage.Connection, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return t, storage.Connection{}, err
	}
	c, err := d.cfg.Store.Tenant(t.ID).Connection(ctx, id)
	if err == nil && version != 0 && version != c.Version {
		err = storage.ErrConflict
	}
	return t, c, explain(err, fmt.Sprintf("connection %q", id))
}

// storeConnection stores a changed connection and returns it as it now is.
func (d *Directory) storeConnection(ctx context.Context, t storage.TenantID, c storage.Connection, ev storage.Event) (storage.Connection, error) {
	err := d.cfg.Store.Tenant(t).UpdateConnection(ctx, c, ev)
	c.Version++
	return c, explain(err, fmt.Sprintf("connection %q", c.ID))
}

// ReplaceConnection stores a changed connection; an empty secret keeps the old
// one. A problem: a rule is broken, or it changed meanwhile.
func (d *Directory) ReplaceConnection(ctx context.Context, tenant string, c storage.Connection, secret string) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	if secret != "" {
		if c.SealedSecret, err = d.sealSecret(secretPlace(t.ID, c.ID), secret); err != nil {
			return err
		}
	}
	if err := d.checkConnection(c, "kept"); err != nil {
		return err
	}
	err = d.cfg.Store.Tenant(t.ID).UpdateConnection(ctx, c, audit.ConnectionUpdated(ctx, d.cfg.Now(), c))
	return explain(err, fmt.Sprintf("connection %q", c.ID))
}

// SetConnectionEnabled disables a connection, which kills every session and
// token that came through it, or enables it again.
func (d *Directory) SetConnectionEnabled(ctx context.Context, tenant string, id storage.ConnectionID, enabled bool) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	c, err := d.cfg.Store.Tenant(t.ID).Connection(ctx, id)
	if err != nil {
		return explain(err, fmt.Sprintf("connection %q", id))
	}
	now := d.cfg.Now()
	ev := audit.ConnectionDisabled(ctx, now, c)
	c.DisabledAt = now
	if enabled {
		c.DisabledAt = time.Time{}
		ev = audit.ConnectionEnabled(ctx, now, c)
	}
	return explain(d.cfg.Store.Tenant(t.ID).UpdateConnection(ctx, c, ev), fmt.Sprintf("connection %q", id))
}

// Connections lists a tenant's identity providers.
func (d *Directory) Connections(ctx context.Context, tenant string) ([]storage.Connection, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := d.cfg.Store.Tenant(t.ID).ListConnections(ctx)
	return all, explain(err, "list of connections")
}

// secretPlace is where a connection's client secret lives.
func secretPlace(t storage.TenantID, id storage.ConnectionID) seal.Place {
	return seal.Place{Tenant: t, Table: "connections", Column: "client_secret", Row: string(id)}
}

// nextSecretPlace is where the one that comes next lives.
func nextSecretPlace(t storage.TenantID, id storage.ConnectionID) seal.Place {
	return seal.Place{Tenant: t, Table: "connections", Column: "next_secret", Row: string(id)}
}

func (d *Directory) sealSecret(p seal.Place, secret string) ([]byte, error) {
	sealed, err := d.cfg.Sealer.Seal(p, []byte(secret))
	if err != nil {
		return nil, fmt.Errorf("directory: seal a connection's secret: %w", err)
	}
	return sealed, nil
}
