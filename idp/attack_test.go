package idp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func respond(code string) func(url.Values) {
	return func(p url.Values) { p.Del("code"); p.Set("error", code) }
}

// nobody fails the test if anything was approved or anybody created.
func (h *house) nobody() {
	h.t.Helper()
	if len(h.engine.approved) != 0 || len(h.users("acme")) != 0 || len(h.users("globex")) != 0 {
		h.t.Errorf("approved %v, users %v %v", h.engine.approved, h.users("acme"), h.users("globex"))
	}
}

func TestAttackRow36FramingOfSignInPages(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for _, p := range []page{b.get(b.open()), b.signIn("alice@acme.test"), b.get("/oauth2/logout")} {
		head := p.Header()
		if !strings.Contains(head.Get("Content-Security-Policy"), "frame-ancestors 'none'") || head.Get("X-Frame-Options") != "DENY" ||
			head.Get("Cache-Control") != "no-store" || head.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", p.path, head)
		}
	}
}

func TestAttackRow37CrossSiteConsent(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	to, fields := b.signIn("alice@acme.test").form()
	fields.Set("decision", "allow")
	for _, site := range []string{"cross-site", "same-site"} {
		b.postFrom(to, fields, site).wants(http.StatusForbidden, "access_denied")
	}
	req := httptest.NewRequest(http.MethodPost, to, strings.NewReader(fields.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	b.do(req).wants(http.StatusForbidden, "access_denied")
	if len(h.engine.approved) != 0 {
		t.Error("another site approved in the person's name")
	}
}

func TestAttackRow37ConsentWithoutTheVerifier(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	to, fields := b.signIn("alice@acme.test").form()
	for name, v := range map[string]string{"missing": "", "wrong": strings.Repeat("A", 43)} {
		b.post(to, url.Values{"decision": {"allow"}, "verifier": {v}}).wants(http.StatusBadRequest, "already_used")
		if len(h.engine.approved) != 0 {
			t.Errorf("approved with a verifier that is %s", name)
		}
	}
	fields.Set("decision", "maybe")
	b.post(to, fields).wants(http.StatusBadRequest, "bad_request")
}

func TestAttackRow38ConsentFormEdited(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	to, fields := b.signIn("alice@acme.test").form()
	for name, v := range map[string]string{
		"decision": "allow", "scope": "config:admin", "client_id": "cli", "redirect_uri": "https://evil.example/",
		"tenant": "globex", "transaction": "log_other", "state": "x",
	} {
		fields.Set(name, v)
	}
	if at := b.post(to, fields).location(); at != "https://app.example/cb?code=c" {
		t.Errorf("to %q", at)
	}
	got := h.engine.approved[0]
	if got.request.Client != "app" || strings.Join(got.request.Scopes, " ") != "openid email monitor:read offline_access" || got.session.Tenant.Slug != "acme" {
		t.Errorf("approved %+v", got)
	}
}

func TestAttackRow39CallbackInAnotherBrowser(t *testing.T) {
	h := newHouse(t)
	attacker, victim := h.browser(), h.browser()
	back := h.provider(attacker.toProvider(attacker.open(), "alice@acme.test"))
	victim.get(back).wants(http.StatusBadRequest, "other_browser") // no cookie at all
	victim.open()
	victim.get(back).wants(http.StatusBadRequest, "other_browser") // a cookie of its own
	if h.op["acme"].Seen("/token") != 0 {
		t.Error("the code was redeemed all the same")
	}
	h.nobody()
}

func TestAttackTransactionOfAnotherBrowser(t *testing.T) {
	h := newHouse(t)
	attacker, victim := h.browser(), h.browser()
	login := attacker.open()
	victim.signIn("alice@acme.test")
	for _, path := range []string{login, login + "/email", login + "/tenant"} {
		victim.get(path).wants(http.StatusBadRequest, "other_browser")
	}
	_, fields := attacker.get(login).form()
	fields.Set("email", "alice@acme.test")
	victim.post(login, fields).wants(http.StatusBadRequest, "other_browser")
}

func TestAttackRow40CallbackReplayed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	b.get(back).location()
	b.get(back).wants(http.StatusBadRequest, "already_used")
	b.signIn("alice@acme.test")
	if p := b.get(back); p.Code < 400 { // by now the browser's binding is another one, too
		t.Errorf("status %d", p.Code)
	}
	if n := h.op["acme"].Seen("/token"); n != 2 {
		t.Errorf("%d token requests for two sign-ins", n)
	}
}

func TestAttackCallbackOfAnEarlierTrip(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	first := h.provider(b.toProvider(login, "alice@acme.test"))
	b.toProvider(login, "alice@acme.test")
	b.get(first).wants(http.StatusBadRequest, "already_used")
	h.nobody()
}

func TestAttackCallbackTwiceAtOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	cookies := b.jar.Cookies(b.url)
	codes := make(chan int, 8)
	var wg sync.WaitGroup
	for range cap(codes) {
		wg.Go(func() {
			req := httptest.NewRequest(http.MethodGet, back, nil)
			for _, c := range cookies {
				req.AddCookie(c)
			}
			w := httptest.NewRecorder()
			h.mux.ServeHTTP(w, req)
			codes <- w.Code
		})
	}
	wg.Wait()
	close(codes)
	winners := 0
	for code := range codes {
		if code == http.StatusSeeOther {
			winners++
		} else if code != http.StatusBadRequest {
			t.Errorf("status %d", code)
		}
	}
	if winners != 1 || h.op["acme"].Seen("/token") != 1 {
		t.Errorf("%d winners, %d token requests; want one each", winners, h.op["acme"].Seen("/token"))
	}
}

