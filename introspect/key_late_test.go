package introspect

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/storage"
)

// anyKey takes everything that begins with "k" for a key.
type anyKey struct{}

func (anyKey) ParseKey(s string) ([32]byte, bool) {
	return sha256.Sum256([]byte(s)), strings.HasPrefix(s, "k")
}

func (anyKey) Verify(context.Context, string) bool { return true }

func (anyKey) Rules(string) (bool, limit.Rate, bool) { return false, limit.Rate{}, true }

// keyStore is tokens with one key, "k", that lives until it is revoked.
type keyStore struct {
	*tokens
	dead bool
}

func (s *keyStore) IntrospectKey(ctx context.Context, _ storage.ResourceServerID, hash [32]byte) (storage.ResourceServer, *storage.LiveKey, error) {
	s.mu.Lock()
	s.asked++
	rs, after, dead := s.rs, s.after, s.dead
	s.mu.Unlock()
	after(ctx)
	if dead {
		return rs, nil, nil
	}
	return rs, &storage.LiveKey{
		APIKey: storage.APIKey{ID: "key_1", Hash: hash, Scopes: []string{"monitor:read"}, CreatedAt: today},
		Life:   storage.Life{TenantID: "ten_1", TenantSlug: "acme"},
	}, nil
}

// A key is revoked while it is being read for somebody. Whoever asks after the
// revocation has returned gets nothing of that reading, and nobody finds it later.
func TestAttackKeyRevokedWhileItIsRead(t *testing.T) {
	inBubble(t, func(b bubble) {
		store := &keyStore{tokens: b.store}
		b.Server.cfg.Store, b.Server.cfg.Keys = store, anyKey{}
		b.want(b.issue(), "", 1) // the asker is remembered from now on
		release := b.slow()
		first := b.begin("k")
		b.store.set(func() { store.dead = true })
		b.store.memoryFeed.mu.Lock()
		b.store.pending = append(b.store.pending, storage.Change{Kind: storage.ChangeKey, Tenant: "ten_1", ID: "key_1"})
		b.store.memoryFeed.mu.Unlock()
		b.store.wake <- struct{}{}
		later := b.begin("k")
		release()
		first.end(t, "") // it began before
		later.end(t, "unknown")
		b.want("k", "unknown", 1)
	})
}
