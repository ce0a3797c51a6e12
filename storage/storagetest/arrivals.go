package storagetest

import (
	"testing"

	"github.com/watchgate/watchgate/storage"
)

func testArrivals(t *testing.T, w *world) {
	testArrivalView(t, w)
	testArrival(t, w)
	testArrivalOfTheLivingOnly(t, w)
	raceForArrival(t, w)
}

// arriving is a waiting transaction, and what ends it: a session of the tenant's person
// and its code.
func (w *world) arriving(h *home) storage.IssueCode {
	l := storage.Login{ID: storage.NewLoginID(w.now), Step: storage.StepUpstream, Browser: hash("browser"), Tenant: h.tenant.ID,
		CreatedAt: w.now, ExpiresAt: w.now.Add(codeLife), Version: 1}
	w.must(w.store.BeginLogin(w.Context(), l))
	l.Step = storage.StepDone
	in, session := w.issue(h), w.newSession(h.user.ID, h.connection.ID)
	in.Code.Session = session.ID
	in.Arrival = &storage.Arrival{Login: l, Event: w.event("session.started"),
		SignIn: storage.SignIn{Identity: h.identity, User: h.user, Unchanged: true, Session: session}}
	return in
}

func testArrival(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	in := w.arriving(h)
	in.RequireConsent = &h.consent
	ev := w.event("code.issued")
	w.must(h.IssueCode(ctx, in, ev))
	live := get(w.store.SessionsByHandle(ctx, [][]byte{in.Arrival.SignIn.Session.Handle}))(w)
	w.sameSessions(live, storage.LiveSession{Session: in.Arrival.SignIn.Session, Tenant: h.tenant, UserInfo: h.user})
	w.same(get(h.User(ctx, h.user.ID))(w), h.user)
	_, code, err := w.store.FindCode(ctx, w.client.ID, in.Code.Ref)
	w.must(err)
	w.same(code.Code, in.Code)
	if l := get(w.store.Login(ctx, in.Arrival.Login.ID, w.now))(w); l.Step != storage.StepDone || l.Version != 2 {
		t.Errorf("the transaction stands at %q, version %d", l.Step, l.Version)
	}
	for i, recorded := range get(h.Events(ctx, "", 2))(w) {
		if want := []storage.EventID{ev.ID, in.Arrival.Event.ID}; recorded.ID != want[0] && recorded.ID != want[1] {
			t.Errorf("event %d is %+v", i, recorded)
		}
	}
}

// testArrivalOfTheLivingOnly: of what cannot be stored whole nothing is.
func testArrivalOfTheLivingOnly(t *testing.T, w *world) {
	ctx := t.Context()
	for name, kill := range map[string]func(h *home, in *storage.IssueCode){
		"the transaction is used up": func(_ *home, in *storage.IssueCode) {
			w.must(w.store.AdvanceLogin(ctx, in.Arrival.Login, w.now))
			in.Arrival.Login.Version++
		},
		"the transaction went on":  func(_ *home, in *storage.IssueCode) { in.Arrival.Login.Version = 7 },
		"the transaction is over":  func(_ *home, in *storage.IssueCode) { in.Code.CreatedAt = in.Arrival.Login.ExpiresAt },
		"somebody else's identity": func(_ *home, in *storage.IssueCode) { in.Arrival.SignIn.Identity = w.a.identity },
		"another issuer":           func(_ *home, in *storage.IssueCode) { in.Arrival.SignIn.Identity.Issuer += "/" },
		"another subject":          func(_ *home, in *storage.IssueCode) { in.Arrival.SignIn.Identity.Subject += "2" },
		"another person's session": func(h *home, in *storage.IssueCode) { in.Arrival.SignIn.Session.User = w.secondSession(h).User },
		"another session's code":   func(h *home, in *storage.IssueCode) { in.Code.Session = h.session.ID },
		"a session that waits":     func(_ *home, in *storage.IssueCode) { in.Arrival.SignIn.Session.Pending = true },
		"a session that is over": func(_ *home, in *storage.IssueCode) {
			in.Arrival.SignIn.Session.ExpiresAt = in.Code.CreatedAt
		},
		"the person changed": func(h *home, _ *storage.IssueCode) {
			h.user.Email = "new@acme.test"
			w.must(h.UpdateUser(ctx, h.user, w.event("x")))
		},
		"the person is disabled": func(h *home, in *storage.IssueCode) {
			h.user.DisabledAt = w.now
			w.must(h.UpdateUser(ctx, h.user, w.event("x")))
			in.Arrival.SignIn.User.Version++
		},
		"the tenant is suspended": func(h *home, in *storage.IssueCode) {
			h.tenant.SuspendedAt = w.now
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
			in.TenantVersion++
		},
		"the connection is disabled": func(h *home, _ *storage.IssueCode) {
			h.connection.DisabledAt = w.now
			w.must(h.UpdateConnection(ctx, h.connection, w.event("x")))
		},
		"the app changed": func(_ *home, in *storage.IssueCode) { in.ClientVersion++ },
		"the consent is withdrawn": func(h *home, in *storage.IssueCode) {
			in.RequireConsent = &h.consent
			w.must(h.WithdrawConsent(ctx, h.user.ID, w.client.ID, w.now, w.event("x")))
		},
	} {
		h := w.newHome()
		in := w.arriving(h)
		session := in.Arrival.SignIn.Session
		kill(h, &in)
		before := get(w.store.Login(ctx, in.Arrival.Login.ID, w.now))(w)
		if err := h.IssueCode(ctx, in, w.event("code.issued")); class(err) != storage.ErrConflict {
			t.Errorf("%s: %v, want a conflict", name, err)
		}
		w.same(get(w.store.Login(ctx, before.ID, w.now))(w), before)
		_, code, err := w.store.FindCode(ctx, w.client.ID, in.Code.Ref)
		w.must(err)
		if live := get(w.store.SessionsByHandle(ctx, [][]byte{session.Handle}))(w); code != nil || len(live) != 0 {
			t.Errorf("%s: code %v, sessions %v; want nothing stored", name, code, live)
		}
	}
}

