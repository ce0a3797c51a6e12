package monitorapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// provider is the other end of the app: an authorization server with one person,
// alice of acme, that speaks RFC 6749, 7636, 7662 and 8414 as far as the app does.
// What it is asked is counted, so that tests see what the app did not ask.
type provider struct {
	t      *testing.T
	server *httptest.Server

	mu        sync.Mutex
	challenge string // of the last authorization request
	nonce     string
	count     map[string]int  // requests to the token endpoint by grant_type, and revocations
	live      map[string]bool // tokens
	expires   int64           // seconds, of access tokens
	userSub   string          // what userinfo says; the ID token says usr_alice
	refusal   string          // error of every refresh; empty for none
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{t: t, count: map[string]int{}, live: map[string]bool{}, expires: 3600, userSub: "usr_alice"}
	mux := http.NewServeMux()
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		base := p.server.URL
		writeJSON(w, 200, metadata{base, base + "/authorize", base + "/token", base + "/userinfo", base + "/revoke", base + "/oauth2/logout"})
	})
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.count["revoke"]++
		delete(p.live, r.PostFormValue("token"))
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, 200, identity{p.userSub, "Alice Archer", "alice@acme.test", "acme"})
	})
	mux.HandleFunc("POST /oauth2/introspect", p.introspect)
	return p
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	grant := r.PostFormValue("grant_type")
	p.count[grant]++
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	good := r.PostFormValue("code") == "good" && base64.RawURLEncoding.EncodeToString(sum[:]) == p.challenge
	if grant == "refresh_token" {
		good = p.live[r.PostFormValue("refresh_token")]
	}
	if grant == "refresh_token" && p.refusal != "" {
		writeJSON(w, 400, oauthProblem{p.refusal, "no"})
		return
	}
	if !good || r.PostFormValue("client_id") != "demo-spa" {
		writeJSON(w, 400, oauthProblem{"invalid_grant", "no"})
		return
	}
	n := fmt.Sprint(len(p.live))
	p.live["access"+n], p.live["refresh"+n] = true, true
	writeJSON(w, 200, tokens{Access: "access" + n, Refresh: "refresh" + n, IDToken: p.idToken(), Scope: appScopes, ExpiresIn: p.expires})
}

