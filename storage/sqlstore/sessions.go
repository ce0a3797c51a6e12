package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertUser     = some(insert("users", under(userColumns)))
	insertIdentity = some(insert("identities", "tenant_id, connection_id, issuer, subject, user_id"))
	insertSession  = some(insert("sessions", under(sessionColumns)))
	renewSession   = one(`UPDATE sessions SET connection_id = $4, handle = $5, auth_time = $6, acr = $7, amr = $8, created_at = $9,
		last_seen_at = $10, expires_at = $11, idle_timeout = $12
		WHERE tenant_id = $1 AND id = $2 AND user_id = $3 AND ended_at IS NULL AND expires_at > $10`)
	// The identity has to be the user's: a sign-in never moves one person's
	// subject to another.
	identityIsUsers = one(`UPDATE users SET id = id WHERE tenant_id = $1 AND id = $2 AND EXISTS (
		SELECT 1 FROM identities i WHERE i.tenant_id = $1 AND i.connection_id = $3 AND i.issuer = $4
		AND i.subject = $5 AND i.user_id = $2)`)
	replaceSession = some("UPDATE sessions SET ended_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL")
	endSession     = one("UPDATE sessions SET ended_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL")
	touchSession   = some(`UPDATE sessions SET last_seen_at = $3
		WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND last_seen_at < $3`)
)

const listSessions = "SELECT " + sessionColumns + ` FROM sessions
	WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at + idle_timeout > $3
	ORDER BY id DESC`

// SignIn implements storage.Sessions. ErrNotFound: no such tenant or connection.
func (t *Tenant) SignIn(ctx context.Context, in storage.SignIn, ev storage.Event, more ...storage.Event) error {
	u := newUnit(t.id, "sign in")
	i := in.Identity
	if in.Create {
		u.do(insertUser, owned(t.id, userArgs(in.User))...)
		u.do(insertIdentity, t.id, string(i.Connection), i.Issuer, i.Subject, string(in.User.ID))
	} else {
		u.must(storage.ErrConflict, identityIsUsers, t.id, string(in.User.ID), string(i.Connection), i.Issuer, i.Subject)
		u.must(storage.ErrConflict, updateUser, owned(t.id, userArgs(in.User))...)
		u.tell(storage.ChangeUser, t.id, string(in.User.ID))
	}
	if in.Replaces != "" {
		u.do(replaceSession, t.id, string(in.Replaces), when(in.Session.LastSeenAt))
		u.change(storage.ChangeSession, t.id, string(in.Replaces))
	}
	session := owned(t.id, sessionArgs(in.Session))
	if in.Renews {
		u.must(storage.ErrConflict, renewSession, session[:len(session)-1]...)
		// Its end may have come nearer, by a policy that is tighter by now.
		u.tell(storage.ChangeSession, t.id, string(in.Session.ID))
	} else {
		u.do(insertSession, session...)
	}
	u.event(ev)
	for _, ev := range more {
		u.event(ev)
	}
	return write(ctx, t.engine, u)
}

// EndSession implements storage.Sessions.
func (t *Tenant) EndSession(ctx context.Context, id storage.SessionID, at time.Time, ev storage.Event) error {
	u := newUnit(t.id, "session "+string(id))
	u.must(storage.ErrNotFound, endSession, t.id, string(id), when(at))
	u.change(storage.ChangeSession, t.id, string(id))
	u.event(ev)
	return write(ctx, t.engine, u)
}

// TouchSession implements storage.SessionToucher. A session that is not there,
// or was seen later than at, stays as it is.
func (t *Tenant) TouchSession(ctx context.Context, id storage.SessionID, at time.Time) error {
	u := newUnit(t.id, "session "+string(id))
	u.do(touchSession, t.id, string(id), when(at))
	return write(ctx, t.engine, u)
}

// ListSessions implements storage.Sessions.
func (t *Tenant) ListSessions(ctx context.Context, user storage.UserID, now time.Time) ([]storage.Session, error) {
	return list(ctx, t.engine, t.scope("sessions"), listSessions, sessionFields, t.id, string(user), when(now))
}
