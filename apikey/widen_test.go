package apikey_test

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/storage"
)

// denied tries something, and reports where it was not refused as it should be.
func (w *world) denied(name string, err error, want apikey.Code) {
	w.Helper()
	if r := w.refused(err, want); r.Code == "" {
		w.Errorf("^ %s", name)
	}
}

func (w *world) change(a apikey.Actor, id storage.KeyID, c apikey.Change) error {
	_, err := w.keys.Change(w.Context(), a, id, 0, c)
	return err
}

// TestWeakServiceKeyTakesOverAStrongOne: a key, and a machine, that may change keys
// deals with itself and with what it made.
func TestWeakServiceKeyTakesOverAStrongOne(t *testing.T) {
	w := newWorld(t)
	weak := w.create(w.as(w.alice), apikey.NewKey{Service: true, Scopes: []string{"api-keys:write", "monitor:read"}})
	strong := w.create(w.as(w.alice), apikey.NewKey{Service: true, Scopes: []string{"config:admin"}, AllowedIPs: []string{"192.0.2.0/24"}})
	robot := w.machine("api-keys:write", "monitor:read")
	for name, a := range map[string]apikey.Actor{"a service key": w.with(weak), "a machine": robot} {
		w.denied(name+" opens it", w.change(a, strong.Key.ID, apikey.Change{AllowedIPs: &[]string{}}), apikey.Forbidden)
		w.denied(name+" renames it", w.change(a, strong.Key.ID, apikey.Change{Name: ptr("x")}), apikey.Forbidden)
		w.denied(name+" revokes it", w.keys.Revoke(t.Context(), a, strong.Key.ID), apikey.Forbidden)
		_, err := w.keys.Rotate(t.Context(), a, strong.Key.ID, nil)
		w.denied(name+" rotates it", err, apikey.Forbidden)
	}
	if why := w.dead(strong.Secret); why != "" {
		t.Errorf("the strong key: %q", why)
	}
	child := w.create(w.with(weak), apikey.NewKey{Scopes: []string{"monitor:read"}, AllowedIPs: []string{"192.0.2.0/24"}})
	w.must(w.change(w.with(weak), child.Key.ID, apikey.Change{AllowedIPs: &[]string{}}))
	w.must(w.keys.Revoke(t.Context(), w.with(weak), child.Key.ID))
	made := w.create(robot, apikey.NewKey{Scopes: []string{"monitor:read"}, Lifetime: ptr(day)})
	w.must(w.change(robot, made.Key.ID, apikey.Change{Name: ptr("mine"), AllowedIPs: &[]string{"192.0.2.0/24"}}))
	w.denied("a machine prolongs", w.change(robot, made.Key.ID, apikey.Change{ExpiresAt: ptr(start.Add(2 * day))}), apikey.Forbidden)
	w.must(w.keys.Revoke(t.Context(), robot, made.Key.ID))
}

// TestAdminOpensAnOwnersLeakedKey: its secret is public, and may what he may not.
func TestAdminOpensAnOwnersLeakedKey(t *testing.T) {
	w := newWorld(t)
	w.acme.Policy.QuarantineLeakedKeys = true
	w.must(w.store.UpdateTenant(t.Context(), w.acme, w.event("tenant.updated")))
	owners := w.create(w.as(w.alice), apikey.NewKey{Scopes: []string{"config:admin"}, AllowedIPs: []string{"192.0.2.0/24"}, Lifetime: ptr(day)})
	adam := w.as(w.adam)
	for name, c := range map[string]apikey.Change{
		"removes the fence":    {AllowedIPs: &[]string{}},
		"moves the fence":      {AllowedIPs: &[]string{"198.51.100.0/24"}},
		"widens the fence":     {AllowedIPs: &[]string{"192.0.0.0/16"}},
		"prolongs it":          {ExpiresAt: ptr(start.Add(2 * day))},
		"adds what he may":     {Scopes: &[]string{"config:admin", "monitor:read"}},
		"takes its rights off": {Scopes: &[]string{"monitor:read"}},
	} {
		w.denied(name, w.change(adam, owners.Key.ID, c), apikey.ScopeTooWide)
	}
	w.must(w.change(adam, owners.Key.ID, apikey.Change{Name: ptr("x"), AllowedIPs: &[]string{"192.0.2.1"}, ExpiresAt: ptr(start.Add(time.Hour))}))
	_, err := w.keys.Leaked(t.Context(), owners.Secret)
	w.must(err)
	w.denied("releases it", w.change(adam, owners.Key.ID, apikey.Change{Release: true}), apikey.ScopeTooWide)
	if why := w.dead(owners.Secret); why != "quarantined" {
		t.Errorf("the owner's key: %q", why)
	}
	bobs := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"monitor:read"}, AllowedIPs: []string{"192.0.2.0/24"}})
	w.must(w.change(adam, bobs.Key.ID, apikey.Change{AllowedIPs: &[]string{}}))
}

