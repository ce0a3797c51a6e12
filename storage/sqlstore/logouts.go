package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const logoutColumns = "tenant_id, session_id, client_id, user_id, ended_at, attempts, next_at, done_at, outcome"

func logoutFields(l *storage.Logout) []any {
	return []any{(*str)(&l.Tenant), (*str)(&l.Session), (*str)(&l.Client), (*str)(&l.User), at(&l.EndedAt),
		counter{&l.Attempts}, at(&l.NextAt), at(&l.DoneAt), (*str)(&l.Outcome)}
}

var (
	tryLogout = one(`UPDATE logouts SET attempts = attempts + 1, next_at = $5
		WHERE tenant_id = $1 AND session_id = $2 AND client_id = $3 AND attempts = $4 AND done_at IS NULL`)
	finishLogout = one(`UPDATE logouts SET next_at = NULL, done_at = $4, outcome = $5
		WHERE tenant_id = $1 AND session_id = $2 AND client_id = $3 AND done_at IS NULL`)
)

const dueLogouts = "SELECT " + logoutColumns + " FROM logouts WHERE done_at IS NULL AND next_at <= $1 ORDER BY next_at LIMIT $2"

// TryLogout implements storage.Logouts.
func (t *Tenant) TryLogout(ctx context.Context, l storage.Logout, next time.Time) error {
	u := newUnit(t.id, "logout of "+string(l.Session))
	u.must(storage.ErrConflict, tryLogout, t.id, string(l.Session), string(l.Client), int64(l.Attempts), when(next))
	return write(ctx, t.engine, u)
}

// FinishLogout implements storage.Logouts. One that is not there gives ErrConsumed
// too.
func (t *Tenant) FinishLogout(ctx context.Context, l storage.Logout, outcome string, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "logout of "+string(l.Session))
	u.must(storage.ErrConsumed, finishLogout, t.id, string(l.Session), string(l.Client), when(at), outcome)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// DueLogouts implements storage.Chores: the one that is due for longest is first. At
// most 1000.
func (s *Store) DueLogouts(ctx context.Context, now time.Time, limit int) ([]storage.Logout, error) {
	return list(ctx, s.engine, scope{what: "due logouts", lookup: true}, dueLogouts, logoutFields, when(now), page(limit))
}
