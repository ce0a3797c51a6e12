package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testLogouts(t *testing.T, w *world) {
	testLogoutsOfSession(w)
	testLogoutsOfReplaced(w)
	testLogoutsOfMany(w)
	testLogoutIsTried(w)
}

// app is another client, which got tokens in a session of the tenant's person, after
// the given change of it. It stays unknown that a grant was revoked.
func (w *world) app(h *home, in storage.SessionID, change func(*storage.Client)) storage.ClientID {
	w.Helper()
	ctx, c := w.Context(), w.client
	c.ID = storage.NewClientID(w.now)
	w.must(w.store.CreateClient(ctx, c, w.event("x")))
	issue := w.issue(h)
	issue.Code.Client, issue.Code.Session, issue.Code.Grant = c.ID, in, storage.NewGrantID(w.now)
	issue.Handle = get(h.Session(ctx, in))(w).Handle
	w.must(h.IssueCode(ctx, issue, w.event("x")))
	redeem := w.redeem(issue.Code)
	redeem.Grant.Session = "" // offline access
	w.must(h.RedeemCode(ctx, redeem, w.event("x")))
	change(&c)
	w.must(w.store.UpdateClient(ctx, c, w.event("x")))
	return c.ID
}

func unchanged(*storage.Client) {}

// told is what clients have to be told of a session that has just ended.
func (w *world) told(h *home, s storage.SessionID, clients ...storage.ClientID) []storage.Logout {
	var out []storage.Logout
	for _, c := range clients {
		out = append(out, storage.Logout{Tenant: h.tenant.ID, Session: s, Client: c, User: h.user.ID, EndedAt: w.now, NextAt: w.now})
	}
	return out
}

// wantLogouts fails the test unless these wait, beside the one that every home has.
func (w *world) wantLogouts(h *home, want ...storage.Logout) {
	w.Helper()
	key := func(l storage.Logout) string { return string(l.Session) + string(l.Client) }
	all := map[string]storage.Logout{key(h.logout): h.logout}
	for _, l := range want {
		all[key(l)] = l
	}
	got := map[string]storage.Logout{}
	for _, l := range w.logoutsOf(h) {
		got[key(l)] = l
	}
	w.same(got, all)
}

// testLogoutsOfSession: those who got tokens in it, and want to know.
func testLogoutsOfSession(w *world) {
	ctx, h := w.Context(), w.newHome()
	offline := w.app(h, h.session.ID, unchanged)
	w.app(h, h.session.ID, func(c *storage.Client) { c.BackchannelLogoutURI = "" })
	w.app(h, h.session.ID, func(c *storage.Client) { c.DisabledAt = w.now })
	elsewhere := w.more(h, 1)[0]
	w.app(h, elsewhere.ID, unchanged)
	w.must(h.RevokeGrant(ctx, h.grant.ID, w.now, w.event("x"))) // it got tokens all the same
	w.wantLogouts(h)
	w.must(h.EndSession(ctx, h.session.ID, w.now, w.event("x")))
	w.wantLogouts(h, w.told(h, h.session.ID, w.client.ID, offline)...)
	w.want(h.EndSession(ctx, h.session.ID, w.now, w.event("x")), storage.ErrNotFound)
	w.wantLogouts(h, w.told(h, h.session.ID, w.client.ID, offline)...)
}

// testLogoutsOfReplaced: a sign-in that ends another session; and one that ends what
// has ended already tells nobody twice.
func testLogoutsOfReplaced(w *world) {
	ctx, h := w.Context(), w.newHome()
	in := storage.SignIn{Identity: h.identity, User: h.user, Session: w.newSession(h.user.ID, h.connection.ID), Replaces: h.session.ID}
	w.must(h.SignIn(ctx, in, w.event("x")))
	want := w.told(h, h.session.ID, w.client.ID)
	w.wantLogouts(h, want...)
	w.must(h.FinishLogout(ctx, want[0], "delivered", w.now, w.event("x")))
	get(w.store.Sweep(ctx, w.now.Add(7*day)))(w) // which forgets that, and not the session
	get(h.Session(ctx, h.session.ID))(w)
	in.User.Version++
	in.Session = w.newSession(h.user.ID, h.connection.ID)
	in.Session.LastSeenAt = w.now.Add(time.Second)
	w.must(h.SignIn(ctx, in, w.event("x")))
	w.wantLogouts(h)
}

func testLogoutsOfMany(w *world) {
	h := w.newHome()
	more := w.more(h, 2)
	a, b := w.app(h, more[0].ID, unchanged), w.app(h, more[1].ID, unchanged)
	w.ends(h, storage.EndSessions{User: h.user.ID, Except: more[1].ID}, h.session, more[0])
	want := append(w.told(h, h.session.ID, w.client.ID), w.told(h, more[0].ID, a)...)
	w.wantLogouts(h, want...)
	w.ends(h, storage.EndSessions{User: h.user.ID, Grants: true}, more[1])
	w.wantLogouts(h, append(want, w.told(h, more[1].ID, b)...)...)
}

// testLogoutIsTried: one attempt each time, when it is due, until it is done.
func testLogoutIsTried(w *world) {
	ctx, h := w.Context(), w.newHome()
	l, next := h.logout, w.now.Add(time.Minute)
	w.must(h.TryLogout(ctx, l, next))
	w.want(h.TryLogout(ctx, l, next), storage.ErrConflict)
	l.Attempts, l.NextAt = 1, next
	w.same(w.logoutsOf(h), []storage.Logout{l})
	due := func(now time.Time) bool {
		return has(get(w.store.DueLogouts(ctx, now, all))(w), func(d storage.Logout) bool { return d.Session == l.Session })
	}
	if due(next.Add(-time.Millisecond)) || !due(next) {
		w.Error("it is due before its time, or not at its time")
	}
	if n := len(get(w.store.DueLogouts(ctx, next, 1))(w)); n != 1 {
		w.Errorf("%d of at most one are due", n)
	}
	w.must(h.FinishLogout(ctx, l, "refused", next, w.event("x")))
	w.want(h.FinishLogout(ctx, l, "delivered", next, w.event("x")), storage.ErrConsumed)
	w.want(h.TryLogout(ctx, l, next), storage.ErrConflict)
	w.same(w.logoutsOf(h), []storage.Logout(nil))
}
