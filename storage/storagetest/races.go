package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// racers is how many goroutines want the same thing.
const racers = 16

// race runs call from many goroutines at once and returns their errors.
func race(call func(i int) error) []error {
	errs := make([]error, racers)
	var ready, done sync.WaitGroup
	ready.Add(racers)
	for i := range racers {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = call(i)
		})
	}
	done.Wait()
	return errs
}

// winners counts the calls that succeeded; the others must have failed with
// lost.
func winners(t *testing.T, errs []error, lost error) []int {
	t.Helper()
	var won []int
	for i, err := range errs {
		switch {
		case err == nil:
			won = append(won, i)
		case !errors.Is(err, lost):
			t.Errorf("a loser's error = %v, want %v", err, lost)
		}
	}
	return won
}

func testRaces(t *testing.T, w *world) {
	raceForCode(t, w)
	raceForRefresh(t, w)
	raceForSuccessor(t, w)
	raceForLogin(t, w)
	raceForFirstKeys(t, w)
	raceForIdentity(t, w)
	raceForWithdrawal(t, w)
}

// raceForCode: one redemption, one family.
func raceForCode(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	redeems, events := make([]storage.RedeemCode, racers), make([]storage.Event, racers)
	for i := range redeems {
		redeems[i], events[i] = w.redeem(h.code), w.event("code.redeemed")
		redeems[i].Grant.ID = storage.NewGrantID(w.now)
	}
	won := winners(t, race(func(i int) error { return h.RedeemCode(ctx, redeems[i], events[i]) }), storage.ErrConsumed)
	if len(won) != 1 {
		t.Fatalf("%d of %d redeemed one code", len(won), racers)
	}
	for i, in := range redeems {
		_, access, err := w.store.FindAccess(ctx, "", in.Access.Ref)
		w.must(err)
		_, refresh, err := w.store.FindRefresh(ctx, "", in.Refresh.Ref)
		w.must(err)
		if stored := i == won[0]; (access != nil) != stored || (refresh != nil) != stored {
			t.Errorf("racer %d: access token %v, refresh token %v, won %v", i, access != nil, refresh != nil, stored)
		}
	}
	if grants := get(h.ListGrants(ctx, h.user.ID, w.now))(w); len(grants) != 2 {
		t.Errorf("%d families, want the old one and the winner's", len(grants))
	}
}

// raceForRefresh: all get the same successor; there is one live child.
func raceForRefresh(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	turns, events := make([]storage.RotateRefresh, racers), make([]storage.Event, racers)
	for i := range turns {
		turns[i], events[i] = w.rotate(h, h.refresh), w.event("token.refreshed")
	}
	won := winners(t, race(func(i int) error { return h.RotateRefresh(ctx, turns[i], events[i]) }), nil)
	if len(won) != racers {
		t.Errorf("%d of %d concurrent refreshes succeeded, want all", len(won), racers)
	}
	_, child, err := w.store.FindRefresh(ctx, "", turns[0].Successor.Ref)
	w.must(err)
	if child == nil || !child.RotatedAt.IsZero() {
		t.Fatalf("the successor is %+v, want one unused", child)
	}
	h.refresh = turns[0].Successor
}

// raceForSuccessor: racers with successors of their own never make two
// families.
func raceForSuccessor(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	turns, events := make([]storage.RotateRefresh, racers), make([]storage.Event, racers)
	for i := range turns {
		turns[i], events[i] = w.rotate(h, h.refresh), w.event("token.refreshed")
		turns[i].Successor.Ref = ref(token.Refresh, h.refresh.ExpiresAt)
	}
	won := winners(t, race(func(i int) error { return h.RotateRefresh(ctx, turns[i], events[i]) }), storage.ErrConsumed)
	if len(won) != 1 {
		t.Fatalf("%d of %d forks of one family succeeded", len(won), racers)
	}
	for i, in := range turns {
		_, child, err := w.store.FindRefresh(ctx, "", in.Successor.Ref)
		w.must(err)
		if (child != nil) != (i == won[0]) {
			t.Errorf("racer %d: child %v, won %v", i, child != nil, i == won[0])
		}
	}
}

