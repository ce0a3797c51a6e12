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
	if !live.Family.RevokedAt.Equal(w.now) || live.Life.Dead(w.now) != "grant_revoked" {
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

	w.same(get(h.ListConsents(ctx, h.user.ID))(w), []storage.Consent{h.consent})
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
	w.must(h.IssueToken(ctx, w.issueToken(h, machine), w.event("x")))
	w.want(h.IssueToken(ctx, w.issueToken(h, machine), w.event("x")), storage.ErrExists)
	_, live, err := w.store.FindAccess(ctx, "", machine.Ref)
	w.must(err)
	w.same(live.AccessToken, machine)
	w.same(live.UserInfo, storage.User{})
	w.same(live.Life, storage.Life{TenantID: h.tenant.ID, TenantSlug: h.tenant.Slug})
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
	testTokenIsIssuedToTheLivingOnly(t, w)
	testResumedTenantWhateverTheClocksSay(t, w)
	testRefusedTokensLeaveTheOthersAlone(t, w)
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

// machine is a token for the client itself.
func (w *world) machine(c storage.ClientID) storage.AccessToken {
	end := w.now.Add(accessLife)
	return storage.AccessToken{Ref: ref(token.Access, end), ID: storage.NewTokenID(w.now), Client: c, IssuedAt: w.now, ExpiresAt: end}
}

// testTokenIsIssuedToTheLivingOnly: whoever suspends a tenant or changes a client
// between the decision and the token wins.
func testTokenIsIssuedToTheLivingOnly(t *testing.T, w *world) {
	ctx := t.Context()
	for name, kill := range map[string]func(h *home, c *storage.Client, in *storage.IssueToken){
		"tenant suspended": func(h *home, _ *storage.Client, in *storage.IssueToken) {
			h.tenant.SuspendedAt = w.now
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
			in.TenantVersion++
		},
		"tenant changed": func(h *home, _ *storage.Client, _ *storage.IssueToken) {
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
		},
		"client disabled": func(_ *home, c *storage.Client, in *storage.IssueToken) {
			c.DisabledAt = w.now
			w.must(w.store.UpdateClient(ctx, *c, w.event("x")))
			in.ClientVersion++
		},
		"client changed": func(_ *home, c *storage.Client, _ *storage.IssueToken) {
			w.must(w.store.UpdateClient(ctx, *c, w.event("x")))
		},
		"client unknown": func(_ *home, _ *storage.Client, in *storage.IssueToken) { in.Token.Client = "nobody" },
	} {
		h, c := w.newHome(), w.client
		c.ID = storage.NewClientID(w.now)
		w.must(w.store.CreateClient(ctx, c, w.event("x")))
		in := w.issueToken(h, w.machine(c.ID))
		kill(h, &c, &in)
		before := get(h.Events(ctx, "", all))(w)
		if err := h.IssueToken(ctx, in, w.event("token.issued")); class(err) != storage.ErrConflict {
			t.Errorf("%s: issue = %v, want ErrConflict", name, err)
		}
		if _, found, err := w.store.FindAccess(ctx, "", in.Token.Ref); err != nil || found != nil {
			t.Errorf("%s: found %v, %v; want nothing stored", name, found, err)
		}
		w.same(get(h.Events(ctx, "", all))(w), before)
	}
}

// testResumedTenantWhateverTheClocksSay: of a suspension and a token, each was
// made by a node with a clock of its own.
func testResumedTenantWhateverTheClocksSay(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	issue := func(clock time.Duration) storage.AccessToken {
		in := w.issueToken(h, w.machine(w.client.ID))
		in.Token.IssuedAt = w.now.Add(clock)
		w.must(h.IssueToken(ctx, in, w.event("token.issued")))
		return in.Token
	}
	dead := func(a storage.AccessToken) string {
		_, found, err := w.store.FindAccess(ctx, "", a.Ref)
		w.must(err)
		return found.Dead(w.now)
	}
	ahead, behind := issue(time.Minute), issue(-time.Minute)
	h.tenant.TokensNotBefore = w.now
	w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
	h.tenant.Version++
	after := issue(-time.Hour)
	if a, b := dead(ahead), dead(behind); a != "issued_before_interruption" || b != a {
		t.Errorf("tokens of before: %q, %q", a, b)
	}
	if why := dead(after); why != "" {
		t.Errorf("a token that was issued when the tenant was resumed, by a clock that is behind: %q", why)
	}
}

// testRefusedTokensLeaveTheOthersAlone: tokens of two tenants at once, of which
// every third was decided on what is no longer so.
func testRefusedTokensLeaveTheOthersAlone(t *testing.T, w *world) {
	ctx, homes := t.Context(), []*home{w.newHome(), w.newHome()}
	ins, events := make([]storage.IssueToken, racers), make([]storage.Event, racers)
	stale := func(i int) bool { return i%3 == 0 }
	issued := map[storage.TenantID]map[storage.EventID]bool{homes[0].tenant.ID: {}, homes[1].tenant.ID: {}}
	for i := range ins {
		h := homes[i%2]
		ins[i], events[i] = w.issueToken(h, w.machine(w.client.ID)), w.event("token.issued")
		if stale(i) {
			ins[i].ClientVersion--
			continue
		}
		issued[h.tenant.ID][events[i].ID] = true
	}
	for i, err := range race(func(i int) error { return homes[i%2].IssueToken(ctx, ins[i], events[i]) }) {
		_, found, lookup := w.store.FindAccess(ctx, "", ins[i].Token.Ref)
		w.must(lookup)
		if refused := class(err) == storage.ErrConflict; refused != stale(i) || err != nil && !refused || (found == nil) != stale(i) {
			t.Errorf("token %d: %v, found %v; decided on an old version: %v", i, err, found != nil, stale(i))
		}
	}
	for _, h := range homes {
		for _, ev := range get(h.Events(ctx, "", all))(w) {
			if ev.Kind == "token.issued" && !issued[h.tenant.ID][ev.ID] {
				t.Errorf("a token that was refused is recorded: %+v", ev)
			}
			delete(issued[h.tenant.ID], ev.ID)
		}
		if missing := issued[h.tenant.ID]; len(missing) > 0 {
			t.Errorf("%d tokens are not recorded", len(missing))
		}
	}
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
		turn := w.rotate(w.a, w.a.refresh)
		turn.Access = orphan
		w.must(w.a.RotateRefresh(t.Context(), turn, w.event("x")))
		_, live, err := w.store.Introspect(t.Context(), w.rs.ID, orphan.Ref)
		w.must(err)
		_, found, err := w.store.FindAccess(t.Context(), "", orphan.Ref)
		w.must(err)
		if why, also := live.Dead(w.now), found.Dead(w.now); why != reason || also != reason {
			t.Errorf("introspected it is dead because of %q, found %q, want %q", why, also, reason)
		}
		if end := live.Life.SessionExpiresAt; reason == "session_ended" && (end.UnixMilli() != 1 || !found.Life.SessionExpiresAt.Equal(end)) {
			t.Errorf("a session that is not there ends at %v, want the first millisecond", end)
		}
	}
}
