package storagetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// testSignInRaces: of many who want the same thing, one gets it.
func testSignInRaces(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	events := make([]storage.Event, racers)
	for i := range events {
		events[i] = w.event("x")
	}
	one := func(what string, lost error, call func(i int) error) {
		t.Helper()
		if won := winners(t, race(call), lost); len(won) != 1 {
			t.Errorf("%s: %d of %d won", what, len(won), racers)
		}
	}
	one("a token's id", storage.ErrConsumed, func(int) error { return h.Once(ctx, "logout", "jti", w.now.Add(time.Hour)) })
	one("a link", storage.ErrConsumed, func(int) error { return h.UseEmailLink(ctx, h.link.Hash, w.now) })
	one("a recovery code", storage.ErrConsumed, func(i int) error {
		return h.UseRecoveryCode(ctx, h.user.ID, h.recovery[0], w.now, events[i])
	})
	one("a code's time step", storage.ErrConsumed, func(int) error { return h.UseFactor(ctx, h.totp) })
	one("an attempt to send", storage.ErrConflict, func(int) error { return h.TryMail(ctx, h.mail, w.now) })
	one("a mail's end", storage.ErrConsumed, func(int) error { return h.FinishMail(ctx, h.mail.ID, "sent", w.now) })
	one("an attempt to tell", storage.ErrConflict, func(int) error { return h.TryLogout(ctx, h.logout, w.now) })
	for i := range events {
		events[i] = w.event("x")
	}
	one("a logout's end", storage.ErrConsumed, func(i int) error { return h.FinishLogout(ctx, h.logout, "delivered", w.now, events[i]) })
	raceForTries(t, w)
	raceForRaise(t, w)
	raceForLink(t, w)
	raceForDomain(t, w)
	for range rounds {
		raceForRecoveryCodes(t, w)
		raceForLogouts(t, w)
	}
}

// raceForTries: whatever the limit, no more get one.
func raceForTries(t *testing.T, w *world) {
	h := w.newHome()
	const limit = 5
	at := func(now time.Time) func(int) error {
		return func(int) error {
			_, err := h.TakeTry(t.Context(), h.user.ID, limit, time.Minute, now)
			return err
		}
	}
	try, later := at(w.now), at(w.now.Add(time.Minute))
	if won := winners(t, race(try), storage.ErrConsumed); len(won) != limit {
		t.Errorf("%d tries at once, want %d", len(won), limit)
	}
	if won := winners(t, race(later), storage.ErrConsumed); len(won) != 1 {
		t.Errorf("%d tries after the pause, want one", len(won))
	}
}

// raceForRaise: a handle is exchanged once.
func raceForRaise(t *testing.T, w *world) {
	h := w.newHome()
	raises, events := make([]storage.RaiseSession, racers), make([]storage.Event, racers)
	for i := range raises {
		raises[i], events[i] = w.raise(h.session), w.event("x")
	}
	won := winners(t, race(func(i int) error { return h.RaiseSession(t.Context(), h.session.ID, raises[i], events[i]) }), storage.ErrConflict)
	if len(won) != 1 {
		t.Fatalf("%d raised one session", len(won))
	}
	w.same(get(h.Session(t.Context(), h.session.ID))(w).Handle, raises[won[0]].Handle)
}

// raceForLink: one subject is linked, whoever comes at the same moment.
func raceForLink(t *testing.T, w *world) {
	h := w.newHome()
	u := w.invited(h, nil)
	ins, events := make([]storage.SignIn, racers), make([]storage.Event, racers)
	for i := range ins {
		ins[i], events[i] = w.linking(h, u, fmt.Sprintf("subject %d", i)), w.event("x")
	}
	won := winners(t, race(func(i int) error { return h.SignIn(t.Context(), ins[i], events[i]) }), storage.ErrConflict)
	if linked := get(h.Identities(t.Context(), u.ID))(w); len(won) != 1 || len(linked) != 1 {
		t.Errorf("%d linked one person, who has %d identities", len(won), len(linked))
	}
}

// raceForDomain: it is proved once, by one tenant.
func raceForDomain(t *testing.T, w *world) {
	name := fmt.Sprintf("raced%d.test", serial.Add(1))
	homes, events := []*home{w.newHome(), w.newHome()}, make([]storage.Event, racers)
	for _, h := range homes {
		w.must(h.PutDomain(t.Context(), w.unverified(h, name), w.event("x")))
	}
	for i := range events {
		events[i] = w.event("x")
	}
	errs := race(func(i int) error {
		d := w.unverified(homes[i%2], name)
		d.VerifiedAt, d.Version = w.now, 1
		return homes[i%2].PutDomain(t.Context(), d, events[i])
	})
	won := slices.Index(errs, nil)
	for i, err := range errs {
		want := []error{storage.ErrConflict, storage.ErrExists}[(i+won)%2]
		if i != won && class(err) != want {
			t.Errorf("racer %d: %v, and racer %d has won", i, err, won)
		}
	}
}

// raceForRecoveryCodes: one set is left, whole.
func raceForRecoveryCodes(t *testing.T, w *world) {
	h := w.newHome()
	events := make([]storage.Event, racers)
	for i := range events {
		events[i] = w.event("x")
	}
	for _, err := range race(func(i int) error {
		return h.ReplaceRecoveryCodes(t.Context(), h.user.ID, newCodes(10), w.now, events[i])
	}) {
		w.must(err)
	}
	if n := get(h.CountRecoveryCodes(t.Context(), h.user.ID))(w); n != 10 {
		t.Errorf("%d codes are left, want the 10 of the last", n)
	}
}

// raceForLogouts: however a session ends at the same moment, it ends once, and its
// client is told once.
func raceForLogouts(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	ended, events := make([]int, racers), make([]storage.Event, racers)
	for i := range events {
		events[i] = w.event("x")
	}
	errs := race(func(i int) error {
		if i%2 == 0 {
			err := h.EndSession(ctx, h.session.ID, w.now, events[i])
			if err == nil {
				ended[i] = 1
			}
			return err
		}
		out, err := h.EndSessions(ctx, storage.EndSessions{User: h.user.ID}, w.now, events[i])
		ended[i] = len(out)
		return err
	})
	winners(t, errs, storage.ErrNotFound)
	n := 0
	for _, times := range ended {
		n += times
	}
	if n != 1 {
		t.Errorf("one session ended %d times", n)
	}
	w.wantLogouts(h, w.told(h, h.session.ID, w.client.ID)...)
}
