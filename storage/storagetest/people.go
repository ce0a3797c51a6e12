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
	stale := d
	d.Version++
	w.same(get(w.a.ListDomains(ctx))(w), []storage.Domain{d})
	owner := get(w.store.DomainOwner(ctx, d.Name))(w)
	w.same(owner, storage.DomainOwner{Tenant: w.a.tenant, Connection: second, SSORequired: true})

	w.want(w.a.PutDomain(ctx, storage.Domain{Name: w.b.domain.Name, Connection: second.ID, VerifiedAt: w.now}, w.event("x")), storage.ErrExists)
	w.want(w.a.PutDomain(ctx, storage.Domain{Name: "free.test", Connection: w.b.connection.ID}, w.event("x")), storage.ErrNotFound)
	stale.SSORequired = false
	w.want(w.a.PutDomain(ctx, stale, w.event("x")), storage.ErrConflict)
	stale.Version = 0
	w.want(w.a.PutDomain(ctx, stale, w.event("x")), storage.ErrConflict) // it is there
	w.want(w.a.DeleteDomain(ctx, stale, w.event("x")), storage.ErrConflict)
	former := d
	former.Token = "that of a former claim"
	w.want(w.a.PutDomain(ctx, former, w.event("x")), storage.ErrConflict)
	w.want(w.a.DeleteDomain(ctx, former, w.event("x")), storage.ErrConflict)
	w.same(get(w.a.ListDomains(ctx))(w), []storage.Domain{d})
	w.want(w.a.DeleteDomain(ctx, w.b.domain, w.event("x")), storage.ErrNotFound)
	w.must(w.a.DeleteDomain(ctx, d, w.event("x")))
	w.want(w.a.DeleteDomain(ctx, d, w.event("x")), storage.ErrNotFound)
	w.want(w.a.PutDomain(ctx, d, w.event("x")), storage.ErrConflict) // it has gone
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
	testRenewal(t, w)
	testRenewalOfAnother(t, w)
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

// renewal signs the tenant's person in again by the same session, later, at
// another connection, which does not say when it authenticated them.
func (w *world) renewal(h *home) storage.SignIn {
	other := w.newConnection()
	w.must(h.CreateConnection(w.Context(), other, w.event("x")))
	identity := storage.Identity{Connection: h.connection.ID, Issuer: h.identity.Issuer, Subject: h.identity.Subject}
	s := w.newSession(h.user.ID, other.ID)
	later := w.now.Add(time.Minute)
	s.ID, s.AuthTime, s.ACR, s.AMR = h.session.ID, time.Time{}, "", []string{"hwk"}
	s.CreatedAt, s.LastSeenAt, s.ExpiresAt, s.IdleTimeout = later, later, later.Add(12*time.Hour), 2*time.Hour
	return storage.SignIn{Identity: identity, User: h.user, Session: s, Renews: true}
}

// testRenewal: the row stays and with it what hangs on it; the old handle finds
// nothing any more (SE-02).
func testRenewal(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	old, replaced := h.session, w.newSession(h.user.ID, h.connection.ID)
	w.must(h.SignIn(ctx, storage.SignIn{Identity: h.identity, User: h.user, Session: replaced}, w.event("x")))
	h.user.Version++
	in := w.renewal(h)
	in.Replaces = replaced.ID
	first, second := w.event("session.started"), w.event("session.ended")
	w.must(h.SignIn(ctx, in, first, second))
	h.user.Version++
	if found := get(w.store.SessionsByHandle(ctx, [][]byte{old.Handle}))(w); len(found) != 0 {
		t.Errorf("the old handle still finds %+v", found)
	}
	w.same(get(w.store.SessionsByHandle(ctx, [][]byte{in.Session.Handle}))(w),
		[]storage.LiveSession{{Session: in.Session, Tenant: h.tenant, UserInfo: h.user}})
	w.same(get(h.ListSessions(ctx, h.user.ID, w.now))(w), []storage.Session{in.Session})
	_, live, err := w.store.FindAccess(ctx, "", h.access.Ref)
	w.must(err)
	if why := live.Dead(w.now); why != "" || !live.Life.SessionExpiresAt.Equal(in.Session.ExpiresAt) {
		t.Errorf("what hangs on a renewed session is dead: %q, until %v", why, live.Life.SessionExpiresAt)
	}
	first.Tenant, second.Tenant = h.tenant.ID, h.tenant.ID
	w.same(get(h.Events(ctx, "", 2))(w), []storage.Event{second, first})
}

// testRenewalOfAnother: only the same person's session that is not over can be
// renewed; otherwise nothing changes.
func testRenewalOfAnother(t *testing.T, w *world) {
	ctx := t.Context()
	for name, spoil := range map[string]func(h *home, in *storage.SignIn){
		"unknown":          func(_ *home, in *storage.SignIn) { in.Session.ID = "ses_nobody" },
		"another person's": func(h *home, in *storage.SignIn) { in.Session.ID = w.secondSession(h).ID },
		"another tenant's": func(_ *home, in *storage.SignIn) { in.Session.ID = w.b.session.ID },
		"ended": func(h *home, in *storage.SignIn) {
			w.must(h.EndSession(ctx, in.Session.ID, w.now, w.event("x")))
		},
		"expired": func(h *home, in *storage.SignIn) {
			in.Session.CreatedAt, in.Session.LastSeenAt = h.session.ExpiresAt, h.session.ExpiresAt
			in.Session.ExpiresAt = h.session.ExpiresAt.Add(time.Hour)
		},
	} {
		h := w.newHome()
		in := w.renewal(h)
		spoil(h, &in)
		own, others := w.look(h), w.look(w.b)
		if err := h.SignIn(ctx, in, w.event("x"), w.event("x")); class(err) != storage.ErrConflict {
			t.Errorf("%s: renewal = %v, want ErrConflict", name, err)
		}
		w.same(w.look(h), own)
		w.same(w.look(w.b), others)
	}
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
