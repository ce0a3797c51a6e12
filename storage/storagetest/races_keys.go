package storagetest

import (
	"errors"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

func testKeyRaces(t *testing.T, w *world) {
	raceForTheLastKey(t, w)
	raceForTheFirstOfService(t, w)
	raceForKeySuccessor(t, w)
	raceToRevoke(t, w)
	raceMintAgainstRevocation(t, w)
	raceForTheSecret(t, w)
	raceToBegin(t, w)
	raceForExecutions(t, w)
	raceToCount(t, w)
}

// events are drawn before a race: a world is one goroutine's.
func (w *world) events(n int) []storage.Event {
	out := make([]storage.Event, n)
	for i := range out {
		out[i] = w.event("x")
	}
	return out
}

// raceForTheLastKey: whatever is made at the same moment, nobody has more than Max.
func raceForTheLastKey(t *testing.T, w *world) {
	const max = 3
	raceToCreate(t, w, max, func(h *home) storage.APIKey { return w.newKey(h) })
}

func raceForTheFirstOfService(t *testing.T, w *world) {
	raceToCreate(t, w, 1, func(*home) storage.APIKey { return w.newServiceKey() })
}

func raceToCreate(t *testing.T, w *world, max int, draw func(h *home) storage.APIKey) {
	ctx, h, events := t.Context(), w.newHome(), w.events(racers)
	ins := make([]storage.CreateKey, racers)
	for i := range ins {
		k := draw(h)
		k.Profile = "few"
		ins[i] = w.create(h, k)
		ins[i].Max = max
	}
	won := winners(t, race(func(i int) error { return h.CreateKey(ctx, ins[i], events[i]) }), storage.ErrConflict)
	if n := len(w.ids(h, storage.KeyFilter{Profile: "few"})); n != max || len(won) != max {
		t.Errorf("%d of %d were told that they have a key, %d are stored; want %d", len(won), racers, n, max)
	}
}

// raceForKeySuccessor: a key has one successor.
func raceForKeySuccessor(t *testing.T, w *world) {
	ctx, h, events := t.Context(), w.newHome(), w.events(racers)
	ins := make([]storage.RotateKey, racers)
	for i := range ins {
		ins[i] = w.rotateKey(h, h.key)
	}
	before := len(w.ids(h, storage.KeyFilter{}))
	won := winners(t, race(func(i int) error { return h.RotateKey(ctx, ins[i], events[i]) }), storage.ErrConflict)
	if after := len(w.ids(h, storage.KeyFilter{})); len(won) != 1 || after != before+1 {
		t.Fatalf("%d of %d rotated one key, and made %d", len(won), racers, after-before)
	}
	if k := get(h.Key(ctx, h.key.ID))(w); k.Successor != ins[won[0]].Successor.ID {
		t.Errorf("the successor is %s, and not the winner's", k.Successor)
	}
}

// raceToRevoke: all succeed, and the first is who did it.
func raceToRevoke(t *testing.T, w *world) {
	ctx, h, events := t.Context(), w.newHome(), w.events(racers)
	won := winners(t, race(func(i int) error { return h.RevokeKey(ctx, h.service.ID, w.now, "revoked", events[i]) }), nil)
	if k := get(h.Key(ctx, h.service.ID))(w); len(won) != racers || k.Version != 2 {
		t.Errorf("%d of %d revoked one key, which is of version %d", len(won), racers, k.Version)
	}
}

// raceMintAgainstRevocation: whatever is made under a key at the moment in which it
// is revoked is refused, or dies with it.
func raceMintAgainstRevocation(t *testing.T, w *world) {
	ctx, h, events := t.Context(), w.newHome(), w.events(racers)
	mints, executions, children := make([]storage.MintUnderKey, racers), make([]storage.KeyExecution, racers), make([]storage.CreateKey, racers)
	for i := range racers {
		mints[i], executions[i] = w.mint(h.service), w.newExecution(h.service.ID)
		children[i] = w.create(h, w.newKey(h))
		children[i].Key.Parent = h.service.ID
	}
	for _, err := range race(func(i int) error {
		var err error
		switch {
		case i == racers/2:
			return h.RevokeKey(ctx, h.service.ID, w.now, "revoked", events[i])
		case i%3 == 0:
			err = h.StartExecution(ctx, executions[i], racers)
		case i%3 == 1:
			err = h.CreateKey(ctx, children[i], events[i])
		default:
			err = h.MintUnderKey(ctx, mints[i], events[i])
		}
		if errors.Is(err, storage.ErrConflict) {
			return nil
		}
		return err
	}) {
		w.must(err)
	}
	if left := get(h.ListGrants(ctx, "", w.now))(w); len(left) != 0 {
		t.Errorf("%d families survived their key", len(left))
	}
	for _, e := range get(h.Executions(ctx, h.service.ID, all))(w) {
		if e.EndedAt.IsZero() {
			t.Errorf("%s runs on after its key", e.ID)
		}
	}
	w.want(h.CreateKey(ctx, children[racers/2], w.event("x")), storage.ErrConflict)
}

// raceForTheSecret: a successor's secret is handed over once, however many fetch it
// while it is being sent.
func raceForTheSecret(t *testing.T, w *world) {
	ctx, h, events := t.Context(), w.newHome(), w.events(racers)
	won := winners(t, race(func(i int) error { return h.FinishDelivery(ctx, h.next.ID, w.now, events[i]) }), storage.ErrConsumed)
	if len(won) != 1 {
		t.Errorf("%d of %d were given one secret", len(won), racers)
	}
	h = w.newHome()
	won = winners(t, race(func(int) error { return h.TryDelivery(ctx, h.delivery, w.now) }), storage.ErrConflict)
	if len(won) != 1 {
		t.Errorf("%d of %d made one attempt", len(won), racers)
	}
}

// raceToBegin: of one request sent many times, one is executed.
func raceToBegin(t *testing.T, w *world) {
	ctx, h, r := t.Context(), w.newHome(), w.newRequest()
	for name, at := range map[string]storage.IdempotentRequest{"new": r, "abandoned": h.request} {
		at.StartedAt = h.request.LeaseUntil
		at.LeaseUntil = at.StartedAt.Add(lease)
		began := make([]bool, racers)
		for _, err := range race(func(i int) error {
			stored, err := h.BeginRequest(ctx, at)
			began[i] = stored == nil
			return err
		}) {
			w.must(err)
		}
		n := 0
		for _, b := range began {
			if b {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d of %d began one %s request", n, racers, name)
		}
	}
}

func raceForExecutions(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	executions := make([]storage.KeyExecution, racers)
	for i := range executions {
		executions[i] = w.newExecution(h.key.ID)
	}
	won := winners(t, race(func(i int) error { return h.StartExecution(ctx, executions[i], 3) }), storage.ErrConflict)
	if len(won) != 3 {
		t.Errorf("%d of %d run where 3 may", len(won), racers)
	}
}

// raceToCount: no call is lost.
func raceToCount(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	uses := []storage.KeyUse{h.use, h.use}
	uses[1].Key, uses[1].Calls = h.service.ID, 1
	for _, err := range race(func(i int) error {
		if i%2 == 0 {
			return h.NoteKeyUses(ctx, []storage.KeyUse{uses[1], uses[0]})
		}
		return h.NoteKeyUses(ctx, uses)
	}) {
		w.must(err)
	}
	if got := get(h.KeyUsage(ctx, h.key.ID, w.now))(w); len(got) != 1 || got[0].Calls != 3*(racers+1) {
		t.Errorf("usage %+v, want %d calls", got, 3*(racers+1))
	}
}
