package apikey_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/storage"
)

func TestChangesOfALiveKey(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"monitor:read"}, Lifetime: ptr(10 * day)})
	got, err := w.keys.Change(t.Context(), w.as(w.bob), made.Key.ID, made.Key.Version, apikey.Change{
		Name: ptr("deploys"), Scopes: &[]string{"monitor:write"}, AllowedIPs: &[]string{"192.0.2.1"}, ExpiresAt: ptr(start.Add(5 * day)),
	})
	w.must(err)
	want := made.Key
	want.Name, want.Scopes, want.AllowedIPs, want.ExpiresAt, want.Version = "deploys", []string{"monitor:write"}, []string{"192.0.2.1/32"}, start.Add(5*day), 2
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stored, err := w.keys.Get(t.Context(), w.as(w.bob), made.Key.ID)
	w.must(err)
	if diff := cmp.Diff(got, stored); diff != "" || w.dead(made.Secret) != "" {
		t.Errorf("stored (-told +stored):\n%s", diff)
	}
	_, err = w.keys.Change(t.Context(), w.as(w.bob), made.Key.ID, made.Key.Version, apikey.Change{Name: ptr("late")})
	w.refused(err, apikey.Conflict)
	same, err := w.keys.Change(t.Context(), w.as(w.bob), made.Key.ID, 0, apikey.Change{Name: ptr("deploys")})
	if err != nil || same.Version != got.Version {
		t.Errorf("a change of nothing: version %d, %v", same.Version, err)
	}
}

func TestChangesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	bobs := w.create(w.as(w.bob), apikey.NewKey{Profile: "test"})
	self := w.create(w.as(w.alice), apikey.NewKey{
		Scopes: []string{"api-keys:write", "monitor:read"}, Lifetime: ptr(10 * day), AllowedIPs: []string{"192.0.2.0/24"},
	})
	hooked := w.create(w.as(w.alice), apikey.NewKey{WebhookURL: "https://hook.example/a"})
	for name, c := range map[string]struct {
		actor  apikey.Actor
		id     storage.KeyID
		change apikey.Change
		want   apikey.Code
	}{
		"a scope beyond the role":           {w.as(w.bob), w.create(w.as(w.bob), apikey.NewKey{}).Key.ID, apikey.Change{Scopes: &[]string{"config:admin"}}, apikey.ScopeTooWide},
		"a scope beyond the profile":        {w.as(w.bob), bobs.Key.ID, apikey.Change{Scopes: &[]string{"monitor:write"}}, apikey.Invalid},
		"no scope":                          {w.as(w.bob), bobs.Key.ID, apikey.Change{Scopes: &[]string{}}, apikey.Invalid},
		"an end in the past":                {w.as(w.bob), bobs.Key.ID, apikey.Change{ExpiresAt: ptr(start)}, apikey.Invalid},
		"an end too far":                    {w.as(w.bob), bobs.Key.ID, apikey.Change{ExpiresAt: ptr(start.Add(61 * day))}, apikey.Invalid},
		"no end":                            {w.as(w.bob), bobs.Key.ID, apikey.Change{ExpiresAt: &time.Time{}}, apikey.Invalid},
		"a new webhook":                     {w.as(w.bob), bobs.Key.ID, apikey.Change{WebhookURL: ptr("https://hook.example/b")}, apikey.Invalid},
		"a key that widens itself":          {w.with(self), self.Key.ID, apikey.Change{Scopes: &[]string{"config:admin"}}, apikey.ScopeTooWide},
		"a key that prolongs itself":        {w.with(self), self.Key.ID, apikey.Change{ExpiresAt: ptr(start.Add(11 * day))}, apikey.LifetimeTooLong},
		"a key that makes itself eternal":   {w.with(self), self.Key.ID, apikey.Change{ExpiresAt: &time.Time{}}, apikey.LifetimeTooLong},
		"a key that opens itself":           {w.with(self), self.Key.ID, apikey.Change{AllowedIPs: &[]string{}}, apikey.ScopeTooWide},
		"an admin who would get successors": {w.as(w.adam), hooked.Key.ID, apikey.Change{WebhookURL: ptr("https://evil.example/")}, apikey.Forbidden},
		"another member's key":              {w.as(w.bob), hooked.Key.ID, apikey.Change{Name: ptr("x")}, apikey.NotFound},
		"another tenant's key":              {w.as(w.carol), bobs.Key.ID, apikey.Change{Name: ptr("x")}, apikey.NotFound},
	} {
		_, err := w.keys.Change(t.Context(), c.actor, c.id, 0, c.change)
		if r := w.refused(err, c.want); r.Code == "" {
			t.Errorf("^ %s", name)
		}
	}
	w.pass(31 * day)
	_, err := w.keys.Change(t.Context(), w.as(w.bob), bobs.Key.ID, 0, apikey.Change{ExpiresAt: ptr(start.Add(40 * day))})
	w.refused(err, apikey.Gone)
}

