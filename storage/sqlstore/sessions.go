package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertUser     = some(insert("users", under(userStored)))
	insertIdentity = some(insert("identities", "tenant_id, connection_id, issuer, subject, user_id"))
	insertSession  = some(insert("sessions", under(sessionColumns)))
	renewSession   = one(`UPDATE sessions SET connection_id = $4, handle = $5, auth_time = $6, acr = $7, amr = $8, created_at = $9,
		last_seen_at = $10, expires_at = $11, idle_timeout = $12, level = $13, mfa_at = $14, pending = $15, ip = $16, user_agent = $17,
		upstream_sid = $18
		WHERE tenant_id = $1 AND id = $2 AND user_id = $3 AND ended_at IS NULL AND expires_at > $10`)
	// The identity has to be the user's: a sign-in never moves one person's
	// subject to another.
	identityIsUsers = one(`UPDATE users SET id = id WHERE tenant_id = $1 AND id = $2 AND EXISTS (
		SELECT 1 FROM identities i WHERE i.tenant_id = $1 AND i.connection_id = $3 AND i.issuer = $4
		AND i.subject = $5 AND i.user_id = $2)`)
	// personStays takes the row of somebody who signs in unchanged, for as long as the
	// unit takes: who changes them comes before, and is seen, or after.
	personStays = one(`UPDATE users SET id = id WHERE tenant_id = $1 AND id = $2 AND version = $6 AND EXISTS (
		SELECT 1 FROM identities i WHERE i.tenant_id = $1 AND i.connection_id = $3 AND i.issuer = $4
		AND i.subject = $5 AND i.user_id = $2)`)
	// Somebody who was invited, or who signed in without a provider, gets the first
	// provider's subject that says who they are, and no second. The user's row was
	// changed before: who links at the same moment finds another version of it.
	linkIdentity = one(`INSERT INTO identities (tenant_id, connection_id, issuer, subject, user_id) SELECT $1, $3, $4, $5, $2
		WHERE NOT EXISTS (SELECT 1 FROM identities i WHERE i.user_id = $2 AND i.tenant_id = $1 AND
			(SELECT n.kind FROM connections n WHERE n.tenant_id = i.tenant_id AND n.id = i.connection_id) = '` + string(storage.OIDC) + `')`)
	// raiseSession's moment is that of the proof.
	raiseSession = one(`UPDATE sessions SET handle = $4, level = $5, mfa_at = $6, amr = $7, auth_time = COALESCE($8, auth_time), pending = FALSE,
		last_seen_at = CASE WHEN last_seen_at < $6 THEN $6 ELSE last_seen_at END
		WHERE tenant_id = $1 AND id = $2 AND handle = $3 AND ended_at IS NULL AND expires_at > $6 AND last_seen_at + idle_timeout > $6`)
	touchSession = some(`UPDATE sessions SET last_seen_at = $3
		WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND last_seen_at < $3`)
)

const (
	sessionByID  = "SELECT " + sessionColumns + " FROM sessions WHERE tenant_id = $1 AND id = $2"
	listSessions = "SELECT " + sessionColumns + ` FROM sessions
	WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at + idle_timeout > $3
	ORDER BY id DESC`
	pageSessions = "SELECT " + sessionColumns + ` FROM sessions
	WHERE tenant_id = $1 AND id < $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at + idle_timeout > $3
	ORDER BY id DESC LIMIT $4`
	userByUpstreamSID = `SELECT user_id FROM sessions WHERE tenant_id = $1 AND upstream_sid = $2 AND upstream_sid <> ''
	AND connection_id = $3 ORDER BY created_at DESC LIMIT 1`
)

// SignIn implements storage.Sessions. ErrNotFound: no such tenant or connection.
func (t *Tenant) SignIn(ctx context.Context, in storage.SignIn, ev storage.Event, more ...storage.Event) error {
	u := newUnit(t.id, "sign in")
	u.signsIn(in)
	if in.Replaces != "" {
		u.do(replaceSession, t.id, string(in.Replaces), when(in.Session.LastSeenAt))
		u.do(logoutsOfSession, t.id, string(in.Replaces), when(in.Session.LastSeenAt))
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

// signsIn writes the user and the identity.
func (u *unit) signsIn(in storage.SignIn) {
	id, i := string(in.User.ID), in.Identity
	if in.Create {
		u.do(insertUser, owned(u.tenant, userArgs(in.User))...)
		u.do(insertIdentity, u.tenant, string(i.Connection), i.Issuer, i.Subject, id)
		return
	}
	if in.Unchanged {
		u.stays(in)
		return
	}
	if in.Demotes {
		u.keepAnOwner(in.User)
	}
	if !in.Link {
		u.must(storage.ErrConflict, identityIsUsers, u.tenant, id, string(i.Connection), i.Issuer, i.Subject)
	}
	u.must(storage.ErrConflict, updateUser, owned(u.tenant, userArgs(in.User))...)
	if in.Link {
		u.must(storage.ErrConflict, linkIdentity, u.tenant, id, string(i.Connection), i.Issuer, i.Subject)
	}
	u.tell(storage.ChangeUser, u.tenant, id)
}

// stays is signsIn for somebody of whom nothing changed.
func (u *unit) stays(in storage.SignIn) {
	id := in.Identity
	u.must(storage.ErrConflict, personStays, u.tenant, string(in.User.ID), string(id.Connection), id.Issuer, id.Subject, in.User.Version)
}

// RaiseSession implements storage.Sessions. A session that is not there gives
// ErrConflict too. It is over when it is at r.MFAAt.
func (t *Tenant) RaiseSession(ctx context.Context, id storage.SessionID, r storage.RaiseSession, ev storage.Event) error {
	u := newUnit(t.id, "session "+string(id))
	u.must(storage.ErrConflict, raiseSession, t.id, string(id), r.Was, r.Handle, string(r.Level), when(r.MFAAt), joined(r.AMR), when(r.AuthTime))
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

// Session implements storage.Sessions.
func (t *Tenant) Session(ctx context.Context, id storage.SessionID) (storage.Session, error) {
	var s storage.Session
	err := find(ctx, t.engine, t.scope("session"), sessionByID, sessionFields(&s), t.id, string(id))
	return s, err
}

// PageSessions implements storage.Sessions. Those that wait for a factor are among
// them. A page has at most 1000.
func (t *Tenant) PageSessions(ctx context.Context, before storage.SessionID, limit int, now time.Time) ([]storage.Session, error) {
	return list(ctx, t.engine, t.scope("sessions"), pageSessions, sessionFields, t.id, olderThan(string(before)), when(now), page(limit))
}

// UserByUpstreamSID implements storage.SessionsByUpstream. Of several sessions that
// a provider calls the same, the newest counts, ended or not.
func (t *Tenant) UserByUpstreamSID(ctx context.Context, con storage.ConnectionID, sid string) (storage.UserID, error) {
	var user storage.UserID
	err := find(ctx, t.engine, t.scope("session of a provider"), userByUpstreamSID, []any{(*str)(&user)}, t.id, sid, string(con))
	return user, err
}

// maxPage bounds what is read at once.
const maxPage = 1000

// page is how many are read at once, as an argument.
func page(limit int) int64 { return int64(min(max(limit, 1), maxPage)) }

// olderThan is the upper bound of ids that grow with time: none is above it when it
// is not given.
func olderThan(before string) string {
	if before == "" {
		return "\x7f"
	}
	return before
}
