package apikey_test

import (
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey"
)

// line is a key with what came of it: its successor, a key that each of them made, and
// one that was made and followed before.
func (w *world) line() (root apikey.Issued, came []apikey.Issued, other apikey.Issued) {
	w.Helper()
	scopes := []string{"monitor:read", "monitor:create", "api-keys:write"}
	root = w.create(w.as(w.alice), apikey.NewKey{Scopes: scopes})
	child := w.create(w.with(root), apikey.NewKey{Scopes: []string{"monitor:read"}})
	w.pass(time.Minute)
	childs, err := w.keys.Rotate(w.Context(), w.as(w.alice), child.Key.ID, ptr(time.Duration(0)))
	w.must(err)
	next, err := w.keys.Rotate(w.Context(), w.as(w.alice), root.Key.ID, ptr(time.Hour))
	w.must(err)
	w.pass(time.Minute)
	nexts := w.create(w.with(next), apikey.NewKey{Scopes: []string{"monitor:read"}})
	last, err := w.keys.Rotate(w.Context(), w.as(w.alice), next.Key.ID, ptr(time.Duration(0)))
	w.must(err)
	return root, []apikey.Issued{childs, nexts, last}, w.create(w.as(w.alice), apikey.NewKey{Scopes: scopes})
}

// TestThiefKeepsWhatTheLeakedKeyMade: it goes with the key, through dead ones, too.
func TestThiefKeepsWhatTheLeakedKeyMade(t *testing.T) {
	for name, want := range map[string]string{"revoked": "key.revoked", "quarantined": "key.quarantined"} {
		w := newWorld(t)
		w.acme.Policy.QuarantineLeakedKeys = name == "quarantined"
		w.must(w.store.UpdateTenant(t.Context(), w.acme, w.event("tenant.updated")))
		root, came, other := w.line()
		count := func() (all, wanted int) {
			for _, k := range w.kinds(w.acme) {
				all++
				if k == want {
					wanted++
				}
			}
			return all, wanted
		}
		allBefore, before := count()
		for range 2 {
			known, err := w.keys.Leaked(t.Context(), root.Secret)
			if !known || err != nil {
				t.Errorf("%v, %v", known, err)
			}
		}
		for i, k := range came {
			if why := w.dead(k.Secret); why != name {
				t.Errorf("%s: what came of it, %d: %q", name, i, why)
			}
		}
		if a, b := w.dead(root.Secret), w.dead(other.Secret); a != name || b != "" || w.signalled("key_leaked") != 1 {
			t.Errorf("%s: the key %q, another %q", name, a, b)
		}
		if all, n := count(); n-before < len(came) || all-allBefore != len(came)+1 {
			t.Errorf("%s: events %v", name, w.kinds(w.acme))
		}
	}
}

// TestOldCommitKillsProduction: what was replaced in time takes nothing with it.
func TestOldCommitKillsProduction(t *testing.T) {
	w := newWorld(t)
	old := w.create(w.as(w.bob), apikey.NewKey{})
	next, err := w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, ptr(time.Duration(0)))
	w.must(err)
	w.pass(31 * day)
	if known, err := w.keys.Leaked(t.Context(), old.Secret); !known || err != nil || w.dead(next.Secret) != "" {
		t.Errorf("%v, %v, %q", known, err, w.dead(next.Secret))
	}
}

// TestRevokedKeyTakesWhatNobodyWasTold, and nothing else.
func TestRevokedKeyTakesWhatNobodyWasTold(t *testing.T) {
	w := newWorld(t)
	told := w.create(w.as(w.bob), apikey.NewKey{})
	next, err := w.keys.Rotate(t.Context(), w.as(w.bob), told.Key.ID, ptr(time.Hour))
	w.must(err)
	w.must(w.keys.Revoke(t.Context(), w.as(w.bob), told.Key.ID))
	if why := w.dead(next.Secret); why != "" {
		t.Errorf("a successor that was handed over: %q", why)
	}
	old, unheld := w.rotated("")
	w.must(w.keys.Revoke(t.Context(), w.as(w.bob), old.Key.ID))
	k, err := w.keys.Get(t.Context(), w.as(w.bob), unheld.ID)
	if err != nil || k.RevokedAt.IsZero() {
		t.Errorf("a successor that nobody has lives on (%v)", err)
	}
	old, _ = w.rotated("")
	got, err := w.keys.Successor(t.Context(), w.with(old))
	w.must(err)
	w.pass(time.Second)
	w.must(w.keys.Revoke(t.Context(), w.as(w.bob), old.Key.ID))
	if why := w.dead(got.Secret); why != "" {
		t.Errorf("a successor that was fetched: %q", why)
	}
}

// TestNodeWithAnOldFileStopsRotation: it does not know the profile for a while.
func TestNodeWithAnOldFileStopsRotation(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.bob), apikey.NewKey{})
	w.pass(90 * day)
	knows := w.keys
	w.keys = apikey.New(apikey.Config{Store: w.asks, Sealer: w.sealer, Now: w.now})
	w.tick()
	w.keys = knows
	w.pass(6 * time.Hour)
	w.tick()
	if k, err := w.keys.Get(t.Context(), w.as(w.bob), made.Key.ID); err != nil || k.Successor == "" {
		t.Errorf("there is no successor (%v)", err)
	}
}

// TestKeyMultipliesByRotatingItself: one predecessor at a time, and the profile's number.
func TestKeyMultipliesByRotatingItself(t *testing.T) {
	w := newWorld(t)
	first := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"api-keys:write"}})
	second, err := w.keys.Rotate(t.Context(), w.with(first), first.Key.ID, ptr(time.Hour))
	w.must(err)
	_, err = w.keys.Rotate(t.Context(), w.with(second), second.Key.ID, ptr(time.Hour))
	w.denied("a third within the grace", err, apikey.Conflict)
	w.pass(time.Hour)
	third, err := w.keys.Rotate(t.Context(), w.with(second), second.Key.ID, ptr(time.Hour))
	w.must(err)
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), third.Key.ID, ptr(time.Hour))
	w.must(err)

	few := []apikey.Issued{w.create(w.as(w.bob), apikey.NewKey{Profile: "few"}), w.create(w.as(w.bob), apikey.NewKey{Profile: "few"})}
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), few[0].Key.ID, ptr(time.Hour))
	w.denied("one more than the profile has", err, apikey.TooMany)
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), few[0].Key.ID, ptr(time.Duration(0)))
	w.must(err)
	if kinds := w.kinds(w.acme); !slices.Contains(kinds, "key.refused") {
		t.Errorf("events %v", kinds)
	}
}
