package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

func testSignInPeople(t *testing.T, w *world) {
	testInvited(w)
	testInvitedOnce(w)
	testLinked(w)
	testPeopleByEmail(w)
	testPeoplePages(w)
	testLocalAccounts(w)
}

// local is a connection without a provider.
func (w *world) local(h *home) storage.Connection {
	w.Helper()
	c := w.newConnection()
	c.Kind, c.ClientID, c.SealedSecret, c.Issuer = storage.Passkey, "", nil, "https://id.test"
	w.must(h.CreateConnection(w.Context(), c, w.event("connection.created")))
	return c
}

// invited is somebody who was invited, and has an identity without a provider when
// there is a connection for it.
func (w *world) invited(h *home, local *storage.Connection) storage.User {
	w.Helper()
	u := w.signIn(h).User
	var ids []storage.Identity
	if local != nil {
		ids = append(ids, storage.Identity{Connection: local.ID, Issuer: local.Issuer, Subject: string(u.ID)})
	}
	w.must(h.CreateUser(w.Context(), u, ids, w.event("user.invited")))
	return u
}

func testInvited(w *world) {
	ctx, h := w.Context(), w.newHome()
	local := w.local(h)
	w.same(get(h.Connection(ctx, local.ID))(w), local)
	u := w.signIn(h).User
	ids := []storage.Identity{{Connection: local.ID, Issuer: local.Issuer, Subject: string(u.ID)},
		{Connection: h.connection.ID, Issuer: h.connection.Issuer, Subject: "2"}, {Connection: h.connection.ID, Issuer: h.connection.Issuer, Subject: "1"}}
	w.must(h.CreateUser(ctx, u, ids, w.event("user.invited")))
	w.same(get(h.User(ctx, u.ID))(w), u)
	slices.SortFunc(ids, func(a, b storage.Identity) int {
		return strings.Compare(string(a.Connection)+a.Subject, string(b.Connection)+b.Subject)
	})
	w.same(get(h.Identities(ctx, u.ID))(w), ids)
	for _, i := range ids {
		w.same(get(h.UserByIdentity(ctx, i))(w), u)
	}

	before := w.look(h)
	w.want(h.CreateUser(ctx, u, nil, w.event("x")), storage.ErrExists)
	w.want(h.CreateUser(ctx, w.signIn(h).User, ids[1:2], w.event("x")), storage.ErrExists)
	foreign := storage.Identity{Connection: w.b.connection.ID, Issuer: "i", Subject: "s"}
	w.want(h.CreateUser(ctx, w.signIn(h).User, []storage.Identity{foreign}, w.event("x")), storage.ErrNotFound)
	w.same(w.look(h), before)
}

// testInvitedOnce: somebody whose address somebody has is not invited, and of many at
// once one is.
func testInvitedOnce(w *world) {
	ctx, h := w.Context(), w.newHome()
	local := w.local(h)
	invite := func(email string, ev storage.Event) error {
		u := w.signIn(h).User
		u.Email = email
		return h.InviteUser(ctx, u, []storage.Identity{{Connection: local.ID, Issuer: local.Issuer, Subject: string(u.ID)}}, ev)
	}
	w.want(invite(strings.ToUpper(h.user.Email), w.event("x")), storage.ErrExists)
	for round := range rounds {
		one, events := fmt.Sprintf("Søren%d@Acme.Test", round), make([]storage.Event, racers)
		for i := range events {
			events[i] = w.event("x")
		}
		won := winners(w.T, race(func(i int) error { return invite([]string{one, strings.ToUpper(one)}[i%2], events[i]) }), storage.ErrExists)
		if people := get(h.UsersByEmail(ctx, one))(w); len(won) != 1 || len(people) != 1 {
			w.Errorf("%d invitations made %d people", len(won), len(people))
		}
	}
	w.must(invite("", w.event("x"))) // who has no address has nobody's
	w.must(invite("", w.event("x")))
	other := w.signIn(w.b).User
	other.Email = "søren0@acme.test"
	w.must(w.b.InviteUser(ctx, other, nil, w.event("x")))
}

// linking is the first sign-in of somebody who was there already.
func (w *world) linking(h *home, u storage.User, subject string) storage.SignIn {
	return storage.SignIn{Identity: storage.Identity{Connection: h.connection.ID, Issuer: h.connection.Issuer, Subject: subject},
		User: u, Link: true, Session: w.newSession(u.ID, h.connection.ID)}
}

// testLinked: who was invited gets one provider's subject, and never a second.
func testLinked(w *world) {
	ctx, h := w.Context(), w.newHome()
	local := w.local(h)
	u := w.invited(h, &local)
	taken := w.linking(h, u, h.identity.Subject)
	w.want(h.SignIn(ctx, taken, w.event("x")), storage.ErrExists)
	foreign := w.linking(h, u, "new")
	foreign.Identity.Connection = w.b.connection.ID
	w.want(h.SignIn(ctx, foreign, w.event("x")), storage.ErrNotFound)
	unlinked := w.linking(h, u, "new")
	unlinked.Link = false
	w.want(h.SignIn(ctx, unlinked, w.event("x")), storage.ErrConflict)
	ghost := w.linking(h, w.signIn(h).User, "new")
	w.want(h.SignIn(ctx, ghost, w.event("x")), storage.ErrConflict)

	in := w.linking(h, u, "new")
	w.must(h.SignIn(ctx, in, w.event("user.linked")))
	u.Version++
	w.same(get(h.UserByIdentity(ctx, in.Identity))(w), u)
	w.same(get(h.ListSessions(ctx, u.ID, w.now))(w), []storage.Session{in.Session})
	for name, who := range map[string]storage.User{"who was linked": u, "who came by the provider": h.user} {
		before := w.look(h)
		if err := h.SignIn(ctx, w.linking(h, who, "second"), w.event("x")); class(err) != storage.ErrConflict {
			w.Errorf("%s is linked again: %v, want ErrConflict", name, err)
		}
		w.same(w.look(h), before)
	}
	// Another way without a provider is no reason not to.
	in = w.linking(h, w.invited(h, nil), "third")
	w.must(h.SignIn(ctx, in, w.event("user.linked")))
}

