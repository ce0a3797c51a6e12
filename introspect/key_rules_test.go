package introspect_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// calls are where a call came from, and whether a key that is for 192.0.2.0/24 and
// 2001:db8::/32 is good for it.
var calls = map[string]bool{
	"192.0.2.7":            true,
	"::ffff:192.0.2.7":     true, // the same address
	"2001:db8::1":          true,
	"2001:db8:ffff::1%en0": true,
	"2001:DB8::1":          true,
	"192.0.3.7":            false,
	"2001:db9::1":          false,
	"":                     false,
	"192.0.2.7:443":        false,
	"192.0.2.07":           false,
	"192.0.2.7, 192.0.2.8": false,
	"192.0.2":              false,
	"192.0.2.7/32":         false,
	"[2001:db8::1]":        false,
	"localhost":            false,
	" 192.0.2.7":           false,
	"192.0.2.7 ":           false,
	"3221225991":           false,
	"::192.0.2.7":          false,
	"192.0.2.0/24":         false,
}

func listed(cidrs ...string) func(*storage.APIKey) {
	return func(k *storage.APIKey) { k.AllowedIPs = cidrs }
}

func profiled(name string) func(*storage.APIKey) {
	return func(k *storage.APIKey) { k.Profile = name }
}

// AK: a key is used from where it may be, and from nowhere else, whether the answer
// is read, or remembered, or given the quick way.
func TestAttackKeyFromAnotherAddress(t *testing.T) {
	for _, warmed := range []bool{false, true} {
		for ip, want := range calls {
			w := keyWorld(t)
			s := w.key(listed("192.0.2.0/24", "2001:db8::/32"))
			if warmed {
				w.warm(url.Values{"token": {s}, "ip": {"192.0.2.1"}})
			}
			form := url.Values{"token": {s}, "ip": {ip}}
			for range 2 {
				for way, rec := range map[string]*httptest.ResponseRecorder{
					"quick": w.ask(form), "usual": w.slowly(formRequest(plainBasic("demo-api:"+secret), form.Encode())),
				} {
					if got := strings.Contains(rec.Body.String(), isActive); rec.Code != 200 || got != want || !got && rec.Body.String() != inactive {
						t.Errorf("%q, %s, warm %v: %s", ip, way, warmed, rec.Body)
					}
				}
			}
			if body := w.ask(tok(s)).Body.String(); body != inactive {
				t.Errorf("an address that was not told: %s", body)
			}
		}
	}
}

// A wrong address costs no statement when the key is remembered, and takes nothing
// from those who come from the right one.
func TestWrongAddressLeavesTheAnswerRemembered(t *testing.T) {
	w := keyWorld(t)
	s := w.key(listed("192.0.2.0/24"))
	here := url.Values{"token": {s}, "ip": {"192.0.2.1"}}
	w.expect(url.Values{"token": {s}, "ip": {"198.51.100.1"}}, inactive, 1)
	w.warm(here)
	w.expect(url.Values{"token": {s}, "ip": {"198.51.100.1"}}, inactive, 0)
	w.expect(here, isActive, 0)
}

// A list of which nothing can be read lets nobody in.
func TestAllowListThatCannotBeRead(t *testing.T) {
	w := keyWorld(t)
	s := w.key(listed("office"))
	w.expect(url.Values{"token": {s}, "ip": {"192.0.2.1"}}, inactive, 1)
}

func TestAttackKeyOverPlainHTTP(t *testing.T) {
	w := keyWorld(t)
	s := w.key(profiled("https"))
	w.warm(url.Values{"token": {s}, "proto": {"https"}})
	for proto, want := range map[string]bool{"https": true, "HTTPS": true, "http": false, "": false, "https,http": false, "h2": false, "ttps": false} {
		form := url.Values{"token": {s}, "proto": {proto}}
		for way, rec := range map[string]*httptest.ResponseRecorder{
			"quick": w.ask(form), "usual": w.slowly(formRequest(plainBasic("demo-api:"+secret), form.Encode())),
		} {
			if got := strings.Contains(rec.Body.String(), isActive); got != want {
				t.Errorf("%q, %s: %s", proto, way, rec.Body)
			}
		}
	}
	w.expect(tok(s), inactive, 0)
}

// No token, and no key without rules, is asked where its call came from.
func TestOthersAreGoodFromAnywhere(t *testing.T) {
	w := keyWorld(t)
	for _, s := range []string{w.issueBound(), w.key()} {
		w.expect(tok(s), isActive, 1)
		for _, ip := range []string{"", "192.0.2.1", "nowhere"} {
			w.expect(url.Values{"token": {s}, "ip": {ip}, "proto": {"http"}}, isActive, 0)
		}
	}
}

