package storagetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func testSignInSessions(t *testing.T, w *world) {
	testRaised(w)
	testRaisedInVain(w)
	testPending(w)
	testSessionPages(w)
	testUpstreamSessions(w)
	testEndedAtOnce(w)
	testEndedWithin(w)
	testEverythingEnds(w)
}

// raise is a factor that was just proved in a session.
func (w *world) raise(s storage.Session) storage.RaiseSession {
	return storage.RaiseSession{Was: s.Handle, Handle: hash(token.NewSecret()), Level: storage.LevelPHR, MFAAt: w.now.Add(time.Minute),
		AMR: []string{"pwd", "hwk"}}
}

// testRaised: a new handle, and the old one finds nothing (SE-02).
func testRaised(w *world) {
	ctx, h := w.Context(), w.newHome()
	s, r := h.session, w.raise(h.session)
	w.must(h.RaiseSession(ctx, s.ID, r, w.event("x")))
	if found := get(w.store.SessionsByHandle(ctx, [][]byte{s.Handle}))(w); len(found) != 0 {
		w.Errorf("the old handle still finds %+v", found)
	}
	s.Handle, s.Level, s.MFAAt, s.AMR, s.LastSeenAt = r.Handle, r.Level, r.MFAAt, r.AMR, r.MFAAt
	w.same(get(h.Session(ctx, s.ID))(w), s)
	w.want(h.RaiseSession(ctx, s.ID, r, w.event("x")), storage.ErrConflict) // its handle is another by now

	r = w.raise(s)
	r.Level, r.AuthTime = storage.LevelMFA, w.now.Add(2*time.Minute)
	w.must(h.RaiseSession(ctx, s.ID, r, w.event("x")))
	s.Handle, s.Level, s.MFAAt, s.AMR, s.AuthTime = r.Handle, r.Level, r.MFAAt, r.AMR, r.AuthTime
	w.same(get(w.store.SessionsByHandle(ctx, [][]byte{r.Handle}))(w), []storage.LiveSession{{Session: s, Tenant: h.tenant, UserInfo: h.user}})
	_, live, err := w.store.FindAccess(ctx, "", h.access.Ref)
	w.must(err)
	if why := live.Dead(w.now); why != "" {
		w.Errorf("what hangs on a session that was raised is dead: %s", why)
	}
}

// testRaisedInVain: over, of another handle, or not there.
func testRaisedInVain(w *world) {
	ctx, h := w.Context(), w.newHome()
	s, busy := h.session, w.newSession(h.user.ID, h.connection.ID)
	busy.IdleTimeout = 48 * time.Hour
	w.must(h.SignIn(ctx, storage.SignIn{Identity: h.identity, User: h.user, Session: busy}, w.event("x")))
	for name, spoil := range map[string]func(id *storage.SessionID, r *storage.RaiseSession){
		"another handle": func(_ *storage.SessionID, r *storage.RaiseSession) { r.Was = hash("x") },
		"no handle":      func(_ *storage.SessionID, r *storage.RaiseSession) { r.Was = nil },
		"unknown":        func(id *storage.SessionID, _ *storage.RaiseSession) { *id = "ses_nobody" },
		"ended":          func(id *storage.SessionID, r *storage.RaiseSession) { *id, r.Was = h.over.ID, h.over.Handle },
		"past its end": func(id *storage.SessionID, r *storage.RaiseSession) {
			*id, r.Was, r.MFAAt = busy.ID, busy.Handle, busy.ExpiresAt
		},
		"silent too long": func(_ *storage.SessionID, r *storage.RaiseSession) { r.MFAAt = s.LastSeenAt.Add(s.IdleTimeout) },
		"at no moment":    func(_ *storage.SessionID, r *storage.RaiseSession) { r.MFAAt = time.Time{} },
	} {
		before, id, r := w.look(h), s.ID, w.raise(s)
		spoil(&id, &r)
		if err := h.RaiseSession(ctx, id, r, w.event("x")); class(err) != storage.ErrConflict {
			w.Errorf("%s: %v, want ErrConflict", name, err)
		}
		w.same(w.look(h), before)
	}
}

