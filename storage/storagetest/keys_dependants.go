package storagetest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testKeyDependants(t *testing.T, w *world) {
	testMinted(t, w)
	testMintedDiesWithTheKeysApp(t, w)
	testOnlyALiveKeyIsExchanged(t, w)
	testExecutions(t, w)
}

func testMinted(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	in := w.mint(h.key)
	w.must(h.MintUnderKey(ctx, in, w.event("x")))
	life := storage.Life{TenantID: h.tenant.ID, TenantSlug: h.tenant.Slug, GrantExpiresAt: in.Grant.ExpiresAt, Key: h.key.ID, KeyExpiresAt: h.key.ExpiresAt,
		KeyScopes: h.key.Scopes, KeyAllowedIPs: h.key.AllowedIPs, KeyProfile: h.key.Profile, KeyClient: h.key.Client}
	_, access, err := w.store.FindAccess(ctx, "", in.Access.Ref)
	w.must(err)
	w.same(access, &storage.LiveToken{AccessToken: in.Access, Life: life, UserInfo: h.user})
	_, refresh, err := w.store.FindRefresh(ctx, "", in.Refresh.Ref)
	w.must(err)
	w.same(refresh, &storage.LiveRefresh{RefreshToken: *in.Refresh, Tenant: h.tenant, Family: in.Grant, Life: life, UserInfo: h.user})
	if why := refresh.Life.Dead(h.key.ExpiresAt); why != "grant_expired" && why != "key_expired" {
		t.Errorf("at its key's end a refresh token is dead because of %q", why)
	}
	in = w.mint(h.key)
	in.Refresh = nil
	w.must(h.MintUnderKey(ctx, in, w.event("x")))

	// A key that is not there kills what hangs on it.
	orphan := w.redeem(h.code)
	orphan.Grant.Key = "key_nobody"
	w.must(h.RedeemCode(ctx, orphan, w.event("x")))
	_, live, err := w.store.Introspect(ctx, w.rs.ID, orphan.Access.Ref)
	w.must(err)
	if why := live.Dead(w.now); why != "key_revoked" {
		t.Errorf("a token of a key that is not there is dead because of %q", why)
	}
}

// A key dies with the app through which it was made, and what was minted under it by
// another app dies, too.
func testMintedDiesWithTheKeysApp(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	app := w.client
	app.ID, app.Version = storage.NewClientID(w.now), 1
	w.must(w.store.CreateClient(ctx, app, w.event("client.created")))
	key := w.newKey(h)
	key.ID, key.Client = storage.NewKeyID(w.now), app.ID
	key.Hash = sha256.Sum256([]byte(key.ID))
	w.created(h, key)
	in := w.mint(key)
	w.must(h.MintUnderKey(ctx, in, w.event("x")))
	app.DisabledAt = w.now
	w.must(w.store.UpdateClient(ctx, app, w.event("client.disabled")))
	_, asked, err := w.store.Introspect(ctx, w.rs.ID, in.Access.Ref)
	w.must(err)
	_, access, err := w.store.FindAccess(ctx, "", in.Access.Ref)
	w.must(err)
	_, refresh, err := w.store.FindRefresh(ctx, "", in.Refresh.Ref)
	w.must(err)
	for name, life := range map[string]storage.Life{"introspected": asked.Life, "access": access.Life, "refresh": refresh.Life} {
		if why := life.Dead(w.now); why != "key_revoked" {
			t.Errorf("%s: dead because of %q", name, why)
		}
	}
}

func testOnlyALiveKeyIsExchanged(t *testing.T, w *world) {
	ctx := t.Context()
	for _, k := range w.killedKeys() {
		if k.key == "" {
			continue // a key survives it
		}
		h := w.newHome()
		k.kill(h, w.now)
		for _, version := range []int64{1, 2} {
			in := w.mint(h.key)
			in.KeyVersion = version
			w.want(h.MintUnderKey(ctx, in, w.event("x")), storage.ErrConflict)
			if _, found, err := w.store.FindAccess(ctx, "", in.Access.Ref); err != nil || found != nil {
				t.Errorf("%s: a refused exchange stored a token: %v, %v", k.key, found, err)
			}
			w.want(h.StartExecution(ctx, w.newExecution(h.key.ID), 9), storage.ErrConflict)
		}
	}
	w.client.DisabledAt, w.client.Version = time.Time{}, w.client.Version+1
	w.must(w.store.UpdateClient(ctx, w.client, w.event("x")))
	w.client.Version++
	h := w.newHome()
	in := w.mint(h.key)
	in.KeyVersion = 2
	w.want(h.MintUnderKey(ctx, in, w.event("x")), storage.ErrConflict)
}

