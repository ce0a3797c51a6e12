package storagetest

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testCodes(t *testing.T, w *world) {
	testCodeIsIssuedToTheLivingOnly(t, w)
	testConsentIsRequired(t, w)
	testCodeIsSingleUse(t, w)
	testCodeDiesOfFailures(t, w)
}

// testCodeIsIssuedToTheLivingOnly: AZ-36, every condition, one at a time.
func testCodeIsIssuedToTheLivingOnly(t *testing.T, w *world) {
	ctx := t.Context()
	for name, kill := range map[string]func(h *home, in *storage.IssueCode){
		"tenant suspended": func(h *home, in *storage.IssueCode) {
			h.tenant.SuspendedAt = w.now
			w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
			in.TenantVersion++
		},
		"user disabled": func(h *home, _ *storage.IssueCode) {
			h.user.DisabledAt = w.now
			w.must(h.UpdateUser(ctx, h.user, w.event("x")))
		},
		"connection disabled": func(h *home, _ *storage.IssueCode) {
			h.connection.DisabledAt = w.now
			w.must(h.UpdateConnection(ctx, h.connection, w.event("x")))
		},
		"session ended": func(h *home, _ *storage.IssueCode) {
			w.must(h.EndSession(ctx, h.session.ID, w.now, w.event("x")))
		},
		"session expired": func(h *home, in *storage.IssueCode) {
			w.must(h.TouchSession(ctx, h.session.ID, h.session.ExpiresAt.Add(-time.Second)))
			in.Code.CreatedAt = h.session.ExpiresAt
		},
		"session raised": func(h *home, _ *storage.IssueCode) {
			w.must(h.RaiseSession(ctx, h.session.ID, w.raise(h.session), w.event("x")))
		},
		"no handle":      func(_ *home, in *storage.IssueCode) { in.Handle = nil },
		"another handle": func(_ *home, in *storage.IssueCode) { in.Handle = w.b.session.Handle },
		"session idle":   func(h *home, in *storage.IssueCode) { in.Code.CreatedAt = w.now.Add(h.session.IdleTimeout) },
		"client changed": func(_ *home, in *storage.IssueCode) { in.ClientVersion++ },
		"tenant changed": func(_ *home, in *storage.IssueCode) { in.TenantVersion++ },
		"client unknown": func(_ *home, in *storage.IssueCode) { in.Code.Client = "nobody" },
		"another user's session": func(h *home, in *storage.IssueCode) {
			s := w.secondSession(h)
			in.Code.Session, in.Handle = s.ID, s.Handle
		},
		"another tenant's session": func(_ *home, in *storage.IssueCode) { in.Code.Session, in.Handle = w.b.session.ID, w.b.session.Handle },
		"another tenant's user":    func(_ *home, in *storage.IssueCode) { in.Code.User = w.b.user.ID },
	} {
		h := w.newHome()
		in := w.issue(h)
		kill(h, &in)
		if err := h.IssueCode(ctx, in, w.event("code.issued")); err == nil {
			t.Errorf("%s: a code was issued", name)
		} else {
			w.want(err, storage.ErrConflict)
		}
		if _, found, err := w.store.FindCode(ctx, w.client.ID, in.Code.Ref); err != nil || found != nil {
			t.Errorf("%s: found %v, %v; want nothing stored", name, found, err)
		}
	}
	disabled := w.client
	disabled.ID, disabled.DisabledAt = storage.NewClientID(w.now), w.now
	w.must(w.store.CreateClient(ctx, disabled, w.event("x")))
	in := w.issue(w.a)
	in.Code.Client = disabled.ID
	w.want(w.a.IssueCode(ctx, in, w.event("x")), storage.ErrConflict)
}

// secondSession is the session of somebody else in the same tenant.
func (w *world) secondSession(h *home) storage.Session {
	in := w.signIn(h)
	w.must(h.SignIn(w.Context(), in, w.event("x")))
	return in.Session
}

