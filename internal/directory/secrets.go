package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// NextSecret is a client secret that takes another's place.
type NextSecret struct {
	Secret    string    // 1 to 4000 bytes
	ExpiresAt time.Time // as the provider says; zero: not known
}

// RotateSecret adds the client secret that comes next: where the provider refuses the
// one, the other is tried, so that nobody is interrupted whatever is done first. A
// second one before PromoteSecret takes the place of the first. version is the one that was
// decided on; 0: whichever there is. A problem: there is no such
// connection, it has no secret, or the new one has ended.
func (d *Directory) RotateSecret(ctx context.Context, tenant string, id storage.ConnectionID, version int64, next NextSecret) (storage.Connection, error) {
	t, c, err := d.connection(ctx, tenant, id, version)
	if err != nil {
		return c, err
	}
	now, p := d.cfg.Now(), &Problem{}
	switch {
	case c.Kind != storage.OIDC:
		p.add("a connection of kind %s has no client secret", c.Kind)
	case next.Secret == "" || len(next.Secret) > 4000:
		p.in("client_secret", "give the client secret that the provider shows")
	case !next.ExpiresAt.IsZero() && !next.ExpiresAt.After(now):
		p.in("expires_at", "this secret has ended already")
	}
	if err := p.or(); err != nil {
		return c, err
	}
	if c.SealedNextSecret, err = d.sealSecret(nextSecretPlace(t.ID, id), next.Secret); err != nil {
		return c, err
	}
	c.SecretExpiresAt, c.SecretWarnedAt = next.ExpiresAt, time.Time{}
	return d.storeConnection(ctx, t.ID, c, audit.ConnectionSecretRotated(ctx, now, c))
}

// PromoteSecret forgets the client secret that was, and goes on with the one that was
// added. A problem: none was.
func (d *Directory) PromoteSecret(ctx context.Context, tenant string, id storage.ConnectionID, version int64) (storage.Connection, error) {
	t, c, err := d.connection(ctx, tenant, id, version)
	switch {
	case err != nil:
		return c, err
	case c.SealedNextSecret == nil:
		return c, problem("no secret was added that could take the place of the one there is")
	}
	secret, err := d.cfg.Sealer.Open(nextSecretPlace(t.ID, id), c.SealedNextSecret)
	if err != nil {
		return c, fmt.Errorf("directory: next client secret of connection %s: %w", id, err)
	}
	if c.SealedSecret, err = d.sealSecret(secretPlace(t.ID, id), string(secret)); err != nil {
		return c, err
	}
	c.SealedNextSecret = nil
	return d.storeConnection(ctx, t.ID, c, audit.ConnectionSecretRotated(ctx, d.cfg.Now(), c))
}

// warnings are how long before its end a tenant is told of a secret's.
var warnings = []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}

const (
	// warnAgain is how long nothing is said after something was.
	warnAgain  = 12 * time.Hour
	warnAtOnce = 200 // connections that one tick sees to
)

// ExpiringSecrets tells the owners of tenants whose client secret at a provider ends in
// 30, 7 or 1 days, once each time, and returns how many connections that were. Any
// number of nodes may run it.
func (d *Directory) ExpiringSecrets(ctx context.Context) (int, error) {
	now := d.cfg.Now()
	all, err := d.cfg.Store.ExpiringConnections(ctx, now.Add(slices.Max(warnings)+time.Second), now.Add(-warnAgain), warnAtOnce)
	if err != nil {
		return 0, explain(err, "list of connections")
	}
	ctx = audit.WithActor(ctx, audit.ActorSystem, "directory")
	told := 0
	var failed error
	for _, c := range all {
		if !dueWarning(c.Connection, now) {
			continue
		}
		ok, err := d.warn(ctx, c.Tenant, c.Connection, now)
		failed = errors.Join(failed, err)
		if ok {
			told++
		}
	}
	return told, failed
}

// dueWarning reports whether the end of a secret is nearer than it was when its tenant
// was last told.
func dueWarning(c storage.Connection, now time.Time) bool {
	if c.SecretExpiresAt.IsZero() || !c.DisabledAt.IsZero() || !now.Before(c.SecretExpiresAt) {
		return false
	}
	for _, before := range warnings {
		if from := c.SecretExpiresAt.Add(-before); !now.Before(from) {
			return c.SecretWarnedAt.Before(from)
		}
	}
	return false
}

// warn notes that the tenant is told, and tells it. Of several nodes one does.
func (d *Directory) warn(ctx context.Context, t storage.TenantID, c storage.Connection, now time.Time) (bool, error) {
	c.SecretWarnedAt = now
	err := d.cfg.Store.Tenant(t).UpdateConnection(ctx, c, audit.SecretExpiring(ctx, now, c))
	switch {
	case errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound):
		return false, nil
	case err != nil:
		return false, explain(err, fmt.Sprintf("connection %q", c.ID))
	}
	return true, d.TellOwners(ctx, t, mail.SecretExpires, map[string]string{
		"connection": c.Name, "expires": moment(c.SecretExpiresAt), "link": "",
	})
}