// RL-02, RL-03: over its rate a key is answered 429, the first time and from memory,
// the quick way and the usual one, and each active answer takes exactly one.
func TestAttackKeyOverItsRate(t *testing.T) {
	for name, ways := range map[string][3]func(*world, string) *httptest.ResponseRecorder{
		"cold":  {usually, usually, usually},
		"quick": {quickly, quickly, quickly},
		"both":  {usually, quickly, usually},
		"other": {quickly, usually, quickly},
	} {
		w := keyWorld(t)
		s := w.key(profiled("slow"))
		other := w.key(profiled("slow"))
		for n, want := range []int{200, 200, 429} {
			if rec := ways[n](w, s); rec.Code != want {
				t.Errorf("%s: %d: %d %s", name, n, rec.Code, rec.Body)
			}
		}
		if rec := ways[2](w, other); rec.Code != 200 {
			t.Errorf("%s: another key: %d", name, rec.Code)
		}
		w.clock = start.Add(30 * time.Minute)
		for n, want := range []int{200, 429} {
			if rec := ways[n](w, s); rec.Code != want {
				t.Errorf("%s: later, %d: %d %s", name, n, rec.Code, rec.Body)
			}
		}
	}
}

func usually(w *world, s string) *httptest.ResponseRecorder {
	return w.slowly(formRequest(plainBasic("demo-api:"+secret), "token="+s))
}

func quickly(w *world, s string) *httptest.ResponseRecorder { return w.ask(tok(s)) }

// The headers are those of the key's rate, and of nothing else.
func TestKeyOverItsRateOnTheWire(t *testing.T) {
	w := keyWorld(t)
	s := w.key(profiled("slow"))
	w.ask(tok(s))
	if h := w.ask(tok(s)).Header(); h.Get("RateLimit") != "" {
		t.Errorf("an answer says %v", h)
	}
	rec := w.ask(tok(s))
	after, err := strconv.Atoi(rec.Header().Get("Retry-After"))
	if err != nil || after < 1800 || after > 1802 {
		t.Errorf("Retry-After: %q", rec.Header().Get("Retry-After"))
	}
	got := map[string]string{}
	for _, name := range []string{"RateLimit-Policy", "RateLimit", "WWW-Authenticate"} {
		got[name] = rec.Header().Get(name)
	}
	if d := cmp.Diff(map[string]string{
		"RateLimit-Policy": `"key";q=2;w=3600`, "RateLimit": `"key";r=0;t=` + strconv.Itoa(after), "WWW-Authenticate": "",
	}, got); d != "" {
		t.Error(d)
	}
	if body := rec.Body.String(); !strings.Contains(body, `"error":"slow_down"`) || strings.Contains(body, "active") {
		t.Error(body)
	}
}

// A key that is over its rate uses up nobody's quota but its own, and what is not
// active takes nothing from its rate.
func TestKeyOverItsRateLeavesTheAskersQuota(t *testing.T) {
	w := newWorld(t)
	cfg, _ := w.withKeys(nil)
	reg := prometheus.NewRegistry()
	cfg.Limits, cfg.Registerer = introspect.Limits{PerSecond: 10}, reg
	w.remember(cfg)
	s, plain := w.key(profiled("slow"), listed("192.0.2.0/24")), w.key()
	there := func() *httptest.ResponseRecorder {
		return w.ask(url.Values{"token": {s}, "ip": {"192.0.2.1"}})
	}
	w.ask(url.Values{"token": {s}, "ip": {"198.51.100.1"}}) // 1 of 10
	there()                                                 // 2
	there()                                                 // 3
	for range 50 {
		if rec := there(); rec.Code != http.StatusTooManyRequests || !strings.Contains(rec.Header().Get("RateLimit-Policy"), `"key"`) {
			t.Fatalf("%d %v", rec.Code, rec.Header())
		}
	}
	for n := range 7 {
		if rec := w.ask(tok(plain)); rec.Code != 200 {
			t.Fatalf("question %d: %d %s", n+4, rec.Code, rec.Body)
		}
	}
	if rec := w.ask(tok(plain)); rec.Code != http.StatusTooManyRequests || !strings.Contains(rec.Header().Get("RateLimit-Policy"), `"introspection"`) {
		t.Errorf("the eleventh: %d %v", rec.Code, rec.Header())
	}
	for result, want := range map[string]float64{"key_limited": 50, "limited": 1} {
		if n := value(t, reg, "watchgate_introspection_answers_total", result); n != want {
			t.Errorf("%s: %v, want %v", result, n, want)
		}
	}
}

// Where each question costs a statement, one about a key over its rate is a question
// like any other: or else one such key would be free to ask about.
func TestKeyOverItsRateIsNotFreeWhenItCostsAStatement(t *testing.T) {
	w := newWorld(t)
	cfg, _ := w.withKeys(nil)
	cfg.Limits = introspect.Limits{PerSecond: 5}
	w.mount(cfg)
	s := w.key(profiled("slow"))
	before := w.statements.Load()
	for range 50 {
		w.ask(tok(s))
	}
	if n := w.statements.Load() - before; n != 5 {
		t.Errorf("%d statements, want 5", n)
	}
}

// The list and the rate of a key are no part of the answer, so that they cannot be
// read out of it.
func TestRulesAreNotInTheAnswer(t *testing.T) {
	w := keyWorld(t)
	s := w.key(listed("192.0.2.0/24"), profiled("slow"))
	if body := w.ask(url.Values{"token": {s}, "ip": {"192.0.2.1"}}).Body.String(); !strings.Contains(body, isActive) || strings.Contains(body, "192.0.2") {
		t.Error(body)
	}
}
