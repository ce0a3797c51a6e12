package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testFactors(t *testing.T, w *world) {
	testFactorLife(w)
	testFactorName(w)
	testFactorIsResealed(w)
	testFactorsFit(w)
	testRecoveryCodes(w)
	testTries(w)
}

func testFactorLife(w *world) {
	ctx, h := w.Context(), w.newHome()
	w.same(get(h.ListFactors(ctx, h.user.ID))(w), []storage.Factor{h.totp, h.passkey}) // oldest first
	w.same(get(h.FactorByCredential(ctx, h.passkey.CredentialID))(w), h.passkey)
	for _, credential := range [][]byte{nil, {}, []byte("x"), h.passkey.CredentialID[1:]} {
		_, err := h.FactorByCredential(ctx, credential)
		w.want(err, storage.ErrNotFound)
	}

	again, same := h.passkey, w.newPasskey(h)
	again.CredentialID, same.CredentialID = []byte("other"), h.passkey.CredentialID
	w.want(h.AddFactor(ctx, again, w.event("x")), storage.ErrExists)
	w.want(h.AddFactor(ctx, same, w.event("x")), storage.ErrExists)
	stranger := w.newTOTP(h)
	stranger.User = w.b.user.ID
	w.want(h.AddFactor(ctx, stranger, w.event("x")), storage.ErrNotFound)
	elsewhere := w.newPasskey(w.b) // another tenant may have the same
	elsewhere.CredentialID = h.passkey.CredentialID
	w.must(w.b.AddFactor(ctx, elsewhere, w.event("x")))
	second := w.newTOTP(h) // which has no credential, as the first
	w.must(h.AddFactor(ctx, second, w.event("x")))

	used := h.passkey
	used.Count, used.Public, used.LastUsedAt, used.Name = 8, []byte("{}"), w.now.Add(time.Minute), "not stored"
	w.must(h.UseFactor(ctx, used))
	w.want(h.UseFactor(ctx, used), storage.ErrConsumed)
	used.Version, used.Name = 2, h.passkey.Name
	w.same(get(h.FactorByCredential(ctx, used.CredentialID))(w), used)
	stolen := used
	stolen.User = "usr_other"
	w.want(h.UseFactor(ctx, stolen), storage.ErrConsumed)

	w.want(h.RemoveFactor(ctx, "usr_other", used.ID, w.event("x")), storage.ErrNotFound)
	w.want(h.RemoveFactor(ctx, h.user.ID, "fac_nobody", w.event("x")), storage.ErrNotFound)
	w.must(h.RemoveFactor(ctx, h.user.ID, used.ID, w.event("x")))
	w.want(h.RemoveFactor(ctx, h.user.ID, used.ID, w.event("x")), storage.ErrNotFound)
	w.want(h.UseFactor(ctx, used), storage.ErrConsumed)
	if left := get(h.ListFactors(ctx, h.user.ID))(w); len(left) != 2 {
		w.Errorf("%d factors are left", len(left))
	}
	w.same(get(w.b.FactorByCredential(ctx, used.CredentialID))(w), elsewhere)
}

// testFactorName: what a factor is called changes while it is being used.
func testFactorName(w *world) {
	ctx, h := w.Context(), w.newHome()
	w.must(h.RenameFactor(ctx, h.user.ID, h.passkey.ID, "Zoë’s key", w.event("x")))
	w.must(h.UseFactor(ctx, h.passkey))
	h.passkey.Name, h.passkey.Version = "Zoë’s key", 2
	w.same(get(h.ListFactors(ctx, h.user.ID))(w), []storage.Factor{h.totp, h.passkey})
	colleague := w.invited(h, nil)
	w.want(h.RenameFactor(ctx, colleague.ID, h.passkey.ID, "x", w.event("x")), storage.ErrNotFound)
	w.want(h.RenameFactor(ctx, h.user.ID, "fac_nobody", "x", w.event("x")), storage.ErrNotFound)
}

// testFactorIsResealed: what somebody resealed meanwhile stays as they left it, and a
// code that is being checked counts.
func testFactorIsResealed(w *world) {
	ctx, h := w.Context(), w.newHome()
	fresh := []byte{0, 255, 7}
	w.must(h.ResealFactor(ctx, h.totp, fresh))
	w.want(h.ResealFactor(ctx, h.totp, []byte("later")), storage.ErrConflict)
	w.must(h.UseFactor(ctx, h.totp))
	h.totp.SealedSecret, h.totp.Version = fresh, 2
	w.same(get(h.ListFactors(ctx, h.user.ID))(w), []storage.Factor{h.totp, h.passkey})
	colleague := w.invited(h, nil)
	theirs := h.totp
	theirs.User = colleague.ID
	w.want(h.ResealFactor(ctx, theirs, []byte("x")), storage.ErrConflict)
	w.want(h.ResealFactor(ctx, h.passkey, []byte("x")), storage.ErrConflict) // it has no secret
	ghost := h.totp
	ghost.ID = "fac_nobody"
	w.want(h.ResealFactor(ctx, ghost, []byte("x")), storage.ErrConflict)
}

