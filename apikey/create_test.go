package apikey_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/storage"
)

func TestNewKeyHasTheProfilesDefaults(t *testing.T) {
	w := newWorld(t)
	got := w.create(w.as(w.alice), apikey.NewKey{Name: " ci "})
	k := got.Key
	if k.Name != "ci" || k.Profile != "live" || k.Owner != w.alice.ID || !k.ExpiresAt.IsZero() || !k.RotateAt.Equal(start.Add(90*day)) {
		t.Errorf("made %+v", k)
	}
	if diff := cmp.Diff([]string{"config:admin", "monitor:read"}, k.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.Secret, "up_live_") || k.Hint != got.Secret[:12]+"****" {
		t.Errorf("hint %q", k.Hint)
	}
	stored, err := w.keys.Get(t.Context(), w.as(w.alice), k.ID)
	w.must(err)
	if diff := cmp.Diff(k, stored); diff != "" {
		t.Errorf("stored (-told +stored):\n%s", diff)
	}
	if hash, ok := w.keys.ParseKey(got.Secret); !ok || hash != k.Hash || !w.keys.Verify(t.Context(), got.Secret) || w.dead(got.Secret) != "" {
		t.Error("the key is not live")
	}
	// Of the defaults a member gets what their role permits.
	if k := w.create(w.as(w.bob), apikey.NewKey{}).Key; !slices.Equal(k.Scopes, []string{"monitor:read"}) {
		t.Errorf("a member's default scopes: %v", k.Scopes)
	}
}

func TestWhoMayNotHaveAKey(t *testing.T) {
	w := newWorld(t)
	unverified, noMFA, old := w.as(w.adam), w.as(w.adam), w.as(w.adam)
	noMFA.Level = storage.LevelNone
	old.MFATime = start.Add(-2 * time.Hour)
	mail := w.adam
	mail.EmailVerified = false
	for name, c := range map[string]struct {
		actor  apikey.Actor
		n      apikey.NewKey
		before func()
		want   apikey.Code
	}{
		"a viewer":                       {w.as(w.victor), apikey.NewKey{}, nil, apikey.Forbidden},
		"a role below the profile's":     {w.as(w.bob), apikey.NewKey{Profile: "guarded"}, nil, apikey.Forbidden},
		"one factor":                     {noMFA, apikey.NewKey{Profile: "guarded"}, nil, apikey.MFANeeded},
		"two factors long ago":           {old, apikey.NewKey{Profile: "guarded"}, nil, apikey.MFANeeded},
		"a scope beyond the role":        {w.as(w.bob), apikey.NewKey{Scopes: []string{"config:admin"}}, nil, apikey.ScopeTooWide},
		"a scope that is none":           {w.as(w.alice), apikey.NewKey{Scopes: []string{"monitor:red"}}, nil, apikey.Invalid},
		"a scope of OpenID":              {w.as(w.alice), apikey.NewKey{Scopes: []string{"openid"}}, nil, apikey.Invalid},
		"a scope that no key has":        {w.as(w.alice), apikey.NewKey{Profile: "test", Scopes: []string{"monitor:write"}}, nil, apikey.Invalid},
		"no such profile":                {w.as(w.alice), apikey.NewKey{Profile: "prod"}, nil, apikey.Invalid},
		"a lifetime that is not offered": {w.as(w.alice), apikey.NewKey{Profile: "test", Lifetime: ptr(31 * day)}, nil, apikey.Invalid},
		"never where it is not offered":  {w.as(w.alice), apikey.NewKey{Profile: "guarded", Lifetime: ptr(time.Duration(0))}, nil, apikey.Invalid},
		"longer than the longest":        {w.as(w.alice), apikey.NewKey{Profile: "guarded", Lifetime: ptr(61 * day)}, nil, apikey.Invalid},
		"no addresses":                   {w.as(w.alice), apikey.NewKey{Profile: "fenced"}, nil, apikey.Invalid},
		"every address":                  {w.as(w.alice), apikey.NewKey{Profile: "fenced", AllowedIPs: []string{"0.0.0.0/0"}}, nil, apikey.Invalid},
		"no address":                     {w.as(w.alice), apikey.NewKey{AllowedIPs: []string{"example.com"}}, nil, apikey.Invalid},
		"a name of two lines":            {w.as(w.alice), apikey.NewKey{Name: "a\nb"}, nil, apikey.Invalid},
		"a webhook by http":              {w.as(w.alice), apikey.NewKey{WebhookURL: "http://hook.example/x"}, nil, apikey.Invalid},
		"a webhook with a password":      {w.as(w.alice), apikey.NewKey{WebhookURL: "https://a:b@hook.example/x"}, nil, apikey.Invalid},
		"a member's service key":         {w.as(w.bob), apikey.NewKey{Service: true}, nil, apikey.Forbidden},
		"a service key of no profile's":  {w.as(w.alice), apikey.NewKey{Profile: "test", Service: true}, nil, apikey.NotAllowed},
		"a machine without the scope":    {w.machine("monitor:read"), apikey.NewKey{Scopes: []string{"monitor:write"}}, nil, apikey.ScopeTooWide},
		"a machine where none may":       {w.machine("monitor:read"), apikey.NewKey{Profile: "test"}, nil, apikey.Forbidden},
		"an unverified address": {unverified, apikey.NewKey{Profile: "guarded"}, func() {
			w.must(w.store.Tenant(w.acme.ID).UpdateUser(t.Context(), mail, w.event("user.updated")))
		}, apikey.EmailUnverified},
	} {
		if c.before != nil {
			c.before()
		}
		if c.n.Name == "" {
			c.n.Name = "ci"
		}
		_, err := w.keys.Create(t.Context(), c.actor, c.n)
		if r := w.refused(err, c.want); r.Code != c.want {
			t.Errorf("^ %s", name)
		}
	}
	if kinds := w.kinds(w.acme); slices.Contains(kinds, "key.created") || !slices.Contains(kinds, "key.refused") {
		t.Errorf("events %v", kinds)
	}
}

