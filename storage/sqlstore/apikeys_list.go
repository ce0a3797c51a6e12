package sqlstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/watchgate/watchgate/storage"
)

const keyByID = "SELECT " + keyColumns + " FROM api_keys WHERE tenant_id = $1 AND id = $2"

// Key implements storage.KeyReader.
func (t *Tenant) Key(ctx context.Context, id storage.KeyID) (storage.APIKey, error) {
	var k storage.APIKey
	err := find(ctx, t.engine, t.scope("API key"), keyByID, keyFields(&k), t.id, string(id))
	return k, err
}

// ListKeys implements storage.KeyReader.
func (t *Tenant) ListKeys(ctx context.Context, f storage.KeyFilter) ([]storage.APIKey, error) {
	q, err := t.keyQuery(f, f.After)
	if err != nil {
		return nil, err
	}
	sql := q.page(f.Limit)
	return list(ctx, t.engine, t.scope("API keys"), sql, keyFields, q.args...)
}

// CountKeys implements storage.KeyReader.
func (t *Tenant) CountKeys(ctx context.Context, f storage.KeyFilter) (int, error) {
	q, err := t.keyQuery(f, "")
	if err != nil {
		return 0, err
	}
	var n int
	err = find(ctx, t.engine, t.scope("API keys"), "SELECT count(*)"+q.sql, []any{counter{&n}}, q.args...)
	return n, err
}

// maxKeys bounds a page.
const maxKeys = 1000

// keyQuery is FROM and WHERE of a list of keys, and the column that is its order.
type keyQuery struct {
	sql, order string
	args       []any
}

// arg adds an argument and returns its mark.
func (q *keyQuery) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// page is the statement that reads the first of them.
func (q *keyQuery) page(limit int) string {
	return "SELECT " + keyColumns + q.sql + " ORDER BY " + q.order + " DESC LIMIT " + q.arg(int64(min(max(limit, 1), maxKeys)))
}

func (q *keyQuery) and(condition string) { q.sql += " AND " + condition }

// keyQuery reads a range of the one column that orders exactly the keys of the
// owner, or of the tenant, or the live ones of them.
func (t *Tenant) keyQuery(f storage.KeyFilter, after storage.KeyID) (*keyQuery, error) {
	q := &keyQuery{order: "id"}
	q.sql = " FROM api_keys WHERE tenant_id = " + q.arg(t.id)
	low, high := path().bounds(string(after))
	if f.State == "live" {
		q.order = "live"
		low, high = path(t.id).bounds(string(after))
	}
	if f.Owner != nil {
		q.order = map[bool]string{true: "live_of_owner", false: "of_owner"}[f.State == "live"]
		low, high = path(t.id, string(*f.Owner)).bounds(string(after))
		q.and("owner_id = " + q.arg(string(*f.Owner)))
	}
	q.and(q.order + " > " + q.arg(low))
	q.and(q.order + " < " + q.arg(high))
	if f.Profile != "" {
		q.and("profile = " + q.arg(f.Profile))
	}
	return q, q.inState(f)
}

// inState leaves out keys that are in another state. Few, if any, of those that a
// list of live ones passes over on its way have ended and were not yet cleaned up.
func (q *keyQuery) inState(f storage.KeyFilter) error {
	switch f.State {
	case "":
	case "live":
		q.and("(expires_at IS NULL OR expires_at > " + q.arg(when(f.Now)) + ")")
	case "expired":
		q.and("revoked_at IS NULL AND expires_at <= " + q.arg(when(f.Now)))
	case "revoked":
		q.and("revoked_at IS NOT NULL")
	default:
		return fmt.Errorf("sqlstore: keys have no state %q", f.State)
	}
	return nil
}

// prefix is what the places of some keys begin with, in a column that orders keys.
type prefix string

func path(parts ...string) prefix {
	var p prefix
	for _, part := range parts {
		p += prefix(part + " ")
	}
	return p
}

// bounds are below and above all places with the prefix; after is the id of the
// key that is the upper bound, if it is not "".
func (p prefix) bounds(after string) (low, high string) {
	switch {
	case after != "":
		return string(p), string(p) + after
	case p == "":
		return "", "\x7f"
	}
	return string(p), string(p[:len(p)-1]) + "!"
}