// testPeopleByEmail: in lower case, at most ten, in the order of their ids, and of the
// tenant alone.
func testPeopleByEmail(w *world) {
	ctx, h := w.Context(), w.newHome()
	var all []storage.User
	for i := range 11 {
		u := w.signIn(h).User
		u.Email = []string{"Zoë@Acme.Test", "zoë@acme.test", "ZOË@ACME.TEST"}[i%3]
		w.must(h.CreateUser(ctx, u, nil, w.event("x")))
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b storage.User) int { return strings.Compare(string(a.ID), string(b.ID)) })
	w.same(get(h.UsersByEmail(ctx, "zOË@acme.tesT"))(w), all[:10])
	for _, email := range []string{"", "zoë@acme.tes", "%", "nobody@acme.test"} {
		w.same(get(h.UsersByEmail(ctx, email))(w), []storage.User(nil))
	}
	w.same(get(w.b.UsersByEmail(ctx, "zoë@acme.test"))(w), []storage.User(nil))

	u := h.user
	w.same(get(h.UsersByEmail(ctx, strings.ToUpper(u.Email)))(w), []storage.User{u})
	u.Email = "Moved@acme.test"
	w.must(h.UpdateUser(ctx, u, w.event("x")))
	u.Version++
	w.same(get(h.UsersByEmail(ctx, "alice@acme.test"))(w), []storage.User(nil))
	w.same(get(h.UsersByEmail(ctx, "moved@acme.test"))(w), []storage.User{u})
	again := storage.SignIn{Identity: h.identity, User: u, Session: w.newSession(u.ID, h.connection.ID)}
	again.User.Email = "Again@acme.test"
	w.must(h.SignIn(ctx, again, w.event("x")))
	if found := get(h.UsersByEmail(ctx, "again@acme.test"))(w); len(found) != 1 {
		w.Errorf("the address of the last sign-in finds %d people", len(found))
	}
}

func testPeoplePages(w *world) {
	ctx, h := w.Context(), w.newHome()
	for range 4 {
		w.invited(h, nil)
	}
	all := get(h.ListUsers(ctx))(w)
	slices.Reverse(all)
	var paged []storage.User
	var before storage.UserID
	for range 3 {
		page := get(h.PageUsers(ctx, before, 2))(w)
		paged, before = append(paged, page...), page[len(page)-1].ID
	}
	w.same(paged, all)
	w.same(get(h.PageUsers(ctx, before, 2))(w), []storage.User(nil))
}

// testLocalAccounts: who has the address and can sign in without a provider.
func testLocalAccounts(w *world) {
	ctx := w.Context()
	email := fmt.Sprintf("Local%d@acme.test", serial.Add(1))
	make := func(spoil func(h *home, c *storage.Connection, u *storage.User)) (*home, storage.LocalAccount) {
		h := w.newHome()
		c, u := w.local(h), w.signIn(h).User
		u.Email = email
		spoil(h, &c, &u)
		w.must(h.CreateUser(ctx, u, []storage.Identity{{Connection: c.ID, Issuer: c.Issuer, Subject: string(u.ID)}}, w.event("x")))
		return h, storage.LocalAccount{Tenant: h.tenant, Connection: c, User: u}
	}
	as := func(*home, *storage.Connection, *storage.User) {}
	_, first := make(as)
	_, second := make(as)
	make(func(_ *home, c *storage.Connection, u *storage.User) { u.DisabledAt = w.now })
	make(func(_ *home, c *storage.Connection, u *storage.User) { u.Email = "x" + email })
	make(func(h *home, c *storage.Connection, u *storage.User) { *c = h.connection }) // by a provider
	make(func(h *home, c *storage.Connection, u *storage.User) {
		c.DisabledAt = w.now
		w.must(h.UpdateConnection(ctx, *c, w.event("x")))
	})
	suspended, _ := make(as)
	suspended.tenant.SuspendedAt = w.now
	w.must(w.store.UpdateTenant(ctx, suspended.tenant, w.event("x")))

	want := []storage.LocalAccount{first, second}
	slices.SortFunc(want, func(a, b storage.LocalAccount) int { return strings.Compare(string(a.Tenant.ID), string(b.Tenant.ID)) })
	w.same(get(w.store.LocalAccounts(ctx, strings.ToUpper(email)))(w), want)
	w.same(get(w.store.LocalAccounts(ctx, ""))(w), []storage.LocalAccount(nil))
	for range 7 {
		make(as)
	}
	if found := get(w.store.LocalAccounts(ctx, email))(w); len(found) != 8 {
		w.Errorf("%d accounts of one address, want at most 8", len(found))
	}
}