// TestRoleThatIsNoMore: what introspection said a moment ago is checked once more by
// the statement that stores the key.
func TestRoleThatIsNoMore(t *testing.T) {
	w := newWorld(t)
	before := w.as(w.bob)
	demoted := w.bob
	demoted.Role = storage.RoleViewer
	w.must(w.store.Tenant(w.acme.ID).UpdateUser(t.Context(), demoted, w.event("user.updated")))
	_, err := w.keys.Create(t.Context(), before, apikey.NewKey{Name: "ci"})
	w.refused(err, apikey.Conflict)
	alice := w.as(w.alice)
	w.acme.SuspendedAt = start
	w.must(w.store.UpdateTenant(t.Context(), w.acme, w.event("tenant.suspended")))
	_, err = w.keys.Create(t.Context(), alice, apikey.NewKey{Name: "ci"})
	w.refused(err, apikey.TenantSuspended)
}

// TestKeyThatWantsAStrongerKey is attack 108, in every way that a key is stronger.
func TestKeyThatWantsAStrongerKey(t *testing.T) {
	w := newWorld(t)
	parent := w.create(w.as(w.alice), apikey.NewKey{
		Scopes: []string{"api-keys:write", "monitor:write"}, Lifetime: ptr(10 * day), AllowedIPs: []string{"192.0.2.0/24"},
	})
	a := w.with(parent)
	for name, c := range map[string]struct {
		n    apikey.NewKey
		want apikey.Code
	}{
		"another scope":        {apikey.NewKey{Scopes: []string{"config:admin"}}, apikey.ScopeTooWide},
		"making keys, in turn": {apikey.NewKey{Scopes: []string{"api-keys:write"}}, apikey.ScopeTooWide},
		"an hour longer":       {apikey.NewKey{Scopes: []string{"monitor:read"}, Lifetime: ptr(10*day + time.Hour)}, apikey.LifetimeTooLong},
		"for ever":             {apikey.NewKey{Scopes: []string{"monitor:create"}, Lifetime: ptr(time.Duration(0))}, apikey.LifetimeTooLong},
		"from elsewhere":       {apikey.NewKey{Scopes: []string{"monitor:create"}, AllowedIPs: []string{"198.51.100.1"}}, apikey.ScopeTooWide},
		"from a wider network": {apikey.NewKey{Scopes: []string{"monitor:create"}, AllowedIPs: []string{"192.0.0.0/16"}}, apikey.ScopeTooWide},
		"of another profile":   {apikey.NewKey{Scopes: []string{"monitor:create"}, Profile: "few"}, apikey.Forbidden},
	} {
		c.n.Name = name
		if name == "an hour longer" {
			c.n.Scopes = []string{"monitor:create"}
		}
		_, err := w.keys.Create(t.Context(), a, c.n)
		if r := w.refused(err, c.want); r.Code == "" {
			t.Errorf("^ %s", name)
		}
	}
	child := w.create(a, apikey.NewKey{Scopes: []string{"monitor:create"}}).Key
	if child.Parent != parent.Key.ID || !child.ExpiresAt.Equal(parent.Key.ExpiresAt) || !slices.Equal(child.AllowedIPs, parent.Key.AllowedIPs) {
		t.Errorf("a key by a key: %+v", child)
	}
	// Its rights are those that it has now, not those that were introspected.
	_, err := w.keys.Change(t.Context(), w.as(w.alice), parent.Key.ID, 0, apikey.Change{Scopes: &[]string{"api-keys:write"}})
	w.must(err)
	_, err = w.keys.Create(t.Context(), a, apikey.NewKey{Name: "late", Scopes: []string{"monitor:create"}})
	w.refused(err, apikey.ScopeTooWide)
	// And a dead one makes nothing.
	w.must(w.keys.Revoke(t.Context(), w.as(w.alice), parent.Key.ID))
	_, err = w.keys.Create(t.Context(), a, apikey.NewKey{Name: "late", Scopes: []string{"api-keys:read"}})
	w.refused(err, apikey.Forbidden)
}

