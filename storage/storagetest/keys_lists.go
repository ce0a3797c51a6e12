package storagetest

import (
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testKeyLists(t *testing.T, w *world) {
	testKeyFilters(t, w)
	testKeyPages(t, w)
	testLapsedKeysAreNotLive(t, w)
}

// ids are what a filter lists, and counts.
func (w *world) ids(h *home, f storage.KeyFilter) []storage.KeyID {
	w.Helper()
	if f.Limit == 0 {
		f.Limit = 1000
	}
	var out []storage.KeyID
	for _, k := range get(h.ListKeys(w.Context(), f))(w) {
		out = append(out, k.ID)
	}
	if n := get(h.CountKeys(w.Context(), f))(w); f.After == "" && f.Limit == 1000 && n != len(out) {
		w.Errorf("%d keys are counted, %d listed by %+v", n, len(out), f)
	}
	return out
}

func testKeyFilters(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	other := w.newKey(h)
	other.Profile, other.Owner = "test", "usr_other"
	for _, dead := range []*storage.APIKey{&h.old} {
		w.must(h.RevokeKey(ctx, dead.ID, w.now, "revoked", w.event("x")))
	}
	h.next.ExpiresAt = w.now
	w.must(h.UpdateKey(ctx, h.next, w.event("x")))
	colleague := w.signIn(h)
	other.Owner = colleague.User.ID
	w.must(h.SignIn(ctx, colleague, w.event("x")))
	w.created(h, other)

	nobody, somebody := storage.UserID(""), h.user.ID
	key, service, old, next := h.key.ID, h.service.ID, h.old.ID, h.next.ID
	for _, c := range []struct {
		name string
		f    storage.KeyFilter
		want []storage.KeyID
	}{
		{"all", storage.KeyFilter{}, []storage.KeyID{key, service, old, next, other.ID}},
		{"somebody's", storage.KeyFilter{Owner: &somebody}, []storage.KeyID{key, old, next}},
		{"a colleague's", storage.KeyFilter{Owner: &other.Owner}, []storage.KeyID{other.ID}},
		{"service keys", storage.KeyFilter{Owner: &nobody}, []storage.KeyID{service}},
		{"a profile's", storage.KeyFilter{Profile: "test"}, []storage.KeyID{other.ID}},
		{"a profile's of somebody", storage.KeyFilter{Profile: "test", Owner: &somebody}, nil},
		{"live", storage.KeyFilter{State: "live"}, []storage.KeyID{key, service, other.ID}},
		{"live of somebody", storage.KeyFilter{State: "live", Owner: &somebody}, []storage.KeyID{key}},
		{"live of nobody", storage.KeyFilter{State: "live", Owner: &nobody}, []storage.KeyID{service}},
		{"live of a profile", storage.KeyFilter{State: "live", Profile: "live"}, []storage.KeyID{key, service}},
		{"expired", storage.KeyFilter{State: "expired"}, []storage.KeyID{next}},
		{"expired of somebody", storage.KeyFilter{State: "expired", Owner: &somebody}, []storage.KeyID{next}},
		{"revoked", storage.KeyFilter{State: "revoked"}, []storage.KeyID{old}},
		{"revoked of nobody", storage.KeyFilter{State: "revoked", Owner: &nobody}, nil},
	} {
		c.f.Now = w.now
		slices.Sort(c.want)
		slices.Reverse(c.want)
		if got := w.ids(h, c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if _, err := h.ListKeys(ctx, storage.KeyFilter{State: "odd", Limit: 1}); err == nil {
		t.Error("a state that there is not lists keys")
	}
}

// testKeyPages: pages in every order that there is, newest first, without gaps.
func testKeyPages(t *testing.T, w *world) {
	h := w.newHome()
	for range 7 {
		w.created(h, w.newKey(h))
		w.created(h, w.newServiceKey())
	}
	nobody := storage.UserID("")
	for _, f := range []storage.KeyFilter{{}, {Owner: &h.user.ID}, {Owner: &nobody}, {State: "live"}, {State: "live", Owner: &h.user.ID}, {State: "revoked"}} {
		f.Now = w.now
		want := w.ids(h, f)
		if !slices.IsSortedFunc(want, func(a, b storage.KeyID) int { return -compareIDs(a, b) }) {
			t.Errorf("%+v: not the newest first: %v", f, want)
		}
		var got []storage.KeyID
		for f.Limit = 3; len(got) <= len(want); {
			page := w.ids(h, f)
			got = append(got, page...)
			if len(page) < f.Limit {
				break
			}
			f.After = page[len(page)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: page by page %v, want %v", f, got, want)
		}
	}
}

func compareIDs(a, b storage.KeyID) int {
	if a < b {
		return -1
	}
	return 1
}

// testLapsedKeysAreNotLive: what cleaning up has set aside is still expired, and not
// revoked; and who moves its end brings it back.
func testLapsedKeysAreNotLive(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	later := w.now.Add(2 * time.Hour)
	h.key.ExpiresAt = w.now.Add(time.Hour)
	w.must(h.UpdateKey(ctx, h.key, w.event("x")))
	h.key.Version++
	get(w.store.Sweep(ctx, later))(w)
	stored := get(h.Key(ctx, h.key.ID))(w)
	w.same(stored, h.key)
	for state, want := range map[string]bool{"": true, "live": false, "expired": true, "revoked": false} {
		for _, owner := range []*storage.UserID{nil, &h.user.ID} {
			f := storage.KeyFilter{State: state, Owner: owner, Now: later}
			if got := slices.Contains(w.ids(h, f), h.key.ID); got != want {
				t.Errorf("a key that was set aside is listed by %+v: %v, want %v", f, got, want)
			}
		}
	}
	h.key.ExpiresAt = later.Add(time.Hour)
	w.must(h.UpdateKey(ctx, h.key, w.event("x")))
	if !slices.Contains(w.ids(h, storage.KeyFilter{State: "live", Now: later}), h.key.ID) {
		t.Error("a key whose end was moved is not live again")
	}
}