// TestChangeIsNoWayAroundTheProfile: what making a key needs, widening one needs.
func TestChangeIsNoWayAroundTheProfile(t *testing.T) {
	w := newWorld(t)
	guarded := w.create(w.as(w.alice), apikey.NewKey{Profile: "guarded", Lifetime: ptr(day)}).Key.ID
	signed := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed", Scopes: []string{"monitor:read"}, Lifetime: ptr(day)}).Key.ID
	plain := w.as(w.alice)
	plain.Level = storage.LevelNone
	stale := w.as(w.alice)
	stale.MFATime = start.Add(-2 * time.Hour)
	wider, longer := apikey.Change{Scopes: &[]string{"monitor:read", "config:admin"}}, apikey.Change{ExpiresAt: ptr(start.Add(2 * day))}
	more := apikey.Change{Scopes: &[]string{"monitor:read", "monitor:write"}}
	w.denied("wider without a second factor", w.change(plain, guarded, wider), apikey.MFANeeded)
	w.denied("longer without a second factor", w.change(plain, guarded, longer), apikey.MFANeeded)
	w.denied("longer, long after it", w.change(stale, guarded, longer), apikey.MFANeeded)
	w.denied("an admin, where owners make keys", w.change(w.as(w.adam), signed, more), apikey.Forbidden)
	w.denied("longer, by an admin", w.change(w.as(w.adam), signed, longer), apikey.Forbidden)
	w.must(w.change(plain, guarded, apikey.Change{Name: ptr("x"), ExpiresAt: ptr(start.Add(time.Hour))}))
	w.must(w.change(w.as(w.alice), guarded, longer))
	w.must(w.change(w.as(w.alice), signed, more))
}

// TestMachineWhereItWouldHaveToProveSomething makes no key, with a token or a key.
func TestMachineWhereItWouldHaveToProveSomething(t *testing.T) {
	w := newWorld(t)
	_, err := w.keys.Create(t.Context(), w.machine("monitor:read"), apikey.NewKey{Name: "ci", Profile: "signed"})
	w.denied("a machine is no owner", err, apikey.Forbidden)
	service := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed", Service: true, Scopes: []string{"monitor:read", "api-keys:write"}})
	_, err = w.keys.Create(t.Context(), w.with(service), apikey.NewKey{Name: "ci", Scopes: []string{"monitor:read"}})
	w.denied("nor is a service key", err, apikey.Forbidden)
}

func TestWebhookThatLeadsInsideIsNotSaved(t *testing.T) {
	w := newWorld(t)
	hooked := w.create(w.as(w.bob), apikey.NewKey{WebhookURL: "https://hook.example/"}).Key.ID
	for _, host := range []string{
		"127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "[::1]", "[fe80::1]", "[fc00::1]", "[::ffff:10.0.0.1]",
		"[fe80::1%25eth0]", "localhost", "LocalHost.", "a.localhost", "127.1", "2130706433", "0x7f.1",
	} {
		_, err := w.keys.Create(t.Context(), w.as(w.bob), apikey.NewKey{Name: "ci", WebhookURL: "https://" + host + ":8443/x"})
		w.denied("made, "+host, err, apikey.Invalid)
		w.denied("changed, "+host, w.change(w.as(w.bob), hooked, apikey.Change{WebhookURL: ptr("https://" + host + "/x")}), apikey.Invalid)
	}
	w.must(w.change(w.as(w.bob), hooked, apikey.Change{WebhookURL: ptr("https://1.1.1.1/x")}))
	w.must(w.change(w.as(w.bob), hooked, apikey.Change{WebhookURL: ptr("https://[2606:4700::1111]/x")}))
}
