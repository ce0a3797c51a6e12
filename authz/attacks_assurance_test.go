package authz_test

import (
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// A session whose second factor is missing signs nobody in: not silently, not with a
// page, not by a consent that was given before, and not at Approve.
func TestAttackPendingSessionAtAuthorize(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		_, before := w.consented()
		w.must(w.store.Tenant(w.acme.ID).EndSession(w.Context(), before.ID, w.now(), event("session.ended")))
		cookie, ls := w.aliceIn(pending)
		w.sentBack(w.authorize(request("prompt", "none"), cookie), login)
		waiting := w.begins(request().Encode(), cookie)
		for _, asked := range []bool{true, false} {
			w.sentBack(w.finish(waiting, ls, asked), login)
		}
		if ls.Pending = false; w.response(w.finish(waiting, ls, true), callback).Has("code") {
			w.Error("what the pages say of the session is believed")
		}
	})
}

// A code rests on what was asked when it was approved; it is worth nothing when more
// is asked by the time that it is redeemed.
func TestAttackCodeApprovedBeforeThePolicyWasTightened(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		weak := w.code(request())
		w.policy(requires(storage.LevelMFA))
		w.refused(w.post("/oauth2/token", redemption(weak), as("web")), 400, "invalid_grant")
		if n := w.recorded("code.refused"); n != 1 {
			w.Errorf("%d events", n)
		}
		_, ls := w.consented(proved(storage.LevelMFA, time.Hour))
		if got := w.grantedBy(ls, "openid"); got.Access == "" {
			w.Errorf("who has proved enough: %+v", got)
		}
		w.policy(requires(storage.LevelNone))
		if got := w.tokens(w.post("/oauth2/token", redemption(weak), as("web"))); got.Access == "" {
			w.Errorf("the code is used up by a refusal that was not its fault: %+v", got)
		}
	})
}

// AZ-36: the person reads the consent page while the policy changes.
func TestAttackApprovalAfterThePolicyWasTightened(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		cookie, ls := w.aliceIn()
		w.authorize(request(), cookie)
		w.policy(requires(storage.LevelMFA))
		w.sentBack(w.approve(ls), login)
	})
}

// What was remembered of a browser a moment ago does not answer for a policy that is
// stricter now, not even where the change comes between the look and the code.
func TestAttackRememberedSessionAfterThePolicyWasTightened(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		cookie, _ := w.consented()
		silent := request("scope", "openid", "prompt", "none")
		for range 2 { // the second is answered from memory
			w.answered("before", w.authorize(silent, cookie), "")
		}
		w.policy(requires(storage.LevelMFA))
		w.sentBack(w.authorize(silent, cookie), login)
	})
	onBoth(t, func(w *world) {
		cookie, _ := w.consented()
		w.mountOn(issuer, &overtaken{Store: w.store, meanwhile: func() { w.policy(requires(storage.LevelMFA)) }})
		w.sentBack(w.authorize(request("scope", "openid", "prompt", "none"), cookie), login)
	})
}

// RF-14: an app that keeps refreshing does not keep somebody in who proved less than
// is asked for now. The family lives: it was nobody's attack.
func TestAttackRefreshAfterThePolicyWasTightened(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		_, ls := w.consented()
		weak := w.grantedBy(ls, "openid offline_access")
		_, ls = w.consented(proved(storage.LevelMFA, time.Hour))
		strong := w.grantedBy(ls, "openid offline_access")
		w.policy(requires(storage.LevelMFA))
		refused := w.refresh(weak.Refresh, "web")
		if refused.Error != "invalid_grant" || !strings.Contains(refused.Text, "stronger sign-in") {
			w.Errorf("got %+v", refused)
		}
		if strong = w.refresh(strong.Refresh, "web"); strong.Access == "" {
			w.Errorf("who has proved enough: %+v", strong)
		}
		if other := w.refresh(weak.Refresh, "other"); other.Error != "invalid_grant" || strings.Contains(other.Text, "stronger") {
			w.Errorf("another app learns of it: %+v", other)
		}
		w.policy(requires(storage.LevelPHR))
		if got := w.refresh(strong.Refresh, "web"); got.Error != "invalid_grant" {
			w.Errorf("two factors, where they have to resist phishing: %+v", got)
		}
		w.policy(requires(storage.LevelNone))
		for what, family := range map[string]tokens{"weak": weak, "strong": strong} {
			if got := w.refresh(family.Refresh, "web"); got.Access == "" {
				w.Errorf("the family is dead: %s: %+v", what, got)
			}
		}
		if n := w.recorded("refresh.refused"); n != 3 {
			w.Errorf("%d refusals in the trail", n)
		}
	})
}

// A session that proves more later lifts no grant that was made before: the app gets
// the new level with a new code.
func TestAttackOldGrantOfASessionThatWasRaised(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		cookie, ls := w.consented()
		before := w.grantedBy(ls, "openid offline_access")
		w.must(w.store.Tenant(w.acme.ID).RaiseSession(w.Context(), ls.ID, storage.RaiseSession{
			Was: ls.Handle, Handle: []byte(strings.Repeat("h", 32)), Level: storage.LevelMFA, MFAAt: w.now(), AMR: []string{"pwd", "otp"},
		}, event("factor.proved")))
		if auth := w.row(w.refresh(before.Refresh, "web").Access).Auth; auth.Level != storage.LevelNone || auth.ACR != "urn:mfa" {
			w.Errorf("the old grant has %+v", auth)
		}
		w.sentBack(w.authorize(request("scope", "openid", "prompt", "none"), cookie), login) // the handle of before
		w.policy(requires(storage.LevelMFA))
		if got := w.refresh(before.Refresh, "web"); got.Error != "invalid_grant" {
			w.Errorf("got %+v", got)
		}
	})
}

// A family under an API key rests on no sign-in, so that no policy about sign-ins
// ends it; the key's own rules hold.
func TestRefreshUnderAKeyRestsOnNoSignIn(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	raw, key := w.key()
	got := w.mustExchange(raw)
	w.policy(requires(storage.LevelPHR))
	next := w.refresh(got.Refresh, "ci")
	if next.Access == "" || w.row(next.Access).Auth.ACR != "" || w.row(next.Access).Auth.Level != storage.LevelNone {
		t.Errorf("got %+v", next)
	}
	w.revokeKey(key.ID)
	if dead := w.refresh(next.Refresh, "ci"); dead.Error != "invalid_grant" {
		t.Errorf("after the key's end: %+v", dead)
	}
}

// A client that leaves acr_values away gets a token, and the API decides: the token
// does not say that anything was reached which was not.
func TestAttackClientThatDropsWhatTheAPIAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.consented()
	w.sentBack(w.authorize(request("scope", "openid", "acr_values", "mfa", "prompt", "none"), cookie), login)
	for name, params := range map[string][]string{
		"nothing asked": nil, "a name of its own": {"acr_values", "MFA mfa2 urn:mfa:mfa"}, "no wish that binds": {"claims", `{"id_token":{"acr":{"value":"mfa"}}}`},
	} {
		got := w.grantedBy(ls, "openid", params...)
		if auth := w.row(got.Access).Auth; auth.ACR != "urn:mfa" || auth.Level != storage.LevelNone || w.claims(got.ID)["acr"] != "urn:mfa" {
			t.Errorf("%s: %+v", name, auth)
		}
	}
}