// testPending: nobody is signed in by a session that waits for a factor, and no code
// comes of it.
func testPending(w *world) {
	ctx, h := w.Context(), w.newHome()
	in := storage.SignIn{Identity: h.identity, User: h.user, Session: w.newSession(h.user.ID, h.connection.ID)}
	in.Session.Pending, in.Session.Level, in.Session.MFAAt = true, "", time.Time{}
	w.must(h.SignIn(ctx, in, w.event("x")))
	h.user.Version++
	want := []storage.LiveSession{{Session: in.Session, Tenant: h.tenant, UserInfo: h.user}}
	w.same(get(w.store.SessionsByHandle(ctx, [][]byte{in.Session.Handle}))(w), want)
	_, seen, err := w.store.AuthorizeView(ctx, w.client.ID, "", "", [][]byte{in.Session.Handle})
	w.must(err)
	w.same(seen, want)
	if seen[0].Usable(w.now) || !seen[0].Standing(w.now) {
		w.Error("a session that waits for a factor is usable, or does not stand")
	}
	issue := w.issue(h)
	issue.Code.Session, issue.Handle = in.Session.ID, in.Session.Handle
	w.want(h.IssueCode(ctx, issue, w.event("x")), storage.ErrConflict)
	raise := w.raise(in.Session)
	w.must(h.RaiseSession(ctx, in.Session.ID, raise, w.event("x")))
	issue.Handle = raise.Handle
	w.must(h.IssueCode(ctx, issue, w.event("x")))

	renewed := storage.SignIn{Identity: h.identity, User: h.user, Session: in.Session, Renews: true}
	renewed.Session.Handle, renewed.Session.IP, renewed.Session.UserAgent, renewed.Session.UpstreamSID = hash(token.NewSecret()), "ip", "ua", "sid"
	w.must(h.SignIn(ctx, renewed, w.event("x")))
	w.same(get(h.Session(ctx, in.Session.ID))(w), renewed.Session)
}

// testSessionPages: those of the tenant that are not over, newest first.
func testSessionPages(w *world) {
	ctx, h := w.Context(), w.newHome()
	want := []storage.Session{h.session}
	for i := range 5 {
		in := w.signIn(h)
		in.Session.Pending = i == 0
		in.Session.IdleTimeout = []time.Duration{time.Hour, time.Minute}[i%2]
		w.must(h.SignIn(ctx, in, w.event("x")))
		if i%2 == 0 {
			want = append(want, in.Session)
		}
	}
	slices.SortFunc(want, func(a, b storage.Session) int { return strings.Compare(string(b.ID), string(a.ID)) })
	now := w.now.Add(time.Minute)
	var paged []storage.Session
	for page := get(h.PageSessions(ctx, "", 3, now))(w); len(page) > 0; page = get(h.PageSessions(ctx, page[len(page)-1].ID, 3, now))(w) {
		paged = append(paged, page...)
	}
	w.same(paged, want)
	w.same(get(h.PageSessions(ctx, "", 9, h.session.ExpiresAt))(w), []storage.Session(nil))
	_, err := h.Session(ctx, "ses_nobody")
	w.want(err, storage.ErrNotFound)
}

// testUpstreamSessions: a provider's own name for a session finds whose it is, at that
// provider alone.
func testUpstreamSessions(w *world) {
	ctx, h := w.Context(), w.newHome()
	sid := h.session.UpstreamSID
	if u := get(h.UserByUpstreamSID(ctx, h.connection.ID, sid))(w); u != h.user.ID {
		w.Errorf("the provider's name finds %q", u)
	}
	nameless := storage.SignIn{Identity: h.identity, User: h.user, Session: w.newSession(h.user.ID, h.connection.ID)}
	nameless.Session.UpstreamSID = ""
	w.must(h.SignIn(ctx, nameless, w.event("x")))
	for _, q := range [][2]string{{string(h.connection.ID), ""}, {string(h.connection.ID), sid + "x"}, {"con_other", sid}} {
		_, err := h.UserByUpstreamSID(ctx, storage.ConnectionID(q[0]), q[1])
		w.want(err, storage.ErrNotFound)
	}
	later := w.signIn(h) // a provider that uses a name twice means the last one
	later.Session.UpstreamSID, later.Session.CreatedAt = sid, w.now.Add(time.Second)
	w.must(h.SignIn(ctx, later, w.event("x")))
	if u := get(h.UserByUpstreamSID(ctx, h.connection.ID, sid))(w); u != later.User.ID {
		w.Errorf("the provider's name finds %q, want the last", u)
	}
}

// more signs the tenant's person in at other browsers.
func (w *world) more(h *home, n int) []storage.Session {
	w.Helper()
	out := make([]storage.Session, n)
	for i := range out {
		out[i] = w.newSession(h.user.ID, h.connection.ID)
		w.must(h.SignIn(w.Context(), storage.SignIn{Identity: h.identity, User: h.user, Session: out[i]}, w.event("x")))
		h.user.Version++
	}
	return out
}

func ids(sessions ...storage.Session) []storage.SessionID {
	var out []storage.SessionID
	for _, s := range sessions {
		out = append(out, s.ID)
	}
	slices.Sort(out)
	return out
}

// ends ends sessions and fails the test unless they are those that are returned.
func (w *world) ends(h *home, e storage.EndSessions, want ...storage.Session) {
	w.Helper()
	ev := w.event("sessions.ended")
	got := get(h.EndSessions(w.Context(), e, w.now, ev))(w)
	slices.Sort(got)
	w.same(got, ids(want...))
	ev.Tenant = h.tenant.ID
	w.same(get(h.Events(w.Context(), "", 1))(w), []storage.Event{ev})
}

