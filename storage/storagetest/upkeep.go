package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func testUpkeep(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	w.must(w.store.Prepare(ctx, w.now))
	w.must(w.store.Prepare(ctx, w.now))
	l := storage.Login{ID: storage.NewLoginID(w.now), Step: storage.StepIdentify, CreatedAt: w.now, ExpiresAt: w.now.Add(10 * time.Minute)}
	w.must(w.store.BeginLogin(ctx, l))
	key := storage.SigningKey{KID: "k", Alg: "ES256", CreatedAt: w.now, RemoveAt: w.now.Add(20 * time.Minute)}
	w.must(w.store.PutSigningKeys(ctx, []storage.SigningKey{key}, w.event("x")))

	sweep := func(at time.Time) storage.Swept { return get(w.store.Sweep(ctx, at))(w) }
	found := func(code, access, refresh bool) {
		t.Helper()
		_, c, err := w.store.FindCode(ctx, "", h.code.Ref)
		w.must(err)
		_, a, err := w.store.FindAccess(ctx, "", h.access.Ref)
		w.must(err)
		_, r, err := w.store.FindRefresh(ctx, "", h.refresh.Ref)
		w.must(err)
		if (c != nil) != code || (a != nil) != access || (r != nil) != refresh {
			t.Errorf("code %v, access %v, refresh %v are there; want %v, %v, %v", c != nil, a != nil, r != nil, code, access, refresh)
		}
	}
	if swept := sweep(w.now); swept != (storage.Swept{}) {
		t.Errorf("swept %+v of what is not over", swept)
	}
	sweep(h.access.ExpiresAt)
	found(true, true, true)
	sweep(h.access.ExpiresAt.Add(2 * time.Hour))
	found(false, false, true)
	if _, err := w.store.Login(ctx, l.ID, w.now); err == nil {
		t.Error("an expired login is kept")
	}
	if keys := get(w.store.SigningKeys(ctx, storage.SignTokens))(w); len(keys) != 0 {
		t.Errorf("a removed key is kept: %+v", keys)
	}
	sweep(h.refresh.ExpiresAt)
	found(false, false, true)
	if swept := sweep(h.refresh.ExpiresAt.Add(30 * 24 * time.Hour)); swept.Rows < 2 {
		t.Errorf("swept %+v, want at least the grants of two tenants", swept)
	}
	found(false, false, false)
	if grants := get(h.ListGrants(ctx, h.user.ID, w.now))(w); len(grants) != 0 {
		t.Errorf("grants that are long over are kept: %+v", grants)
	}
	if events := get(h.Events(ctx, "", 100))(w); len(events) == 0 {
		t.Error("sweeping took the audit trail")
	}

	testKeysUpkeep(w)

	// A token that expires where nothing was prepared is stored all the same.
	far := storage.AccessToken{Ref: ref(token.Access, w.now.AddDate(3, 0, 0)), ID: "tok", Client: w.client.ID, IssuedAt: w.now, ExpiresAt: w.now.AddDate(3, 0, 0)}
	w.must(h.IssueToken(ctx, w.issueToken(h, far), w.event("x")))
}

// testKeysUpkeep: what hangs on keys goes when nobody asks for it any more; keys stay.
func testKeysUpkeep(w *world) {
	w.Helper()
	ctx, h := w.Context(), w.newHome()
	w.must(h.EndExecution(ctx, h.service.ID, h.execution.ID, w.now))
	keys := get(h.ListKeys(ctx, storage.KeyFilter{Limit: 1000}))(w)
	const day = 24 * time.Hour
	for _, c := range []struct {
		at                                   time.Time
		request, delivery, execution, usedOn bool
	}{
		{h.request.ExpiresAt.Add(-time.Millisecond), true, true, true, true},
		{h.request.ExpiresAt, false, true, true, true},
		{h.delivery.ExpiresAt.Add(6 * day), false, true, true, true},
		{h.delivery.ExpiresAt.Add(8 * day), false, false, true, true},
		{w.now.Add(89 * day), false, false, true, true},
		{w.now.Add(91 * day), false, false, false, false},
	} {
		get(w.store.Sweep(ctx, c.at))(w)
		finished := h.FinishRequest(ctx, storage.IdempotentRequest{Caller: h.request.Caller, Key: h.request.Key, StartedAt: h.request.StartedAt})
		_, delivery := h.Delivery(ctx, h.old.ID)
		got := [4]bool{finished == nil, delivery == nil, len(get(h.Executions(ctx, h.service.ID, 9))(w)) > 0, len(get(h.KeyUsage(ctx, h.key.ID, time.Time{}))(w)) > 0}
		if want := [4]bool{c.request, c.delivery, c.execution, c.usedOn}; got != want {
			w.Errorf("after %v request, delivery, execution, use are there: %v, want %v", c.at.Sub(w.now), got, want)
		}
	}
	w.same(get(h.ListKeys(ctx, storage.KeyFilter{Limit: 1000}))(w), keys)
}
