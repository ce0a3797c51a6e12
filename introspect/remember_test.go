package introspect_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// onEachEngine runs a test on a deployment that remembers.
func onEachEngine(t *testing.T, test func(t *testing.T, w *world)) {
	for engine, world := range engines {
		t.Run(engine, func(t *testing.T) {
			w := world(t)
			w.remember(introspect.Config{Store: w.store})
			test(t, w)
		})
	}
}

// engines are the worlds, by what they are on.
var engines = map[string]func(testing.TB) *world{"SQLite": newWorld, "PostgreSQL": newPostgresWorld}

// issueBound issues a token that hangs on everything that a token can hang on.
func (w *world) issueBound() string {
	return w.issue(func(a *storage.AccessToken) { a.Session = w.session.ID })
}

// expect asks and compares status, part of the answer, and statements.
func (w *world) expect(form url.Values, want string, statements int64, edit ...func(*http.Request)) {
	w.t.Helper()
	before := w.statements.Load()
	rec := w.ask(form, edit...)
	if body := rec.Body.String(); !strings.Contains(body, want) || want == inactive && body != inactive {
		w.t.Errorf("%d %s, want %s", rec.Code, body, want)
	}
	if n := w.statements.Load() - before; n != statements {
		w.t.Errorf("%d statements, want %d", n, statements)
	}
}

const (
	isActive = `"active":true`
	refused  = `"error":"invalid_client"`
)

// warm asks twice: the second answer is from memory.
func (w *world) warm(form url.Values, edit ...func(*http.Request)) {
	w.t.Helper()
	w.expect(form, isActive, 1, edit...)
	w.expect(form, isActive, 0, edit...)
}

// A kill that has returned is known: the next answer is "inactive". What is undone
// is undone at once, unless it kills for good.
func TestNothingRememberedOutlivesAKill(t *testing.T) {
	for name, kill := range kills {
		t.Run(name, func(t *testing.T) {
			onEachEngine(t, func(t *testing.T, w *world) {
				s := w.issueBound()
				w.warm(tok(s))
				kill(w, s)
				w.expect(tok(s), inactive, 1)
				w.expect(tok(s), inactive, 1)
				if revive := revivals[name]; revive != nil {
					revive(w)
					if forGood[name] {
						w.expect(tok(s), inactive, 1)
						return
					}
					w.warm(tok(s))
				}
			})
		})
	}
}

// The same of the resource server that asks, and of garbage, about which nothing is
// remembered but who asks.
func TestNothingRememberedOutlivesAnAskersRights(t *testing.T) {
	for name, kill := range map[string]func(*storage.ResourceServer){
		"disabled": func(rs *storage.ResourceServer) { rs.DisabledAt = start },
		"secret rotated": func(rs *storage.ResourceServer) {
			rs.Secrets = []storage.Secret{token.Seal("next", start, time.Time{})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachEngine(t, func(t *testing.T, w *world) {
				s := w.issueBound()
				w.warm(tok(s))
				w.expect(tok("garbage"), inactive, 0)
				w.changeAPI(kill)
				for _, form := range []url.Values{tok(s), tok("garbage"), {}} {
					if rec := w.ask(form); rec.Code != 401 || !strings.Contains(rec.Body.String(), refused) {
						t.Errorf("%v: %d %s", form, rec.Code, rec.Body)
					}
				}
				w.changeAPI(func(rs *storage.ResourceServer) {
					rs.DisabledAt, rs.Secrets = time.Time{}, []storage.Secret{token.Seal(secret, start, time.Time{})}
				})
				w.warm(tok(s))
			})
		})
	}
}

