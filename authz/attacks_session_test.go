package authz_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// grantedBy is a token response by a session of alice's.
func (w *world) grantedBy(ls storage.LiveSession, scope string, more ...string) tokens {
	w.Helper()
	waiting := w.begins(request(append([]string{"scope", scope, "prompt", "consent"}, more...)...).Encode())
	code := w.response(w.finish(waiting, ls, true), callback).Get("code")
	return w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
}

// What hangs on a session says that it ends with it, and does.
func TestAttackAccessTokenAfterTheSessionsEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		_, ls := w.aliceIn(func(s *storage.Session) { s.ExpiresAt = start.Add(20 * time.Minute) })
		bound, offline := w.grantedBy(ls, "openid"), w.grantedBy(ls, "openid offline_access")
		if bound.Expires != 1200 || offline.Expires != 3600 {
			w.Errorf("expires_in %d and %d, want 1200 and 3600", bound.Expires, offline.Expires)
		}
		w.pass(20*time.Minute - time.Millisecond)
		if !w.alive(bound.Access) {
			w.Error("dead before the session")
		}
		w.pass(time.Millisecond)
		if w.alive(bound.Access) || !w.alive(offline.Access) {
			w.Error("exactly what hangs on the session must be dead")
		}
		if rec := w.do(get("/oauth2/userinfo", bearer(bound.Access))); rec.Code != 401 {
			w.Errorf("userinfo: %d", rec.Code)
		}
	})
}

// A session that is renewed with an earlier end, because the tenant's policy
// became stricter, takes its tokens along.
func TestAttackAccessTokenOfAShortenedSession(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		_, ls := w.aliceIn()
		got := w.grantedBy(ls, "openid")
		s := ls.Session
		h := sha256.Sum256([]byte(token.NewSecret()))
		s.Handle, s.ExpiresAt = h[:], start.Add(10*time.Minute)
		user, err := w.store.Tenant(w.acme.ID).User(w.Context(), ls.User)
		w.must(err)
		w.must(w.store.Tenant(w.acme.ID).SignIn(w.Context(), storage.SignIn{
			Identity: storage.Identity{Connection: w.idp.ID, Issuer: w.idp.Issuer, Subject: string(ls.User)}, User: user, Session: s, Renews: true,
		}, event("session.started")))
		w.pass(10*time.Minute - time.Millisecond)
		if got.Expires != 3600 || !w.alive(got.Access) {
			w.Error("dead before the session")
		}
		w.pass(time.Millisecond)
		if rec := w.do(get("/oauth2/userinfo", bearer(got.Access))); w.alive(got.Access) || rec.Code != 401 {
			w.Errorf("alive after the session's end, userinfo: %d", rec.Code)
		}
	})
}
