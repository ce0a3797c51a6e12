package idp_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/storage"
)

func (h *house) sessionCookie(slug string) string {
	return "__Host-wg_session_" + string(h.tenants[slug])
}

func TestCookiesOnHTTPS(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	set := b.get(back).Result().Cookies()
	if len(set) != 2 {
		t.Fatalf("%d cookies, want session and browser", len(set))
	}
	for _, c := range set {
		if !strings.HasPrefix(c.Name, "__Host-wg_") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
			t.Errorf("%s", c)
		}
	}
}

func TestCookiesOnPlainHTTP(t *testing.T) {
	h := newHouseAt(t, "http://127.0.0.1:8080")
	set := h.browserAt("http://127.0.0.1:8080").get("/start").Result().Cookies()
	if len(set) != 1 || !strings.HasPrefix(set[0].Name, "wg_login_log_") || set[0].Secure || !set[0].HttpOnly || set[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("%v", set)
	}
}

func TestHandleIsStoredAsItsHash(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	want := sha256.Sum256([]byte(b.cookie(h.sessionCookie("acme"))))
	sessions, err := h.store.SessionsByHandle(t.Context(), [][]byte{want[:]})
	h.must(err)
	if len(sessions) != 1 || sessions[0].UserInfo.Email != "alice@acme.test" {
		t.Errorf("sessions = %+v", sessions)
	}
}

func TestAttackRow101SessionFixation(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	planted := strings.Repeat("A", 43)
	b.setCookie(h.sessionCookie("acme"), planted)
	login := b.open()
	bound := b.cookie(h.binding(login))
	b.get(h.provider(b.toProvider(login, "alice@acme.test"))).location()
	if now := b.cookie(h.binding(login)); b.cookie(h.sessionCookie("acme")) == planted || now == bound || now == "" {
		t.Error("a handle from before the sign-in is still used")
	}
	attacker := h.browser()
	attacker.setCookie(h.sessionCookie("acme"), planted)
	if attacker.signedIn() {
		t.Error("the planted handle is signed in")
	}
}

func TestAttackRow101OldHandleAfterSigningInAgain(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	old := b.cookie(h.sessionCookie("acme"))
	h.request.Prompt = []string{"login"}
	b.get(b.get(h.provider(b.get(b.open()).location())).location())
	if b.cookie(h.sessionCookie("acme")) == old {
		t.Error("the handle did not change")
	}
	h.request.Prompt = nil
	thief := h.browser()
	thief.setCookie(h.sessionCookie("acme"), old)
	if thief.signedIn() {
		t.Error("the old handle still works")
	}
}

// On plain http the cookie without prefix is ours; on https it is anybody's.
func TestAttackCookieWithoutPrefixOnHTTPS(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	thief := h.browser()
	thief.setCookie("wg_session_"+string(h.tenants["acme"]), b.cookie(h.sessionCookie("acme")))
	if thief.signedIn() {
		t.Error("a cookie that any host of the domain can set is read")
	}
}

func TestAttackRow102SessionOfOneTenantDoesNotAnswerForAnother(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	thief := h.browser()
	thief.setCookie(h.sessionCookie("globex"), b.cookie(h.sessionCookie("acme")))
	consent := thief.get(thief.get(thief.open()).location())
	if strings.Contains(consent.text(), "Globex") {
		t.Errorf("page = %s", consent.text())
	}
	h.request.LoginHint = "carol@globex.test"
	if to := thief.get(thief.open()).location(); !strings.HasPrefix(to, h.op["globex"].Issuer) {
		t.Errorf("to %q: globex must sign its people in itself", to)
	}
}

func TestAttackRow103SessionAfterIdleTime(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	h.clock.Forward(59 * time.Minute)
	if !b.signedIn() { // and this resets the idle time
		t.Fatal("signed out after 59 minutes")
	}
	h.clock.Forward(59 * time.Minute)
	if !b.signedIn() {
		t.Fatal("activity does not reset the idle time")
	}
	h.clock.Forward(61 * time.Minute)
	if b.signedIn() {
		t.Error("signed in after 61 minutes of silence")
	}
}

