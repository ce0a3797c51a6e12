package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func testGrants(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	w.same(get(h.ListGrants(ctx, h.user.ID, w.now))(w), []storage.Grant{h.grant})
	if over := get(h.ListGrants(ctx, h.user.ID, h.grant.ExpiresAt))(w); len(over) != 0 {
		t.Errorf("an expired grant is listed: %+v", over)
	}
	w.must(h.RevokeGrant(ctx, h.grant.ID, w.now, w.event("x")))
	w.must(h.RevokeGrant(ctx, h.grant.ID, w.now.Add(time.Hour), w.event("x")))
	_, live, err := w.store.FindRefresh(ctx, w.client.ID, h.refresh.Ref)
	w.must(err)
	if !live.Family.RevokedAt.Equal(w.now) || live.Life.Dead(h.refresh.IssuedAt, w.now) != "grant_revoked" {
		t.Errorf("refresh token of a revoked grant: %+v", live)
	}
	w.want(h.RevokeGrant(ctx, "grt_nobody", w.now, w.event("x")), storage.ErrNotFound)
	if left := get(h.ListGrants(ctx, h.user.ID, w.now))(w); len(left) != 0 {
		t.Errorf("a revoked grant is listed: %+v", left)
	}
	testWithdrawal(t, w)
}

// testWithdrawal: consent, codes on their way and families go; other clients' stay.
func testWithdrawal(t *testing.T, w *world) {
	ctx, h := t.Context(), w.b
	other := w.client
	other.ID = storage.NewClientID(w.now)
	w.must(w.store.CreateClient(ctx, other, w.event("x")))
	issue := w.issue(h)
	issue.Code.Client = other.ID
	w.must(h.IssueCode(ctx, issue, w.event("x")))
	kept := w.redeem(issue.Code)
	w.must(h.RedeemCode(ctx, kept, w.event("x")))

	w.must(h.WithdrawConsent(ctx, h.user.ID, w.client.ID, w.now, w.event("x")))
	w.same(get(h.ListGrants(ctx, h.user.ID, w.now))(w), []storage.Grant{kept.Grant})
	w.want(h.RedeemCode(ctx, w.redeem(h.code), w.event("x")), storage.ErrConsumed)
	_, sessions, err := w.store.AuthorizeView(ctx, w.client.ID, h.consent.RedirectHost, h.consent.Resource, [][]byte{h.session.Handle})
	w.must(err)
	if len(sessions) != 1 || sessions[0].Consent != nil {
		t.Errorf("a withdrawn consent is still there: %+v", sessions)
	}
}

func testTokens(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	machine := storage.AccessToken{Ref: ref(token.Access, w.now.Add(accessLife)), ID: storage.NewTokenID(w.now), Client: w.client.ID,
		Scopes: []string{"monitor:read"}, IssuedAt: w.now, ExpiresAt: w.now.Add(accessLife)}
	w.must(h.IssueToken(ctx, machine, w.event("x")))
	w.want(h.IssueToken(ctx, machine, w.event("x")), storage.ErrExists)
	_, live, err := w.store.FindAccess(ctx, "", machine.Ref)
	w.must(err)
	w.same(live.AccessToken, machine)
	w.same(live.UserInfo, storage.User{})
	if why := live.Dead(w.now); why != "" {
		t.Errorf("a machine's token is dead: %s", why)
	}

	w.must(h.RevokeToken(ctx, machine.Ref, w.now, w.event("x")))
	w.must(h.RevokeToken(ctx, machine.Ref, w.now.Add(time.Hour), w.event("x")))
	_, live, err = w.store.FindAccess(ctx, "", machine.Ref)
	w.must(err)
	if !live.RevokedAt.Equal(w.now) || live.Dead(w.now) != "revoked" {
		t.Errorf("revoked at %v, dead %q", live.RevokedAt, live.Dead(w.now))
	}
	w.want(h.RevokeToken(ctx, ref(token.Access, w.now), w.now, w.event("x")), storage.ErrNotFound)
	testOrphans(t, w)
	testRotation(t, w)
}