// raceForArrival: one transaction, one session, one code.
func raceForArrival(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	ins, events := make([]storage.IssueCode, racers), make([]storage.Event, racers)
	first := w.arriving(h)
	for i := range ins {
		ins[i], events[i] = w.arriving(h), w.event("code.issued")
		ins[i].Arrival.Login = first.Arrival.Login
	}
	won := winners(t, race(func(i int) error { return h.IssueCode(ctx, ins[i], events[i]) }), storage.ErrConflict)
	stored := 0
	for _, in := range ins {
		stored += len(get(w.store.SessionsByHandle(ctx, [][]byte{in.Arrival.SignIn.Session.Handle}))(w))
	}
	if len(won) != 1 || stored != 1 {
		t.Errorf("%d of %d arrivals by one transaction succeeded, with %d sessions", len(won), racers, stored)
	}
}

func testArrivalView(t *testing.T, w *world) {
	ctx, c := t.Context(), w.a.consent
	at := storage.ArrivalPoint{Tenant: w.a.tenant.ID, Identity: w.a.identity, Client: w.client.ID, RedirectHost: c.RedirectHost, Resource: c.Resource}
	for name, q := range map[string]struct {
		change  func(*storage.ArrivalPoint)
		user    storage.User
		consent *storage.Consent
		err     error
	}{
		"somebody who approved":     {func(*storage.ArrivalPoint) {}, w.a.user, &c, nil},
		"at another host":           {func(p *storage.ArrivalPoint) { p.RedirectHost = "evil.test" }, w.a.user, nil, nil},
		"for another API":           {func(p *storage.ArrivalPoint) { p.Resource = "" }, w.a.user, nil, nil},
		"nobody":                    {func(p *storage.ArrivalPoint) { p.Identity.Subject = "nobody" }, storage.User{}, nil, nil},
		"another issuer's":          {func(p *storage.ArrivalPoint) { p.Identity.Issuer += "/" }, storage.User{}, nil, nil},
		"another connection's":      {func(p *storage.ArrivalPoint) { p.Identity.Connection = w.b.connection.ID }, storage.User{}, nil, nil},
		"another tenant's person":   {func(p *storage.ArrivalPoint) { p.Identity = w.b.identity }, storage.User{}, nil, nil},
		"another tenant, so nobody": {func(p *storage.ArrivalPoint) { p.Tenant = w.b.tenant.ID }, storage.User{}, nil, nil},
		"no such app":               {func(p *storage.ArrivalPoint) { p.Client = "nobody" }, storage.User{}, nil, storage.ErrNotFound},
	} {
		point := at
		q.change(&point)
		client, user, consent, err := w.store.ArrivalView(ctx, point)
		if class(err) != q.err {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			w.same(client, w.client)
			w.same(user, q.user)
			w.same(consent, q.consent)
		}
	}
}
