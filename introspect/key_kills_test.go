package introspect_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// keyKills are the ways in which a key dies before its time.
var keyKills = map[string]func(*world, string){
	"revoked":          func(w *world, s string) { w.revokeKey(s) },
	"quarantined":      func(w *world, s string) { w.changeKey(s, func(k *storage.APIKey) { k.QuarantinedAt = start }) },
	"ended":            func(w *world, s string) { w.changeKey(s, func(k *storage.APIKey) { k.ExpiresAt = start }) },
	"rotated at once":  func(w *world, s string) { w.rotateKey(s, 0) },
	"owner disabled":   func(w *world, _ string) { kills["user disabled"](w, "") },
	"tenant suspended": func(w *world, _ string) { kills["tenant suspended"](w, "") },
	"tenant suspended, and tokens from before are dead": func(w *world, _ string) {
		w.changeTenant(func(t *storage.Tenant) { t.SuspendedAt, t.TokensNotBefore = start, start.Add(time.Second) })
	},
	"app disabled": func(w *world, _ string) { kills["client disabled"](w, "") },
}

// keyRevivals undo those that can be undone. A key survives a suspension, where
// tokens do not.
var keyRevivals = map[string]func(*world, string){
	"quarantined":      func(w *world, s string) { w.changeKey(s, func(k *storage.APIKey) { k.QuarantinedAt = time.Time{} }) },
	"ended":            func(w *world, s string) { w.changeKey(s, func(k *storage.APIKey) { k.ExpiresAt = time.Time{} }) },
	"owner disabled":   func(w *world, _ string) { revivals["user disabled"](w) },
	"tenant suspended": func(w *world, _ string) { revivals["tenant suspended"](w) },
	"tenant suspended, and tokens from before are dead": func(w *world, _ string) { revivals["tenant suspended"](w) },
	"app disabled": func(w *world, _ string) { revivals["client disabled"](w) },
}

// rotateKey gives a key a successor, and returns it.
func (w *world) rotateKey(s string, grace time.Duration) string {
	w.t.Helper()
	next := keyPrefix + token.NewSecret()
	k := w.stored(s)
	successor := k
	successor.ID, successor.Hash, successor.Version = storage.NewKeyID(start), sha256.Sum256([]byte(next)), 0
	must(w.t, w.store.Tenant(w.acme.ID).RotateKey(context.Background(), storage.RotateKey{
		Old: k.ID, OldVersion: k.Version, At: w.clock, DiesAt: w.clock.Add(grace), Successor: successor,
	}, event("key.rotated")))
	return next
}

// onEachEngineWithKeys is onEachEngine for a deployment that has keys.
func onEachEngineWithKeys(t *testing.T, test func(t *testing.T, w *world)) {
	onEachEngine(t, func(t *testing.T, w *world) {
		w.forget()
		cfg, _ := w.withKeys(parsed(t, monitoring))
		w.remember(cfg)
		test(t, w)
	})
}

func throughAnApp(w *world) func(*storage.APIKey) {
	return func(k *storage.APIKey) { k.Client = w.spa.ID }
}

// A kill that has returned is known: the next answer about the key is "inactive".
// What is undone is undone at once.
func TestNothingRememberedOutlivesAKeysKill(t *testing.T) {
	for name, kill := range keyKills {
		t.Run(name, func(t *testing.T) {
			onEachEngineWithKeys(t, func(t *testing.T, w *world) {
				s := w.key(throughAnApp(w))
				w.warm(tok(s))
				kill(w, s)
				w.expect(tok(s), inactive, 1)
				w.expect(tok(s), inactive, 1)
				if revive := keyRevivals[name]; revive != nil {
					revive(w, s)
					w.warm(tok(s))
				}
			})
		})
	}
}

// A token that was minted under a key dies with the app through which the key was
// made, whoever exchanged it.
func TestTokenUnderAKeyDiesWithTheKeysApp(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		app := w.spa
		app.ID, app.Version = "other-app", 1
		must(t, w.store.CreateClient(t.Context(), app, event("client.created")))
		s := w.mint(w.key(func(k *storage.APIKey) { k.Client = app.ID }))
		w.warm(tok(s))
		app.DisabledAt = start
		must(t, w.store.UpdateClient(t.Context(), app, event("client.disabled")))
		w.expect(tok(s), inactive, 1)
	})
}

// What a key may is not remembered longer than it may it.
func TestNothingRememberedOutlivesAKeysRights(t *testing.T) {
	from := func(ip string) func(*storage.APIKey) {
		return func(k *storage.APIKey) { k.AllowedIPs = []string{ip} }
	}
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		s := w.key()
		here := url.Values{"token": {s}, "ip": {"192.0.2.1"}}
		w.warm(here)
		w.changeKey(s, func(k *storage.APIKey) { k.Scopes = []string{"monitor:read"} })
		w.expect(here, `"scope":"monitor:read"`, 1)
		w.changeKey(s, func(k *storage.APIKey) { k.Scopes = []string{"alert:write", "monitor:read"} })
		w.expect(here, `"scope":"alert:write monitor:read"`, 1)
		w.changeUser(func(u *storage.User) { u.Role = storage.RoleViewer })
		w.expect(here, `"scope":"monitor:read"`, 1)
		w.expect(url.Values{"token": {s}, "scope": {"alert:write"}}, inactive, 1)
		w.changeUser(func(u *storage.User) { u.Email = "alice@new.test" })
		w.expect(here, `"username":"alice@new.test"`, 1)
		w.changeKey(s, from("198.51.100.0/24"))
		w.expect(here, inactive, 1)
		w.changeKey(s, from("192.0.2.0/24"))
		w.warm(here)
		w.changeKey(s, from("198.51.100.0/24"))
		w.expect(here, inactive, 1)
	})
}

