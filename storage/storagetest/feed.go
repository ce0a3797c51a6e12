package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/watchgate/watchgate/storage"
)

// testFeed: what is told, to whom, and who waits for it. None of it looks at a clock:
// a change that waits is seen by what has not happened yet.
func testFeed(t *testing.T, w *world) {
	for _, c := range []struct {
		name string
		test func(w *world)
	}{
		{"EveryChangeIsTold", everyChangeIsTold},
		{"AFailedChangeIsNotTold", failedChangeIsNotTold},
		{"WhatLeavesNoEventIsNotTold", unrecordedIsNotTold},
		{"ASignInTellsOfItsUser", signInTellsOfItsUser},
		{"ALostCallerIsNoReasonToHurry", lostCallerIsNoReasonToHurry},
		{"ARefusalWaitsForTheChangeThatItTellsOf", refusalWaitsForOthers},
		{"OneRecordServesAllWhoWait", oneRecordServesAll},
		{"AnOldMarkIsNotEnough", oldMarkIsNotEnough},
		{"AMembershipBeginsWithNothing", membershipBeginsWithNothing},
		{"WhoJoinsAnewEndsTheMembershipBefore", joiningEndsTheOneBefore},
		{"NobodyWaitsForWhoHasLeft", nobodyWaitsForWhoHasLeft},
		{"WaitingEndsAndTheMembershipStays", waitingEnds},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newWorld(t, w.store)) })
	}
}

// node is a membership in the hands of a test.
type node struct {
	*world
	storage.Membership
}

// join makes the store's process a node.
func (w *world) join() *node {
	w.Helper()
	m := get(w.feed().Join(w.Context()))(w)
	w.Cleanup(func() { m.Leave(context.Background()) })
	return &node{w, m}
}

// teller is a store that tells nodes what changed.
type teller interface {
	storage.Feed
	// Waiting returns how many changes wait until every node knows.
	Waiting() int
}

func (w *world) feed() teller {
	w.Helper()
	s, ok := w.store.(teller)
	if !ok {
		w.Fatal("the store has no feed")
	}
	return s
}

// read reads without recording.
func (n *node) read() ([]storage.Change, storage.Mark) {
	n.Helper()
	changes, mark, err := n.Read(n.Context())
	n.must(err)
	return changes, mark
}

// renew reads and records, and returns what it read.
func (n *node) renew() []storage.Change {
	n.Helper()
	changes, mark := n.read()
	n.must(n.Record(n.Context(), mark))
	return changes
}

// told waits until something was told; patience is for what never is.
func (n *node) told() ([]storage.Change, storage.Mark) {
	n.Helper()
	ctx, cancel := context.WithTimeout(n.Context(), patience)
	defer cancel()
	for {
		if changes, mark := n.read(); len(changes) > 0 {
			return changes, mark
		}
		if err := n.Wait(ctx); err != nil {
			n.Fatalf("nothing is told: %v", err)
		}
	}
}

const patience = 30 * time.Second

// begin calls a mutator that has to wait, and returns where its outcome will be.
func begin(call func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return done
}

// stillWaits fails the test when one of the calls has returned. It returns when all
// of them wait, and have had time to think better of it.
func (n *node) stillWaits(what string, calls ...<-chan error) {
	n.Helper()
	for quiet := 0; quiet < 10; quiet++ {
		n.must(n.store.Ping(n.Context()))
		if n.feed().Waiting() < len(calls) {
			quiet = 0
		}
		for _, done := range calls {
			select {
			case err := <-done:
				n.Fatalf("%s returned (%v) before the node had recorded that it knows", what, err)
			default:
			}
		}
	}
}

// wantTold fails the test unless these changes were told, in any order.
func (n *node) wantTold(what string, got, want []storage.Change) {
	n.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b storage.Change) bool { return a.Kind < b.Kind })); diff != "" {
		n.Errorf("%s is told wrongly (-want +got):\n%s", what, diff)
	}
}

// others makes worlds on the same store, one for each mutator, while nobody is told
// of what their making changes. It returns the next at each call.
func (w *world) others() func() *world {
	worlds := make([]*world, len(changes(w.T)))
	for i := range worlds {
		worlds[i] = newWorld(w.T, w.store)
	}
	return func() *world {
		next := worlds[0]
		worlds = worlds[1:]
		return next
	}
}