func testRotation(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	first := w.rotate(h, h.refresh)
	w.must(h.RotateRefresh(ctx, first, w.event("x")))
	_, old, err := w.store.FindRefresh(ctx, w.client.ID, h.refresh.Ref)
	w.must(err)
	if !old.RotatedAt.Equal(w.now) || old.SuccessorUsed || !old.Retry(w.now) {
		t.Errorf("after a rotation: %+v", old)
	}
	_, next, err := w.store.FindRefresh(ctx, w.client.ID, first.Successor.Ref)
	w.must(err)
	w.same(next.RefreshToken, first.Successor)

	rotated := w.now
	w.now = rotated.Add(storage.RetryWindow - time.Millisecond)
	retry := w.rotate(h, h.refresh)
	retry.Successor = first.Successor
	w.must(h.RotateRefresh(ctx, retry, w.event("x")))
	w.now = rotated.Add(storage.RetryWindow)
	late := w.rotate(h, h.refresh)
	late.Successor = first.Successor
	w.want(h.RotateRefresh(ctx, late, w.event("x")), storage.ErrConsumed)
	w.now = rotated

	forked := w.rotate(h, h.refresh)
	forked.Successor.Ref = ref(token.Refresh, h.refresh.ExpiresAt)
	w.want(h.RotateRefresh(ctx, forked, w.event("x")), storage.ErrConsumed)

	w.must(h.RotateRefresh(ctx, w.rotate(h, first.Successor), w.event("x")))
	reuse := w.rotate(h, h.refresh)
	w.want(h.RotateRefresh(ctx, reuse, w.event("x")), storage.ErrConsumed)
	if _, found, err := w.store.FindAccess(ctx, "", reuse.Access.Ref); err != nil || found != nil {
		t.Errorf("a refused rotation stored a token: %v, %v", found, err)
	}
	_, old, err = w.store.FindRefresh(ctx, w.client.ID, h.refresh.Ref)
	w.must(err)
	if !old.SuccessorUsed || old.Retry(w.now) || !old.RotatedAt.Equal(rotated) {
		t.Errorf("after the successor's use: %+v", old)
	}

	w.must(w.b.RevokeGrant(ctx, w.b.grant.ID, w.now, w.event("x")))
	w.want(w.b.RotateRefresh(ctx, w.rotate(w.b, w.b.refresh), w.event("x")), storage.ErrConsumed)
	w.want(h.RotateRefresh(ctx, w.rotate(h, storage.RefreshToken{Ref: ref(token.Refresh, w.now), Grant: h.grant.ID}), w.event("x")), storage.ErrConsumed)
}

// testOrphans: a token that hangs on something that is not there is dead.
func testOrphans(t *testing.T, w *world) {
	for reason, cut := range map[string]func(*storage.AccessToken){
		"client_disabled":     func(a *storage.AccessToken) { a.Client = "nobody" },
		"grant_revoked":       func(a *storage.AccessToken) { a.Grant = "grt_nobody" },
		"user_disabled":       func(a *storage.AccessToken) { a.User = w.b.user.ID },
		"session_ended":       func(a *storage.AccessToken) { a.Session = w.b.session.ID },
		"connection_disabled": func(a *storage.AccessToken) { a.Connection = "con_nobody" },
	} {
		orphan := w.newAccess(w.a.redeemed)
		cut(&orphan)
		w.must(w.a.IssueToken(t.Context(), orphan, w.event("x")))
		_, live, err := w.store.Introspect(t.Context(), w.rs.ID, orphan.Ref)
		w.must(err)
		_, found, err := w.store.FindAccess(t.Context(), "", orphan.Ref)
		w.must(err)
		if why, also := live.Dead(w.now), found.Dead(w.now); why != reason || also != reason {
			t.Errorf("introspected it is dead because of %q, found %q, want %q", why, also, reason)
		}
	}
}
