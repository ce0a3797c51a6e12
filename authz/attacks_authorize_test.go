package authz_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Rows 1 to 5 and 8 to 11: a redirect URI that is almost registered.
func TestAttackRedirectURIThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	for _, uri := range []string{
		callback + "/", callback + "?x=1", callback + "?", callback + "#x", callback + "#",
		"https://app.example.com/cb/../evil", `https://app.example.com/cb\@evil.com`, "https://app.example.com@evil.com/cb",
		"https://app.example.com.evil.com/cb", "HTTPS://app.example.com/cb", "https://APP.example.com/cb", "https://app.example.com:443/cb",
		"https://app.example.com/c%62", "http://app.example.com/cb", "javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///", "//evil.com/cb", "cb",
		" " + callback, callback + "\n", callback + "\t", "https://app.example.com/cb%00", "about:blank", "blob:https://app.example.com/1",
	} {
		rec := w.authorize(request("redirect_uri", uri), cookie)
		w.page(rec)
		if strings.Contains(rec.Body.String(), "evil") {
			t.Errorf("%q is reflected", uri)
		}
	}
	if len(w.browse.begun) != 0 || w.recorded("code.issued") != 0 {
		t.Error("an unproven redirect URI must have no effect")
	}
}

// Rows 6 to 11: the loopback exception, and nothing near it.
func TestAttackLoopbackRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.aliceIn()
	cookie, _ := w.aliceIn()
	for uri, accepted := range map[string]bool{
		"http://127.0.0.1/cb": true, "http://127.0.0.1:49152/cb": true, "http://localhost:3118/callback": true, "http://localhost/callback": true,
		"com.example.app:/cb":   true,
		"http://localhost:1/cb": false, "http://[::1]:1/cb": false, "http://127.0.0.2:1/cb": false, "https://127.0.0.1:5/cb": false,
		"http://evil@127.0.0.1:5/cb": false, "http://127.0.0.1:5/c%62": false, "http://127.0.0.1:5/cb?": false, "http://127.0.0.1:5/cb#x": false,
		"http://127.0.0.1/cb?bar=foo": false, "http://127.0.0.1/cb2": false, "http://127.0.0.1:/cb": false, "http://127.0.0.1:0/cb": false,
		"http://127.0.0.1:65536/cb": false, "http://127.0.0.1:080/cb": false, "http://127.0.0.1:+5/cb": false,
		"http://127.0.0.1.evil.com/cb": false, "http://localhost.evil.com/callback": false, "http://foo.localhost/callback": false,
		"http://0.0.0.0/cb": false, "http://0x7f.1/cb": false, "http://2130706433/cb": false, "http://127.1/cb": false, "http://LOCALHOST/callback": false,
		"com.example.app://cb": false, "com.example.app:/cb2": false, "com.example.app:cb": false,
	} {
		rec := w.authorize(request("client_id", "native", "redirect_uri", uri), cookie)
		if !accepted {
			w.page(rec)
			continue
		}
		if w.response(w.approve(ls), uri).Get("code") == "" {
			t.Errorf("%s: no code", uri)
		}
	}
}

// Rows 12 and 13.
func TestAttackRepeatedClientOrRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	q := request().Encode()
	for _, more := range []string{"&client_id=other", "&client_id=web", "&redirect_uri=https://evil.example.com", "&redirect_uri=" + callback, "&client_id="} {
		w.page(w.authorizeRaw(q+more, cookie))
	}
}

// Row 14.
func TestAttackRepeatedParameter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	for _, more := range []string{"scope=openid", "state=2", "nonce=2", "response_type=code", "response_mode=query&response_mode=query", "code_challenge=x", "prompt=none&prompt=none", "extra=1&extra=2"} {
		w.sentBack(w.authorizeRaw(request().Encode()+"&"+more, cookie), "invalid_request")
	}
}