func TestAddressesAreStoredInOneSpelling(t *testing.T) {
	w := newWorld(t)
	k := w.create(w.as(w.alice), apikey.NewKey{AllowedIPs: []string{"192.0.2.77/24", "::ffff:198.51.100.7", "2001:db8::1", "192.0.2.0/24", "::ffff:203.0.113.0/120"}}).Key
	want := []string{"192.0.2.0/24", "198.51.100.7/32", "2001:db8::1/128", "203.0.113.0/24"}
	if diff := cmp.Diff(want, k.AllowedIPs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNumberOfKeysHoldsAgainstARace(t *testing.T) {
	onBoth(t, func(w *world) {
		results := make(chan error, 6)
		for range cap(results) {
			go func() {
				_, err := w.keys.Create(w.Context(), w.as(w.bob), apikey.NewKey{Name: "ci", Profile: "few"})
				results <- err
			}()
		}
		made := 0
		for range cap(results) {
			if err := <-results; err == nil {
				made++
			} else {
				w.refused(err, apikey.TooMany)
			}
		}
		if made != 2 {
			w.Errorf("%d keys were made, want 2", made)
		}
	})
}

func TestMachineMakesKeysOfTheTenant(t *testing.T) {
	w := newWorld(t)
	k := w.create(w.machine("monitor:write", "api-keys:write"), apikey.NewKey{Scopes: []string{"monitor:create"}}).Key
	if k.Owner != "" || k.Client != "robot" || !k.ExpiresAt.IsZero() {
		t.Errorf("made %+v", k)
	}
	if _, err := w.keys.Get(t.Context(), w.as(w.bob), k.ID); err == nil {
		t.Error("a member sees a key of the tenant")
	}
	if _, err := w.keys.Get(t.Context(), w.as(w.adam), k.ID); err != nil {
		t.Errorf("an admin does not see it: %v", err)
	}
}
