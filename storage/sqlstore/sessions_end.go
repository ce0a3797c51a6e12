package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	replaceSession = some("UPDATE sessions SET ended_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL")
	endSession     = one("UPDATE sessions SET ended_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL")
	endSessions    = some("UPDATE sessions SET ended_at = $3 WHERE ended_at IS NULL AND " + ofPerson + " RETURNING id")

	// Whoever ended the session in this unit has its end; an earlier end was told of.
	logoutsOfSession = some(logoutsOf("g.origin = $2 AND g.origin <> ''", ""))
	// A person's sessions are found from their grants: each has its session's person.
	logoutsOfSessions = some(logoutsOf("g.user_id = $2", " AND "+ofPerson))

	consumeAllCodes = some("UPDATE codes SET used_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND used_at IS NULL")
	revokeAllGrants = some("UPDATE grants SET revoked_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL")
)

// ofPerson are a person's sessions, within the limits of storage.EndSessions.
const ofPerson = "user_id = $2 AND tenant_id = $1 AND id <> $4 AND ($5 = '' OR connection_id = $5) AND ($6 = '' OR upstream_sid = $6)"

// logoutsOf adds what the clients have to be told who have such grants, of sessions
// (within more) that ended at $3. Each question is for one row, whatever a planner
// believes of a table.
func logoutsOf(grants, more string) string {
	return `INSERT INTO logouts (` + logoutColumns + `)
		SELECT DISTINCT g.tenant_id, g.origin, g.client_id, (SELECT s.user_id FROM sessions s WHERE s.tenant_id = $1 AND s.id = g.origin),
			CAST($3 AS BIGINT), 0, CAST($3 AS BIGINT), CAST(NULL AS BIGINT), ''
		FROM grants g
		WHERE ` + grants + ` AND g.tenant_id = $1
		AND (SELECT s.ended_at FROM sessions s WHERE s.tenant_id = $1 AND s.id = g.origin` + more + `) = $3
		AND (SELECT c.backchannel_logout_uri FROM clients c WHERE c.id = g.client_id AND c.disabled_at IS NULL) <> ''
		ON CONFLICT (tenant_id, session_id, client_id) DO NOTHING`
}

// EndSession implements storage.Sessions.
func (t *Tenant) EndSession(ctx context.Context, id storage.SessionID, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "session "+string(id))
	u.must(storage.ErrNotFound, endSession, t.id, string(id), when(at))
	u.do(logoutsOfSession, t.id, string(id), when(at))
	u.change(storage.ChangeSession, t.id, string(id))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// EndSessions implements storage.Sessions. The sessions come first: whoever makes a
// code holds one, and a code that is there is consumed before the grants are looked
// for. What was issued in any of them hangs on its person.
func (t *Tenant) EndSessions(ctx context.Context, e storage.EndSessions, at time.Time, ev storage.Event) ([]storage.SessionID, error) {
	u := newUnit(t.id, "sessions of "+string(e.User))
	whose := []any{t.id, string(e.User), when(at)}
	which := append(whose, string(e.Except), string(e.Connection), e.UpstreamSID)
	var ended []string
	u.list(&ended, endSessions, which...)
	if e.Grants {
		u.do(consumeAllCodes, whose...)
		u.do(revokeAllGrants, whose...)
	}
	u.do(logoutsOfSessions, which...)
	u.change(storage.ChangeUser, t.id, string(e.User))
	u.event(ev)
	if err := write(ctx, t.engine, u); err != nil {
		return nil, err
	}
	out := make([]storage.SessionID, len(ended))
	for i, id := range ended {
		out[i] = storage.SessionID(id)
	}
	return out, nil
}