// testEndedAtOnce: all of a person's, but for one, and nobody else's.
func testEndedAtOnce(w *world) {
	ctx, h := w.Context(), w.newHome()
	more := w.more(h, 3)
	other := w.signIn(h)
	w.must(h.SignIn(ctx, other, w.event("x")))
	w.ends(h, storage.EndSessions{User: h.user.ID, Except: more[1].ID}, h.session, more[0], more[2])
	w.same(ids(get(h.ListSessions(ctx, h.user.ID, w.now))(w)...), ids(more[1]))
	ended := get(h.Session(ctx, h.session.ID))(w)
	if !ended.EndedAt.Equal(w.now) {
		w.Errorf("it ended at %v", ended.EndedAt)
	}
	_, live, err := w.store.FindAccess(ctx, "", h.access.Ref)
	w.must(err)
	if live.Dead(w.now) != "session_ended" {
		w.Errorf("what hangs on it: %q", live.Dead(w.now))
	}
	w.same(ids(get(h.ListSessions(ctx, other.User.ID, w.now))(w)...), ids(other.Session))
	w.ends(h, storage.EndSessions{User: h.user.ID, Except: more[1].ID})
	w.ends(h, storage.EndSessions{User: "usr_nobody"})
	w.ends(h, storage.EndSessions{})
	w.ends(h, storage.EndSessions{User: h.user.ID}, more[1])
	// Nobody has to be told of what ended before, and offline access goes on.
	if grants := get(h.ListGrants(ctx, h.user.ID, w.now))(w); len(grants) != 1 {
		w.Errorf("%d grants are left, want the one", len(grants))
	}
	_, err = w.store.Tenant("ten_nobody").EndSessions(ctx, storage.EndSessions{User: h.user.ID}, w.now, w.event("x"))
	w.want(err, storage.ErrNotFound)
}

// testEndedWithin: those of one connection, and the one that its provider means.
func testEndedWithin(w *world) {
	h := w.newHome()
	more := w.more(h, 1)
	second := w.newConnection()
	w.must(h.CreateConnection(w.Context(), second, w.event("x")))
	elsewhere := w.newSession(h.user.ID, second.ID)
	w.must(h.SignIn(w.Context(), storage.SignIn{Identity: h.identity, User: h.user, Session: elsewhere}, w.event("x")))
	sid := h.session.UpstreamSID
	w.ends(h, storage.EndSessions{User: h.user.ID, Connection: second.ID, UpstreamSID: sid})
	w.ends(h, storage.EndSessions{User: h.user.ID, Connection: h.connection.ID, UpstreamSID: sid, Except: h.session.ID})
	w.ends(h, storage.EndSessions{User: h.user.ID, Connection: h.connection.ID, UpstreamSID: sid}, h.session)
	w.ends(h, storage.EndSessions{User: h.user.ID, Connection: h.connection.ID}, more[0])
	w.ends(h, storage.EndSessions{User: h.user.ID}, elsewhere)
}

// testEverythingEnds: with offline access, and what was about to become it.
func testEverythingEnds(w *world) {
	ctx, h := w.Context(), w.newHome()
	offline := w.redeem(h.code)
	offline.Grant.Session, offline.Access.Session = "", ""
	w.must(h.RedeemCode(ctx, offline, w.event("x")))
	waiting := w.issue(h)
	waiting.Code.Grant = storage.NewGrantID(w.now.Add(time.Second))
	w.must(h.IssueCode(ctx, waiting, w.event("x")))
	colleague := w.signIn(h)
	w.must(h.SignIn(ctx, colleague, w.event("x")))
	theirs := w.issue(h)
	theirs.Code.User, theirs.Code.Session, theirs.Code.Grant = colleague.User.ID, colleague.Session.ID, storage.NewGrantID(w.now.Add(time.Minute))
	theirs.Handle = colleague.Session.Handle
	w.must(h.IssueCode(ctx, theirs, w.event("x")))

	w.ends(h, storage.EndSessions{User: h.user.ID, Grants: true, Except: h.session.ID})
	if left := get(h.ListGrants(ctx, h.user.ID, w.now))(w); len(left) != 0 {
		w.Errorf("%d grants are left", len(left))
	}
	_, live, err := w.store.FindAccess(ctx, "", offline.Access.Ref)
	w.must(err)
	if live.Dead(w.now) != "grant_revoked" {
		w.Errorf("an offline token: %q", live.Dead(w.now))
	}
	w.want(h.RedeemCode(ctx, w.redeem(waiting.Code), w.event("x")), storage.ErrConsumed)
	w.must(h.RedeemCode(ctx, w.redeem(theirs.Code), w.event("x")))
	if left := get(h.ListGrants(ctx, colleague.User.ID, w.now))(w); len(left) != 1 {
		w.Errorf("a colleague has %d grants", len(left))
	}
}