func testExecutions(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	w.want(h.StartExecution(ctx, w.newExecution("key_nobody"), 9), storage.ErrConflict)
	w.now = w.now.Add(time.Second)
	second := w.newExecution(h.service.ID)
	w.must(h.StartExecution(ctx, second, 2))
	w.want(h.StartExecution(ctx, w.newExecution(h.service.ID), 2), storage.ErrConflict)
	w.same(get(h.Executions(ctx, h.service.ID, 9))(w), []storage.KeyExecution{second, h.execution})
	w.same(get(h.Executions(ctx, h.service.ID, 1))(w), []storage.KeyExecution{second})

	w.want(h.EndExecution(ctx, h.key.ID, h.execution.ID, w.now), storage.ErrNotFound)
	w.must(h.EndExecution(ctx, h.service.ID, h.execution.ID, w.now))
	w.must(h.EndExecution(ctx, h.service.ID, h.execution.ID, w.now.Add(time.Hour)))
	h.execution.EndedAt = w.now
	w.same(get(h.Executions(ctx, h.service.ID, 9))(w), []storage.KeyExecution{second, h.execution})
	w.must(h.StartExecution(ctx, w.newExecution(h.service.ID), 2))
}

func testKeyDeliveries(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	w.same(get(h.Delivery(ctx, h.old.ID))(w), h.delivery)
	_, err := h.Delivery(ctx, h.next.ID)
	w.want(err, storage.ErrNotFound)
	due := func(at time.Time, want ...storage.KeyDelivery) {
		t.Helper()
		for i := range want {
			want[i].Sealed = nil
		}
		var own []storage.KeyDelivery
		for _, d := range get(w.store.DueDeliveries(ctx, at, 100))(w) {
			if d.Tenant == h.tenant.ID {
				own = append(own, d)
			}
		}
		w.same(own, want)
	}
	d := h.delivery
	due(w.now, d)
	due(w.now.Add(-time.Millisecond))
	if n := len(get(w.store.DueDeliveries(ctx, w.now, 1))(w)); n != 1 {
		t.Errorf("%d deliveries where one was asked for", n)
	}

	next := w.now.Add(time.Minute)
	w.must(h.TryDelivery(ctx, d, next))
	w.want(h.TryDelivery(ctx, d, next), storage.ErrConflict)
	d.Attempts, d.NextAt = 1, next
	w.same(get(h.Delivery(ctx, h.old.ID))(w), d)
	due(w.now)
	due(next, d)
	w.must(h.TryDelivery(ctx, d, time.Time{}))
	d.Attempts, d.NextAt = 2, time.Time{}
	due(d.WarnAt.Add(-time.Millisecond))
	due(d.WarnAt, d)

	w.must(h.WarnDelivery(ctx, d.Key, d.WarnAt, w.event("x")))
	w.want(h.WarnDelivery(ctx, d.Key, d.WarnAt, w.event("x")), storage.ErrConsumed)
	d.WarnedAt = d.WarnAt
	due(d.WarnAt)
	w.same(get(h.Delivery(ctx, h.old.ID))(w), d)

	w.must(h.FinishDelivery(ctx, d.Key, w.now, w.event("x")))
	w.want(h.FinishDelivery(ctx, d.Key, w.now, w.event("x")), storage.ErrConsumed)
	w.want(h.WarnDelivery(ctx, d.Key, w.now, w.event("x")), storage.ErrConsumed)
	w.want(h.TryDelivery(ctx, d, next), storage.ErrConflict)
	d.DoneAt, d.Sealed = w.now, nil
	w.same(get(h.Delivery(ctx, h.old.ID))(w), d)
	due(w.now.AddDate(1, 0, 0))
}