// Row 15, and AZ-05.
func TestAttackClientThatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	w.change("other", func(c *storage.Client) { c.DisabledAt = start })
	unknown := w.authorize(request("client_id", "nobody"), cookie)
	disabled := w.authorize(request("client_id", "other"), cookie)
	w.page(unknown)
	w.page(disabled)
	w.page(w.authorize(request("client_id", ""), cookie))
	w.page(w.authorize(request("client_id", strings.Repeat("x", 10000)), cookie))
	if a, b := reference(unknown.Body.String()), reference(disabled.Body.String()); a != b {
		t.Error("a disabled client must look as an unknown one")
	}
}

// reference takes the request's id out of a page.
func reference(page string) string {
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		if strings.Contains(line, "req_") || strings.Contains(strings.ToLower(line), "reference") {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// Row 15: a tenant's own client is of no use to another tenant's people.
func TestAttackClientOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("globex-app", func(c *storage.Client) { c.Owner = w.globex.ID })
	cookie, ls := w.aliceIn()
	rec := w.authorize(request("client_id", "globex-app"), cookie)
	if rec.Header().Get("Location") != "/login/pending" {
		t.Errorf("Location %q, want a sign-in for somebody else", rec.Header().Get("Location"))
	}
	w.sentBack(w.approve(ls), "access_denied")
	w.sentBack(w.authorize(request("client_id", "globex-app", "prompt", "none"), cookie), "login_required")
}

// Row 16.
func TestAttackResponseType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	for _, rt := range []string{"token", "id_token", "code id_token", "code token", "code code", "Code", "none"} {
		w.sentBack(w.authorize(request("response_type", rt), cookie), "unsupported_response_type")
	}
	w.sentBack(w.authorize(request("response_type", ""), cookie), "invalid_request")
}

// Row 17: 400 without OAuth parameters.
func TestAttackResponseMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("other", func(c *storage.Client) { c.FormPost = false })
	cookie, _ := w.aliceIn()
	for _, mode := range []string{"fragment", "web_message", "foo", "jwt", "query.jwt"} {
		w.page(w.authorize(request("response_mode", mode), cookie))
	}
	w.page(w.authorize(request("client_id", "other", "response_mode", "form_post"), cookie))
	w.page(w.authorize(request("client_id", "native", "redirect_uri", "com.example.app:/cb", "response_mode", "form_post"), cookie))
}

// Rows 18, 19 and 20.
func TestAttackPKCEDowngrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	good := challenge(verifier)
	for _, method := range []string{"", "plain", "s256", "S512"} {
		w.sentBack(w.authorize(request("code_challenge_method", method), cookie), "invalid_request")
	}
	for _, c := range []string{"", good[:42], good + "A", good[:42] + "=", good[:42] + "+", good[:42] + "/", good[:42] + "é"} {
		w.sentBack(w.authorize(request("code_challenge", c), cookie), "invalid_request")
	}
	w.sentBack(w.authorize(request("code_challenge", "", "code_challenge_method", ""), cookie), "invalid_request")
	w.sentBack(w.authorize(request("client_id", "spa", "code_challenge", "", "code_challenge_method", ""), cookie), "invalid_request")
	w.sentBack(w.authorize(request("client_id", "nopkce", "code_challenge", ""), cookie), "invalid_request")
	w.sentBack(w.authorize(request("client_id", "nopkce", "code_challenge_method", "plain"), cookie), "invalid_request")
}

// Row 18: a public client cannot be registered out of PKCE.
func TestAttackPublicClientWithoutPKCE(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("spa", func(c *storage.Client) { c.PKCEOptional = true })
	w.sentBack(w.authorize(request("client_id", "spa", "code_challenge", "", "code_challenge_method", "")), "invalid_request")
}

