package apikey_test

import (
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey"
)

func TestBothKeysWorkForTheGrace(t *testing.T) {
	w := newWorld(t)
	old := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"monitor:read"}, Lifetime: ptr(100 * day)})
	w.pass(10 * day)
	next, err := w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, ptr(2*time.Hour))
	w.must(err)
	k := next.Key
	if k.Predecessor != old.Key.ID || k.Name != old.Key.Name || k.Owner != w.bob.ID || !slices.Equal(k.Scopes, old.Key.Scopes) || k.ID == old.Key.ID {
		t.Errorf("the successor: %+v", k)
	}
	if !k.ExpiresAt.Equal(w.now().Add(100*day)) || !next.OldEnds.Equal(w.now().Add(2*time.Hour)) {
		t.Errorf("ends %s, the old one %s", k.ExpiresAt, next.OldEnds)
	}
	w.pass(2*time.Hour - time.Millisecond)
	if a, b := w.dead(old.Secret), w.dead(next.Secret); a != "" || b != "" {
		t.Errorf("in the grace: %q, %q", a, b)
	}
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, nil)
	w.refused(err, apikey.Conflict)
	w.pass(time.Millisecond)
	if a, b := w.dead(old.Secret), w.dead(next.Secret); a != "expired" || b != "" {
		t.Errorf("after the grace: %q, %q", a, b)
	}
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, nil)
	w.refused(err, apikey.Gone)
}

func TestGraceOfZeroEndsTheOldKeyAtOnce(t *testing.T) {
	w := newWorld(t)
	old := w.create(w.as(w.bob), apikey.NewKey{})
	next, err := w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, ptr(time.Duration(0)))
	w.must(err)
	if a, b := w.dead(old.Secret), w.dead(next.Secret); a != "revoked" || b != "" || !next.OldEnds.Equal(w.now()) {
		t.Errorf("old %q, new %q, ends %s", a, b, next.OldEnds)
	}
}

func TestOldKeyNeverLivesLongerForBeingRotated(t *testing.T) {
	w := newWorld(t)
	old := w.create(w.as(w.bob), apikey.NewKey{Lifetime: ptr(time.Hour)})
	next, err := w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, ptr(7*day))
	w.must(err)
	if !next.OldEnds.Equal(old.Key.ExpiresAt) {
		t.Errorf("ends %s, want %s", next.OldEnds, old.Key.ExpiresAt)
	}
	_, err = w.keys.Change(t.Context(), w.as(w.bob), old.Key.ID, 0, apikey.Change{ExpiresAt: ptr(start.Add(day))})
	w.refused(err, apikey.NotAllowed)
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), next.Key.ID, ptr(7*day+1))
	w.refused(err, apikey.Invalid)
	_, err = w.keys.Rotate(t.Context(), w.as(w.bob), next.Key.ID, ptr(-time.Second))
	w.refused(err, apikey.Invalid)
}

// TestAdminRotatesAnOwnersKey: to be told its secret, and be the owner with it.
func TestAdminRotatesAnOwnersKey(t *testing.T) {
	w := newWorld(t)
	owners := w.create(w.as(w.alice), apikey.NewKey{})
	_, err := w.keys.Rotate(t.Context(), w.as(w.adam), owners.Key.ID, nil)
	w.refused(err, apikey.Forbidden)
	service := w.create(w.as(w.alice), apikey.NewKey{Service: true, Scopes: []string{"config:admin"}})
	_, err = w.keys.Rotate(t.Context(), w.as(w.adam), service.Key.ID, nil)
	w.refused(err, apikey.ScopeTooWide)
	if a, b := w.dead(owners.Secret), w.dead(service.Secret); a != "" || b != "" {
		t.Errorf("%q, %q", a, b)
	}
	_, err = w.keys.Rotate(t.Context(), w.as(w.alice), service.Key.ID, nil)
	w.must(err)
}

// TestAddressThatThePersonProvedIsVerified: by a mail of ours, whatever the provider
// says of it, and for as long as it is the address.
func TestAddressThatThePersonProvedIsVerified(t *testing.T) {
	w := newWorld(t)
	key := w.create(w.as(w.adam), apikey.NewKey{Profile: "guarded"})
	for _, c := range []struct {
		proved string
		good   bool
	}{{"", false}, {"other@acme.test", false}, {w.adam.Email, true}} {
		u, err := w.store.Tenant(w.acme.ID).User(t.Context(), w.adam.ID)
		w.must(err)
		u.EmailVerified, u.ProvedEmail = false, c.proved
		w.must(w.store.Tenant(w.acme.ID).UpdateUser(t.Context(), u, w.event("user.updated")))
		if _, err = w.keys.Rotate(t.Context(), w.as(w.adam), key.Key.ID, nil); c.good {
			w.must(err)
			continue
		}
		w.refused(err, apikey.EmailUnverified)
	}
}

// TestKeyRotatesItselfForEver: its successor ends when it would have.
func TestKeyRotatesItselfForEver(t *testing.T) {
	w := newWorld(t)
	key := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"api-keys:write"}, Lifetime: ptr(10 * day)})
	end := key.Key.ExpiresAt
	for range 3 {
		w.pass(day)
		next, err := w.keys.Rotate(t.Context(), w.with(key), key.Key.ID, ptr(time.Duration(0)))
		w.must(err)
		key = next
	}
	if !key.Key.ExpiresAt.Equal(end) {
		t.Errorf("ends %s, want %s", key.Key.ExpiresAt, end)
	}
}

func TestOneRotationWinsARace(t *testing.T) {
	onBoth(t, func(w *world) {
		old := w.create(w.as(w.bob), apikey.NewKey{})
		results := make(chan error, 5)
		for range cap(results) {
			go func() {
				_, err := w.keys.Rotate(w.Context(), w.as(w.bob), old.Key.ID, nil)
				results <- err
			}()
		}
		won := 0
		for range cap(results) {
			if err := <-results; err == nil {
				won++
			} else {
				w.refused(err, apikey.Conflict)
			}
		}
		if won != 1 {
			w.Errorf("%d successors, want 1", won)
		}
	})
}