// TestCrossTenantKeys: a key of another tenant is as if it did not exist, for
// everything that takes an id (TN-12).
func TestCrossTenantKeys(t *testing.T) {
	w := newWorld(t)
	theirs := w.create(w.as(w.alice), apikey.NewKey{}).Key
	before := w.kinds(w.acme)
	carol, ctx := w.as(w.carol), t.Context()
	for _, id := range []storage.KeyID{theirs.ID, "key_00000000000000000000000000"} {
		for name, do := range map[string]func() error{
			"get":        func() error { _, err := w.keys.Get(ctx, carol, id); return err },
			"change":     func() error { _, err := w.keys.Change(ctx, carol, id, 0, apikey.Change{Name: ptr("x")}); return err },
			"rotate":     func() error { _, err := w.keys.Rotate(ctx, carol, id, nil); return err },
			"reveal":     func() error { _, err := w.keys.Reveal(ctx, carol, id); return err },
			"revoke":     func() error { return w.keys.Revoke(ctx, carol, id) },
			"usage":      func() error { _, err := w.keys.Usage(ctx, carol, id, start); return err },
			"start":      func() error { _, err := w.keys.StartExecution(ctx, carol, id, "x"); return err },
			"end":        func() error { return w.keys.EndExecution(ctx, carol, id, "exe_1") },
			"executions": func() error { _, err := w.keys.Executions(ctx, carol, id); return err },
		} {
			if r := w.refused(do(), apikey.NotFound); r.Detail != "There is no such key." {
				t.Errorf("%s: %q", name, r.Detail)
			}
		}
	}
	if after, err := w.keys.Get(ctx, w.as(w.alice), theirs.ID); err != nil || after.Version != theirs.Version || !slices.Equal(before, w.kinds(w.acme)) {
		t.Errorf("there was a side effect: %v", err)
	}
	if all, err := w.keys.List(ctx, carol, storage.KeyFilter{Limit: 10}); err != nil || len(all) != 0 {
		t.Errorf("the other tenant lists %d, %v", len(all), err)
	}
}

func TestPeopleListTheirOwnAndAdminsAll(t *testing.T) {
	w := newWorld(t)
	a := w.create(w.as(w.alice), apikey.NewKey{}).Key
	b := w.create(w.as(w.bob), apikey.NewKey{}).Key
	s := w.create(w.as(w.alice), apikey.NewKey{Service: true, Scopes: []string{"monitor:read"}})
	for name, c := range map[string]struct {
		actor apikey.Actor
		f     storage.KeyFilter
		want  []storage.KeyID
	}{
		"an owner":             {w.as(w.alice), storage.KeyFilter{}, []storage.KeyID{s.Key.ID, b.ID, a.ID}},
		"an admin, of bob":     {w.as(w.adam), storage.KeyFilter{Owner: &w.bob.ID}, []storage.KeyID{b.ID}},
		"a member":             {w.as(w.bob), storage.KeyFilter{}, []storage.KeyID{b.ID}},
		"a member, of alice":   {w.as(w.bob), storage.KeyFilter{Owner: &w.alice.ID}, nil},
		"a service key":        {w.with(s), storage.KeyFilter{}, []storage.KeyID{s.Key.ID}},
		"a member, no service": {w.as(w.bob), storage.KeyFilter{Owner: ptr(storage.UserID(""))}, nil},
	} {
		c.f.Limit = 10
		got, err := w.keys.List(t.Context(), c.actor, c.f)
		w.must(err)
		var ids []storage.KeyID
		for _, k := range got {
			ids = append(ids, k.ID)
		}
		slices.Sort(ids)
		slices.Sort(c.want)
		if n, err := w.keys.Count(t.Context(), c.actor, c.f); !slices.Equal(ids, c.want) || err != nil || n != len(c.want) {
			t.Errorf("%s: %v (%d, %v), want %v", name, ids, n, err, c.want)
		}
	}
}

func TestRevokedKeyIsDeadWithItsWork(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"monitor:read"}})
	e, err := w.keys.StartExecution(t.Context(), w.with(made), made.Key.ID, "checks")
	w.must(err)
	w.must(w.keys.Revoke(t.Context(), w.as(w.adam), made.Key.ID))
	w.must(w.keys.Revoke(t.Context(), w.as(w.adam), made.Key.ID))
	if why := w.dead(made.Secret); why != "revoked" {
		t.Errorf("after the revocation: %q", why)
	}
	all, err := w.keys.Executions(t.Context(), w.as(w.bob), made.Key.ID)
	if err != nil || len(all) != 1 || all[0].ID != e.ID || all[0].EndedAt.IsZero() {
		t.Errorf("executions %+v, %v", all, err)
	}
	_, err = w.keys.StartExecution(t.Context(), w.as(w.bob), made.Key.ID, "more")
	w.refused(err, apikey.Gone)
	_, err = w.keys.Change(t.Context(), w.as(w.bob), made.Key.ID, 0, apikey.Change{Name: ptr("x")})
	w.refused(err, apikey.Gone)
}
