package introspect_test

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// warmCheck asks until nobody is asked any more.
func (w *world) warmCheck(s string) {
	w.t.Helper()
	w.check(introspect.Ask{Token: s})
	before := w.statements.Load()
	if h := w.check(introspect.Ask{Token: s}); !h.Active || w.statements.Load() != before {
		w.t.Fatalf("not remembered: %+v, %d statements", h, w.statements.Load()-before)
	}
}

func onEachEngineWithOwnAPI(t *testing.T, test func(t *testing.T, w *world)) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		w.resourceServer("own-api", func(*storage.ResourceServer) {})
		test(t, w)
	})
}

// What the deployment's own API knows of a key does not outlive the key's kill.
func TestNothingTheOwnAPIRemembersOutlivesAKeysKill(t *testing.T) {
	for name, kill := range keyKills {
		t.Run(name, func(t *testing.T) {
			onEachEngineWithOwnAPI(t, func(t *testing.T, w *world) {
				s := w.key(throughAnApp(w))
				w.warmCheck(s)
				kill(w, s)
				for range 2 {
					if h := w.check(introspect.Ask{Token: s}); h.Active {
						t.Errorf("active: %+v", h)
					}
				}
			})
		})
	}
}

// The same of people's tokens.
func TestNothingTheOwnAPIRemembersOutlivesATokensKill(t *testing.T) {
	for name, kill := range kills {
		t.Run(name, func(t *testing.T) {
			onEachEngineWithOwnAPI(t, func(t *testing.T, w *world) {
				s := w.issueBound()
				w.warmCheck(s)
				kill(w, s)
				if h := w.check(introspect.Ask{Token: s}); h.Active {
					t.Errorf("active: %+v", h)
				}
			})
		})
	}
}

// What they may is decided on every call: by the role, the address and the clock.
func TestTheOwnAPIDecidesOnEveryCall(t *testing.T) {
	onEachEngineWithOwnAPI(t, func(t *testing.T, w *world) {
		s := w.key(func(k *storage.APIKey) { k.AllowedIPs, k.ExpiresAt = []string{"192.0.2.0/24"}, start.Add(time.Hour) })
		here := introspect.Ask{Token: s, IP: "192.0.2.1"}
		if h := w.check(here); !h.Active || len(h.Scopes) != 2 {
			t.Fatalf("%+v", h)
		}
		if h := w.check(introspect.Ask{Token: s, IP: "198.51.100.1"}); h.Active {
			t.Errorf("from elsewhere: %+v", h)
		}
		w.changeUser(func(u *storage.User) { u.Role = storage.RoleViewer })
		if h := w.check(here); len(h.Scopes) != 1 || h.Key.UserInfo.Role != storage.RoleViewer {
			t.Errorf("of a viewer: %+v", h)
		}
		w.clock = start.Add(time.Hour)
		before := w.statements.Load()
		if h := w.check(here); h.Active || w.statements.Load() != before {
			t.Errorf("after its end: %+v", h)
		}
	})
}

// A disabled own API is found out, too.
func TestTheOwnAPIIsNotRememberedLongerThanItIsThere(t *testing.T) {
	w := ownWorld(t)
	s := w.key()
	w.warmCheck(s)
	rs, err := w.store.ResourceServer(t.Context(), "own-api")
	must(t, err)
	rs.DisabledAt = start
	must(t, w.store.UpdateResourceServer(t.Context(), rs, event("resource_server.disabled")))
	if h, err := w.server.Check(t.Context(), "own-api", introspect.Ask{Token: s}); err == nil {
		t.Errorf("%+v", h)
	}
}
