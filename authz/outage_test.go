package authz_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// unavailable checks that an outage is said, and nothing else.
func (w *world) unavailable(name string, rec *httptest.ResponseRecorder) {
	w.Helper()
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" || rec.Header().Get("Location") != "" {
		w.Errorf("%s: %d, Retry-After %q, Location %q; want 503\n%s", name, rec.Code, rec.Header().Get("Retry-After"), rec.Header().Get("Location"), rec.Body)
	}
}

// fosite answers an outage with invalid_client, 200 or server_error, as it
// happens; clients then throw their credentials away.
func TestFositeOutageIsNeverAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	waiting := w.browse.last(t)
	code := w.response(w.approve(ls), callback).Get("code")
	got := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	w.must(w.store.Close())
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"code":               w.post("/oauth2/token", redemption(code), as("web")),
		"garbage code":       w.post("/oauth2/token", redemption("x"), as("web")),
		"refresh":            w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", got.Refresh), as("web")),
		"client credentials": w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m")),
		"wrong secret":       w.post("/oauth2/token", redemption("x"), func(r *http.Request) { r.SetBasicAuth("web", "x") }),
		"revoke access":      w.post("/oauth2/revoke", form("token", got.Access), as("web")),
		"revoke refresh":     w.post("/oauth2/revoke", form("token", got.Refresh), as("web")),
		"userinfo":           w.do(get("/oauth2/userinfo", bearer(got.Access))),
		"metadata":           w.do(get("/.well-known/openid-configuration")),
	} {
		w.unavailable(name, rec)
	}
	if rec := w.authorize(request(), cookie); rec.Code != 503 || rec.Header().Get("Location") != "" {
		t.Errorf("authorize: %d %q", rec.Code, rec.Header().Get("Location"))
	}
	if rec := w.finishAs(waiting, ls, w.web_.Version); rec.Code != 503 || rec.Header().Get("Location") != "" {
		t.Errorf("approve: %d %q", rec.Code, rec.Header().Get("Location"))
	}
}

// leaving is a store that goes away after its first look at a request.
type leaving struct{ *sqlstore.Store }

func (l leaving) AuthorizeView(ctx context.Context, c storage.ClientID, host, resource string, handles [][]byte) (storage.Client, []storage.LiveSession, error) {
	client, sessions, err := l.Store.AuthorizeView(ctx, c, host, resource, handles)
	_ = l.Close()
	return client, sessions, err
}

func (l leaving) FindCode(ctx context.Context, c storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveCode, error) {
	client, code, err := l.Store.FindCode(ctx, c, ref)
	_ = l.Close()
	return client, code, err
}

func (l leaving) FindRefresh(ctx context.Context, c storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveRefresh, error) {
	client, refresh, err := l.Store.FindRefresh(ctx, c, ref)
	_ = l.Close()
	return client, refresh, err
}

func (l leaving) FindAccess(ctx context.Context, c storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveToken, error) {
	client, access, err := l.Store.FindAccess(ctx, c, ref)
	_ = l.Close()
	return client, access, err
}

// A store that goes away between decision and write.
func TestStoreThatGoesAwayInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]func(w *world, code string, got tokens) *httptest.ResponseRecorder{
		"code": func(w *world, code string, _ tokens) *httptest.ResponseRecorder {
			return w.post("/oauth2/token", redemption(code), as("web"))
		},
		"wrong verifier": func(w *world, code string, _ tokens) *httptest.ResponseRecorder {
			return w.post("/oauth2/token", redemption(code, "code_verifier", "x"), as("web"))
		},
		"refresh": func(w *world, _ string, got tokens) *httptest.ResponseRecorder {
			return w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", got.Refresh), as("web"))
		},
		"revoke access": func(w *world, _ string, got tokens) *httptest.ResponseRecorder {
			return w.post("/oauth2/revoke", form("token", got.Access), as("web"))
		},
		"revoke refresh": func(w *world, _ string, got tokens) *httptest.ResponseRecorder {
			return w.post("/oauth2/revoke", form("token", got.Refresh), as("web"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			got, code := w.granted(), w.code(request())
			w.mountOn(issuer, leaving{w.store})
			w.unavailable(name, try(w, code, got))
		})
	}
}

// The redirect URI is proven by then, so that the client is told.
func TestAuthorizeTellsTheClientAboutAnOutageInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	w.mountOn(issuer, leaving{w.store})
	w.sentBack(w.authorize(request(), cookie), "temporarily_unavailable")
}

// blind is a store whose lookups of clients fail while the rest answers.
type blind struct{ *sqlstore.Store }

var errBlind = errors.New("the lookup timed out")

func (blind) Client(context.Context, storage.ClientID) (storage.Client, error) {
	return storage.Client{}, errBlind
}

func (blind) FindCode(context.Context, storage.ClientID, storage.TokenRef) (storage.Client, *storage.LiveCode, error) {
	return storage.Client{}, nil, errBlind
}

// fosite.md 2.4: a lookup that fails is answered with invalid_client, and the
// client drops its credentials.
func TestFositeFailedLookupIsAnUnknownClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	w.mountOn(issuer, blind{w.store})
	w.unavailable("code", w.post("/oauth2/token", redemption(code), as("web")))
	w.unavailable("garbage", w.post("/oauth2/token", redemption("x"), as("web")))
	if w.recorded("client.auth_failed") != 0 {
		t.Error("an outage is no failed authentication")
	}
}
