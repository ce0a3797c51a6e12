package idp_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// hintMAC stands for the engine's signature under an ID token.
func hintMAC(payload string) string {
	mac := hmac.New(sha256.New, []byte("the engine's key"))
	mac.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// SignOutHint makes the engine one that knows its ID tokens.
func (e *engine) SignOutHint(_ context.Context, raw string) (storage.SignOutHint, error) {
	var hint storage.SignOutHint
	payload, mac, _ := strings.Cut(raw, ".")
	if !hmac.Equal([]byte(mac), []byte(hintMAC(payload))) {
		return hint, errors.New("not one of ours")
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	return hint, errors.Join(err, json.Unmarshal(text, &hint))
}

// idToken is an ID token of the engine about a session.
func (h *house) idToken(hint storage.SignOutHint) string {
	h.t.Helper()
	text, err := json.Marshal(hint)
	h.must(err)
	payload := base64.RawURLEncoding.EncodeToString(text)
	return payload + "." + hintMAC(payload)
}

// appURI is where the app wants people after they signed out.
const appURI = "https://app.example/bye"

// leavable is a house whose app wants people back.
func leavable(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.reregister("app", func(c *storage.Client) { c.PostLogoutRedirectURIs = []string{appURI, appURI + "?kept=1"} })
	return h
}

func (h *house) reregister(id storage.ClientID, change func(*storage.Client)) {
	h.t.Helper()
	c, err := h.store.Client(h.t.Context(), id)
	h.must(err)
	change(&c)
	h.must(h.store.UpdateClient(h.t.Context(), c, audit.ClientUpdated(h.t.Context(), h.clock.Now(), c)))
}

// changePolicy changes what a tenant's administrators decide.
func (h *house) changePolicy(slug string, change func(*storage.TenantPolicy)) {
	h.t.Helper()
	tenant, err := h.store.TenantBySlug(h.t.Context(), slug)
	h.must(err)
	change(&tenant.Policy)
	h.must(h.store.UpdateTenant(h.t.Context(), tenant, audit.TenantUpdated(h.t.Context(), h.clock.Now(), tenant)))
}

// hint is the app's ID token of the browser's session.
func (b *browser) hint(slug string) storage.SignOutHint {
	s := b.session(slug)
	return storage.SignOutHint{User: s.User, Client: "app", Session: s.ID}
}

func logout(params ...string) string {
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Add(params[i], params[i+1])
	}
	return "/oauth2/logout?" + q.Encode()
}

// asks fails the test unless the page asks, and the browser is still signed in.
func (p page) asks(b *browser) {
	p.t.Helper()
	if p.Code != http.StatusOK || !strings.Contains(p.Body.String(), `id="logout-confirm"`) {
		p.t.Errorf("status %d, no question: %s", p.Code, p.text())
	}
	if !b.signedIn() {
		p.t.Error("signed out without having confirmed")
	}
}

func TestSignOutByTheAppThatHasTheIDToken(t *testing.T) {
	for name, c := range map[string]struct{ uri, state, want string }{
		"with state":           {appURI, "a b&c=1", appURI + "?state=a+b%26c%3D1"},
		"without state":        {appURI, "", appURI},
		"to a URI with query":  {appURI + "?kept=1", "s", appURI + "?kept=1&state=s"},
		"that wants nobody":    {"", "s", ""},
		"with every parameter": {appURI, "s", appURI + "?state=s"},
	} {
		t.Run(name, func(t *testing.T) {
			h := leavable(t)
			b := h.browser()
			b.signIn("alice@acme.test")
			p := b.get(logout("id_token_hint", h.idToken(b.hint("acme")), "post_logout_redirect_uri", c.uri, "state", c.state,
				"client_id", "app", "logout_hint", "alice", "ui_locales", "de"))
			if c.want == "" && (p.Code != http.StatusOK || !strings.Contains(p.text(), "Signed out")) {
				t.Errorf("status %d, %s", p.Code, p.text())
			}
			if c.want != "" && p.location() != c.want {
				t.Errorf("to %q, want %q", p.location(), c.want)
			}
			if b.signedIn() || !slices.Contains(h.events("acme"), "session.ended user") {
				t.Error("the session goes on")
			}
		})
	}
}

// A form that the app's page posts comes without our cookies.
func TestSignOutByAPostOfTheApp(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	form := url.Values{"id_token_hint": {h.idToken(b.hint("acme"))}, "post_logout_redirect_uri": {appURI}, "state": {"s"}}
	away := h.browser()
	first := away.postFrom("/oauth2/logout", form, "cross-site")
	if to := first.location(); to != "/oauth2/logout" {
		t.Fatalf("to %q: the request is in a URL", to)
	}
	for _, c := range first.Result().Cookies() {
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s", c)
		}
		b.setCookie(c.Name, c.Value)
	}
	if to := b.get("/oauth2/logout").location(); to != appURI+"?state=s" {
		t.Errorf("to %q", to)
	}
	if b.signedIn() || slices.Contains(b.cookies(), "__Host-wg_logout") {
		t.Errorf("signed in, or cookies are left: %v", b.cookies())
	}
}