func TestAttackRow41CallbackOfAnotherConnection(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	b.get(strings.Replace(back, "con_acme", "con_globex", 1)).wants(http.StatusBadRequest, "upstream_invalid")
	if h.op["acme"].Seen("/token")+h.op["globex"].Seen("/token") != 0 {
		t.Error("a token request was made")
	}
	h.nobody()
}

func TestAttackRow41MixUpOfIssuers(t *testing.T) {
	h := newHouse(t)
	h.op["acme"].Response = func(p url.Values) { p.Set("iss", h.op["globex"].Issuer) }
	b := h.browser()
	b.get(h.provider(b.toProvider(b.open(), "alice@acme.test"))).wants(http.StatusBadRequest, "upstream_invalid")
	if h.op["acme"].Seen("/token")+h.op["globex"].Seen("/token") != 0 {
		t.Error("a token request was made")
	}
	h.nobody()
}

func TestAttackMixedUpErrorIsNotActedOn(t *testing.T) {
	h := newHouse(t)
	h.op["acme"].Response = func(p url.Values) { respond("access_denied")(p); p.Set("iss", "https://evil.example") }
	b := h.browser()
	b.get(h.provider(b.toProvider(b.open(), "alice@acme.test"))).wants(http.StatusBadRequest, "upstream_invalid")
	if len(h.engine.refused) != 0 {
		t.Error("the app was told an error of somebody else's provider")
	}
}

func TestAttackRow45AuthenticationIsNotAsNewAsAsked(t *testing.T) {
	minute := int64(60)
	for name, set := range map[string]func(r *storage.AuthorizeRequest){
		"prompt=login": func(r *storage.AuthorizeRequest) { r.Prompt = []string{"login"} },
		"max_age=60":   func(r *storage.AuthorizeRequest) { r.MaxAge = &minute },
	} {
		for lie, bend := range map[string]func(h *house, c map[string]any){
			"old":     func(h *house, c map[string]any) { c["auth_time"] = h.clock.Now().Add(-3 * time.Minute).Unix() },
			"missing": func(_ *house, c map[string]any) { delete(c, "auth_time") },
		} {
			t.Run(name+" "+lie, func(t *testing.T) {
				h := newHouse(t)
				set(&h.request)
				h.op["acme"].Claims = func(c map[string]any) { bend(h, c) }
				b := h.browser()
				b.get(h.provider(b.toProvider(b.open(), "alice@acme.test"))).wants(http.StatusBadRequest, "upstream_stale")
				h.nobody()
			})
		}
	}
}

