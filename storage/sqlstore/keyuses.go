package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	// Only a key of the tenant has uses.
	addKeyUse = some(selectInstead(insert("key_uses", under(useColumns))) + `
		WHERE EXISTS (SELECT 1 FROM api_keys k WHERE k.tenant_id = $1 AND k.id = $2)
		ON CONFLICT (tenant_id, key_id, day, refused, ip, scope, resource_server) DO UPDATE SET calls = key_uses.calls + excluded.calls,
		last_at = CASE WHEN excluded.last_at > key_uses.last_at THEN excluded.last_at ELSE key_uses.last_at END`)
	moveLastUsed = some(`UPDATE api_keys SET last_used_at = $3
		WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)`)
)

const keyUsage = "SELECT " + useColumns + ` FROM key_uses
	WHERE tenant_id = $1 AND key_id = $2 AND day >= $3 ORDER BY last_at DESC LIMIT 1000`

// NoteKeyUses implements storage.KeyUses. A call that was refused was no use of the
// key: it does not move LastUsedAt. Uses of keys that are not the tenant's are
// dropped. Nodes write in one order, so that none waits for another in a circle.
func (t *Tenant) NoteKeyUses(ctx context.Context, uses []storage.KeyUse) error {
	if len(uses) == 0 {
		return nil
	}
	u := newUnit(t.id, "key uses")
	uses = slices.SortedFunc(slices.Values(uses), compareUses)
	for i, use := range uses {
		u.do(addKeyUse, owned(t.id, useArgs(use))...)
		if i == len(uses)-1 || uses[i+1].Key != use.Key {
			u.usedLast(use.Key, uses[:i+1])
		}
	}
	return write(ctx, t.engine, u)
}

// usedLast moves a key's last use on, to the latest of its uses, which are the last
// of the list.
func (u *unit) usedLast(key storage.KeyID, uses []storage.KeyUse) {
	var last time.Time
	for i := len(uses) - 1; i >= 0 && uses[i].Key == key; i-- {
		if uses[i].Refused == "" && uses[i].LastAt.After(last) {
			last = uses[i].LastAt
		}
	}
	if !last.IsZero() {
		u.do(moveLastUsed, u.tenant, string(key), when(last))
	}
}

func compareUses(a, b storage.KeyUse) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), a.Day.Compare(b.Day), cmp.Compare(a.Refused, b.Refused), cmp.Compare(a.IP, b.IP),
		cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.ResourceServer, b.ResourceServer))
}

// KeyUsage implements storage.KeyUses.
func (t *Tenant) KeyUsage(ctx context.Context, id storage.KeyID, since time.Time) ([]storage.KeyUse, error) {
	return list(ctx, t.engine, t.scope("key usage"), keyUsage, useFields, t.id, string(id), since.UTC().Truncate(24*time.Hour).UnixMilli())
}
