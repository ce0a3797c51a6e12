package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	tryDelivery = one(`UPDATE key_deliveries SET attempts = attempts + 1, next_at = $4
		WHERE tenant_id = $1 AND key_id = $2 AND attempts = $3 AND done_at IS NULL`)
	finishDelivery = one(`UPDATE key_deliveries SET sealed = NULL, next_at = NULL, done_at = $3
		WHERE tenant_id = $1 AND key_id = $2 AND done_at IS NULL`)
	warnDelivery = one(`UPDATE key_deliveries SET warned_at = $3
		WHERE tenant_id = $1 AND key_id = $2 AND done_at IS NULL AND warned_at IS NULL`)
)

const deliveryByOld = "SELECT " + deliveryColumns + " FROM key_deliveries WHERE tenant_id = $1 AND old_key_id = $2"

// Delivery implements storage.KeyDeliveries.
func (t *Tenant) Delivery(ctx context.Context, old storage.KeyID) (storage.KeyDelivery, error) {
	var d storage.KeyDelivery
	err := find(ctx, t.engine, t.scope("delivery"), deliveryByOld, deliveryFields(&d), t.id, string(old))
	return d, err
}

// TryDelivery implements storage.KeyDeliveries.
func (t *Tenant) TryDelivery(ctx context.Context, d storage.KeyDelivery, next time.Time) error {
	u := newUnit(t.id, "delivery of "+string(d.Key))
	u.must(storage.ErrConflict, tryDelivery, t.id, string(d.Key), int64(d.Attempts), when(next))
	return write(ctx, t.engine, u)
}

// FinishDelivery implements storage.KeyDeliveries. A delivery that is not there
// gives ErrConsumed too.
func (t *Tenant) FinishDelivery(ctx context.Context, key storage.KeyID, at time.Time, ev storage.Event) error {
	return t.onceDelivered(ctx, finishDelivery, key, at, ev)
}

// WarnDelivery implements storage.KeyDeliveries. A delivery that is not there gives
// ErrConsumed too.
func (t *Tenant) WarnDelivery(ctx context.Context, key storage.KeyID, at time.Time, ev storage.Event) error {
	return t.onceDelivered(ctx, warnDelivery, key, at, ev)
}

func (t *Tenant) onceDelivered(ctx context.Context, c *command, key storage.KeyID, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "delivery of "+string(key))
	u.must(storage.ErrConsumed, c, t.id, string(key), when(at))
	u.event(ev)
	return write(ctx, t.engine, u)
}
