package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testInterruptions(t *testing.T, w *world) {
	testDisabledConnectionEndsSessions(w)
	testSessionOfADisabledConnection(w)
	testInterruptedConnection(w)
	testInterruptedClient(w)
}

// disabled disables and enables the connection of a home.
func (w *world) disabled(h *home, since time.Time) {
	w.Helper()
	h.connection.DisabledAt = since
	ev := w.event("x")
	ev.Time = w.now
	w.must(h.UpdateConnection(w.Context(), h.connection, ev))
	h.connection.Version++
}

// standing reports whether somebody is signed in by a session.
func (w *world) standing(s storage.Session) bool {
	w.Helper()
	live := get(w.store.SessionsByHandle(w.Context(), [][]byte{s.Handle}))(w)
	return len(live) == 1 && live[0].Usable(w.now)
}

// testDisabledConnectionEndsSessions: for good, those of all people, with what their
// apps are told, and of no other connection.
func testDisabledConnectionEndsSessions(w *world) {
	ctx, h := w.Context(), w.newHome()
	colleague := w.secondSession(h)
	other := w.newConnection()
	w.must(h.CreateConnection(ctx, other, w.event("x")))
	elsewhere := w.newSession(h.user.ID, other.ID)
	w.must(h.SignIn(ctx, storage.SignIn{Identity: h.identity, User: h.user, Unchanged: true, Session: elsewhere}, w.event("x")))
	h.connection.Name = "of another name"
	w.must(h.UpdateConnection(ctx, h.connection, w.event("x")))
	h.connection.Version++
	if !w.standing(h.session) {
		w.Error("a change of the connection has ended its sessions")
	}
	w.disabled(h, w.now)
	w.wantLogouts(h, w.told(h, h.session.ID, w.client.ID)...)
	w.disabled(h, time.Time{})
	if w.standing(h.session) || w.standing(colleague) || !w.standing(elsewhere) {
		w.Errorf("enabled again, signed in are: %v, %v; by another connection %v", w.standing(h.session), w.standing(colleague), w.standing(elsewhere))
	}
	w.wantLogouts(h, w.told(h, h.session.ID, w.client.ID)...)
	stale := h.connection
	stale.Version--
	stale.DisabledAt = w.now
	again := w.secondSession(h)
	w.want(h.UpdateConnection(ctx, stale, w.event("x")), storage.ErrConflict)
	if !w.standing(again) {
		w.Error("a change that was refused has ended a session")
	}
}

// testSessionOfADisabledConnection: a sign-in that was under way when the connection was
// disabled is over as well.
func testSessionOfADisabledConnection(w *world) {
	h := w.newHome()
	w.disabled(h, w.now)
	late := w.secondSession(h)
	w.disabled(h, time.Time{})
	if w.standing(late) {
		w.Error("enabled again, the connection has a session of before")
	}
	if s := w.secondSession(h); !w.standing(s) {
		w.Error("nobody can sign in anew")
	}
}

// lives tells whether the home's app has access: by its access token, by a code that it
// has not redeemed, by its refresh token.
func (w *world) lives(h *home, c storage.Client) [3]bool {
	w.Helper()
	ctx := w.Context()
	_, access, err := w.store.FindAccess(ctx, c.ID, h.access.Ref)
	w.must(err)
	_, introspected, err := w.store.Introspect(ctx, w.rs.ID, h.access.Ref)
	w.must(err)
	if a, b := access.Dead(w.now), introspected.Dead(w.now); a != b {
		w.Errorf("the token is dead because of %q, introspected %q", a, b)
	}
	_, code, err := w.store.FindCode(ctx, c.ID, h.code.Ref)
	w.must(err)
	_, refresh, err := w.store.FindRefresh(ctx, c.ID, h.refresh.Ref)
	w.must(err)
	return [3]bool{access.Dead(w.now) == "", code.Life.Dead(w.now) == "", refresh.Life.Dead(w.now) == ""}
}

