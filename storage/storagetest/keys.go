package storagetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testKeys(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	for _, k := range []storage.APIKey{h.key, h.service, h.old, h.next} {
		w.same(get(h.Key(ctx, k.ID))(w), k)
	}
	_, err := h.Key(ctx, "key_nobody")
	w.want(err, storage.ErrNotFound)
	w.want(h.CreateKey(ctx, w.create(h, h.key), w.event("x")), storage.ErrExists)
	twin := w.newKey(h)
	twin.Hash = h.key.Hash
	w.want(h.CreateKey(ctx, w.create(h, twin), w.event("x")), storage.ErrExists)
	testKeyIsMadeForTheLivingOnly(t, w)
	testAKeysParentIsAlive(t, w)
	testMaxCountsLiveKeysOfTheProfile(t, w)
	testUpdateKey(t, w)
	testRevokeKey(t, w)
}

// testKeyIsMadeForTheLivingOnly: whoever suspends a tenant or changes its user
// between the decision and the key wins.
func testKeyIsMadeForTheLivingOnly(t *testing.T, w *world) {
	ctx := t.Context()
	user := func(change func(u *storage.User)) func(h *home, _ *storage.CreateKey) {
		return func(h *home, _ *storage.CreateKey) {
			u := h.user
			change(&u)
			w.must(h.UpdateUser(ctx, u, w.event("x")))
		}
	}
	for name, kill := range map[string]func(h *home, in *storage.CreateKey){
		"tenant suspended": func(h *home, _ *storage.CreateKey) {
			h.tenant.SuspendedAt = w.now
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		},
		"owner disabled":    user(func(u *storage.User) { u.DisabledAt = w.now }),
		"owner's role":      user(func(u *storage.User) { u.Role = storage.RoleViewer }),
		"owner unverified":  user(func(u *storage.User) { u.EmailVerified = false }),
		"owner nameless":    user(func(u *storage.User) { u.EmailVerified, u.Email, u.ProvedEmail = false, "", "" }),
		"nobody":            func(_ *home, in *storage.CreateKey) { in.Key.Owner = "usr_nobody" },
		"a role of nobody":  func(_ *home, in *storage.CreateKey) { in.Key.Owner, in.Role = "usr_nobody", "" },
		"another's role":    func(_ *home, in *storage.CreateKey) { in.Role = storage.RoleOwner },
		"no role":           func(_ *home, in *storage.CreateKey) { in.Role = "" },
		"another's user":    func(_ *home, in *storage.CreateKey) { in.Key.Owner = w.b.user.ID },
		"another's parent":  func(_ *home, in *storage.CreateKey) { in.Key.Parent = w.b.key.ID },
		"parent of nowhere": func(_ *home, in *storage.CreateKey) { in.Key.Parent = "key_nobody" },
	} {
		for _, max := range []int{0, 9} {
			h := w.newHome()
			in := w.create(h, w.newKey(h))
			in.Max, in.VerifiedEmail = max, true
			kill(h, &in)
			before := len(get(h.Events(ctx, "", all))(w))
			if err := h.CreateKey(ctx, in, w.event("x")); class(err) != storage.ErrConflict {
				t.Errorf("%s, max %d: %v, want a conflict", name, max, err)
			}
			if _, err := h.Key(ctx, in.Key.ID); class(err) != storage.ErrNotFound {
				t.Errorf("%s, max %d: the key: %v", name, max, err)
			}
			if after := len(get(h.Events(ctx, "", all))(w)); after != before {
				t.Errorf("%s, max %d: what did not happen left %d events", name, max, after-before)
			}
		}
	}
	h := w.newHome()
	h.user.EmailVerified = false
	w.must(h.UpdateUser(ctx, h.user, w.event("x")))
	w.created(h, w.newKey(h))
	h.user = get(h.User(ctx, h.user.ID))(w)
	h.user.ProvedEmail = h.user.Email // to us
	w.must(h.UpdateUser(ctx, h.user, w.event("x")))
	proved := w.create(h, w.newKey(h))
	proved.VerifiedEmail = true
	w.must(h.CreateKey(ctx, proved, w.event("x")))
	in := w.create(h, w.newServiceKey())
	in.VerifiedEmail = true // of nobody
	w.must(h.CreateKey(ctx, in, w.event("x")))
}

func testAKeysParentIsAlive(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	child := func() storage.CreateKey {
		k := w.newKey(h)
		k.Parent = h.key.ID
		return w.create(h, k)
	}
	w.must(h.CreateKey(ctx, child(), w.event("x")))
	h.key.QuarantinedAt = w.now
	w.must(h.UpdateKey(ctx, h.key, w.event("x")))
	w.want(h.CreateKey(ctx, child(), w.event("x")), storage.ErrConflict)
	h.key.QuarantinedAt, h.key.Version = time.Time{}, 2
	w.must(h.UpdateKey(ctx, h.key, w.event("x")))
	over := child()
	over.Key.CreatedAt = h.key.ExpiresAt
	w.want(h.CreateKey(ctx, over, w.event("x")), storage.ErrConflict)
	w.must(h.CreateKey(ctx, child(), w.event("x")))
	w.must(h.RevokeKey(ctx, h.key.ID, w.now, "revoked", w.event("x")))
	w.want(h.CreateKey(ctx, child(), w.event("x")), storage.ErrConflict)
}

