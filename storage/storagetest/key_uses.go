package storagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const (
	waysOfADay     = 200
	refusalsOfADay = 100
)

// manyWays are n ways of use of a key on one day, each used once and a millisecond
// after the one before.
func manyWays(key storage.KeyID, refused string, at time.Time, n int) []storage.KeyUse {
	out := make([]storage.KeyUse, n)
	for i := range out {
		out[i] = storage.KeyUse{Key: key, Day: at.Truncate(24 * time.Hour), Refused: refused, IP: fmt.Sprintf("2001:db8:0:%x::/64", i),
			Scope: "monitor:read", ResourceServer: "rs", Calls: 1, LastAt: at.Add(time.Duration(i) * time.Millisecond)}
	}
	return out
}

// usedSum is what there is about a key: ways that are told, and calls.
type usedSum struct {
	Told, Refusals int
	Calls, Refused int64
}

func sumOf(uses []storage.KeyUse) usedSum {
	var s usedSum
	for _, u := range uses {
		told := 0
		if u.IP != "" {
			told = 1
		}
		if u.Refused == "" {
			s.Told, s.Calls = s.Told+told, s.Calls+u.Calls
		} else {
			s.Refusals, s.Refused = s.Refusals+told, s.Refused+u.Calls
		}
	}
	return s
}

func (w *world) usageOf(h *home, key storage.KeyID) []storage.KeyUse {
	w.Helper()
	return get(h.KeyUsage(w.Context(), key, time.Time{}))(w)
}

// attackKeyUsedFromManyAddresses: whoever has a key, dead or live, and an address
// for each call neither fills the store nor hides where else the key is used, and
// every call is counted.
func attackKeyUsedFromManyAddresses(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	key := h.service.ID
	for _, some := range [][]storage.KeyUse{manyWays(key, "revoked", w.now, 1500), manyWays(key, "address", w.now, 648)} {
		w.must(h.NoteKeyUses(ctx, some))
	}
	uses := w.usageOf(h, key)
	if got, want := sumOf(uses), (usedSum{Refusals: refusalsOfADay, Refused: 2148}); got != want || len(uses) != refusalsOfADay+2 {
		t.Errorf("%d rows, %+v; want %+v", len(uses), got, want)
	}
	w.must(h.NoteKeyUses(ctx, manyWays(key, "", w.now, 300)))
	w.must(h.NoteKeyUses(ctx, manyWays(key, "", w.now, 300)))
	uses = w.usageOf(h, key)
	// Two of the rows say which refusal, and no more.
	want := usedSum{Told: waysOfADay - refusalsOfADay - 2, Calls: 600, Refusals: refusalsOfADay, Refused: 2148}
	if got := sumOf(uses); got != want || len(uses) != waysOfADay+1 {
		t.Errorf("%d rows, %+v; want %+v", len(uses), got, want)
	}
	if at, want := get(h.Key(ctx, key))(w).LastUsedAt, w.now.Add(299*time.Millisecond); !at.Equal(want) {
		t.Errorf("last used at %v, want %v", at, want)
	}
	w.must(h.NoteKeyUses(ctx, manyWays(key, "", w.now.AddDate(0, 0, 1), 1)))
	if got := sumOf(w.usageOf(h, key)); got.Told != want.Told+1 {
		t.Errorf("the next day is not a new one: %+v", got)
	}
}

// attackRaceToManyAddresses: nodes that note at the same moment keep the bound
// together.
func attackRaceToManyAddresses(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	all := manyWays(h.service.ID, "", w.now, 50*racers)
	for _, err := range race(func(i int) error { return h.NoteKeyUses(ctx, all[50*i:50*(i+1)]) }) {
		w.must(err)
	}
	uses := w.usageOf(h, h.service.ID)
	if got, want := sumOf(uses), (usedSum{Told: waysOfADay, Calls: 50 * racers}); got != want || len(uses) != waysOfADay+1 {
		t.Errorf("%d rows, %+v; want %+v", len(uses), got, want)
	}
}

// usageOfManyDays: the sums of calls, of each day and of each refusal are exact for
// whatever is asked for, and the details are those of the last good uses.
func usageOfManyDays(t *testing.T, w *world) {
	const days, perDay, refusals, detailed = 26, waysOfADay - refusalsOfADay, refusalsOfADay, 5000
	ctx, h := t.Context(), w.newHome()
	for day := range days {
		at := w.now.AddDate(0, 0, -day)
		w.must(h.NoteKeyUses(ctx, manyWays(h.service.ID, "revoked", at, refusals)))
		w.must(h.NoteKeyUses(ctx, manyWays(h.service.ID, "", at, perDay)))
	}
	uses := w.usageOf(h, h.service.ID)
	want := usedSum{Told: days * perDay, Calls: days * perDay, Refusals: detailed - days*perDay, Refused: days * refusals}
	if got := sumOf(uses); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	calls := map[time.Time]int64{}
	for i, u := range uses {
		calls[u.Day] += u.Calls
		if i > 0 && u.LastAt.After(uses[i-1].LastAt) {
			t.Fatalf("%v before %v", uses[i-1].LastAt, u.LastAt)
		}
	}
	for day, n := range calls {
		if n != perDay+refusals {
			t.Errorf("%d calls on %v", n, day)
		}
	}
	if len(calls) != days || len(uses) > detailed+days {
		t.Errorf("%d days, %d rows", len(calls), len(uses))
	}
}