// Row 52: globex adds a connection to acme's provider; the same subject there
// is another person.
func TestAttackRow52SameIssuerAndSubjectInTwoTenants(t *testing.T) {
	h := newHouse(t)
	h.browser().signIn("alice@acme.test")
	h.change("globex", func(c *storage.Connection) { c.Issuer = h.op["acme"].Issuer })
	h.browser().signIn("carol@globex.test")
	acme, globex := h.users("acme"), h.users("globex")
	if len(acme) != 1 || len(globex) != 1 || acme[0].ID == globex[0].ID {
		t.Errorf("acme %+v, globex %+v", acme, globex)
	}
}

func TestAttackStepSkip(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	_, fields := b.get(login).form()
	fields.Set("decision", "allow")
	b.post(login+"/consent", fields).wants(http.StatusBadRequest, "already_used")
	b.toProvider(login, "alice@acme.test")
	b.post(login+"/consent", fields).wants(http.StatusBadRequest, "already_used")
	h.nobody()
}

func TestAttackStateMadeOfAFormsVerifier(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	_, fields := b.get(login).form()
	state := fields.Get("transaction") + "." + fields.Get("verifier")
	b.get("/login/callback/con_acme?code=c&state="+state).wants(http.StatusBadRequest, "already_used")
	b.toProvider(login, "alice@acme.test")
	_, fields = b.get(login).form()
	state = fields.Get("transaction") + "." + fields.Get("verifier")
	b.get("/login/callback/con_acme?code=c&state="+state).wants(http.StatusBadRequest, "already_used")
	h.nobody()
}

func TestAttackConsentTwice(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	to, fields := b.signIn("alice@acme.test").form()
	fields.Set("decision", "allow")
	cookies := b.jar.Cookies(b.url)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			req := httptest.NewRequest(http.MethodPost, to, strings.NewReader(fields.Encode()))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, c := range cookies {
				req.AddCookie(c)
			}
			h.mux.ServeHTTP(httptest.NewRecorder(), req)
		})
	}
	wg.Wait()
	if len(h.engine.approved) != 1 {
		t.Errorf("%d codes out of one transaction", len(h.engine.approved))
	}
}

func TestAttackConsentOfAnEarlierAccount(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	first := b.get(b.get(h.provider(b.toProvider(login, "alice@acme.test"))).location())
	b.get(b.get(h.provider(b.toProvider(login, "carol@globex.test"))).location())
	b.submit(first, "decision", "allow").wants(http.StatusBadRequest, "already_used")
}

func TestTransactionIsOverAfterTenMinutes(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	consent := b.signIn("alice@acme.test")
	h.clock.Forward(10*time.Minute - time.Second)
	if p := b.get(login); p.Code != http.StatusSeeOther && p.Code != http.StatusBadRequest {
		t.Errorf("status %d a second before the end", p.Code)
	}
	h.clock.Forward(time.Second)
	b.submit(consent, "decision", "allow").wants(http.StatusBadRequest, "session_expired")
	b.get("/login/log_unknown").wants(http.StatusBadRequest, "session_expired")
	b.get("/login/"+strings.Repeat("x", 3000)).wants(http.StatusBadRequest, "session_expired")
}

