package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Where a key is used from and for what is chosen by whoever presents it, so that
// what is stored about one key and day is bounded: 200 ways, and a refusal opens one
// only among the first 100: whoever is refused hides nobody's use. What comes beyond
// is counted in the row of its refusal that says neither whence nor for what.
var (
	//
	// The limit has the question answered once: without it a planner puts it in place of
	// each r.told.
	addKeyUse = some(`INSERT INTO key_uses (` + under(useColumns) + `)
		SELECT $1, $2, $3, $4, CASE WHEN r.told THEN $5 ELSE '' END, CASE WHEN r.told THEN $6 ELSE '' END,
			CASE WHEN r.told THEN $7 ELSE '' END, $8, $9
		FROM (SELECT EXISTS (SELECT 1 FROM key_uses u WHERE u.tenant_id = $1 AND u.key_id = $2 AND u.day = $3
				AND u.refused = $4 AND u.ip = $5 AND u.scope = $6 AND u.resource_server = $7)
			OR (SELECT COUNT(*) FROM (SELECT 1 FROM key_uses u WHERE u.tenant_id = $1 AND u.key_id = $2 AND u.day = $3 LIMIT 200) l)
				< CASE WHEN $4 = '' THEN 200 ELSE 100 END AS told LIMIT 1) r
		WHERE EXISTS (SELECT 1 FROM api_keys k WHERE k.tenant_id = $1 AND k.id = $2)
		ON CONFLICT (tenant_id, key_id, day, refused, ip, scope, resource_server) DO UPDATE SET calls = key_uses.calls + excluded.calls,
		last_at = CASE WHEN excluded.last_at > key_uses.last_at THEN excluded.last_at ELSE key_uses.last_at END`)
	moveLastUsed = some(`UPDATE api_keys SET last_used_at = $3
		WHERE tenant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)`)
	// lockLastUsed holds the key's row in any case. $3 may be NULL, which moves nothing.
	lockLastUsed = some(`UPDATE api_keys SET last_used_at = CASE WHEN last_used_at IS NULL OR last_used_at < $3 THEN $3 ELSE last_used_at END
		WHERE tenant_id = $1 AND id = $2`)
)

// Of a key with very many ways, the sums of each day and refusal stand for those
// that were used before the last 5000. Refusals lose their details first.
const keyUsage = `WITH ways AS (
		SELECT ` + useColumns + `, ROW_NUMBER() OVER (ORDER BY CASE WHEN refused = '' THEN 0 ELSE 1 END, last_at DESC) AS nth
		FROM key_uses WHERE tenant_id = $1 AND key_id = $2 AND day >= $3)
	SELECT ` + useColumns + ` FROM ways WHERE nth <= 5000
	UNION ALL SELECT key_id, day, refused, '', '', '', CAST(SUM(calls) AS BIGINT), MAX(last_at) FROM ways
		WHERE nth > 5000 GROUP BY key_id, day, refused
	ORDER BY last_at DESC`

// NoteKeyUses implements storage.KeyUses. A call that was refused was no use of the
// key: it does not move LastUsedAt. Uses of keys that are not the tenant's are
// dropped. Of one key and day at most 200 ways are kept apart. Nodes write in one
// order, so that none waits for another in a circle.
func (t *Tenant) NoteKeyUses(ctx context.Context, uses []storage.KeyUse) error {
	if len(uses) == 0 {
		return nil
	}
	u := newUnit(t.id, "key uses")
	uses = slices.SortedFunc(slices.Values(uses), compareUses)
	for start, i := 0, 0; i < len(uses); i++ {
		if i == len(uses)-1 || uses[i+1].Key != uses[i].Key {
			u.noteUses(uses[start : i+1])
			start = i + 1
		}
	}
	return write(ctx, t.engine, u)
}

// noteUses adds to what is stored about one key. Several ways are added under its
// lock: the number of those that there are is then right, and it does not matter
// that the row which takes what is beyond comes in no order.
func (u *unit) noteUses(uses []storage.KeyUse) {
	key, last := string(uses[0].Key), lastUse(uses)
	switch {
	case len(uses) > 1:
		u.do(lockLastUsed, u.tenant, key, when(last))
	case !last.IsZero():
		u.do(moveLastUsed, u.tenant, key, when(last))
	}
	for _, use := range uses {
		u.do(addKeyUse, owned(u.tenant, useArgs(use))...)
	}
}

// lastUse is when the last call was that was not refused, or zero.
func lastUse(uses []storage.KeyUse) time.Time {
	var last time.Time
	for _, use := range uses {
		if use.Refused == "" && use.LastAt.After(last) {
			last = use.LastAt
		}
	}
	return last
}

func compareUses(a, b storage.KeyUse) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), a.Day.Compare(b.Day), cmp.Compare(a.Refused, b.Refused), cmp.Compare(a.IP, b.IP),
		cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.ResourceServer, b.ResourceServer))
}

// KeyUsage implements storage.KeyUses. All calls are in it; beyond 5000 ways, those
// that were used before are summed up for each day and refusal.
func (t *Tenant) KeyUsage(ctx context.Context, id storage.KeyID, since time.Time) ([]storage.KeyUse, error) {
	return list(ctx, t.engine, t.scope("key usage"), keyUsage, useFields, t.id, string(id), since.UTC().Truncate(24*time.Hour).UnixMilli())
}
