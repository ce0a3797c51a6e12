package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testKeyRotation(t *testing.T, w *world) {
	testRotationWithGrace(t, w)
	testRotationAtOnce(t, w)
	testOnlyALiveKeyIsRotated(t, w)
	testDueRotations(t, w)
}

func testRotationWithGrace(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	in := w.rotateKey(h, h.key)
	in.Successor.Predecessor = "key_x" // it is the old one's, whatever is said
	w.must(h.RotateKey(ctx, in, w.event("x")))
	old, next := h.key, in.Successor
	old.ExpiresAt, old.RotateAt, old.Successor, old.Version = in.DiesAt, time.Time{}, next.ID, 2
	next.Predecessor = old.ID
	w.same(get(h.Key(ctx, old.ID))(w), old)
	w.same(get(h.Key(ctx, next.ID))(w), next)
	w.same(get(h.Delivery(ctx, old.ID))(w), *in.Delivery)
	for _, version := range []int64{1, 2} {
		again := w.rotateKey(h, h.key)
		again.OldVersion = version
		w.want(h.RotateKey(ctx, again, w.event("x")), storage.ErrConflict)
		_, err := h.Key(ctx, again.Successor.ID)
		w.want(err, storage.ErrNotFound)
	}
	w.must(h.RotateKey(ctx, w.rotateKey(h, next), w.event("x")))

	// No grace makes a key live longer, and it ends where there was no end.
	for _, end := range []time.Time{w.now.Add(time.Hour), {}} {
		k := w.newKey(h)
		k.ExpiresAt = end
		w.created(h, k)
		in := w.rotateKey(h, k)
		in.Delivery = nil
		w.must(h.RotateKey(ctx, in, w.event("x")))
		if end.IsZero() {
			end = in.DiesAt
		}
		if got := get(h.Key(ctx, k.ID))(w); !got.ExpiresAt.Equal(end) {
			t.Errorf("a rotated key ends at %v, want %v", got.ExpiresAt, end)
		}
		_, err := h.Delivery(ctx, k.ID)
		w.want(err, storage.ErrNotFound)
	}
	w.want(h.RotateKey(ctx, w.rotateKey(h, storage.APIKey{ID: "key_nobody", Version: 1}), w.event("x")), storage.ErrNotFound)
}

// testRotationAtOnce: without a grace the old one is dead, with all that depends on it.
func testRotationAtOnce(t *testing.T, w *world) {
	ctx := t.Context()
	for _, end := range []time.Time{w.now, w.now.Add(-time.Hour), {}} {
		h := w.newHome()
		in := w.rotateKey(h, h.service)
		in.DiesAt, in.Delivery = end, nil
		w.must(h.RotateKey(ctx, in, w.event("x")))
		h.service.RevokedAt, h.service.RevokedReason, h.service.Successor, h.service.Version = w.now, "rotated", in.Successor.ID, 2
		w.same(get(h.Key(ctx, h.service.ID))(w), h.service)
		h.execution.EndedAt = w.now
		w.same(get(h.Executions(ctx, h.service.ID, all))(w), []storage.KeyExecution{h.execution})
		_, refresh, err := w.store.FindRefresh(ctx, "", h.minted.Refresh.Ref)
		w.must(err)
		if refresh.Life.Dead(w.now) != "grant_revoked" {
			t.Errorf("a refresh token under a key that was replaced is dead because of %q", refresh.Life.Dead(w.now))
		}
	}
}

func testOnlyALiveKeyIsRotated(t *testing.T, w *world) {
	ctx := t.Context()
	for name, kill := range map[string]func(h *home, in *storage.RotateKey){
		"revoked": func(h *home, in *storage.RotateKey) {
			w.must(h.RevokeKey(ctx, h.key.ID, w.now, "revoked", w.event("x")))
			in.OldVersion++
		},
		"quarantined": func(h *home, in *storage.RotateKey) {
			h.key.QuarantinedAt = w.now
			w.must(h.UpdateKey(ctx, h.key, w.event("x")))
			in.OldVersion++
		},
		"expired":    func(h *home, in *storage.RotateKey) { in.At = h.key.ExpiresAt },
		"of another": func(_ *home, in *storage.RotateKey) { in.Old = w.b.key.ID },
		"of a suspended tenant": func(h *home, _ *storage.RotateKey) {
			h.tenant.SuspendedAt = w.now
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		},
		"of somebody disabled": func(h *home, _ *storage.RotateKey) {
			h.user.DisabledAt = w.now
			w.must(h.UpdateUser(ctx, h.user, w.event("x")))
		},
	} {
		h := w.newHome()
		in := w.rotateKey(h, h.key)
		kill(h, &in)
		if err := h.RotateKey(ctx, in, w.event("x")); class(err) != storage.ErrConflict && class(err) != storage.ErrNotFound {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		if _, err := h.Key(ctx, in.Successor.ID); class(err) != storage.ErrNotFound {
			t.Errorf("%s: the successor: %v", name, err)
		}
	}
}

// testDueRotations: the longest due first, and none that would be refused.
func testDueRotations(t *testing.T, w *world) {
	ctx, far := t.Context(), w.now.AddDate(1, 0, 0)
	for _, k := range get(w.store.DueRotations(ctx, far, 1000))(w) {
		w.must(w.store.Tenant(k.Tenant).RevokeKey(ctx, k.Key, w.now, "revoked", w.event("x")))
	}
	due := func(h *home, at time.Time) storage.DueKey {
		k := w.newKey(h)
		k.RotateAt, k.ExpiresAt = at, time.Time{}
		return storage.DueKey{Tenant: h.tenant.ID, Key: w.created(h, k).ID}
	}
	second, first, later := due(w.a, w.now), due(w.b, w.now.Add(-time.Hour)), due(w.a, w.now.Add(time.Hour))
	w.same(get(w.store.DueRotations(ctx, w.now, 10))(w), []storage.DueKey{first, second})
	w.same(get(w.store.DueRotations(ctx, w.now, 1))(w), []storage.DueKey{first})
	w.same(get(w.store.DueRotations(ctx, w.now.Add(time.Hour), 10))(w), []storage.DueKey{first, second, later})

	w.must(w.a.RotateKey(ctx, w.rotateKey(w.a, get(w.a.Key(ctx, second.Key))(w)), w.event("x")))
	w.same(get(w.store.DueRotations(ctx, w.now, 10))(w), []storage.DueKey{first})
	w.b.tenant.SuspendedAt = w.now
	w.must(w.store.UpdateTenant(ctx, w.b.tenant, w.event("x")))
	w.same(get(w.store.DueRotations(ctx, w.now, 10))(w), []storage.DueKey(nil))
}