func testKeyUses(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	base := h.use
	refused, elsewhere, older := base, base, base
	refused.Refused, refused.LastAt = "insufficient_scope", w.now.Add(3*time.Minute)
	elsewhere.IP, elsewhere.LastAt, elsewhere.Calls = "", w.now.Add(2*time.Minute), 7
	older.LastAt, older.Calls = w.now.Add(-time.Minute), 5
	nextDay := base
	nextDay.LastAt = w.now.Add(24 * time.Hour)
	nextDay.Day = nextDay.LastAt // the store takes the day
	w.must(h.NoteKeyUses(ctx, nil))
	w.must(h.NoteKeyUses(ctx, []storage.KeyUse{refused, elsewhere, older, refused}))
	base.Calls, refused.Calls = 8, 6
	w.same(get(h.KeyUsage(ctx, h.key.ID, w.now))(w), []storage.KeyUse{refused, elsewhere, base})
	if k := get(h.Key(ctx, h.key.ID))(w); !k.LastUsedAt.Equal(elsewhere.LastAt) || k.Version != h.key.Version {
		t.Errorf("last used at %v, version %d; want %v, %d", k.LastUsedAt, k.Version, elsewhere.LastAt, h.key.Version)
	}
	w.must(h.NoteKeyUses(ctx, []storage.KeyUse{nextDay, {Key: "key_nobody", Day: w.now, LastAt: w.now, Calls: 1}, {Key: w.b.key.ID, Day: w.now, LastAt: nextDay.LastAt, Calls: 1}}))
	nextDay.Day = nextDay.Day.Truncate(24 * time.Hour)
	w.same(get(h.KeyUsage(ctx, h.key.ID, nextDay.Day))(w), []storage.KeyUse{nextDay})
	w.same(get(w.b.Key(ctx, w.b.key.ID))(w), w.b.key)
	if uses := get(h.KeyUsage(ctx, "key_nobody", time.Time{}))(w); len(uses) != 0 {
		t.Errorf("a key that is not there was used: %+v", uses)
	}
	attackKeyUsedFromManyAddresses(t, w)
	attackRaceToManyAddresses(t, w)
	usageOfManyDays(t, w)
}

func testIdempotency(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	r := w.newRequest()
	begin := func(at time.Time) *storage.IdempotentRequest {
		t.Helper()
		again := r
		again.StartedAt, again.LeaseUntil, again.ExpiresAt = at, at.Add(lease), at.Add(24*time.Hour)
		again.Fingerprint = sha256.Sum256([]byte("another body"))
		again.Status, again.Answer = 500, []byte("not yet")
		return get(h.BeginRequest(ctx, again))(w)
	}
	if stored := get(h.BeginRequest(ctx, r))(w); stored != nil {
		t.Fatalf("a new request is there already: %+v", stored)
	}
	w.same(begin(w.now.Add(lease-time.Millisecond)), &r)
	w.must(h.ForgetRequest(ctx, r))
	if begin(w.now) != nil {
		t.Error("a request that was forgotten is there")
	}
	taken := w.now.Add(lease)
	if begin(taken) != nil {
		t.Error("a request whose lease is over, without an answer, is there")
	}
	r.Status, r.Answer = 201, []byte{1, 0, 2}
	w.want(h.FinishRequest(ctx, r), storage.ErrConflict) // it lost its lease
	w.must(h.ForgetRequest(ctx, r))
	r.StartedAt, r.LeaseUntil, r.ExpiresAt, r.Fingerprint = taken, taken.Add(lease), taken.Add(24*time.Hour), sha256.Sum256([]byte("another body"))
	w.must(h.FinishRequest(ctx, r))
	w.want(h.FinishRequest(ctx, r), storage.ErrConflict)
	w.must(h.ForgetRequest(ctx, r))
	w.same(begin(r.ExpiresAt.Add(-time.Millisecond)), &r)
	if begin(r.ExpiresAt) != nil {
		t.Error("a request that has expired is there")
	}
}
