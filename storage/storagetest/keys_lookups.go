package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testKeyLookups(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	user := h.user
	user.Claims, user.CreatedAt = nil, time.Time{}
	life := storage.Life{TenantID: h.tenant.ID, TenantSlug: h.tenant.Slug}
	for _, want := range []storage.LiveKey{{APIKey: h.key, Life: life, UserInfo: user}, {APIKey: h.service, Life: life}} {
		rs, live, err := w.store.IntrospectKey(ctx, w.rs.ID, want.Hash)
		w.must(err)
		w.same(rs, w.rs)
		w.same(live, &want)
		w.same(get(w.store.FindKey(ctx, want.Hash))(w), &want)
		if why := live.Dead(w.now); why != "" {
			t.Errorf("a live key is dead because of %q", why)
		}
	}
	_, none, err := w.store.IntrospectKey(ctx, w.rs.ID, [32]byte{1})
	if err != nil || none != nil {
		t.Errorf("an unknown key: %v, %v", none, err)
	}
	if none, err := w.store.FindKey(ctx, [32]byte{1}); err != nil || none != nil {
		t.Errorf("an unknown key: %v, %v", none, err)
	}
	_, _, err = w.store.IntrospectKey(ctx, "rs_nobody", h.key.Hash)
	w.want(err, storage.ErrNotFound)
	testKilledKeys(t, w)
}

// killedKey is one way in which a key dies, and the word for it: of the key, and of
// what was minted under it.
type killedKey struct {
	key, minted string
	kill        func(h *home, at time.Time)
}

func (w *world) killedKeys() []killedKey {
	ctx := w.Context()
	update := func(change func(k *storage.APIKey, at time.Time)) func(h *home, at time.Time) {
		return func(h *home, at time.Time) {
			change(&h.key, at)
			w.must(h.UpdateKey(ctx, h.key, w.event("x")))
		}
	}
	return []killedKey{
		{"revoked", "grant_revoked", func(h *home, at time.Time) {
			w.must(h.RevokeKey(ctx, h.key.ID, at, "revoked", w.event("x")))
		}},
		{"quarantined", "key_revoked", update(func(k *storage.APIKey, at time.Time) { k.QuarantinedAt = at })},
		{"expired", "key_expired", update(func(k *storage.APIKey, at time.Time) { k.ExpiresAt = at })},
		{"tenant_suspended", "tenant_suspended", func(h *home, at time.Time) {
			h.tenant.SuspendedAt = at
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		}},
		{"user_disabled", "user_disabled", func(h *home, at time.Time) {
			h.user.DisabledAt = at
			w.must(h.UpdateUser(ctx, h.user, w.event("x")))
		}},
		{"", "issued_before_interruption", func(h *home, at time.Time) {
			h.tenant.TokensNotBefore = at // it was resumed: keys survive that
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		}},
		{"client_disabled", "client_disabled", func(_ *home, at time.Time) { // the last: it is everybody's
			w.client.DisabledAt = at
			w.must(w.store.UpdateClient(ctx, w.client, w.event("x")))
		}},
	}
}

// testKilledKeys: a key's death is that of all tokens under it, in every lookup.
func testKilledKeys(t *testing.T, w *world) {
	ctx := t.Context()
	for _, k := range w.killedKeys() {
		h := w.newHome()
		in := w.mint(h.key)
		w.must(h.MintUnderKey(ctx, in, w.event("x")))
		k.kill(h, w.now)
		_, found, err := w.store.IntrospectKey(ctx, w.rs.ID, h.key.Hash)
		w.must(err)
		_, access, err := w.store.FindAccess(ctx, "", in.Access.Ref)
		w.must(err)
		_, introspected, err := w.store.Introspect(ctx, w.rs.ID, in.Access.Ref)
		w.must(err)
		_, refresh, err := w.store.FindRefresh(ctx, "", in.Refresh.Ref)
		w.must(err)
		refreshDies := k.minted
		if k.minted == "issued_before_interruption" {
			refreshDies = ""
		}
		for what, why := range map[string][2]string{
			"key":        {found.Dead(w.now), k.key},
			"found key":  {get(w.store.FindKey(ctx, h.key.Hash))(w).Dead(w.now), k.key},
			"access":     {access.Dead(w.now), k.minted},
			"introspect": {introspected.Dead(w.now), k.minted},
			"refresh":    {refresh.Life.Dead(w.now), refreshDies},
		} {
			if why[0] != why[1] {
				t.Errorf("%s: the %s is dead because of %q, want %q", k.key, what, why[0], why[1])
			}
		}
		for what, life := range map[string]storage.Life{"access": access.Life, "introspect": introspected.Life, "refresh": refresh.Life} {
			if life.Key != h.key.ID {
				t.Errorf("%s: the %s hangs on the key %q, want %q", k.key, what, life.Key, h.key.ID)
			}
		}
	}
}