func TestSignOutWithTheIDTokenOfASessionThatIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		expired bool // the ID token
		happens func(h *house, b *browser)
		want    string // "": the page at the end, with a link
	}{
		"and still here, the token expired": {true, func(*house, *browser) {}, appURI},
		"idle, the token expired":           {true, func(h *house, _ *browser) { h.clock.Forward(2 * time.Hour) }, appURI},
		"ended elsewhere": {false, func(h *house, b *browser) {
			s := b.session("acme")
			h.must(h.store.Tenant(s.Tenant.ID).EndSession(t.Context(), s.ID, h.clock.Now(), audit.SignedOut(t.Context(), h.clock.Now(), s.User, s.ID, "operator")))
		}, appURI},
		"and forgotten":                    {false, func(h *house, b *browser) { *b = *h.browser() }, appURI},
		"and forgotten, the token expired": {true, func(h *house, b *browser) { *b = *h.browser() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := leavable(t)
			b := h.browser()
			b.signIn("alice@acme.test")
			hint := b.hint("acme")
			hint.Expired = c.expired
			c.happens(h, b)
			p := b.get(logout("id_token_hint", h.idToken(hint), "post_logout_redirect_uri", appURI))
			if c.want != "" && p.location() != c.want {
				t.Errorf("to %q", p.location())
			}
			if c.want == "" && (p.Code != http.StatusOK || !strings.Contains(p.Body.String(), `href="`+appURI+`"`)) {
				t.Errorf("status %d, %s", p.Code, p.text())
			}
			if b.signedIn() {
				t.Error("signed in")
			}
		})
	}
}

func TestSignOutEndsTheSessionThatTheAppMeansAndNoOther(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	b.signIn("carol@globex.test")
	p := b.get(logout("id_token_hint", h.idToken(b.hint("acme"))))
	if text := p.text(); !strings.Contains(text, "Globex") || strings.Contains(text, "Acme") {
		t.Errorf("page = %s", text)
	}
	if names := b.cookies(); slices.Contains(names, h.sessionCookie("acme")) || b.session("globex").EndedAt != (time.Time{}) {
		t.Errorf("cookies %v", names)
	}
}

func TestSignOutWithoutAnIDTokenAsksAndGoesBack(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	p := b.get(logout("client_id", "app", "post_logout_redirect_uri", appURI, "state", "s"))
	p.asks(b)
	if text := p.text(); !strings.Contains(text, "Example app") || !strings.Contains(text, "Acme") || !strings.Contains(text, "alice@acme.test") {
		t.Errorf("page = %s", text)
	}
	if policy := p.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example;") {
		t.Errorf("browsers stop the way back: %s", policy)
	}
	to, fields := p.form()
	if to != "/oauth2/logout" {
		t.Errorf("the form goes to %q", to)
	}
	if to := b.post(to, fields).location(); to != appURI+"?state=s" || b.signedIn() {
		t.Errorf("to %q", to)
	}
}

func TestSignOutForgetsSignInsUnderWay(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	b.open()
	b.get(logout("id_token_hint", h.idToken(b.hint("acme"))))
	if left := b.cookies(); len(left) != 0 {
		t.Errorf("cookies left: %v", left)
	}
}

func TestPolicySaysWhetherSigningOutEndsEverything(t *testing.T) {
	for name, everything := range map[string]bool{"no": false, "yes": true} {
		t.Run(name, func(t *testing.T) {
			h := leavable(t)
			h.changePolicy("acme", func(p *storage.TenantPolicy) { p.SignOutEverything = everything })
			b := h.browser()
			b.signIn("alice@acme.test")
			elsewhere := h.browser()
			elsewhere.signIn("alice@acme.test")
			session := b.session("acme")
			grant := h.tokens(session, "cli", true)
			p := b.get("/oauth2/logout")
			if says := strings.Contains(p.text(), "in every app"); says != everything {
				t.Errorf("page = %s", p.text())
			}
			to, fields := p.form()
			b.post(to, fields)
			if b.signedIn() || elsewhere.signedIn() == everything || h.granted(session.User, "acme", grant) == everything {
				t.Errorf("signed in elsewhere: %v, offline access: %v", elsewhere.signedIn(), h.granted(session.User, "acme", grant))
			}
		})
	}
}