// Row 29.
func TestAttackScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	for _, scope := range []string{`openid "`, `openid \`, "openid\tadmin", "openid\x00", strings.Repeat("a", 10000), "openid\nadmin", "openid admin", "admin", "é"} {
		w.sentBack(w.authorize(request("scope", scope), cookie), "invalid_scope")
		w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "scope", scope), as("m2m")), 400, "invalid_scope")
	}
}

// Row 30.
func TestAttackResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	for _, resource := range []string{"https://victim.example/", "foo", audience + "/#f", audience + "/sub", "https://gone.example.com", "https://user@api.example.com"} {
		w.sentBack(w.authorize(request("resource", resource), cookie), "invalid_target")
		w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "resource", resource), as("m2m")), 400, "invalid_target")
	}
	w.authorize(request("resource", "https://globex.example.com"), cookie)
	w.sentBack(w.approve(ls), "invalid_target")
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "resource", "https://globex.example.com"), as("m2m")), 400, "invalid_target")
}

// Row 33.
func TestAttackPromptNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, _ := w.aliceIn()
	w.sentBack(w.authorize(request("prompt", "none")), "login_required")
	w.sentBack(w.authorize(request("prompt", "none login"), cookie), "invalid_request")
	w.sentBack(w.authorize(request("prompt", "none"), cookie), "consent_required")
	if len(w.browse.begun) != 0 {
		t.Error("prompt=none must never begin a sign-in")
	}
}

// Rows 36 and 118, AZ-28 and AZ-37.
func TestAttackFramingAndForeignOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := get("/oauth2/authorize?"+request().Encode(), func(r *http.Request) { r.Header.Set("Origin", "https://evil.example.com") })
	h := w.do(r).Header()
	if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("X-Frame-Options") != "DENY" {
		t.Error("the authorization endpoint can be framed")
	}
	if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v", h)
	}
	for method, path := range map[string]string{"PUT": "/oauth2/token", "HEAD": "/oauth2/authorize", "TRACE": "/oauth2/authorize", "DELETE": "/oauth2/authorize", "OPTIONS": "/oauth2/authorize"} {
		rec := w.do(httptest.NewRequest(method, path, nil))
		// Scripts may read what the token endpoint says, and nothing of the other.
		readable := rec.Header().Get("Access-Control-Allow-Origin") != ""
		if rec.Code != 405 || rec.Header().Get("Allow") == "" || readable != (path == "/oauth2/token") {
			t.Errorf("%s %s: %d %v", method, path, rec.Code, rec.Header())
		}
	}
}

// Row 102: a session of one tenant is nobody in another.
func TestAttackSessionOfAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("acme-app", func(c *storage.Client) { c.Owner = w.acme.ID })
	carol, _ := w.signIn(w.globex, w.idpG, w.carol)
	w.sentBack(w.authorize(request("client_id", "acme-app", "prompt", "none"), carol), "login_required")
}

// Row 103.
func TestAttackSessionThatIsOver(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, storage.LiveSession){
		"61 minutes idle": func(w *world, _ storage.LiveSession) { w.pass(61 * time.Minute) },
		"signed out": func(w *world, ls storage.LiveSession) {
			w.must(w.store.Tenant(w.acme.ID).EndSession(context.Background(), ls.ID, start, event("session.ended")))
		},
		"user disabled": func(w *world, _ storage.LiveSession) { w.disableAlice() },
		"tenant suspended": func(w *world, _ storage.LiveSession) {
			w.suspend()
		},
		"connection disabled": func(w *world, _ storage.LiveSession) { w.disableConnection() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cookie, ls := w.aliceIn()
			w.authorize(request(), cookie)
			waiting := w.browse.last(t)
			w.response(w.approve(ls), callback)
			w.response(w.authorize(request(), cookie), callback) // remembered
			end(w, ls)
			w.sentBack(w.authorize(request("prompt", "none"), cookie), "login_required")
			if loc := w.authorize(request(), cookie).Header().Get("Location"); loc != "/login/pending" {
				t.Errorf("Location %q, want a sign-in", loc)
			}
			w.sentBack(w.finish(waiting, ls, true), "login_required")
		})
	}
}

func (w *world) disableAlice() {
	w.Helper()
	tenant := w.store.Tenant(w.acme.ID)
	u, err := tenant.User(context.Background(), w.alice.ID)
	w.must(err)
	u.DisabledAt = w.now()
	w.must(tenant.UpdateUser(context.Background(), u, event("user.disabled")))
}

func (w *world) suspend() {
	w.Helper()
	t, err := w.store.TenantByID(context.Background(), w.acme.ID)
	w.must(err)
	t.SuspendedAt = w.now()
	w.must(w.store.UpdateTenant(context.Background(), t, event("tenant.suspended")))
}

func (w *world) disableConnection() {
	w.Helper()
	tenant := w.store.Tenant(w.acme.ID)
	c, err := tenant.Connection(context.Background(), w.idp.ID)
	w.must(err)
	c.DisabledAt = w.now()
	w.must(tenant.UpdateConnection(context.Background(), c, event("connection.disabled")))
}

// AZ-17: opaque means opaque.
func TestStateComesBackByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	for _, state := range []string{"x", "a b+c&d=e%25#f", `"<>\'`, "ünïcode ✓", "line\nbreak", strings.Repeat("s", 2048), "state-is-not-checked-here"} {
		w.authorize(request("client_id", "spa", "state", state), cookie)
		if got := w.response(w.approve(ls), callback); got.Get("state") != state {
			t.Errorf("state %q came back as %q", state, got.Get("state"))
		}
		if got := w.response(w.authorize(request("state", state, "scope", "nope")), callback); got.Get("state") != state {
			t.Errorf("state %q came back as %q with an error", state, got.Get("state"))
		}
	}
	w.authorize(request("client_id", "spa", "state", ""), cookie)
	if got := w.response(w.approve(ls), callback); got.Has("state") {
		t.Errorf("absent state came back as %q", got.Get("state"))
	}
	w.sentBack(w.authorize(request("state", strings.Repeat("s", 2049)), cookie), "invalid_request")
	w.sentBack(w.authorize(request("nonce", strings.Repeat("s", 2049)), cookie), "invalid_request")
}