// everyChangeIsTold: what has to be known has not succeeded before it is; of the
// rest, nothing is told.
func everyChangeIsTold(w *world) {
	all, worlds := changes(w.T), w.others()
	n := w.join()
	for name, do := range all {
		w := worlds()
		ev, want := w.event("kind."+name), told[name](w)
		if len(want) == 0 {
			w.must(do(w.Context(), w, ev))
			n.wantTold(name, n.renew(), nil)
			continue
		}
		done := begin(func() error { return do(w.Context(), w, ev) })
		got, mark := n.told()
		n.wantTold(name, got, want)
		n.stillWaits(name, done)
		n.must(n.Record(w.Context(), mark))
		w.must(<-done)
	}
}

// failedChangeIsNotTold lets each change fail in its last statement, because its
// event's id is taken, and in its first, because there is no such thing. They share
// worlds, because none of them changes one.
func failedChangeIsNotTold(w *world) {
	stale, gone := newWorld(w.T, w.store), newWorld(w.T, w.store)
	n := w.join()
	taken := w.event("first")
	w.must(w.store.AppendPlatformEvent(w.Context(), taken))
	w.must(w.a.AppendEvent(w.Context(), taken))
	for name, do := range changes(w.T) {
		w.want(do(w.Context(), w, taken), storage.ErrExists)
		n.wantTold(name+" that failed", n.renew(), nil)
	}
	for _, v := range []*int64{&stale.a.tenant.Version, &stale.client.Version, &stale.rs.Version, &stale.a.user.Version,
		&stale.a.connection.Version, &stale.a.key.Version} {
		*v = 9
	}
	for _, name := range []string{"UpdateTenant", "UpdateClient", "UpdateResourceServer", "UpdateUser", "UpdateConnection", "UpdateKey", "RotateKey"} {
		w := stale
		w.want(changes(w.T)[name](w.Context(), w, w.event("x")), storage.ErrConflict)
		n.wantTold(name+" of another version", n.renew(), nil)
	}
	for _, name := range []string{"UpdateUser", "UpdateConnection", "SignIn", "EndSession", "RevokeGrant", "RevokeToken", "UpdateKey", "RotateKey", "RevokeKey"} {
		w := gone
		if _, err := reaches[name](w, w.a, w.ghost()); class(err) == nil {
			w.Errorf("%s of what is not there: %v", name, err)
		}
		n.wantTold(name+" of what is not there", n.renew(), nil)
	}
}

func unrecordedIsNotTold(w *world) {
	n := w.join()
	l := storage.Login{ID: storage.NewLoginID(w.now), Step: storage.StepUpstream, CreatedAt: w.now, ExpiresAt: w.now.Add(codeLife)}
	w.must(w.store.BeginLogin(w.Context(), l))
	w.must(w.store.AdvanceLogin(w.Context(), l, w.now))
	w.must(w.a.TouchSession(w.Context(), w.a.session.ID, w.now.Add(1e9)))
	w.must(w.a.StartExecution(w.Context(), w.newExecution(w.a.key.ID), 9))
	w.must(w.a.EndExecution(w.Context(), w.a.service.ID, w.a.execution.ID, w.now))
	w.must(w.a.TryDelivery(w.Context(), w.a.delivery, w.now))
	w.must(w.a.NoteKeyUses(w.Context(), []storage.KeyUse{w.a.use}))
	w.must(w.a.FinishRequest(w.Context(), w.a.request))
	w.must(w.store.Prepare(w.Context(), w.now))
	get(w.store.Sweep(w.Context(), w.now))(w)
	n.wantTold("what leaves no event", n.renew(), nil)
}

// signInTellsOfItsUser: nobody waits for what a sign-in says of the person, or of a
// session that goes on.
func signInTellsOfItsUser(w *world) {
	n := w.join()
	in := w.signIn(w.a)
	in.Create, in.User, in.Identity, in.Renews = false, w.a.user, w.a.identity, true
	in.Session.ID, in.Session.User = w.a.session.ID, w.a.user.ID
	w.must(w.a.SignIn(w.Context(), in, w.event("user.signed_in")))
	n.wantTold("SignIn", n.renew(), []storage.Change{
		{Kind: storage.ChangeUser, Tenant: w.a.tenant.ID, ID: string(w.a.user.ID)},
		{Kind: storage.ChangeSession, Tenant: w.a.tenant.ID, ID: string(w.a.session.ID)},
	})
}

// revoke begins to revoke the access token of a home.
func (w *world) revoke(ctx context.Context, h *home) <-chan error {
	ev := w.event("token.revoked")
	return begin(func() error { return h.RevokeToken(ctx, h.access.Ref, w.now, ev) })
}