// Whoever has the cookie of a session that is over is nobody.
func TestAttackSignOutEverythingByTheCookieOfAnIdleSession(t *testing.T) {
	h := leavable(t)
	h.changePolicy("acme", func(p *storage.TenantPolicy) { p.SignOutEverything = true })
	b := h.browser()
	b.signIn("alice@acme.test")
	hint := b.hint("acme")
	h.clock.Forward(2 * time.Hour)
	elsewhere := h.browser()
	elsewhere.signIn("alice@acme.test")
	grant := h.tokens(elsewhere.session("acme"), "cli", true)
	b.get(logout("id_token_hint", h.idToken(hint)))
	if !elsewhere.signedIn() || !h.granted(hint.User, "acme", grant) {
		t.Error("a session that was over ended others")
	}
}

func TestAttackRow94BadSignOutRequest(t *testing.T) {
	for name, c := range map[string]func(h *house, b *browser) []string{
		"hint with another signature": func(h *house, b *browser) []string {
			payload, _, _ := strings.Cut(h.idToken(b.hint("acme")), ".")
			return []string{"id_token_hint", payload + "." + strings.Repeat("A", 43), "client_id", "app", "post_logout_redirect_uri", appURI}
		},
		"hint without a signature": func(h *house, b *browser) []string {
			payload, _, _ := strings.Cut(h.idToken(b.hint("acme")), ".")
			return []string{"id_token_hint", payload + ".", "client_id", "app", "post_logout_redirect_uri", appURI}
		},
		"hint that is no token": func(*house, *browser) []string {
			return []string{"id_token_hint", "x", "post_logout_redirect_uri", appURI}
		},
		"no hint and no client": func(*house, *browser) []string { return []string{"post_logout_redirect_uri", appURI, "state", "s"} },
		"hint of another client than client_id": func(h *house, b *browser) []string {
			return []string{"id_token_hint", h.idToken(b.hint("acme")), "client_id", "cli", "post_logout_redirect_uri", appURI}
		},
		"URI of another client": func(h *house, b *browser) []string {
			hint := b.hint("acme")
			hint.Client = "cli"
			return []string{"id_token_hint", h.idToken(hint), "post_logout_redirect_uri", appURI}
		},
		"URI that nobody registered": func(h *house, b *browser) []string {
			return []string{"id_token_hint", h.idToken(b.hint("acme")), "post_logout_redirect_uri", "https://evil.example/bye"}
		},
		"query added": func(h *house, b *browser) []string {
			return []string{"id_token_hint", h.idToken(b.hint("acme")), "post_logout_redirect_uri", appURI + "?foo=bar"}
		},
		"redirect_uri of the app": func(h *house, b *browser) []string {
			return []string{"id_token_hint", h.idToken(b.hint("acme")), "post_logout_redirect_uri", "https://app.example/cb"}
		},
		"disabled client": func(h *house, b *browser) []string {
			h.reregister("app", func(c *storage.Client) { c.DisabledAt = h.clock.Now() })
			return []string{"id_token_hint", h.idToken(b.hint("acme")), "post_logout_redirect_uri", appURI}
		},
		"unknown client": func(*house, *browser) []string {
			return []string{"client_id", "nobody", "post_logout_redirect_uri", appURI}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := leavable(t)
			b := h.browser()
			b.signIn("alice@acme.test")
			p := b.get(logout(c(h, b)...))
			// asks signs in with the app, which one of the rows has disabled.
			if p.Code != http.StatusOK || !strings.Contains(p.Body.String(), `id="logout-confirm"`) || !b.session("acme").EndedAt.IsZero() {
				t.Fatalf("status %d: %s", p.Code, p.text())
			}
			if !strings.Contains(p.Body.String(), `id="logout-unproved"`) || strings.Contains(p.Header().Get("Content-Security-Policy"), ".example") {
				t.Errorf("%s\n%s", p.Header(), p.text())
			}
			to, fields := p.form()
			if p := b.post(to, fields); p.Code != http.StatusOK || !strings.Contains(p.text(), "Signed out") || strings.Contains(p.Body.String(), "example/") {
				t.Errorf("status %d to %q: %s", p.Code, p.Header().Get("Location"), p.text())
			}
		})
	}
}