// offline replaces the home's access by offline access of an app of its own.
func (w *world) offline(h *home) storage.Client {
	w.Helper()
	ctx, c := w.Context(), w.client
	c.ID = storage.NewClientID(w.now)
	w.must(w.store.CreateClient(ctx, c, w.event("x")))
	issue := w.issue(h)
	issue.Code.Client = c.ID
	w.must(h.IssueCode(ctx, issue, w.event("x")))
	redeem := w.redeem(issue.Code)
	redeem.Grant.Session, redeem.Access.Session = "", ""
	w.must(h.RedeemCode(ctx, redeem, w.event("x")))
	h.grant, h.access, h.refresh = redeem.Grant, redeem.Access, *redeem.Refresh
	issue = w.issue(h)
	issue.Code.Client = c.ID
	w.must(h.IssueCode(ctx, issue, w.event("x")))
	h.code = issue.Code
	if got := w.lives(h, c); got != [3]bool{true, true, true} {
		w.Fatalf("access, code, refresh live: %v", got)
	}
	return c
}

// refreshed is whether a refresh gives an access token that lives.
func (w *world) refreshed(h *home) bool {
	w.Helper()
	turn := w.rotate(h, h.refresh)
	turn.Access.Session = ""
	w.must(h.RotateRefresh(w.Context(), turn, w.event("x")))
	_, found, err := w.store.FindAccess(w.Context(), "", turn.Access.Ref)
	w.must(err)
	return found.Dead(w.now) == ""
}

// testInterruptedConnection: what was issued through it stays dead; offline access goes
// on.
func testInterruptedConnection(w *world) {
	h := w.newHome()
	c := w.offline(h)
	w.disabled(h, w.now)
	if got := w.lives(h, c); got != [3]bool{} {
		w.Errorf("disabled, access, code, refresh live: %v", got)
	}
	w.disabled(h, time.Time{})
	if got := w.lives(h, c); got != [3]bool{false, false, true} || !w.refreshed(h) {
		w.Errorf("enabled again, access, code, refresh live: %v", got)
	}
	w.want(h.RedeemCode(w.Context(), w.redeem(h.code), w.event("x")), storage.ErrConsumed)
}

// testInterruptedClient: as testInterruptedConnection, and for machines.
func testInterruptedClient(w *world) {
	ctx, h := w.Context(), w.newHome()
	c := w.offline(h)
	issue := w.issueToken(h, w.machine(c.ID))
	w.must(h.IssueToken(ctx, issue, w.event("x")))
	c.DisabledAt = w.now
	w.must(w.store.UpdateClient(ctx, c, w.event("x")))
	c.Version++
	c.DisabledAt = w.now.Add(time.Second) // still
	w.must(w.store.UpdateClient(ctx, c, w.event("x")))
	c.Version++
	c.DisabledAt = time.Time{}
	w.must(w.store.UpdateClient(ctx, c, w.event("x")))
	c.Version++
	_, machine, err := w.store.FindAccess(ctx, c.ID, issue.Token.Ref)
	w.must(err)
	if got := w.lives(h, c); got != [3]bool{false, false, true} || !w.refreshed(h) || machine.Dead(w.now) == "" {
		w.Errorf("enabled again, access, code, refresh live: %v; the machine's token is dead because of %q", got, machine.Dead(w.now))
	}
	w.want(h.RedeemCode(ctx, w.redeem(h.code), w.event("x")), storage.ErrConsumed)
	if !w.standing(h.session) {
		w.Error("a client's end has ended a session")
	}
	issue = w.issueToken(h, w.machine(c.ID))
	issue.ClientVersion = c.Version
	w.must(h.IssueToken(ctx, issue, w.event("x")))
	_, machine, err = w.store.FindAccess(ctx, c.ID, issue.Token.Ref)
	w.must(err)
	if why := machine.Dead(w.now); why != "" {
		w.Errorf("a new token is dead because of %q", why)
	}
}
