package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const day = 24 * time.Hour

// testSignInUpkeep: what is over goes, at once or after a week.
func testSignInUpkeep(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	w.must(h.Once(ctx, "logout", "jti", w.now.Add(time.Hour)))
	get(h.TakeTry(ctx, h.user.ID, 1, 365*day, w.now))(w)
	w.must(h.FinishLogout(ctx, h.logout, "delivered", w.now, w.event("x")))
	waiting := w.newMail(h)
	w.must(h.QueueMail(ctx, waiting))
	w.must(h.FinishMail(ctx, h.mail.ID, "sent", w.now))
	for _, c := range []struct {
		at                                  time.Time
		replay, link, trial, sent, forsaken bool
	}{
		{w.now, true, true, true, true, true},
		{h.link.ExpiresAt, true, false, true, true, true},
		{w.now.Add(time.Hour), false, false, true, true, true},
		{h.trial.ExpiresAt, false, false, false, true, true},
		{w.now.Add(7 * day), false, false, false, false, true},
		{waiting.ExpiresAt.Add(7 * day), false, false, false, false, false},
	} {
		get(w.store.Sweep(ctx, c.at))(w)
		_, link := h.EmailLink(ctx, h.link.Hash, w.now)
		_, trial := h.ConnectionTest(ctx, h.trial.ID, w.now)
		_, sent := h.Mail(ctx, h.mail.ID)
		_, forsaken := h.Mail(ctx, waiting.ID)
		got := []bool{w.presented(h, "jti"), link == nil, trial == nil, sent == nil, forsaken == nil}
		if diff := fmt.Sprint(got); diff != fmt.Sprint([]bool{c.replay, c.link, c.trial, c.sent, c.forsaken}) {
			t.Errorf("after %v replay, link, trial, mail that was sent, mail that waits are there: %v, want %+v", c.at.Sub(w.now), got, c)
		}
	}
	// Failures are forgotten by a success, and not by time.
	_, err := h.TakeTry(ctx, h.user.ID, 1, 365*day, w.now)
	w.want(err, storage.ErrConsumed)
	if left := get(h.ListFactors(ctx, h.user.ID))(w); len(left) != 2 {
		t.Errorf("sweeping took factors: %d are left", len(left))
	}
	testSweptInBatches(w)
}

// presented tells whether an id is remembered, and makes it forgotten again.
func (w *world) presented(h *home, id string) bool {
	w.Helper()
	err := h.Once(w.Context(), "logout", id, w.now)
	if err == nil {
		get(w.store.Sweep(w.Context(), w.now))(w)
	}
	return class(err) == storage.ErrConsumed
}

// testSweptInBatches: more than a batch goes in one sweep.
func testSweptInBatches(w *world) {
	h := w.newHome()
	const each = 64
	const many = each * racers
	for _, err := range race(func(i int) error {
		var err error
		for j := range each {
			err = errors.Join(err, h.Once(w.Context(), "logout", fmt.Sprint(i, j), w.now.Add(time.Hour)))
		}
		return err
	}) {
		w.must(err)
	}
	if swept := get(w.store.Sweep(w.Context(), w.now.Add(time.Hour)))(w); swept.Rows < many {
		w.Errorf("swept %+v, want at least %d rows", swept, many)
	}
}

// testSignInFeed: what nodes are told beyond the cases of told.
func testSignInFeed(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	n := w.join()
	// What hangs on any session of a person hangs on the person.
	ended := begin(func() error {
		_, err := h.EndSessions(ctx, storage.EndSessions{User: h.user.ID, Grants: true}, w.now, w.event("x"))
		return err
	})
	got, mark := n.told()
	n.wantTold("EndSessions", got, []storage.Change{{Kind: storage.ChangeUser, Tenant: h.tenant.ID, ID: string(h.user.ID)}})
	n.stillWaits("EndSessions", ended)
	w.must(n.Record(ctx, mark))
	w.must(<-ended)

	w.must(h.UseFactor(ctx, h.totp))
	get(h.TakeTry(ctx, h.user.ID, 1, 0, w.now))(w)
	w.must(h.ClearTries(ctx, h.user.ID))
	w.must(h.UseEmailLink(ctx, h.link.Hash, w.now))
	w.must(h.QueueMail(ctx, w.newMail(h)))
	w.must(h.TryMail(ctx, h.mail, w.now))
	w.must(h.FinishMail(ctx, h.mail.ID, "sent", w.now))
	w.must(h.Once(ctx, "logout", "jti", w.now))
	w.must(h.TryLogout(ctx, h.logout, w.now))
	n.wantTold("what leaves no event", n.renew(), nil)
}