func TestAttackRow103SessionAfterADay(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	for range 47 {
		h.clock.Forward(30 * time.Minute)
		if !b.signedIn() {
			t.Fatalf("signed out at %v", h.clock.Now())
		}
	}
	h.clock.Forward(30 * time.Minute)
	if b.signedIn() {
		t.Error("activity extends the session past its absolute end")
	}
}

func TestTenantTightensLifetimes(t *testing.T) {
	h := newHouse(t)
	tenant, err := h.store.TenantBySlug(t.Context(), "acme")
	h.must(err)
	tenant.Policy.SessionIdle, tenant.Policy.SessionLifetime = 10*time.Minute, 100*time.Hour
	h.must(h.store.UpdateTenant(t.Context(), tenant, audit.TenantUpdated(t.Context(), h.clock.Now(), tenant)))
	b := h.browser()
	b.signIn("alice@acme.test")
	h.clock.Forward(11 * time.Minute)
	if b.signedIn() {
		t.Error("the tenant's idle time does not count")
	}
	sessions, err := h.store.Tenant(tenant.ID).ListSessions(t.Context(), h.users("acme")[0].ID, h.clock.Now().Add(-11*time.Minute))
	h.must(err)
	if got := sessions[0].ExpiresAt.Sub(sessions[0].CreatedAt); got != 24*time.Hour {
		t.Errorf("a policy made the session longer: %v", got)
	}
}

func TestActivityIsWrittenOnceAMinute(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	seen := func() time.Time {
		hash := sha256.Sum256([]byte(b.cookie(h.sessionCookie("acme"))))
		s, err := h.store.SessionsByHandle(t.Context(), [][]byte{hash[:]})
		h.must(err)
		return s[0].LastSeenAt
	}
	first := seen()
	h.clock.Forward(59 * time.Second)
	b.signedIn()
	if !seen().Equal(first) {
		t.Error("written within the minute")
	}
	h.clock.Forward(time.Second)
	b.signedIn()
	if !seen().Equal(h.clock.Now()) {
		t.Error("not written after a minute")
	}
}

func TestAttackRow103SignedOutCookieReplayed(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	stolen := b.cookie(h.sessionCookie("acme"))
	confirm := b.get("/oauth2/logout")
	if !strings.Contains(confirm.Body.String(), `id="logout-confirm"`) || !strings.Contains(confirm.text(), "alice@acme.test") {
		t.Fatalf("page = %s", confirm.text())
	}
	to, fields := confirm.form()
	if p := b.post(to, fields); p.Code != http.StatusOK || !strings.Contains(p.text(), "Signed out") {
		t.Fatalf("status %d, %s", p.Code, p.text())
	}
	if left := b.cookies(); len(left) != 0 {
		t.Errorf("cookies left: %v", left)
	}
	thief := h.browser()
	thief.setCookie(h.sessionCookie("acme"), stolen)
	if thief.signedIn() {
		t.Error("the cookie works after the sign-out")
	}
	if !slices.Contains(h.events("acme"), "session.ended user") {
		t.Errorf("events = %v", h.events("acme"))
	}
}

func TestAttackForcedSignOut(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	b.get("/oauth2/logout") // <img src>
	_, fields := b.get("/oauth2/logout").form()
	b.postFrom("/oauth2/logout", fields, "cross-site").wants(http.StatusForbidden, "access_denied")
	if to := b.postFrom("/oauth2/logout", nil, "cross-site").location(); to != "/oauth2/logout" {
		t.Errorf("an app's post leads to %q, not to the question", to)
	}
	if to := b.post("/oauth2/logout", url.Values{"csrf": {strings.Repeat("A", 43)}}).location(); to != "/oauth2/logout" {
		t.Errorf("a forged token leads to %q", to)
	}
	other := h.browser()
	other.signIn("alice@acme.test")
	_, theirs := other.get("/oauth2/logout").form()
	b.post("/oauth2/logout", theirs)
	if !b.signedIn() {
		t.Error("signed out without having confirmed")
	}
}