// The same of people's tokens: a role that is taken away is taken away from them.
func TestNothingRememberedOutlivesARole(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		s := w.issueBound()
		w.expect(tok(s), `"scope":"alert:write monitor:read"`, 1)
		w.expect(tok(s), `"scope":"alert:write monitor:read"`, 0)
		w.changeUser(func(u *storage.User) { u.Role = storage.RoleViewer })
		w.expect(tok(s), `"scope":"monitor:read"`, 1)
		w.expect(tok(s), `"scope":"monitor:read"`, 0)
	})
}

// Of a rotated key both work during the grace, and then one.
func TestRememberedKeyEndsWithItsGrace(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		s := w.key()
		w.warm(tok(s))
		next := w.rotateKey(s, time.Hour)
		w.warm(tok(s))
		w.warm(tok(next))
		w.clock = start.Add(time.Hour)
		w.expect(tok(s), inactive, 1)
		w.expect(tok(next), isActive, 0)
	})
}

// A change to one key leaves others alone.
func TestAKeysKillConcernsNoOtherKey(t *testing.T) {
	w := keyWorld(t)
	one, other := w.key(), w.key()
	w.warm(tok(one))
	w.expect(tok(other), isActive, 1)
	w.revokeKey(one)
	w.expect(tok(one), inactive, 1)
	w.expect(tok(other), isActive, 0)
}

// mint exchanges a key for a token.
func (w *world) mint(s string) string {
	w.t.Helper()
	secret := token.New(token.Access, start.Add(time.Hour))
	ref, err := token.Parse(token.Access, secret)
	must(w.t, err)
	k := w.stored(s)
	a := storage.AccessToken{
		Ref: ref, ID: "tok_k", Grant: storage.NewGrantID(start), Client: w.spa.ID, User: k.Owner,
		Scopes: k.Scopes, IssuedAt: start, ExpiresAt: start.Add(time.Hour),
	}
	must(w.t, w.store.Tenant(w.acme.ID).MintUnderKey(context.Background(), storage.MintUnderKey{
		KeyVersion: k.Version, Access: a,
		Grant: storage.Grant{ID: a.Grant, User: a.User, Client: a.Client, Key: k.ID, Scopes: a.Scopes, CreatedAt: start, ExpiresAt: start.Add(24 * time.Hour)},
	}, event("key.exchanged")))
	return secret
}

// A token that was made under a key dies with it.
func TestNothingRememberedOutlivesTheKeyThatATokenWasMadeUnder(t *testing.T) {
	for _, name := range []string{"revoked", "quarantined", "ended", "rotated at once"} {
		t.Run(name, func(t *testing.T) {
			kill := keyKills[name]
			onEachEngineWithKeys(t, func(t *testing.T, w *world) {
				s := w.key()
				minted := w.mint(s)
				w.warm(tok(minted))
				kill(w, s)
				w.expect(tok(minted), inactive, 1)
			})
		})
	}
}

// A token that was made under a key is held to what the key is held to now.
func TestTokenUnderAKeyIsHeldToTheKeysRules(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		s := w.key()
		minted := w.mint(s)
		here := url.Values{"token": {minted}, "ip": {"192.0.2.1"}}
		w.warm(here)
		w.changeKey(s, func(k *storage.APIKey) { k.AllowedIPs = []string{"192.0.2.0/24"} })
		w.warm(here)
		w.expect(tok(minted), inactive, 0)
		w.expect(url.Values{"token": {minted}, "ip": {"198.51.100.1"}}, inactive, 0)
		w.changeKey(s, func(k *storage.APIKey) { k.Scopes = []string{"monitor:read"} })
		w.expect(here, `"scope":"monitor:read"`, 1)
	})
}

func TestRememberedTokenEndsWithTheKeyThatItWasMadeUnder(t *testing.T) {
	w := keyWorld(t)
	minted := w.mint(w.key(func(k *storage.APIKey) { k.ExpiresAt = start.Add(time.Minute) }))
	w.expect(tok(minted), `"exp":`+unix(start.Add(time.Minute)), 1)
	w.clock = start.Add(time.Minute - time.Millisecond)
	w.expect(tok(minted), isActive, 0)
	w.clock = start.Add(time.Minute)
	w.expect(tok(minted), inactive, 1)
}

// Many ask while keys are revoked: whoever begins after a revocation has returned is
// told so.
func TestAttackAskingWhileKeysAreRevoked(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		const keys, askers = 20, 4
		var secrets [keys]string
		for i := range secrets {
			secrets[i] = w.key()
		}
		var dead [keys]atomic.Bool
		var left atomic.Int64
		left.Store(keys)
		var all sync.WaitGroup
		for first := range askers {
			all.Go(func() {
				for n := first; left.Load() > 0; n++ {
					i := n % keys
					was := dead[i].Load()
					if rec := w.ask(tok(secrets[i])); rec.Code != http.StatusOK || was && strings.Contains(rec.Body.String(), isActive) {
						t.Errorf("after its revocation: %d %s", rec.Code, rec.Body)
					}
				}
			})
		}
		for i, s := range secrets {
			w.revokeKey(s)
			dead[i].Store(true)
			left.Add(-1)
		}
		all.Wait()
	})
}
