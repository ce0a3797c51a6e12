package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testConnections(t *testing.T, w *world) {
	ctx, c := t.Context(), w.a.connection
	w.same(get(w.a.Connection(ctx, c.ID))(w), c)
	w.want(w.a.CreateConnection(ctx, c, w.event("x")), storage.ErrExists)

	c.Name, c.Issuer, c.ClientID, c.SealedSecret, c.Scopes, c.Algs = "Other", "https://other.test", "x", nil, nil, nil
	c.CreateUsers, c.DefaultRole, c.DisabledAt = false, storage.RoleViewer, w.now
	w.must(w.a.UpdateConnection(ctx, c, w.event("x")))
	w.want(w.a.UpdateConnection(ctx, c, w.event("x")), storage.ErrConflict)
	c.Version++
	w.same(get(w.a.ListConnections(ctx))(w), []storage.Connection{c})
	c.ID = "con_nobody"
	w.want(w.a.UpdateConnection(ctx, c, w.event("x")), storage.ErrNotFound)
}

func testDomains(t *testing.T, w *world) {
	ctx, d := t.Context(), w.a.domain
	second := w.newConnection()
	w.must(w.a.CreateConnection(ctx, second, w.event("x")))
	d.Connection, d.VerifiedAt = second.ID, w.now.Add(time.Hour)
	w.must(w.a.PutDomain(ctx, d, w.event("x")))
	w.same(get(w.a.ListDomains(ctx))(w), []storage.Domain{d})
	owner := get(w.store.DomainOwner(ctx, d.Name))(w)
	w.same(owner, storage.DomainOwner{Tenant: w.a.tenant, Connection: second})

	w.want(w.a.PutDomain(ctx, storage.Domain{Name: w.b.domain.Name, Connection: second.ID}, w.event("x")), storage.ErrExists)
	w.want(w.a.PutDomain(ctx, storage.Domain{Name: "free.test", Connection: w.b.connection.ID}, w.event("x")), storage.ErrNotFound)
	w.want(w.a.DeleteDomain(ctx, w.b.domain.Name, w.event("x")), storage.ErrNotFound)
	w.must(w.a.DeleteDomain(ctx, d.Name, w.event("x")))
	w.want(w.a.DeleteDomain(ctx, d.Name, w.event("x")), storage.ErrNotFound)
	_, err := w.store.DomainOwner(ctx, d.Name)
	w.want(err, storage.ErrNotFound)
	w.same(get(w.b.ListDomains(ctx))(w), []storage.Domain{w.b.domain})
}

func testUsers(t *testing.T, w *world) {
	ctx, u := t.Context(), w.a.user
	w.same(get(w.a.User(ctx, u.ID))(w), u)
	w.same(get(w.a.UserByIdentity(ctx, w.a.identity))(w), u)
	u.Role, u.Email, u.EmailVerified, u.Claims, u.DisabledAt = storage.RoleAdmin, "", false, nil, w.now
	w.must(w.a.UpdateUser(ctx, u, w.event("x")))
	w.want(w.a.UpdateUser(ctx, u, w.event("x")), storage.ErrConflict)
	u.Version++
	w.same(get(w.a.ListUsers(ctx))(w), []storage.User{u})
	u.ID = "usr_nobody"
	w.want(w.a.UpdateUser(ctx, u, w.event("x")), storage.ErrNotFound)
	for _, i := range []storage.Identity{
		{Connection: "con_x", Issuer: w.a.identity.Issuer, Subject: w.a.identity.Subject},
		{Connection: w.a.identity.Connection, Issuer: w.a.identity.Issuer + "/", Subject: w.a.identity.Subject},
		{Connection: w.a.identity.Connection, Issuer: w.a.identity.Issuer, Subject: w.a.user.Email},
	} {
		_, err := w.a.UserByIdentity(ctx, i)
		w.want(err, storage.ErrNotFound)
	}
}

func testSessions(t *testing.T, w *world) {
	testSignInAgain(t, w)
	testSessionEnds(t, w)
}

func testSignInAgain(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	again := storage.SignIn{Identity: h.identity, User: h.user, Session: w.newSession(h.user.ID, h.connection.ID), Replaces: h.session.ID}
	again.User.Email = "new@acme.test"
	w.must(h.SignIn(ctx, again, w.event("x")))
	w.same(get(h.ListSessions(ctx, h.user.ID, w.now))(w), []storage.Session{again.Session})
	was := get(w.store.SessionsByHandle(ctx, [][]byte{h.session.Handle}))(w)
	if len(was) != 1 || !was[0].EndedAt.Equal(again.Session.CreatedAt) || was[0].Usable(w.now) {
		t.Errorf("the replaced session is %+v, want ended", was)
	}
	again.User.Version++
	w.same(get(h.User(ctx, h.user.ID))(w), again.User)

	stale := again
	stale.User.Version--
	stale.Session = w.newSession(h.user.ID, h.connection.ID)
	w.want(h.SignIn(ctx, stale, w.event("x")), storage.ErrConflict)

	stranger := again
	stranger.Identity.Subject, stranger.Session = "somebody-else", w.newSession(h.user.ID, h.connection.ID)
	w.want(h.SignIn(ctx, stranger, w.event("x")), storage.ErrConflict)

	twice := w.signIn(h)
	twice.Identity = h.identity
	w.want(h.SignIn(ctx, twice, w.event("x")), storage.ErrExists)
	w.same(get(h.ListUsers(ctx))(w), []storage.User{again.User})
	h.session, h.user = again.Session, again.User
}

func testSessionEnds(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	s := h.session
	seen := w.now.Add(s.IdleTimeout - time.Millisecond)
	w.must(h.TouchSession(ctx, s.ID, seen))
	w.must(h.TouchSession(ctx, s.ID, w.now)) // an older call that came late
	s.LastSeenAt = seen
	w.same(get(h.ListSessions(ctx, h.user.ID, seen))(w), []storage.Session{s})
	if idle := get(h.ListSessions(ctx, h.user.ID, seen.Add(s.IdleTimeout)))(w); len(idle) != 0 {
		t.Errorf("an idle session is listed: %+v", idle)
	}
	if over := get(h.ListSessions(ctx, h.user.ID, s.ExpiresAt))(w); len(over) != 0 {
		t.Errorf("an expired session is listed: %+v", over)
	}
	w.must(h.EndSession(ctx, s.ID, seen, w.event("x")))
	w.want(h.EndSession(ctx, s.ID, seen, w.event("x")), storage.ErrNotFound)
	w.want(h.EndSession(ctx, "ses_nobody", seen, w.event("x")), storage.ErrNotFound)
	w.must(h.TouchSession(ctx, s.ID, seen.Add(time.Minute)))
	found := get(w.store.SessionsByHandle(ctx, [][]byte{s.Handle}))(w)
	if len(found) != 1 || !found[0].LastSeenAt.Equal(seen) || !found[0].EndedAt.Equal(seen) {
		t.Errorf("an ended session was touched: %+v", found)
	}
	if left := get(h.ListSessions(ctx, h.user.ID, seen))(w); len(left) != 0 {
		t.Errorf("an ended session is listed: %+v", left)
	}
}