func TestScopesOfAResourceServerAreNeverStale(t *testing.T) {
	onEachEngine(t, func(t *testing.T, w *world) {
		s := w.issueBound()
		reads := url.Values{"token": {s}, "scope": {"monitor:read"}}
		w.warm(tok(s))
		w.warm(reads)
		w.changeAPI(func(rs *storage.ResourceServer) { rs.Scopes = rs.Scopes[1:] })
		w.expect(tok(s), `"scope":"alert:write"`, 1)
		w.expect(reads, inactive, 1)
		w.changeAPI(func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
		w.refusedElsewhere(tok(s))
	})
}

// What is said about a person is not remembered longer than whether they are
// there.
func TestAnswersAreNeverStale(t *testing.T) {
	onEachEngine(t, func(t *testing.T, w *world) {
		s := w.issueBound()
		w.warm(tok(s))
		w.changeUser(func(u *storage.User) { u.Email = "alice@new.test" })
		w.expect(tok(s), `"username":"alice@new.test"`, 1)
		w.changeTenant(func(t *storage.Tenant) { t.Slug = "acme-corp" })
		w.expect(tok(s), `"tenant":"acme-corp"`, 1)
		w.expect(url.Values{"token": {s}, "tenant": {"acme-corp"}}, isActive, 0)
		w.refusedElsewhere(url.Values{"token": {s}, "tenant": {"acme"}})
	})
}

// A change to one thing leaves what hangs on others alone.
func TestAKillConcernsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store})
	one, other := w.issueBound(), w.issue(func(a *storage.AccessToken) { a.ID, a.Session = "tok_2", "" })
	w.warm(tok(one))
	w.expect(tok(other), isActive, 1)
	kills["session ended"](w, one)
	w.expect(tok(one), inactive, 1)
	w.expect(tok(other), isActive, 0)
}

func TestRememberedAnswersEndWithTheToken(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store})
	s := w.issueBound()
	w.warm(tok(s))
	w.clock = start.Add(time.Hour - time.Millisecond)
	w.expect(tok(s), isActive, 0)
	w.clock = start.Add(time.Hour)
	w.expect(tok(s), inactive, 1) // the token says "before 12:00"
	w.clock = start.Add(90*time.Minute - 1)
	w.expect(tok(s), inactive, 1)
	w.clock = start.Add(90 * time.Minute)
	w.expect(tok(s), inactive, 0)
	w.clock = start
	w.expect(tok(s), isActive, 1)
}

func TestRememberedAnswersEndWithGrantAndSession(t *testing.T) {
	for name, change := range map[string]func(*storage.LiveToken){
		"grant":   func(l *storage.LiveToken) { l.Life.GrantExpiresAt = start.Add(time.Minute) },
		"session": func(l *storage.LiveToken) { l.Life.SessionExpiresAt = start.Add(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.remember(introspect.Config{Store: changed{w.store, change}})
			s := w.issueBound()
			w.warm(tok(s))
			w.clock = start.Add(time.Minute - time.Millisecond)
			w.expect(tok(s), isActive, 0)
			w.clock = start.Add(time.Minute)
			w.expect(tok(s), inactive, 1)
		})
	}
}

// TN-12, from memory.
func TestAttackRememberedTokenOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store})
	s := w.issueBound()
	w.warm(tok(s))
	elsewhere := url.Values{"token": {s}, "tenant": {"globex"}}
	w.refusedElsewhere(elsewhere)
	before := w.statements.Load()
	w.refusedElsewhere(elsewhere) // recorded a moment ago
	w.refusedElsewhere(url.Values{"token": {s}, "tenant": {""}})
	if n := w.statements.Load() - before; n != 0 {
		t.Errorf("%d statements, want 0", n)
	}
	if acme, globex := w.denials(); len(acme) != 1 || acme[0] != "globex by demo-api" || len(globex) != 0 {
		t.Errorf("%v %v", acme, globex)
	}
	for _, tenant := range []string{"acme", string(w.acme.ID)} {
		w.expect(url.Values{"token": {s}, "tenant": {tenant}}, `"tenant":"acme"`, 0)
	}
}

// Each resource server, and each need, has an answer of its own.
func TestAnswersAreRememberedForWhoeverAsked(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store})
	w.resourceServer("small-api", func(rs *storage.ResourceServer) { rs.Scopes = rs.Scopes[:1] })
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	s := w.issue(func(a *storage.AccessToken) { a.Audience = []string{audience} })
	w.resourceServer("other-api", func(rs *storage.ResourceServer) { rs.Audience = "https://other.example.com" })
	for range 2 {
		for scope, want := range map[string]string{"": "monitor:read alert:write", "alert:write": "alert:write"} {
			if body := w.ask(url.Values{"token": {s}, "scope": {scope}}).Body.String(); !strings.Contains(body, `"scope":"`+want+`"`) {
				t.Errorf("%q: %s", scope, body)
			}
		}
		if body := w.ask(tok(s), as("small-api", secret)).Body.String(); !strings.Contains(body, `"scope":"monitor:read"`) {
			t.Error(body)
		}
		for _, form := range []url.Values{{"token": {s}, "scope": {"openid"}}, {"token": {s}, "scope": {"monitor"}}} {
			if body := w.ask(form).Body.String(); body != inactive {
				t.Errorf("%v: %s", form, body)
			}
		}
		for _, rs := range []string{"other-api", "globex-api"} {
			if body := w.ask(tok(s), as(rs, secret)).Body.String(); body != inactive {
				t.Errorf("%s: %s", rs, body)
			}
		}
	}
}