// testFactorsFit: of many at once, those are added for which there is room.
func testFactorsFit(w *world) {
	ctx, h := w.Context(), w.newHome() // who has two
	factors, events := make([]storage.Factor, racers), make([]storage.Event, racers)
	for i := range factors {
		factors[i], events[i] = w.newPasskey(h), w.event("x")
	}
	won := winners(w.T, race(func(i int) error { return h.AddFactor(ctx, factors[i], events[i]) }), storage.ErrConflict)
	if list := get(h.ListFactors(ctx, h.user.ID))(w); len(won) != storage.MaxFactors-2 || len(list) != storage.MaxFactors {
		w.Errorf("%d were added, and there are %d", len(won), len(list))
	}
	w.must(h.RemoveFactor(ctx, h.user.ID, factors[won[0]].ID, w.event("x")))
	w.must(h.AddFactor(ctx, w.newPasskey(h), w.event("x")))
	w.want(h.AddFactor(ctx, w.newTOTP(h), w.event("x")), storage.ErrConflict)
	colleague := w.newTOTP(h)
	colleague.User = w.invited(h, nil).ID
	w.must(h.AddFactor(ctx, colleague, w.event("x")))
}

func testRecoveryCodes(w *world) {
	ctx, h := w.Context(), w.newHome()
	left := func(want int) {
		w.Helper()
		if n := get(h.CountRecoveryCodes(ctx, h.user.ID))(w); n != want {
			w.Errorf("%d codes are left, want %d", n, want)
		}
	}
	use := func(user storage.UserID, code []byte) error {
		return h.UseRecoveryCode(ctx, user, code, w.now, w.event("x"))
	}
	left(2)
	w.must(use(h.user.ID, h.recovery[0]))
	w.want(use(h.user.ID, h.recovery[0]), storage.ErrConsumed)
	left(1)
	colleague := w.invited(h, nil)
	w.want(use(colleague.ID, h.recovery[1]), storage.ErrConsumed)
	w.want(use(h.user.ID, newCodes(1)[0]), storage.ErrConsumed)
	fresh := newCodes(10)
	w.must(h.ReplaceRecoveryCodes(ctx, h.user.ID, fresh, w.now, w.event("x")))
	left(10)
	w.want(use(h.user.ID, h.recovery[1]), storage.ErrConsumed) // forgotten
	w.must(use(h.user.ID, fresh[9]))
	w.must(h.ReplaceRecoveryCodes(ctx, h.user.ID, nil, w.now, w.event("x")))
	left(0)
	w.want(h.ReplaceRecoveryCodes(ctx, "usr_nobody", fresh, w.now, w.event("x")), storage.ErrNotFound)
}

// testTries: limit of them, then one for each pause, until they are forgotten.
func testTries(w *world) {
	ctx, h := w.Context(), w.newHome()
	const limit, pause = 3, time.Minute
	try := func(at time.Duration) error {
		_, err := h.TakeTry(ctx, h.user.ID, limit, pause, w.now.Add(at))
		return err
	}
	for range limit {
		w.must(try(0))
	}
	w.want(try(0), storage.ErrConsumed)
	w.want(try(pause-time.Millisecond), storage.ErrConsumed) // what is refused is no try
	w.must(try(pause))
	w.want(try(pause), storage.ErrConsumed)
	w.want(try(2*pause-time.Millisecond), storage.ErrConsumed)
	w.must(try(2 * pause))
	w.must(w.b.ClearTries(ctx, h.user.ID))
	w.want(try(2*pause), storage.ErrConsumed)
	colleague := w.invited(h, nil)
	get(h.TakeTry(ctx, colleague.ID, limit, pause, w.now))(w)
	w.must(h.ClearTries(ctx, h.user.ID))
	w.must(h.ClearTries(ctx, h.user.ID))
	for range limit {
		w.must(try(2 * pause))
	}
	w.want(try(2*pause), storage.ErrConsumed)
	_, err := h.TakeTry(ctx, "usr_nobody", limit, pause, w.now)
	w.want(err, storage.ErrNotFound)
	testTriesEnd(w)
}

// testTriesEnd: however slowly somebody guesses, and whatever is swept meanwhile, there
// is an end to it.
func testTriesEnd(w *world) {
	ctx, h := w.Context(), w.newHome()
	const pause = time.Minute
	at := w.now
	for i := range storage.MaxTries {
		at = at.Add(pause)
		if n := get(h.TakeTry(ctx, h.user.ID, 5, pause, at))(w); n != i+1 {
			w.Fatalf("try %d is counted as %d", i+1, n)
		}
	}
	get(w.store.Sweep(ctx, at.Add(365*day)))(w)
	for _, at := range []time.Time{at, at.Add(pause), at.Add(365 * day)} {
		n, err := h.TakeTry(ctx, h.user.ID, 5, pause, at)
		w.want(err, storage.ErrConsumed)
		if n != storage.MaxTries {
			w.Errorf("there were %d tries", n)
		}
	}
	w.must(h.ClearTries(ctx, h.user.ID))
	if n := get(h.TakeTry(ctx, h.user.ID, 5, pause, at))(w); n != 1 {
		w.Errorf("the first try after a success is counted as %d", n)
	}
}
