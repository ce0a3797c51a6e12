package idp_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTwoTabsDoNotGetInEachOthersWay(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	one, other := b.open(), b.open()
	first, second := h.provider(b.toProvider(one, "alice@acme.test")), h.provider(b.toProvider(other, "carol@globex.test"))
	for _, back := range []string{second, first} {
		if to := b.submit(b.get(b.get(back).location()), "decision", "allow").location(); to != "https://app.example/cb?code=c" {
			t.Errorf("to %q", to)
		}
	}
}

// A form that another site submits to the authorization endpoint comes without
// cookies, and its answer sets some.
func TestAttackCrossSiteRequestTakesABindingAway(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/start", nil))
	b.jar.SetCookies(b.url, w.Result().Cookies())
	if p := b.get(back); p.Code != http.StatusSeeOther {
		t.Errorf("status %d: %s", p.Code, p.text())
	}
}

func TestAttackBindingOfAnotherTransaction(t *testing.T) {
	h := newHouse(t)
	attacker, victim := h.browser(), h.browser()
	theirs, own := attacker.open(), victim.open()
	victim.setCookie(h.binding(theirs), victim.cookie(h.binding(own)))
	victim.get(theirs).wants(http.StatusBadRequest, "other_browser")
}

func TestSignInsUnderWayPerBrowserAreLimited(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	var all []string
	for range 11 {
		h.clock.Forward(time.Second)
		all = append(all, b.open())
	}
	if n := len(b.cookies()); n != 8 {
		t.Errorf("%d cookies, want 8: %v", n, b.cookies())
	}
	for i, login := range all {
		if i < 3 {
			b.get(login).wants(http.StatusBadRequest, "other_browser")
		} else if p := b.get(login); p.Code != http.StatusOK {
			t.Errorf("%d: status %d", i, p.Code)
		}
	}
}

func TestBindingGoesWithItsTransaction(t *testing.T) {
	h := newHouse(t)
	left := func(b *browser) bool {
		return slices.ContainsFunc(b.cookies(), func(name string) bool { return strings.Contains(name, "wg_login_") })
	}
	for _, decision := range []string{"allow", "deny"} {
		b := h.browser()
		consent := b.signIn("alice@acme.test")
		if !left(b) {
			t.Fatal("no binding while the sign-in is under way")
		}
		b.submit(consent, "decision", decision).location()
		if left(b) {
			t.Errorf("%s: cookies %v", decision, b.cookies())
		}
		b.submit(consent, "decision", decision).wants(http.StatusBadRequest, "already_used")
	}
	b := h.browser()
	login := b.get("/login?return_to=/oauth2/logout").location()
	b.get(h.provider(b.toProvider(login, "alice@acme.test"))).location()
	if left(b) {
		t.Errorf("own pages: cookies %v", b.cookies())
	}
}

func TestAttackHeadApproves(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	b.signIn("alice@acme.test")
	h.engine.ask = false
	login := b.open()
	b.get(login).location() // to the consent step, which now asks nothing
	for _, path := range []string{login, "/start", "/login", "/oauth2/logout"} {
		p := b.do(httptest.NewRequest(http.MethodHead, path, nil))
		if p.Code != http.StatusMethodNotAllowed || strings.Contains(p.Header().Get("Allow"), "HEAD") || len(p.Result().Cookies()) != 0 {
			t.Errorf("HEAD %s: status %d, %v", path, p.Code, p.Header())
		}
	}
	if len(h.engine.approved) != 0 {
		t.Error("a HEAD request issued a code")
	}
}
