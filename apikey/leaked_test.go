package apikey_test

import (
	"slices"
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func TestLeakedKeyIsRevokedOnce(t *testing.T) {
	w := newWorld(t)
	for _, profile := range []string{"live", "signed"} {
		made := w.create(w.as(w.alice), apikey.NewKey{Profile: profile})
		signals := w.signalled("key_leaked")
		for range 2 {
			if known, err := w.keys.Leaked(t.Context(), made.Secret); !known || err != nil {
				t.Errorf("%s: %v, %v", profile, known, err)
			}
		}
		if why := w.dead(made.Secret); why != "revoked" || w.signalled("key_leaked") != signals+1 {
			t.Errorf("%s: %q, %v signals", profile, why, w.signalled("key_leaked")-signals)
		}
		k, err := w.keys.Get(t.Context(), w.as(w.alice), made.Key.ID)
		if err != nil || k.RevokedReason != "leaked" {
			t.Errorf("%s: reason %q, %v", profile, k.RevokedReason, err)
		}
	}
	kinds := w.kinds(w.acme)
	if slices.Sort(kinds); !slices.Equal(kinds, []string{"key.created", "key.created", "key.leaked", "key.leaked"}) {
		t.Errorf("events %v", kinds)
	}
	if known, err := w.keys.Leaked(t.Context(), token.NewKey("up_live_", storage.NewKeyID(start))); known || err != nil {
		t.Errorf("a made-up key: %v, %v", known, err)
	}
}

func TestLeakedKeyIsInQuarantineWhereTheTenantWantsThat(t *testing.T) {
	w := newWorld(t)
	w.acme.Policy.QuarantineLeakedKeys = true
	w.must(w.store.UpdateTenant(t.Context(), w.acme, w.event("tenant.updated")))
	made := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"monitor:read", "api-keys:write"}})
	sibling := w.create(w.as(w.bob), apikey.NewKey{Scopes: []string{"api-keys:write"}})
	for range 2 {
		if known, err := w.keys.Leaked(t.Context(), made.Secret); !known || err != nil {
			t.Errorf("%v, %v", known, err)
		}
	}
	if why := w.dead(made.Secret); why != "quarantined" || w.signalled("key_leaked") != 1 {
		t.Errorf("%q, %v signals", why, w.signalled("key_leaked"))
	}
	_, err := w.keys.Rotate(t.Context(), w.as(w.bob), made.Key.ID, nil)
	w.refused(err, apikey.NotAllowed)
	// Who found one key may have found others: no key releases one.
	_, err = w.keys.Change(t.Context(), w.with(sibling), made.Key.ID, 0, apikey.Change{Release: true})
	w.refused(err, apikey.Forbidden)
	_, err = w.keys.Change(t.Context(), w.as(w.bob), made.Key.ID, 0, apikey.Change{Release: true})
	w.must(err)
	if why := w.dead(made.Secret); why != "" {
		t.Errorf("released: %q", why)
	}
	if kinds := w.kinds(w.acme); !slices.Contains(kinds, "key.released") || !slices.Contains(kinds, "key.quarantined") {
		t.Errorf("events %v", kinds)
	}
}

func TestLeakedAccessTokenIsRevoked(t *testing.T) {
	w := newWorld(t)
	w.machine()
	text := token.New(token.Access, start.Add(time.Hour))
	ref, err := token.Parse(token.Access, text)
	w.must(err)
	w.must(w.store.Tenant(w.acme.ID).IssueToken(t.Context(), storage.IssueToken{
		Token: storage.AccessToken{
			Ref: ref, ID: storage.NewTokenID(start), Client: "robot", Scopes: []string{"monitor:read"}, IssuedAt: start, ExpiresAt: start.Add(time.Hour),
		},
		ClientVersion: 1, TenantVersion: 1,
	}, w.event("token.issued")))
	for range 2 {
		if known, err := w.keys.Leaked(t.Context(), text); !known || err != nil {
			t.Errorf("%v, %v", known, err)
		}
	}
	_, found, err := w.store.FindAccess(t.Context(), "", ref)
	if err != nil || found == nil || found.Dead(start) != "revoked" || w.signalled("key_leaked") != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	if known, err := w.keys.Leaked(t.Context(), token.New(token.Access, start.Add(time.Hour))); known || err != nil {
		t.Errorf("a made-up token: %v, %v", known, err)
	}
}

// TestKeyOfAProfileThatIsNoMore has no rules: it can be ended, and nothing else.
func TestKeyOfAProfileThatIsNoMore(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.bob), apikey.NewKey{Profile: "test"})
	leaked := w.create(w.as(w.bob), apikey.NewKey{Profile: "test"})
	w.keys = apikey.New(apikey.Config{Store: w.asks, Sealer: w.sealer, Now: w.now})
	if _, ok := w.keys.ParseKey(made.Secret); ok {
		t.Error("its form is known")
	}
	if _, _, known := w.keys.Rules("test"); known {
		t.Error("its profile is known")
	}
	_, err := w.keys.Rotate(t.Context(), w.as(w.bob), made.Key.ID, nil)
	w.refused(err, apikey.NotAllowed)
	_, err = w.keys.Change(t.Context(), w.as(w.bob), made.Key.ID, 0, apikey.Change{ExpiresAt: ptr(start.Add(59 * day))})
	w.refused(err, apikey.NotAllowed)
	w.must(w.keys.Revoke(t.Context(), w.as(w.bob), made.Key.ID))
	if known, err := w.keys.Leaked(t.Context(), leaked.Secret); !known || err != nil || w.dead(leaked.Secret) != "revoked" {
		t.Errorf("leaked: %v, %v", known, err)
	}
}