// A wrong secret is wrong, whatever is remembered, and one that is over is over.
func TestRememberedAskersProveThemselvesEveryTime(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store})
	s := w.issueBound()
	w.resourceServer("turning", func(rs *storage.ResourceServer) {
		rs.Secrets = []storage.Secret{token.Seal("old", start, start.Add(time.Minute)), token.Seal("new", start, time.Time{})}
	})
	w.warm(tok(s), as("turning", "old"))
	for _, form := range []url.Values{tok(s), tok("garbage"), {}} {
		if rec := w.ask(form, as("turning", "wrong")); rec.Code != 401 {
			t.Errorf("%v: %d %s", form, rec.Code, rec.Body)
		}
	}
	w.clock = start.Add(time.Minute)
	for _, form := range []url.Values{tok(s), tok("garbage")} {
		if rec := w.ask(form, as("turning", "old")); rec.Code != 401 {
			t.Errorf("%v: %d %s", form, rec.Code, rec.Body)
		}
	}
	w.expect(tok(s), isActive, 0, as("turning", "new"))
}

func TestGarbageCostsNoStatementAndNoRoom(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store, Registerer: reg})
	w.expect(tok("garbage"), inactive, 1) // who asks
	for _, s := range []string{
		"garbage", token.New(token.Refresh, start.Add(time.Hour)), token.New(token.Access, start.Add(-time.Hour)), "wgat_garbage",
	} {
		w.expect(tok(s), inactive, 0)
	}
	for range 50 {
		w.expect(tok(token.New(token.Access, start.Add(time.Hour))), inactive, 1)
	}
	if n := value(t, reg, "watchgate_introspection_cache_entries"); n != 0 {
		t.Errorf("%v entries, want 0", n)
	}
}

// Once the node has left, each question costs one statement again.
func TestWithoutALeaseNothingIsTrusted(t *testing.T) {
	onEachEngine(t, func(t *testing.T, w *world) {
		s := w.issueBound()
		w.warm(tok(s))
		w.forget()
		w.expect(tok(s), isActive, 1)
		w.expect(tok(s), isActive, 1)
		w.expect(tok("garbage"), inactive, 0) // the caller was good a moment ago
	})
}

// value sums a metric's values that have the label's value ("" for all).
func value(t *testing.T, reg *prometheus.Registry, name string, label ...string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(label) == 0 || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label[0] {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store, Registerer: reg})
	s := w.issueBound()
	w.warm(tok(s))
	w.expect(tok("garbage"), inactive, 0)
	w.ask(tok(s), as("demo-api", "wrong"))
	w.expect(url.Values{"token": {s}, "tenant": {"acme"}}, isActive, 0)
	for result, want := range map[string]float64{"hit": 2, "miss": 1, "inactive": 1, "refused": 1, "unavailable": 0} {
		if got := value(t, reg, "watchgate_introspection_answers_total", result); got != want {
			t.Errorf("%s: %v, want %v", result, got, want)
		}
	}
	if n := value(t, reg, "watchgate_introspection_cache_bytes"); n < 400 || n > 1000 {
		t.Errorf("%v bytes", n)
	}
}

// Many ask while tokens are revoked: whoever begins after a revocation has
// returned is told so.
func TestAttackAskingWhileRevoking(t *testing.T) {
	onEachEngine(t, func(t *testing.T, w *world) {
		const tokens, askers = 30, 4
		var secrets [tokens]string
		for i := range secrets {
			secrets[i] = w.issueBound()
		}
		var dead [tokens]atomic.Bool
		var left atomic.Int64
		left.Store(tokens)
		var all sync.WaitGroup
		for first := range askers {
			all.Go(func() {
				for n := first; left.Load() > 0; n++ {
					i := n % tokens
					was := dead[i].Load()
					if body := w.ask(tok(secrets[i])).Body.String(); was && body != inactive {
						t.Errorf("active after its revocation: %s", body)
					}
				}
			})
		}
		for i, s := range secrets {
			w.revoke(s)
			dead[i].Store(true)
			left.Add(-1)
		}
		all.Wait()
	})
}