func TestSignOutPageOfSomebodyWhoIsNotSignedIn(t *testing.T) {
	h := newHouse(t)
	if p := h.browser().get("/oauth2/logout"); p.Code != http.StatusOK || !strings.Contains(p.text(), "Signed out") {
		t.Errorf("status %d, %s", p.Code, p.text())
	}
}

func TestTenantsPerBrowserAreLimited(t *testing.T) {
	h := newHouse(t)
	for i := range 8 {
		slug := fmt.Sprintf("tenant%d", i)
		h.op[slug] = optest.New(t, h.clock.Now)
		h.addTenant(slug, h.op[slug])
	}
	h.start(base)
	b := h.browser()
	b.signIn("alice@acme.test")
	oldest := b.cookie(h.sessionCookie("acme"))
	for i := range 8 {
		h.clock.Forward(time.Second)
		b.get(b.get(h.provider(b.toProvider(b.open(), fmt.Sprintf("alice@tenant%d.test", i)))).location())
	}
	if n := len(b.cookies()); n != 16 || slices.Contains(b.cookies(), h.sessionCookie("acme")) {
		t.Errorf("%d cookies, want 8 transactions and 8 sessions without the oldest: %v", n, b.cookies())
	}
	thief := h.browser()
	thief.setCookie(h.sessionCookie("acme"), oldest)
	if thief.signedIn() {
		t.Error("the session that made room is still alive")
	}
}

func TestCookiesThatAreNoHandlesAreIgnored(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.setCookie("__Host-wg_login_log_0", "guessable")
	for i, v := range []string{"x", strings.Repeat("A", 44), strings.Repeat("-", 43), strings.Repeat("A", 3000)} {
		b.setCookie(fmt.Sprintf("__Host-wg_session_ten_%d", i), v)
	}
	login := b.open()
	if v := b.cookie(h.binding(login)); len(v) != 43 {
		t.Errorf("the transaction is bound to %q", v)
	}
	if p := b.get(login); p.Code != http.StatusOK {
		t.Errorf("status %d", p.Code)
	}
}

func TestHandlesAreAtMostSixteen(t *testing.T) {
	h := newHouse(t)
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := range 30 {
		req.AddCookie(&http.Cookie{Name: fmt.Sprintf("__Host-wg_session_ten_%d", i), Value: strings.Repeat("A", 43)})
	}
	if n := len(h.server.Handles(req)); n != 16 {
		t.Errorf("%d handles, want 16", n)
	}
}

func TestManySignInsOfOnePersonAtOnce(t *testing.T) {
	h := newHouse(t)
	const people = 6
	done := make(chan int, people)
	for range people {
		b := h.browser()
		back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
		go func() { done <- b.get(back).Code }()
	}
	for range people {
		if code := <-done; code != http.StatusSeeOther {
			t.Errorf("status %d", code)
		}
	}
	if users := h.users("acme"); len(users) != 1 {
		t.Errorf("%d users for one subject", len(users))
	}
}

var _ storage.Store = (*flaky)(nil)

func TestSomebodySignedInSignsInAtOneMoreOrganization(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	page := b.get("/login")
	for _, link := range []string{`href="/account"`, `href="/login?another=1"`, `href="/oauth2/logout"`} {
		if !strings.Contains(page.Body.String(), link) {
			t.Errorf("no link %s", link)
		}
	}
	to := b.get("/login?another=1").location()
	back := h.provider(b.toProvider(strings.TrimSuffix(to, "/email"), "carol@globex.test"))
	if end := b.get(back).location(); end != "/login" {
		t.Errorf("ends at %q", end)
	}
	if p := b.get("/login"); !strings.Contains(p.text(), "2 organizations") {
		t.Errorf("signed in at: %s", p.text())
	}
}