func (p *provider) idToken() string {
	b, err := json.Marshal(map[string]any{
		"iss": p.server.URL, "aud": "demo-spa", "sub": "usr_alice", "nonce": p.nonce, "exp": time.Now().Add(time.Hour).Unix(), "tenant": "acme",
	})
	if err != nil {
		p.t.Error(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(b) + ".c2ln"
}

func (p *provider) introspect(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tenant := r.PostFormValue("tenant")
	p.count["tenant "+tenant]++
	if !p.live[r.PostFormValue("token")] || (tenant != "" && tenant != "acme") {
		writeJSON(w, 200, map[string]bool{"active": false})
		return
	}
	writeJSON(w, 200, map[string]any{"active": true, "iss": p.server.URL, "tenant": "acme", "scope": "monitor:read", "sub": "usr_alice"})
}

func (p *provider) counted(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[what]
}

func (p *provider) refuse(code string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = code
}

func (p *provider) kill(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for tok := range p.live {
		if strings.HasPrefix(tok, prefix) {
			p.live[tok] = false
		}
	}
}

// visitor is a browser at the app that follows no redirect by itself.
type visitor struct {
	t    *testing.T
	p    *provider
	app  string
	http *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	p := newProvider(t)
	srv := httptest.NewUnstartedServer(nil)
	base := "http://" + srv.Listener.Addr().String()
	srv.Config.Handler = opened(Config{Issuer: p.server.URL, ResourceServerID: "demo-api", Secret: "s", BaseURL: base, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	srv.Start()
	t.Cleanup(srv.Close)
	v := &visitor{t: t, p: p, app: base}
	v.http = v.browser()
	return v
}

func (v *visitor) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	must(v.t, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (v *visitor) cookie() string {
	u, err := url.Parse(v.app)
	must(v.t, err)
	for _, c := range v.http.Jar.Cookies(u) {
		return c.Value
	}
	return ""
}

func (v *visitor) do(method, path string, header ...string) reply {
	v.t.Helper()
	req, err := http.NewRequest(method, v.app+path, nil)
	must(v.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := v.http.Do(req)
	must(v.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(v.t, err)
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// start begins a sign-in, as the provider sees it.
func (v *visitor) start(path string) url.Values {
	v.t.Helper()
	u, err := url.Parse(v.do("GET", path).header.Get("Location"))
	must(v.t, err)
	q := u.Query()
	v.p.mu.Lock()
	v.p.challenge, v.p.nonce = q.Get("code_challenge"), q.Get("nonce")
	v.p.mu.Unlock()
	return q
}

// answer is a good authorization response, with changes.
func (v *visitor) answer(state string, change ...string) string {
	q := url.Values{"code": {"good"}, "state": {state}, "iss": {v.p.server.URL}}
	for i := 0; i < len(change); i += 2 {
		if q.Del(change[i]); change[i+1] != "" {
			q.Set(change[i], change[i+1])
		}
	}
	return "/callback?" + q.Encode()
}

func (v *visitor) signIn() {
	v.t.Helper()
	if got := v.do("GET", v.answer(v.start("/start").Get("state"))); got.status != 303 || got.header.Get("Location") != "/" {
		v.t.Fatalf("callback = %d %s", got.status, got.body)
	}
}

func (v *visitor) signedIn() bool {
	v.t.Helper()
	return strings.Contains(v.do("GET", "/").body, "alice@acme.test")
}

func TestSignInShowsWhatTheTokenOpens(t *testing.T) {
	v := newVisitor(t)
	if page := v.do("GET", "/"); !strings.Contains(page.body, `href="/start"`) {
		t.Fatalf("no way in: %s", page.body)
	}
	v.signIn()
	page := v.do("GET", "/").body
	for _, want := range []string{
		"/t/acme/monitors", "200 OK", "Checkout", "/t/globex/monitors", "404 Not Found", "403 Forbidden", "monitor:read", "Alice Archer",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(page, "access0") || strings.Contains(page, "Reactor") {
		t.Error("the page shows a token, or another tenant's data")
	}
	if own, other, none := v.p.counted("tenant acme"), v.p.counted("tenant globex"), v.p.counted("tenant "); own != 4 || other != 1 || none != 1 {
		t.Errorf("asked %d times for acme, %d for globex, %d without tenant; want 4, 1 and, after globex, 1", own, other, none)
	}
}

func TestAuthorizationRequestIsComplete(t *testing.T) {
	v := newVisitor(t)
	q := v.start("/start?login_hint=alice%40acme.test")
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "demo-spa", "redirect_uri": v.app + "/callback", "code_challenge_method": "S256",
		"scope": "openid profile email offline_access monitor:read", "login_hint": "alice@acme.test",
	} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	again := v.start("/start")
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if q.Get(name) == "" || q.Get(name) == again.Get(name) {
			t.Errorf("%s is %q twice", name, q.Get(name))
		}
	}
}

// rejected: the callback was not acted on, and the browser is at an address that
// holds nothing of it.
func (r reply) rejected() bool {
	return r.status == http.StatusSeeOther && r.header.Get("Location") == "/?note=foreign-answer"
}

// TestForeignAnswerIsNotActedOn: login CSRF and mix-up at the app.
func TestForeignAnswerIsNotActedOn(t *testing.T) {
	for name, change := range map[string][]string{
		"no state":               {"state", ""},
		"made-up state":          {"state", "x"},
		"other issuer":           {"iss", "https://evil.example"},
		"no issuer":              {"iss", ""},
		"error of other issuer":  {"iss", "https://evil.example", "code", "", "error", "access_denied", "error_description", "Call-this-number"},
		"error with other state": {"state", "x", "code", "", "error", "access_denied"},
	} {
		v := newVisitor(t)
		got := v.do("GET", v.answer(v.start("/start").Get("state"), change...))
		if !got.rejected() || v.p.counted("authorization_code") != 0 || v.signedIn() {
			t.Errorf("%s: %d, %d redemptions", name, got.status, v.p.counted("authorization_code"))
		}
		page := v.do("GET", got.header.Get("Location")).body
		if !strings.Contains(page, "did not take the answer") || strings.Contains(page, "Call-this-number") {
			t.Errorf("%s: the page after it does not say what happened, or says what a stranger wrote", name)
		}
	}
}

func TestAnswerBelongsToTheBrowserThatAsked(t *testing.T) {
	v := newVisitor(t)
	answer := v.answer(v.start("/start").Get("state"))
	attacker := v.http
	v.http = v.browser()
	v.start("/start")
	if got := v.do("GET", answer); !got.rejected() || v.signedIn() {
		t.Errorf("the victim's browser took the attacker's answer: %d", got.status)
	}
	v.http = attacker
	if got := v.do("GET", answer+"&state=x"); !got.rejected() {
		t.Errorf("two states: %d", got.status)
	}
}

func TestAnswerWorksOnce(t *testing.T) {
	v := newVisitor(t)
	answer := v.answer(v.start("/start").Get("state"))
	v.do("GET", answer)
	if got := v.do("GET", answer); !got.rejected() || v.p.counted("authorization_code") != 1 {
		t.Errorf("the same answer again: %d, %d redemptions", got.status, v.p.counted("authorization_code"))
	}
	if !v.signedIn() {
		t.Error("a repeated answer signed the person out")
	}
}

func TestSignInChangesTheCookie(t *testing.T) {
	v := newVisitor(t)
	state := v.start("/start").Get("state")
	before := v.cookie()
	got := v.do("GET", v.answer(state))
	if v.cookie() == before || v.cookie() == "" {
		t.Error("a handle from before the sign-in is worth more after it (session fixation)")
	}
	if c := got.header.Get("Set-Cookie"); !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") {
		t.Errorf("Set-Cookie: %s", c)
	}
}

func TestErrorOfTheAuthorizationServerIsShownOnce(t *testing.T) {
	v := newVisitor(t)
	state := v.start("/start").Get("state")
	if got := v.do("GET", v.answer(state, "code", "", "error", "access_denied", "error_description", "<b>No</b>")); got.status != 303 {
		t.Fatalf("callback = %d", got.status)
	}
	page := v.do("GET", "/").body
	if !strings.Contains(page, "access_denied") || strings.Contains(page, "<b>No") {
		t.Error("the error is not shown, or not escaped")
	}
	if strings.Contains(v.do("GET", "/").body, "access_denied") {
		t.Error("the error is shown for ever")
	}
	if got := v.do("GET", v.answer(state)); !got.rejected() || v.p.counted("authorization_code") != 0 {
		t.Errorf("a state that was used for an error works for a code: %d", got.status)
	}
}

func TestIDTokenOfAnotherSignInIsRefused(t *testing.T) {
	v := newVisitor(t)
	state := v.start("/start").Get("state")
	v.p.mu.Lock()
	v.p.nonce = "another"
	v.p.mu.Unlock()
	v.do("GET", v.answer(state))
	if v.signedIn() {
		t.Error("an ID token with another nonce was accepted")
	}
}

func TestUserinfoOfSomebodyElseIsNotUsed(t *testing.T) {
	v := newVisitor(t)
	v.p.userSub = "usr_mallory"
	v.signIn()
	if v.signedIn() {
		t.Error("the app shows the e-mail address of another subject")
	}
}

func TestTokensAreRefreshedWhenTheyEnd(t *testing.T) {
	v := newVisitor(t)
	v.p.expires = 1
	v.signIn()
	if !v.signedIn() || v.p.counted("refresh_token") != 1 {
		t.Errorf("%d refreshes, want 1", v.p.counted("refresh_token"))
	}
	v.p.kill("access")
	if !v.signedIn() {
		t.Error("a dead access token and a live refresh token are a sign-in still")
	}
}

func TestRevokedGrantEndsTheSignIn(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	v.p.kill("")
	page := v.do("GET", "/").body
	if !strings.Contains(page, "Your sign-in has ended.") || strings.Contains(page, "alice@acme.test") {
		t.Error("the person is shown as signed in after the grant was revoked")
	}
	if strings.Contains(page, "did not succeed") {
		t.Error("the end of a sign-in is called a sign-in that failed")
	}
}

func TestAppThatWasSwitchedOffEndsTheSignIn(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	v.p.kill("")
	v.p.refuse("invalid_client")
	if page := v.do("GET", "/").body; !strings.Contains(page, "This app has been switched off.") || strings.Contains(page, "alice@acme.test") {
		t.Error("the page does not say that the app was switched off")
	}
	if page := v.do("GET", "/").body; !strings.Contains(page, `href="/start"`) || strings.Contains(page, "switched off") {
		t.Error("the sign-in is not over")
	}
}

func TestServerThatRefusesForNowEndsNothing(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	v.p.kill("access")
	v.p.refuse("temporarily_unavailable")
	if !v.signedIn() {
		t.Error("a server that is busy ended the sign-in")
	}
	v.p.refuse("")
	if !v.signedIn() {
		t.Error("the sign-in did not come back")
	}
}

func TestAuthorizationServerThatIsAwayAtSignIn(t *testing.T) {
	v := newVisitor(t)
	v.p.server.Close()
	if got := v.do("GET", "/start"); got.status != 303 || got.header.Get("Location") != "/" {
		t.Fatalf("start = %d", got.status)
	}
	if page := v.do("GET", "/").body; !strings.Contains(page, "temporarily_unavailable") {
		t.Error("the page does not say what is wrong")
	}
}
