package sqlstore

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var once = one(insert("replays", "tenant_id, use, hash, expires_at") + " ON CONFLICT (tenant_id, use, hash) DO NOTHING")

// Once implements storage.Replays. The id may be of any length. ErrNotFound: no such
// tenant.
func (t *Tenant) Once(ctx context.Context, use, id string, until time.Time) error {
	u := newUnit(t.id, "replay of a "+use)
	hash := sha256.Sum256([]byte(id))
	u.must(storage.ErrConsumed, once, t.id, use, hash[:], when(until))
	return write(ctx, t.engine, u)
}