func testMaxCountsLiveKeysOfTheProfile(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	create := func(k storage.APIKey, max int) error {
		k.Profile = "few"
		in := w.create(h, k)
		in.Max = max
		return h.CreateKey(ctx, in, w.event("x"))
	}
	first, second := w.newKey(h), w.newKey(h)
	w.must(create(first, 2)) // the keyring's are of another profile
	w.must(create(second, 2))
	w.must(create(w.newServiceKey(), 1))
	w.want(create(w.newServiceKey(), 1), storage.ErrConflict)
	w.want(create(w.newKey(h), 2), storage.ErrConflict)
	w.must(h.RevokeKey(ctx, first.ID, w.now, "revoked", w.event("x")))
	w.must(create(w.newKey(h), 2))
	w.want(create(w.newKey(h), 2), storage.ErrConflict)
	second.ExpiresAt = w.now
	w.must(h.UpdateKey(ctx, second, w.event("x")))
	w.must(create(w.newKey(h), 2))
	w.want(create(w.newKey(h), 2), storage.ErrConflict)
}

func testUpdateKey(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	want, k := h.key, h.key
	want.Name, want.Scopes, want.AllowedIPs = "another name", []string{"config:admin"}, nil
	want.ExpiresAt, want.QuarantinedAt, want.RotateAt = time.Time{}, w.now, w.now.Add(time.Hour)
	want.WebhookURL, want.SealedWebhookSecret = "", nil
	k = want
	// None of these can be changed.
	k.Profile, k.Hint, k.Hash, k.KID = "x", "x", sha256.Sum256([]byte("x")), "x"
	k.Owner, k.Client, k.Parent, k.CreatedAt = w.b.user.ID, "x", "key_x", w.now.Add(time.Hour)
	k.RevokedAt, k.RevokedReason, k.Predecessor, k.Successor, k.LastUsedAt = w.now, "x", "key_x", "key_x", w.now.Add(time.Hour)
	w.must(h.UpdateKey(ctx, k, w.event("x")))
	want.Version = 2
	w.same(get(h.Key(ctx, k.ID))(w), want)
	w.want(h.UpdateKey(ctx, k, w.event("x")), storage.ErrConflict)
	k.ID = "key_nobody"
	w.want(h.UpdateKey(ctx, k, w.event("x")), storage.ErrNotFound)
	w.must(h.RevokeKey(ctx, want.ID, w.now, "revoked", w.event("x")))
	want.Version = 3
	w.want(h.UpdateKey(ctx, want, w.event("x")), storage.ErrConflict)
}

// testRevokeKey: the key dies with all that depends on it, and once.
func testRevokeKey(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	w.must(h.RevokeKey(ctx, h.service.ID, w.now, "leaked", w.event("x")))
	w.must(h.RevokeKey(ctx, h.service.ID, w.now.Add(time.Hour), "revoked", w.event("x")))
	h.service.RevokedAt, h.service.RevokedReason, h.service.Version = w.now, "leaked", 2
	w.same(get(h.Key(ctx, h.service.ID))(w), h.service)
	h.execution.EndedAt = w.now
	w.same(get(h.Executions(ctx, h.service.ID, all))(w), []storage.KeyExecution{h.execution})
	_, refresh, err := w.store.FindRefresh(ctx, "", h.minted.Refresh.Ref)
	w.must(err)
	if !refresh.Family.RevokedAt.Equal(w.now) {
		t.Errorf("the grant under a revoked key: revoked at %v, want %v", refresh.Family.RevokedAt, w.now)
	}
	w.want(h.RevokeKey(ctx, "key_nobody", w.now, "revoked", w.event("x")), storage.ErrNotFound)

	// A secret that nobody may fetch any more is gone, whichever of the two died.
	for _, kill := range []func(h *home) storage.KeyID{
		func(h *home) storage.KeyID { return h.old.ID },
		func(h *home) storage.KeyID { return h.next.ID },
	} {
		h := w.newHome()
		w.must(h.RevokeKey(ctx, kill(h), w.now, "revoked", w.event("x")))
		d := get(h.Delivery(ctx, h.old.ID))(w)
		if len(d.Sealed) != 0 || !d.DoneAt.Equal(w.now) || !d.NextAt.IsZero() {
			t.Errorf("a delivery with a revoked key: %+v", d)
		}
		w.want(h.FinishDelivery(ctx, h.next.ID, w.now, w.event("x")), storage.ErrConsumed)
	}
}