// AZ-31: the app that changed since it was approved asks again.
func TestConsentIsForgottenWhenTheClientChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	w.response(w.authorize(request("prompt", "none"), cookie), callback)
	w.change("web", func(c *storage.Client) { c.Name = "Other" })
	w.sentBack(w.authorize(request("prompt", "none"), cookie), "consent_required")
}

// AZ-31: consent covers what it covered.
func TestConsentIsForItsScopesHostAndResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("web", func(c *storage.Client) { c.RedirectURIs = append(c.RedirectURIs, "https://other.example.com/cb") })
	cookie, ls := w.aliceIn()
	w.authorize(request("scope", "openid monitor:read"), cookie)
	w.response(w.approve(ls), callback)
	silent := func(pairs ...string) url.Values {
		return request(append([]string{"scope", "openid monitor:read", "prompt", "none"}, pairs...)...)
	}
	if w.response(w.authorize(silent(), cookie), callback).Get("code") == "" {
		t.Error("the same request must need no consent")
	}
	w.sentBack(w.authorize(silent("scope", "openid alert:write"), cookie), "consent_required")
	w.sentBack(w.authorize(silent("resource", audience), cookie), "consent_required")
	if got := w.response(w.authorize(silent("redirect_uri", "https://other.example.com/cb"), cookie), "https://other.example.com/cb"); got.Get("error") != "consent_required" {
		t.Errorf("other host: %v", got)
	}
}

// AZ-31: anybody can use a public client's name.
func TestPublicClientAlwaysAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request("client_id", "spa"), cookie)
	w.response(w.approve(ls), callback)
	w.sentBack(w.authorize(request("client_id", "spa", "prompt", "none"), cookie), "consent_required")
	if ask, _, err := w.engine.ToApprove(context.Background(), w.browse.last(t), ls); err != nil || len(ask) == 0 {
		t.Errorf("ToApprove = %v, %v", ask, err)
	}
	w.sentBack(w.finish(w.browse.last(t), ls, false), "consent_required")
}