// lostCallerIsNoReasonToHurry: the change is committed, so that a caller who goes
// away does not make it known.
func lostCallerIsNoReasonToHurry(w *world) {
	n := w.join()
	ctx, cancel := context.WithCancel(w.Context())
	done := w.revoke(ctx, w.a)
	_, mark := n.told()
	n.stillWaits("a revocation", done)
	cancel()
	n.stillWaits("a revocation whose caller left", done)
	n.must(n.Record(w.Context(), mark))
	w.must(<-done)
}

// refusalWaitsForOthers: who is told that a session has ended already may pass that
// on as a success.
func refusalWaitsForOthers(w *world) {
	n := w.join()
	first, second := w.event("session.ended"), w.event("session.ended")
	done := begin(func() error { return w.a.EndSession(w.Context(), w.a.session.ID, w.now, first) })
	_, mark := n.told()
	again := begin(func() error { return w.a.EndSession(w.Context(), w.a.session.ID, w.now, second) })
	n.stillWaits("ending a session, or an ended one,", done, again)
	n.must(n.Record(w.Context(), mark))
	w.must(<-done)
	w.want(<-again, storage.ErrNotFound)
}

// oneRecordServesAll who wait for what it includes.
func oneRecordServesAll(w *world) {
	n := w.join()
	a, b := w.revoke(w.Context(), w.a), w.revoke(w.Context(), w.b)
	known, mark := n.told()
	for len(known) < 2 {
		var more []storage.Change
		more, mark = n.told()
		known = append(known, more...)
	}
	n.stillWaits("a revocation", a, b)
	n.must(n.Record(w.Context(), mark))
	w.must(<-a)
	w.must(<-b)
}

// oldMarkIsNotEnough: it does not include the change.
func oldMarkIsNotEnough(w *world) {
	n := w.join()
	_, old := n.read()
	done := w.revoke(w.Context(), w.a)
	_, mark := n.told()
	n.must(n.Record(w.Context(), old))
	n.stillWaits("a revocation", done)
	n.must(n.Record(w.Context(), mark))
	w.must(<-done)
}

// membershipBeginsWithNothing: what was there before nobody remembers otherwise.
func membershipBeginsWithNothing(w *world) {
	w.must(<-w.revoke(w.Context(), w.a))
	n := w.join()
	n.wantTold("what was revoked before", n.renew(), nil)
	n.wantTold("nothing", n.renew(), nil)
}

func joiningEndsTheOneBefore(w *world) {
	before := w.join()
	done := w.revoke(w.Context(), w.a)
	_, mark := before.told()
	before.stillWaits("a revocation", done)
	waits := begin(func() error { // until the end, or for what was announced already
		for {
			if err := before.Wait(w.Context()); err != nil {
				return err
			}
		}
	})
	after := w.join()
	w.must(<-done)
	w.want(<-waits, storage.ErrNotFound)
	w.want(before.Record(w.Context(), mark), storage.ErrNotFound)
	_, _, err := before.Read(w.Context())
	w.want(err, storage.ErrNotFound)

	done = w.revoke(w.Context(), w.b)
	_, mark = after.told()
	w.must(before.Leave(w.Context()))
	after.stillWaits("a revocation after the earlier membership has left", done)
	w.must(after.Record(w.Context(), mark))
	w.must(<-done)
}

func nobodyWaitsForWhoHasLeft(w *world) {
	n := w.join()
	done := w.revoke(w.Context(), w.a)
	n.told()
	n.stillWaits("a revocation", done)
	w.must(n.Leave(w.Context()))
	w.must(<-done)
	if _, _, err := n.Read(w.Context()); err == nil {
		w.Error("who has left still reads")
	}
}

// waitingEnds: with its context, after which the membership goes on, and when
// something is told.
func waitingEnds(w *world) {
	n := w.join()
	for range 3 {
		ctx, cancel := context.WithCancel(w.Context())
		waits := begin(func() error { return n.Wait(ctx) })
		cancel()
		w.want(<-waits, context.Canceled)
		n.wantTold("nothing", n.renew(), nil)
	}
	ctx, cancel := context.WithTimeout(w.Context(), time.Millisecond)
	defer cancel()
	w.want(n.Wait(ctx), context.DeadlineExceeded)
	done := w.revoke(w.Context(), w.a)
	_, mark := n.told()
	n.must(n.Record(w.Context(), mark))
	w.must(<-done)
}