func TestUnknownDomainAndUnknownPersonLookTheSame(t *testing.T) {
	h := newHouse(t)
	h.browser().signIn("alice@acme.test") // a known person
	answer := func(email string) page {
		b := h.browser()
		return b.submit(b.get(b.open()), "email", email)
	}
	one, other := answer("alice@nowhere.test"), answer("nobody@elsewhere.test")
	one.wants(http.StatusNotFound, "unknown_organization")
	if one.Code != other.Code || one.text() == "" || strip(one) != strip(other) {
		t.Errorf("\n%s\n%s", one.text(), other.text())
	}
	known, unknown := answer("alice@acme.test"), answer("nobody@acme.test")
	strangers := strings.NewReplacer("nobody", "alice")
	for _, p := range []page{known, unknown} {
		u, err := url.Parse(p.location())
		h.must(err)
		if u.Path != "/authorize" || strangers.Replace(u.Query().Get("login_hint")) != "alice@acme.test" {
			t.Errorf("to %q", u)
		}
	}
}

// strip removes the reference, which is different in every page.
func strip(p page) string {
	text := p.text()
	i := strings.Index(text, "Reference")
	return text[:max(i, 0)]
}

func TestMalformedAddressStaysOnThePage(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	login := b.open()
	for email, want := range map[string]string{
		"": "to continue", "alice": "like name@company.com", "@acme.test": "like name@company.com", "a@": "like name@company.com",
		"a@b@acme.test": "like name@company.com", "a b@acme.test": "like name@company.com", "a@acme": "like name@company.com",
		"<script>alert(1)</script>@acme.test": "like name@company.com", "a@" + strings.Repeat("x", 300) + ".test": "like name@company.com",
	} {
		p := b.submit(b.get(login), "email", email)
		if p.Code != http.StatusOK || !strings.Contains(p.text(), want) || strings.Contains(p.Body.String(), "<script>alert") {
			t.Errorf("%q: status %d, %s", email, p.Code, p.text())
		}
	}
}

func TestAddressIsReadAsPeopleWriteIt(t *testing.T) {
	h := newHouse(t)
	for _, email := range []string{" alice@ACME.test ", "Alice@acme.test.", "älice@acme.test"} {
		b := h.browser()
		if to := b.submit(b.get(b.open()), "email", email).location(); !strings.HasPrefix(to, h.op["acme"].Issuer) {
			t.Errorf("%q: to %q", email, to)
		}
	}
}

func TestCallbackThatIsNone(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.open()
	for _, query := range []string{"", "?state=", "?state=x", "?state=.x", "?state=x.", "?state=a.b&state=a.b", "?state=a.b&code=1&code=2", "?state=%zz"} {
		b.get("/login/callback/con_acme"+query).wants(http.StatusBadRequest, "bad_request")
	}
	p := b.post("/login/callback/con_acme", nil)
	if p.Code != http.StatusMethodNotAllowed || p.Header().Get("Allow") != "GET" {
		t.Errorf("POST: status %d, Allow %q", p.Code, p.Header().Get("Allow"))
	}
}

func TestHeadDoesNotUseACallbackUp(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	if p := b.do(httptest.NewRequest(http.MethodHead, back, nil)); p.Code != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: status %d", p.Code)
	}
	b.get(back).location()
}

func TestAttackRow104ReturnToAnotherSite(t *testing.T) {
	h := newHouse(t)
	for _, to := range []string{"//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "/\t/evil.example", "javascript:alert(1)", "\\/evil.example", "/ok\r\nX: y"} {
		b := h.browser()
		login := b.get("/login?return_to=" + url.QueryEscape(to)).location()
		back := h.provider(b.toProvider(login, "alice@acme.test"))
		if at := b.get(back).location(); at != "/login" {
			t.Errorf("return_to %q leads to %q", to, at)
		}
		if p := b.get("/login?return_to=" + url.QueryEscape(to)); p.Code != http.StatusOK || !strings.Contains(p.text(), "You are signed in") {
			t.Errorf("signed in, return_to %q: status %d, %s", to, p.Code, p.text())
		}
	}
}