// AZ-36: what was true when the sign-in began is checked again when it ends.
func TestAttackClientChangedWhileThePersonSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	waiting := w.browse.last(t)
	w.change("web", func(c *storage.Client) { c.Scopes = []string{"openid"} })
	w.sentBack(w.finish(waiting, ls, true), "invalid_scope")
	w.change("web", func(c *storage.Client) { c.RedirectURIs = []string{"https://new.example.com/cb"} })
	if rec := w.finish(waiting, ls, true); rec.Code != 400 || rec.Header().Get("Location") != "" {
		t.Errorf("a redirect URI that is gone: %d %q", rec.Code, rec.Header().Get("Location"))
	}
	w.change("web", func(c *storage.Client) { c.DisabledAt = start })
	if rec := w.finish(waiting, ls, true); rec.Code != 400 || rec.Header().Get("Location") != "" {
		t.Errorf("a disabled client: %d %q", rec.Code, rec.Header().Get("Location"))
	}
}

// A remembered view may propose, never decide.
func TestRememberedViewIsNeverStale(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, storage.LiveSession){
		"consent withdrawn": func(w *world, ls storage.LiveSession) {
			w.must(w.store.Tenant(w.acme.ID).WithdrawConsent(context.Background(), ls.User, "web", w.now(), event("consent.withdrawn")))
		},
		"client loses the scope": func(w *world, _ storage.LiveSession) {
			w.change("web", func(c *storage.Client) { c.Scopes = []string{"openid"} })
		},
		"client loses the redirect URI": func(w *world, _ storage.LiveSession) {
			w.change("web", func(c *storage.Client) { c.RedirectURIs = []string{"https://new.example.com/cb"} })
		},
		"client disabled": func(w *world, _ storage.LiveSession) {
			w.change("web", func(c *storage.Client) { c.DisabledAt = start })
		},
		"handle exchanged by a step-up": func(w *world, ls storage.LiveSession) { // SE-02
			w.must(w.store.Tenant(w.acme.ID).RaiseSession(context.Background(), ls.ID, storage.RaiseSession{
				Was: ls.Handle, Handle: []byte("the next"), Level: storage.LevelMFA, MFAAt: w.now(), AMR: ls.AMR,
			}, event("session.raised")))
		},
		"tenant closed to the client": func(w *world, _ storage.LiveSession) {
			w.edit(func(t *storage.Tenant) { t.Policy.OnlyListedClients = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cookie, ls := w.aliceIn()
			w.authorize(request(), cookie)
			w.response(w.approve(ls), callback)
			w.response(w.authorize(request(), cookie), callback)
			change(w, ls)
			rec := w.authorize(request(), cookie)
			if strings.Contains(rec.Header().Get("Location"), "code=") {
				t.Errorf("a code from a stale view: %s", rec.Header().Get("Location"))
			}
		})
	}
}

// MD-09 and row 112: nothing internal is told, nothing secret is logged.
func TestAttackSecretsInLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	got := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	again := w.refresh(got.Refresh, "web")
	w.post("/oauth2/token", redemption(code), as("web"))
	w.do(get("/oauth2/userinfo", bearer(got.Access)))
	for _, s := range []string{code, got.Access, got.Refresh, got.ID, again.Access, again.Refresh, secret, verifier} {
		if bytes.Contains(w.log.Bytes(), []byte(s)) {
			t.Errorf("the log has %.12s...", s)
		}
	}
}

// Row 5, AZ-09: what is dangerous is refused even if it was registered once.
func TestAttackDangerousRedirectURIThatIsRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	uris := []string{"javascript:alert(1)", "data:text/html,x", "http://app.example.com/cb", "https://app.example.com/cb#x", "https://u@app.example.com/cb"}
	w.change("web", func(c *storage.Client) { c.RedirectURIs = uris })
	cookie, _ := w.aliceIn()
	for _, uri := range uris {
		w.page(w.authorize(request("redirect_uri", uri), cookie))
	}
}
