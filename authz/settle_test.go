package authz_test

import (
	"crypto/sha256"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// arrives is a new sign-in of a session's person, as strong as that one, on its way to
// what a transaction asks for; and what the store knows of both.
func (w *world) arrives(req storage.AuthorizeRequest, ls storage.LiveSession) (storage.Client, storage.LiveSession, storage.Arrival) {
	w.Helper()
	now, handle := w.now(), sha256.Sum256([]byte(token.NewSecret()))
	l := storage.Login{ID: storage.NewLoginID(now), Step: storage.StepIdentify, Request: &req, CreatedAt: now, ExpiresAt: now.Add(time.Minute), Version: 1}
	w.must(w.store.BeginLogin(w.Context(), l))
	l.Step = storage.StepDone
	identity := storage.Identity{Connection: w.idp.ID, Issuer: w.idp.Issuer, Subject: string(ls.User)}
	client, user, consent, err := w.store.ArrivalView(w.Context(), storage.ArrivalPoint{Tenant: w.acme.ID, Identity: identity,
		Client: req.Client, RedirectHost: storage.RedirectHost(req.RedirectURI), Resource: storage.ResourceKey(req.Resource)})
	w.must(err)
	tenant, err := w.store.TenantByID(w.Context(), w.acme.ID)
	w.must(err)
	session := ls.Session
	session.ID, session.Handle, session.LastSeenAt = storage.NewSessionID(now), handle[:], now
	return client, storage.LiveSession{Session: session, Tenant: tenant, UserInfo: user, Consent: consent}, storage.Arrival{
		Login: l, SignIn: storage.SignIn{Identity: identity, User: user, Unchanged: true, Session: session}, Event: event("session.started"),
	}
}

// settled is what came of an arrival: how often the browser was let in, and the answer.
type settled struct {
	done    bool
	entered int
	*httptest.ResponseRecorder
}

// settle asks the engine to end an arrival at once; meanwhile happens between the
// reading and the writing.
func (w *world) settle(req storage.AuthorizeRequest, ls storage.LiveSession, meanwhile func(storage.Arrival)) (settled, storage.Arrival) {
	w.Helper()
	client, live, a := w.arrives(req, ls)
	meanwhile(a)
	out := settled{ResponseRecorder: httptest.NewRecorder()}
	var err error
	out.done, err = w.engine.Settle(out, httptest.NewRequest("GET", "/login/callback/con_acme", nil), client, live, a, func() error { out.entered++; return nil })
	w.must(err)
	return out, a
}

func nothing(storage.Arrival) {}

// begun returns the sessions that an arrival has made, and whether its transaction is
// over.
func (w *world) begun(a storage.Arrival) (sessions int, over bool) {
	w.Helper()
	live, err := w.store.SessionsByHandle(w.Context(), [][]byte{a.SignIn.Session.Handle})
	w.must(err)
	l, err := w.store.Login(w.Context(), a.Login.ID, w.now())
	w.must(err)
	return len(live), l.Step == storage.StepDone
}

func TestSettleAnswersWhereThereIsNothingToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enforce()
	_, ls := w.consented(proved(storage.LevelMFA, 0))
	out, a := w.settle(w.begins(request("scope", "openid alert:write").Encode()), ls, nothing)
	code := w.response(out.ResponseRecorder, callback).Get("code")
	if sessions, over := w.begun(a); !out.done || out.entered != 1 || sessions != 1 || !over {
		t.Errorf("done %v, let in %d times, %d sessions, transaction over: %v", out.done, out.entered, sessions, over)
	}
	got := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	w.must(w.store.Tenant(w.acme.ID).EndSession(t.Context(), a.SignIn.Session.ID, w.now(), event("session.ended")))
	if rec := w.do(get("/oauth2/userinfo", bearer(got.Access))); rec.Code != 401 {
		t.Errorf("the token outlived its session: %d", rec.Code)
	}
}

// Whoever has something to read or to prove sees a page, and so does whom something
// overtook: nothing has happened by then.
func TestAttackSettledPastAPage(t *testing.T) {
	t.Parallel()
	agreed := func(w *world) storage.LiveSession { _, ls := w.consented(); return ls }
	for name, c := range map[string]struct {
		scope     string
		session   func(w *world) storage.LiveSession
		meanwhile func(w *world, a storage.Arrival)
	}{
		"nobody has agreed":   {"openid", func(w *world) storage.LiveSession { _, ls := w.aliceIn(); return ls }, nil},
		"a factor is missing": {"openid alert:write", agreed, nil},
		"the policy asks for one": {"openid", func(w *world) storage.LiveSession {
			w.policy(requires(storage.LevelMFA))
			return agreed(w)
		}, nil},
		"the session waits": {"openid", func(w *world) storage.LiveSession {
			ls := agreed(w)
			ls.Pending = true
			return ls
		}, nil},
		"the person is disabled": {"openid", func(w *world) storage.LiveSession {
			ls := agreed(w)
			w.disableAlice()
			return ls
		}, nil},
		"the person is disabled meanwhile": {"openid", agreed, func(w *world, _ storage.Arrival) { w.disableAlice() }},
		"the consent is withdrawn meanwhile": {"openid", agreed, func(w *world, a storage.Arrival) {
			w.must(w.store.Tenant(w.acme.ID).WithdrawConsent(w.Context(), a.SignIn.User.ID, "web", w.now(), event("x")))
		}},
		"the connection is disabled meanwhile": {"openid", agreed, func(w *world, _ storage.Arrival) { w.disableConnection() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enforce()
			req := w.begins(request("scope", c.scope).Encode())
			meanwhile := nothing
			if c.meanwhile != nil {
				meanwhile = func(a storage.Arrival) { c.meanwhile(w, a) }
			}
			out, a := w.settle(req, c.session(w), meanwhile)
			if out.done || out.entered != 0 || out.Body.Len() > 0 || out.Header().Get("Location") != "" {
				t.Errorf("done %v, let in %d times, %d to %q", out.done, out.entered, out.Code, out.Header().Get("Location"))
			}
			if sessions, over := w.begun(a); sessions != 0 || over {
				t.Errorf("%d sessions, transaction over: %v", sessions, over)
			}
		})
	}
}

func TestAttackSettledTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.consented()
	req := w.begins(request("scope", "openid").Encode())
	out, a := w.settle(req, ls, func(a storage.Arrival) { w.must(w.store.AdvanceLogin(t.Context(), a.Login, w.now())) })
	if sessions, _ := w.begun(a); out.done || out.Header().Get("Location") != "" || sessions != 0 {
		t.Errorf("%v, a response to %q, %d sessions", out.done, out.Header().Get("Location"), sessions)
	}
}

func TestSettlingForABrowserThatCannotBeLetInIsNoAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.consented()
	client, live, a := w.arrives(w.begins(request("scope", "openid").Encode()), ls)
	rec, full := httptest.NewRecorder(), errors.New("too many cookies")
	done, err := w.engine.Settle(rec, httptest.NewRequest("GET", "/", nil), client, live, a, func() error { return full })
	if !done || !errors.Is(err, full) || rec.Header().Get("Location") != "" {
		t.Errorf("%v, %v, a response to %q", done, err, rec.Header().Get("Location"))
	}
}