// from is a GET that a page of another site makes the browser send.
func (b *browser) from(path, dest string) page {
	b.h.t.Helper()
	req := httptest.NewRequestWithContext(b.h.t.Context(), http.MethodGet, path, nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	req.Header.Set("Sec-Fetch-Dest", dest)
	return b.do(req)
}

func TestAttackRow95SignOutByAnImage(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	for _, path := range []string{"/oauth2/logout", logout("client_id", "app", "post_logout_redirect_uri", appURI), logout("id_token_hint", h.idToken(b.hint("acme")))} {
		for _, dest := range []string{"image", "iframe", "script", "empty"} {
			b.from(path, dest).asks(b)
		}
	}
	if to := b.from(logout("id_token_hint", h.idToken(b.hint("acme")), "post_logout_redirect_uri", appURI), "document").location(); to != appURI {
		t.Errorf("to %q: the app itself is not let through", to)
	}
}

func TestAttackSignOutWithTheIDTokenOfAnotherPerson(t *testing.T) {
	h := leavable(t)
	mallory := h.browser()
	mallory.signIn("carol@globex.test")
	theirs := mallory.hint("globex")
	b := h.browser()
	b.signIn("alice@acme.test")
	mixed, nobody := b.hint("acme"), b.hint("acme")
	mixed.User, nobody.Session = theirs.User, ""
	for name, hint := range map[string]storage.SignOutHint{"theirs": theirs, "of this session and another person": mixed, "of no session": nobody} {
		t.Run(name, func(t *testing.T) {
			p := b.get(logout("id_token_hint", h.idToken(hint), "post_logout_redirect_uri", appURI))
			p.t = t
			p.asks(b)
		})
	}
}

func TestAttackSignOutPageThatWasTamperedWith(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	to, fields := b.get("/oauth2/logout").form()
	_, others := b.get(logout("client_id", "app", "post_logout_redirect_uri", appURI)).form()
	evil := base64.RawURLEncoding.EncodeToString([]byte(`{"return":"https://evil.example/","at":"2026-11-22T09:00:00Z"}`))
	for name, request := range map[string]string{
		"another request of ours": others.Get("request"),
		"made up":                 evil + "." + strings.Repeat("A", 43),
		"none":                    "",
	} {
		form := url.Values{"csrf": {fields.Get("csrf")}, "request": {request}}
		if to := b.post(to, form).location(); to != "/oauth2/logout" {
			t.Errorf("%s leads to %q", name, to)
		}
	}
	h.clock.Forward(11 * time.Minute)
	if to := b.post(to, fields).location(); to != "/oauth2/logout" {
		t.Errorf("a page of eleven minutes ago leads to %q", to)
	}
	if !b.signedIn() {
		t.Error("signed out")
	}
}

func TestAttackCookieOfASignOutThatWasTamperedWith(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	evil := base64.RawURLEncoding.EncodeToString([]byte(`{"hint":{"User":"` + string(b.session("acme").User) + `","Session":"` + string(b.session("acme").ID) + `"},"at":"2026-11-22T09:00:00Z"}`))
	b.setCookie("__Host-wg_logout", evil+"."+strings.Repeat("A", 43))
	b.get("/oauth2/logout").asks(b)
}

func TestAppThatTakesItsURIBackWhileThePersonReads(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	to, fields := b.get(logout("client_id", "app", "post_logout_redirect_uri", appURI)).form()
	h.reregister("app", func(c *storage.Client) { c.PostLogoutRedirectURIs = nil })
	if p := b.post(to, fields); p.Code != http.StatusOK || b.signedIn() {
		t.Errorf("status %d to %q", p.Code, p.Header().Get("Location"))
	}
}

func TestSignOutRequestsThatCannotBeRead(t *testing.T) {
	h := leavable(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	for name, path := range map[string]string{
		"two hints":        logout("id_token_hint", "a", "id_token_hint", "b"),
		"two URIs":         logout("post_logout_redirect_uri", appURI, "post_logout_redirect_uri", "https://evil.example"),
		"a state too long": logout("client_id", "app", "post_logout_redirect_uri", appURI, "state", strings.Repeat("s", 2001)),
	} {
		t.Run(name, func(t *testing.T) { b.get(path).wants(http.StatusBadRequest, "bad_request") })
	}
	if !b.signedIn() {
		t.Error("signed out")
	}
	form := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {appURI}, "state": {strings.Repeat("<", 2000)}}
	b.postFrom("/oauth2/logout", form, "cross-site").location()
	if n := len(b.cookie("__Host-wg_logout")); n == 0 || n > 3800 {
		t.Errorf("a cookie of %d bytes", n)
	}
	b.get("/oauth2/logout").asks(b)
}

func TestSignOutWakesWhoeverTellsApps(t *testing.T) {
	h := leavable(t)
	woken := 0
	h.server.SetLogoutWake(func() { woken++ })
	b := h.browser()
	b.signIn("alice@acme.test")
	b.get(logout("id_token_hint", h.idToken(b.hint("acme"))))
	if woken != 1 {
		t.Errorf("woken %d times", woken)
	}
}