func testConsentIsRequired(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	with := func(change func(*storage.Consent)) error {
		in := w.issue(h)
		c := h.consent
		change(&c)
		in.RequireConsent = &c
		return h.IssueCode(ctx, in, w.event("x"))
	}
	w.must(with(func(*storage.Consent) {}))
	for _, change := range []func(*storage.Consent){
		func(c *storage.Consent) { c.RedirectHost = "evil.test" },
		func(c *storage.Consent) { c.Resource = "" },
		func(c *storage.Consent) { c.ClientVersion++ },
		func(c *storage.Consent) { c.Client = "nobody" },
		func(c *storage.Consent) { c.User = w.a.user.ID },
		func(c *storage.Consent) { c.At = c.At.Add(-time.Millisecond) },
	} {
		w.want(with(change), storage.ErrConflict)
	}
	seen := w.now.Add(time.Minute)
	in := w.issue(h)
	in.Code.CreatedAt, in.RequireConsent = seen, &h.consent
	w.must(h.IssueCode(ctx, in, w.event("x")))
	live := get(w.store.SessionsByHandle(ctx, [][]byte{h.session.Handle}))(w)
	if len(live) != 1 || !live[0].LastSeenAt.Equal(seen) {
		t.Errorf("issuing a code is no activity: %+v", live)
	}
	w.must(h.WithdrawConsent(ctx, h.user.ID, w.client.ID, w.now, w.event("x")))
	w.want(with(func(*storage.Consent) {}), storage.ErrConflict)
}

func testCodeIsSingleUse(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	client, live, err := w.store.FindCode(ctx, w.client.ID, h.code.Ref)
	w.must(err)
	w.same(client, w.client)
	w.same(live.Code, h.code)

	redeem := w.redeem(h.code)
	w.must(h.RedeemCode(ctx, redeem, w.event("x")))
	_, used, err := w.store.FindCode(ctx, w.client.ID, h.code.Ref)
	w.must(err)
	h.code.UsedAt = redeem.At
	w.same(used.Code, h.code)

	second := w.redeem(h.code)
	second.Grant.ID = storage.NewGrantID(w.now)
	w.want(h.RedeemCode(ctx, second, w.event("x")), storage.ErrConsumed)
	if _, found, err := w.store.FindAccess(ctx, "", second.Access.Ref); err != nil || found != nil {
		t.Errorf("a second redemption stored a token: %v, %v", found, err)
	}
	w.same(get(h.ListGrants(ctx, h.user.ID, w.now))(w), []storage.Grant{redeem.Grant, h.grant})

	testCodeOfBeforeASuspension(t, w)
	plain := w.issue(h)
	w.must(h.IssueCode(ctx, plain, w.event("x")))
	without := w.redeem(plain.Code)
	without.Refresh = nil
	w.must(h.RedeemCode(ctx, without, w.event("x")))
}

// testCodeOfBeforeASuspension: it was found good, and is redeemed when its tenant
// has been suspended and resumed.
func testCodeOfBeforeASuspension(t *testing.T, w *world) {
	ctx, h := t.Context(), w.newHome()
	in := w.issue(h)
	w.must(h.IssueCode(ctx, in, w.event("x")))
	h.tenant.TokensNotBefore = w.now
	w.must(w.store.UpdateTenant(ctx, h.tenant, w.event("x")))
	h.tenant.Version++
	redeem := w.redeem(in.Code)
	w.want(h.RedeemCode(ctx, redeem, w.event("x")), storage.ErrConsumed)
	if _, found, err := w.store.FindAccess(ctx, "", redeem.Access.Ref); err != nil || found != nil {
		t.Errorf("a token was stored: %v, %v", found, err)
	}
}

func testCodeDiesOfFailures(t *testing.T, w *world) {
	ctx, h := t.Context(), w.a
	in := w.issue(h)
	w.must(h.IssueCode(ctx, in, w.event("x")))
	for i := range 5 {
		w.must(h.FailCode(ctx, in.Code.Ref, w.now, w.event("x")))
		_, live, err := w.store.FindCode(ctx, w.client.ID, in.Code.Ref)
		w.must(err)
		if consumed := !live.UsedAt.IsZero(); live.Attempts != i+1 || consumed != (i == 4) {
			t.Errorf("after %d failures: attempts %d, consumed %v", i+1, live.Attempts, consumed)
		}
	}
	w.want(h.RedeemCode(ctx, w.redeem(in.Code), w.event("x")), storage.ErrConsumed)
	w.want(h.FailCode(ctx, ref("wgac_", w.now), w.now, w.event("x")), storage.ErrNotFound)
}