// raceForLogin: a step is taken once.
func raceForLogin(t *testing.T, w *world) {
	ctx := t.Context()
	l := storage.Login{ID: storage.NewLoginID(w.now), Step: storage.StepUpstream, CreatedAt: w.now, ExpiresAt: w.now.Add(codeLife)}
	w.must(w.store.BeginLogin(ctx, l))
	l.Step = storage.StepConsent
	won := winners(t, race(func(int) error { return w.store.AdvanceLogin(ctx, l, w.now) }), storage.ErrConsumed)
	if len(won) != 1 {
		t.Errorf("%d of %d took one step", len(won), racers)
	}
}

// raceForFirstKeys: nodes that all find no keys make one set.
func raceForFirstKeys(t *testing.T, w *world) {
	ctx := t.Context()
	sets, events := make([][]storage.SigningKey, racers), make([]storage.Event, racers)
	for i := range sets {
		active := storage.SigningKey{KID: fmt.Sprintf("active%d", i), Alg: "ES256", CreatedAt: w.now, ActiveAt: w.now}
		next := storage.SigningKey{KID: fmt.Sprintf("next%d", i), Alg: "ES256", CreatedAt: w.now}
		sets[i], events[i] = []storage.SigningKey{active, next}, w.event("signing_keys.changed")
	}
	won := winners(t, race(func(i int) error { return w.store.PutSigningKeys(ctx, sets[i], events[i]) }), storage.ErrExists)
	if keys := get(w.store.SigningKeys(ctx, storage.SignTokens))(w); len(won) != 1 || len(keys) != 2 {
		t.Errorf("%d of %d made the first keys, %d keys are stored; want one set of two", len(won), racers, len(keys))
	}
}

// raceForIdentity: somebody new is made once.
func raceForIdentity(t *testing.T, w *world) {
	ctx, h := t.Context(), w.b
	before := len(get(h.ListUsers(ctx))(w))
	ins, events := make([]storage.SignIn, racers), make([]storage.Event, racers)
	for i := range ins {
		ins[i], events[i] = w.signIn(h), w.event("user.signed_in")
		ins[i].Identity.Subject = "somebody new"
	}
	won := winners(t, race(func(i int) error { return h.SignIn(ctx, ins[i], events[i]) }), storage.ErrExists)
	if len(won) != 1 {
		t.Errorf("%d of %d made one person", len(won), racers)
	}
	if after := len(get(h.ListUsers(ctx))(w)); after != before+1 {
		t.Errorf("%d users more", after-before)
	}
}

// raceForWithdrawal: whatever is issued and redeemed at the moment in which a
// consent is withdrawn, no family that rests on it survives.
func raceForWithdrawal(t *testing.T, w *world) {
	ctx, h := t.Context(), w.b
	issues, redeems, events := make([]storage.IssueCode, racers), make([]storage.RedeemCode, racers), make([]storage.Event, 2*racers)
	for i := range racers {
		issues[i] = w.issue(h)
		issues[i].RequireConsent = &h.consent
		redeems[i] = w.redeem(issues[i].Code)
		events[2*i], events[2*i+1] = w.event("code.issued"), w.event("code.redeemed")
	}
	for _, err := range race(func(i int) error {
		if i == racers/2 {
			return h.WithdrawConsent(ctx, h.user.ID, w.client.ID, w.now, events[2*i])
		}
		err := h.IssueCode(ctx, issues[i], events[2*i])
		if err == nil {
			err = h.RedeemCode(ctx, redeems[i], events[2*i+1])
		}
		if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrConsumed) {
			return nil
		}
		return err
	}) {
		w.must(err)
	}
	if left := get(h.ListGrants(ctx, h.user.ID, w.now))(w); len(left) != 0 {
		t.Errorf("%d families survived the withdrawal of their consent", len(left))
	}
}
