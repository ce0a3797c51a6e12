package authz_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

// settle asks the engine to end a sign-in at once, and returns whether it did, how
// often it used the transaction up, and the answer.
func (w *world) settle(req storage.AuthorizeRequest, ls storage.LiveSession) (bool, int, *httptest.ResponseRecorder) {
	w.Helper()
	used := 0
	rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/login/callback/con_acme", nil)
	done, err := w.engine.Settle(rec, r, req, ls, func() error { used++; return nil })
	w.must(err)
	return done, used, rec
}

func TestSettleAnswersWhereThereIsNothingToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enforce()
	_, ls := w.consented(proved(storage.LevelMFA, 0))
	done, used, rec := w.settle(w.begins(request("scope", "openid alert:write").Encode()), ls)
	if !done || used != 1 || w.response(rec, callback).Get("code") == "" {
		t.Errorf("done %v, transaction used %d times, %d", done, used, rec.Code)
	}
}

// Whoever has something to read or to prove sees a page: nothing has happened by then.
func TestAttackSettledPastAPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scope   string
		session func(w *world) storage.LiveSession
	}{
		"nobody has agreed": {"openid", func(w *world) storage.LiveSession { _, ls := w.aliceIn(); return ls }},
		"a factor is missing": {"openid alert:write", func(w *world) storage.LiveSession {
			_, ls := w.consented()
			return ls
		}},
		"the policy asks for one": {"openid", func(w *world) storage.LiveSession {
			_, ls := w.consented()
			w.policy(requires(storage.LevelMFA))
			return ls
		}},
		"the session has ended": {"openid", func(w *world) storage.LiveSession {
			_, ls := w.consented()
			w.must(w.store.Tenant(w.acme.ID).EndSession(w.Context(), ls.ID, w.now(), event("session.ended")))
			return ls
		}},
		"the person is disabled": {"openid", func(w *world) storage.LiveSession {
			_, ls := w.consented()
			w.disableAlice()
			return ls
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enforce()
			req := w.begins(request("scope", c.scope).Encode())
			done, used, rec := w.settle(req, c.session(w))
			if done || used != 0 || rec.Body.Len() > 0 || rec.Header().Get("Location") != "" {
				t.Errorf("done %v, transaction used %d times, %d to %q", done, used, rec.Code, rec.Header().Get("Location"))
			}
		})
	}
}

func TestAttackSettledTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.consented()
	req, taken := w.begins(request("scope", "openid").Encode()), errors.New("somebody was faster")
	rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/login/callback/con_acme", nil)
	done, err := w.engine.Settle(rec, r, req, ls, func() error { return taken })
	if !done || !errors.Is(err, taken) || rec.Header().Get("Location") != "" {
		t.Errorf("%v, %v, a response to %q", done, err, rec.Header().Get("Location"))
	}
}
