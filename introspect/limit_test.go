package introspect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// limited is a world with these limits.
func limited(t *testing.T, l introspect.Limits) *world {
	w := newWorld(t)
	w.mount(introspect.Config{Store: w.store, Limits: l})
	return w
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

// throttled checks the whole of a 429.
func (w *world) throttled(rec *httptest.ResponseRecorder, policy string) {
	w.t.Helper()
	h := rec.Header()
	const want = `{"error":"slow_down","error_description":"Too many requests. Try again in a moment."}`
	if rec.Code != 429 || rec.Body.String() != want || h.Get("Cache-Control") != "no-store" || h.Get("RateLimit-Policy") != policy {
		w.t.Errorf("%d %s %v", rec.Code, rec.Body, h)
	}
	name, _, _ := cut(policy)
	m := regexp.MustCompile(`^` + name + `;r=0;t=(\d+)$`).FindStringSubmatch(h.Get("RateLimit"))
	after, err := strconv.Atoi(h.Get("Retry-After"))
	if m == nil || err != nil || strconv.Itoa(after) != m[1] || after < 1 {
		w.t.Errorf("RateLimit %q, Retry-After %q", h.Get("RateLimit"), h.Get("Retry-After"))
	}
}

// cut takes a policy apart.
func cut(policy string) (name, q, window string) {
	m := regexp.MustCompile(`^("[^"]+");q=(\d+);w=(\d+)$`).FindStringSubmatch(policy)
	return m[1], m[2], m[3]
}

const perCaller = `"introspection";q=10;w=1`

// RL-01, RL-02, IN-11: each question takes one, and another caller's take none.
func TestQuotaOfAResourceServer(t *testing.T) {
	w := limited(t, introspect.Limits{PerSecond: 10})
	w.resourceServer("other-api", func(*storage.ResourceServer) {})
	forms := []url.Values{tok(w.issue(plain)), tok("garbage"), tok(token.New(token.Access, start.Add(time.Hour))), {}}
	for second := range 3 {
		for n := range 10 {
			rec := w.ask(forms[n%4])
			want := ""
			if left := 9 - n; left < 5 {
				want = fmt.Sprintf(`"introspection";r=%d;t=1`, left)
			}
			if h := rec.Header(); rec.Code == 429 || h.Get("RateLimit") != want || (h.Get("RateLimit-Policy") != "") != (want != "") {
				t.Errorf("second %d, question %d: %d %v, want %s", second, n, rec.Code, h, want)
			}
		}
		before := w.statements.Load()
		for _, form := range forms {
			w.throttled(w.ask(form), perCaller)
		}
		if n := w.statements.Load() - before; n != 0 {
			t.Errorf("%d statements for refused questions", n)
		}
		if rec := w.ask(tok("garbage"), as("other-api", secret)); rec.Code != 200 {
			t.Errorf("another caller: %d", rec.Code)
		}
		w.clock = w.clock.Add(time.Second)
	}
}

// Who knows a resource server's name, which is no secret, cannot spend its quota.
func TestAttackStrangerSpendsAQuota(t *testing.T) {
	w := limited(t, introspect.Limits{PerSecond: 5})
	s := w.issue(plain)
	for range 50 {
		if rec := w.ask(tok(s), as("demo-api", "guess")); rec.Code != 401 {
			t.Fatalf("%d", rec.Code)
		}
	}
	for range 5 {
		if rec := w.ask(tok(s)); rec.Code != 200 {
			t.Fatalf("%d", rec.Code)
		}
	}
	w.throttled(w.ask(tok(s)), `"introspection";q=5;w=1`)
	if rec := w.ask(tok(s), as("demo-api", "guess")); rec.Code != 401 {
		t.Errorf("a stranger learns that the quota is used up: %d", rec.Code)
	}
}

const perAddress = `"introspection-failures";q=4;w=2`

var fewFailures = introspect.Limits{FailuresPerSecond: 2, FailureBurst: 4}

// RL-01, RL-10: who guesses from one address is not heard, and costs no query.
func TestAttackFloodOfWrongCredentials(t *testing.T) {
	w := limited(t, fewFailures)
	s := w.issue(plain)
	for place, c := range map[string]struct{ one, same, other string }{
		"IPv4": {"198.51.100.7:1", "198.51.100.7:2", "198.51.100.8:1"},
		"IPv6": {"[2001:db8:1:2::3]:1", "[2001:db8:1:2:ffff::1]:1", "[2001:db8:1:3::3]:1"},
	} {
		for i := range 4 {
			if rec := w.ask(tok(s), as(fmt.Sprint("guess-", i), "x"), from(c.one)); rec.Code != 401 {
				t.Errorf("%s: %d: %d", place, i, rec.Code)
			}
		}
		before := w.statements.Load()
		for _, form := range []url.Values{tok(s), tok("garbage")} {
			w.throttled(w.ask(form, as("demo-api", "x"), from(c.same)), perAddress)
			w.throttled(w.ask(form, as("nobody", "x"), from(c.one)), perAddress)
		}
		if n := w.statements.Load() - before; n != 0 {
			t.Errorf("%s: %d statements", place, n)
		}
		if rec := w.ask(tok(s), as("nobody", "x"), from(c.other)); rec.Code != 401 {
			t.Errorf("%s: another address: %d", place, rec.Code)
		}
	}
	w.clock = w.clock.Add(500 * time.Millisecond)
	if rec := w.ask(tok(s), as("nobody", "x"), from("198.51.100.7:1")); rec.Code != 401 {
		t.Errorf("half a second later, one more: %d", rec.Code)
	}
	w.throttled(w.ask(tok(s), as("nobody", "x"), from("198.51.100.7:1")), perAddress)
}

// Attack: a stranger behind the same address keeps failing. Resource servers that
// were there today notice nothing.
func TestAttackLockOutOfAResourceServerBehindTheSameAddress(t *testing.T) {
	w := limited(t, fewFailures)
	w.resourceServer("late-api", func(*storage.ResourceServer) {})
	s := w.issue(func(a *storage.AccessToken) { a.ExpiresAt = start.Add(24 * time.Hour) })
	w.ask(tok(s))
	for range 3 {
		for range 10 {
			w.ask(tok(s), as("demo-api", "x"))
		}
		for _, form := range []url.Values{tok(s), tok("garbage")} {
			if rec := w.ask(form); rec.Code != 200 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		}
		w.throttled(w.ask(tok(s), as("late-api", secret)), perAddress)
		w.clock = w.clock.Add(7 * time.Hour)
	}
	if rec := w.ask(tok(s), as("late-api", secret)); rec.Code != 200 {
		t.Errorf("when the stranger rests: %d", rec.Code)
	}
}

// Credentials that were good are heard once more, and are like any others then.
func TestAttackWithdrawnCredentialsAreHeardOnce(t *testing.T) {
	w := limited(t, fewFailures)
	w.resourceServer("old-api", func(rs *storage.ResourceServer) { rs.Secrets[0].ExpiresAt = start.Add(time.Minute) })
	s := w.issue(plain)
	if rec := w.ask(tok(s), as("old-api", secret)); rec.Code != 200 {
		t.Fatalf("%d", rec.Code)
	}
	w.clock = w.clock.Add(time.Minute)
	for range 4 {
		w.ask(tok(s), as("nobody", "x"))
	}
	if rec := w.ask(tok(s), as("old-api", secret)); rec.Code != 401 {
		t.Errorf("first: %d", rec.Code)
	}
	w.throttled(w.ask(tok(s), as("old-api", secret)), perAddress)
}

func TestGoodCredentialsAreNotCountedAsFailures(t *testing.T) {
	w := limited(t, fewFailures)
	for i := range 20 {
		id := storage.ResourceServerID(fmt.Sprint("api-", i))
		w.resourceServer(id, func(*storage.ResourceServer) {})
		if rec := w.ask(tok("garbage"), as(string(id), secret)); rec.Code != 200 {
			t.Errorf("%s: %d", id, rec.Code)
		}
	}
}

// A proxy that hides everybody's address makes them one stranger to nobody.
func TestUnknownAddressIsNotLimited(t *testing.T) {
	w := limited(t, fewFailures)
	for range 20 {
		if rec := w.ask(tok("garbage"), as("nobody", "x"), from("@")); rec.Code != 401 {
			t.Errorf("%d", rec.Code)
		}
	}
}

// Attack 114: limits hold, and lock nobody out, while the store is away.
func TestAttackLimitsWhileTheStoreIsAway(t *testing.T) {
	w := limited(t, introspect.Limits{PerSecond: 10, FailuresPerSecond: 2, FailureBurst: 4})
	for range 10 {
		w.ask(tok("garbage"))
	}
	for range 4 {
		w.ask(tok("garbage"), as("nobody", "x"))
	}
	must(t, w.store.Close())
	w.throttled(w.ask(tok("garbage")), perCaller)
	w.throttled(w.ask(tok("garbage"), as("nobody", "x")), perAddress)
	w.clock = w.clock.Add(3 * time.Second)
	if rec := w.ask(tok("garbage")); rec.Code != 200 {
		t.Errorf("what needs no store: %d", rec.Code)
	}
	for range 20 { // whose credentials cannot be checked has not failed
		if rec := w.ask(tok("garbage"), as("nobody", "x")); rec.Code != 503 {
			t.Errorf("what does: %d", rec.Code)
		}
	}
}

// RL-09: an operator who corrects the clock locks nobody out.
func TestClockThatIsSetBackLocksNobodyOut(t *testing.T) {
	w := limited(t, introspect.Limits{PerSecond: 10, FailuresPerSecond: 2, FailureBurst: 4})
	s := w.issue(plain)
	for range 11 {
		w.ask(tok(s))
		w.ask(tok(s), as("nobody", "x"))
	}
	w.clock = w.clock.Add(-time.Hour)
	if rec := w.ask(tok(s), as("nobody", "x")); rec.Code != 401 {
		t.Errorf("by address: %d", rec.Code)
	}
	if rec := w.ask(tok("garbage")); rec.Code != 200 {
		t.Errorf("by caller: %d %s", rec.Code, rec.Body)
	}
}

// RL-04: those who are refused in one moment are not all told to come back in the
// same one, and nobody is told to come back too early.
func TestThoseWhoWaitComeBackAtDifferentTimes(t *testing.T) {
	w := limited(t, introspect.Limits{PerSecond: 1})
	w.ask(tok("garbage"))
	told := map[string]bool{}
	for range 200 {
		told[w.ask(tok("garbage")).Header().Get("Retry-After")] = true
	}
	if len(told) != 3 || !told["1"] || !told["2"] || !told["3"] {
		t.Errorf("%v", told)
	}
}

func TestNoLimitsUnlessAskedFor(t *testing.T) {
	w := newWorld(t)
	for range 200 {
		if rec := w.ask(tok("garbage")); rec.Code != 200 || rec.Header().Get("RateLimit") != "" {
			t.Fatalf("%d %v", rec.Code, rec.Header())
		}
		if rec := w.ask(tok("garbage"), as("nobody", "x")); rec.Code != 401 {
			t.Fatalf("%d", rec.Code)
		}
	}
}

// Answers from memory are counted like all others: five without a header, which
// is how the quick way answers, five with one, and no more.
func TestQuotaHoldsForAnswersFromMemory(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store, Limits: introspect.Limits{PerSecond: 10}})
	s := w.issueBound()
	w.ask(tok(s))
	for range 2 {
		w.clock = w.clock.Add(time.Second)
		before := w.statements.Load()
		for n := range 10 {
			rec := w.ask(tok(s))
			if told := rec.Header().Get("RateLimit") != ""; rec.Code != 200 || told != (n >= 5) {
				t.Errorf("question %d: %d %v", n, rec.Code, rec.Header())
			}
		}
		w.throttled(w.ask(tok(s)), perCaller)
		if n := w.statements.Load() - before; n != 0 {
			t.Errorf("%d statements: not from memory", n)
		}
	}
}

// Who asks too often and who guesses are two things to an operator.
func TestQuotaAndThrottlingAreCountedApart(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWorld(t)
	w.mount(introspect.Config{Store: w.store, Registerer: reg, Limits: introspect.Limits{PerSecond: 2, FailuresPerSecond: 2, FailureBurst: 4}})
	s := w.issue(plain)
	for range 5 {
		w.ask(tok(s))
	}
	for range 3 {
		w.forward(acmeReads, s)
	}
	for range 9 {
		w.ask(tok(s), as("nobody", "x"))
	}
	w.forwardAs("GET", acmeReads, s, "X-Watchgate-Authorization", basic("nobody", "x"))
	for result, want := range map[string]float64{"limited": 6, "throttled": 6, "refused": 4, "miss": 2, "unavailable": 0} {
		if got := value(t, reg, "watchgate_introspection_answers_total", result); got != want {
			t.Errorf("%s: %v, want %v", result, got, want)
		}
	}
}
