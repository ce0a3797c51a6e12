package apikey_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/signer"
)

func claimsOf(t *testing.T, jwt string) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestJWTKeySaysOnlyWhatNeverChanges(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed"})
	want := map[string]any{
		"iss": issuer, "sub": string(made.Key.ID), "jti": string(made.Key.ID), "tenant_id": string(w.acme.ID), "iat": float64(start.Unix()),
	}
	if diff := cmp.Diff(want, claimsOf(t, made.Secret)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	hash, ok := w.keys.ParseKey(made.Secret)
	if !ok || hash != made.Key.Hash || !w.keys.Verify(t.Context(), made.Secret) || made.Key.Hint != "****"+made.Secret[len(made.Secret)-4:] {
		t.Errorf("parsed %v, hint %q", ok, made.Key.Hint)
	}
	for name, forged := range map[string]string{
		"other claims":  strings.Split(made.Secret, ".")[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"key_x"}`)) + "." + strings.Split(made.Secret, ".")[2],
		"signature off": made.Secret[:len(made.Secret)-10] + "AAAAAAAAAA",
	} {
		if _, ok := w.keys.ParseKey(forged); ok && w.keys.Verify(t.Context(), forged) {
			t.Errorf("%s: worth a query", name)
		}
	}
}

// TestRevealIsTheSameJWT after its key has retired from signing, and after everything
// of it was changed that can be.
func TestRevealIsTheSameJWT(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed", Service: true})
	w.pass(200 * day)
	w.must(w.signer.Tick(t.Context()))
	w.pass(200 * day)
	w.must(w.signer.Tick(t.Context()))
	if kid, err := w.signer.Active(t.Context(), signer.EdDSA); err != nil || kid == made.Key.KID {
		t.Fatalf("the same key signs (%v)", err)
	}
	_, err := w.keys.Change(t.Context(), w.as(w.alice), made.Key.ID, 0, apikey.Change{
		Name: ptr("other"), Scopes: &[]string{"monitor:write"}, ExpiresAt: ptr(w.now().Add(10 * day)),
	})
	w.must(err)
	got, err := w.keys.Reveal(t.Context(), w.as(w.alice), made.Key.ID)
	if err != nil || got != made.Secret || !w.keys.Verify(t.Context(), got) {
		t.Errorf("revealed another key (%v)", err)
	}
	if kinds := w.kinds(w.acme); !slices.Contains(kinds, "key.revealed") {
		t.Errorf("events %v", kinds)
	}
}

func TestWhoIsShownNoKey(t *testing.T) {
	w := newWorld(t)
	service := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed", Service: true, Scopes: []string{"monitor:read", "api-keys:write"}})
	alices := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed", Scopes: []string{"monitor:read", "api-keys:write"}})
	opaque := w.create(w.as(w.alice), apikey.NewKey{})
	stale, unknown, future := w.as(w.alice), w.as(w.alice), w.as(w.alice)
	stale.AuthTime = start.Add(-5*time.Minute - time.Second)
	unknown.AuthTime = time.Time{}
	future.AuthTime = start.Add(time.Hour)
	for name, c := range map[string]struct {
		actor apikey.Actor
		key   apikey.Issued
		want  apikey.Code
	}{
		"an admin, the tenant's":     {w.as(w.adam), service, apikey.Forbidden},
		"an admin, an owner's":       {w.as(w.adam), alices, apikey.Forbidden},
		"a member":                   {w.as(w.bob), alices, apikey.NotFound},
		"another tenant's owner":     {w.as(w.carol), service, apikey.NotFound},
		"the key itself":             {w.with(alices), alices, apikey.Forbidden},
		"who signed in too long ago": {stale, alices, apikey.FreshNeeded},
		"who signed in nobody knows": {unknown, alices, apikey.FreshNeeded},
		"who will sign in":           {future, alices, apikey.FreshNeeded},
		"its owner, where none are":  {w.as(w.alice), opaque, apikey.NotAllowed},
		"a machine":                  {w.machine("api-keys:write"), service, apikey.Forbidden},
	} {
		got, err := w.keys.Reveal(t.Context(), c.actor, c.key.Key.ID)
		if r := w.refused(err, c.want); r.Code == "" || got != "" {
			t.Errorf("^ %s", name)
		}
		if c.want == apikey.FreshNeeded {
			var r = w.refused(err, c.want)
			if r.MaxAge != 5*time.Minute {
				t.Errorf("%s: max age %s", name, r.MaxAge)
			}
		}
	}
	w.must(w.keys.Revoke(t.Context(), w.as(w.alice), alices.Key.ID))
	_, err := w.keys.Reveal(t.Context(), w.as(w.alice), alices.Key.ID)
	w.refused(err, apikey.Gone)
	// Another issuer would sign another text: that is no key, and is not told.
	w.issuer = "https://other.example.com"
	w.restart()
	got, err := w.keys.Reveal(t.Context(), w.as(w.alice), service.Key.ID)
	if w.refused(err, apikey.NotAllowed); got != "" {
		t.Error("a text was told that is no key")
	}
}

func TestGarbageNeverReachesTheStore(t *testing.T) {
	w := newWorld(t)
	made := w.create(w.as(w.alice), apikey.NewKey{})
	signed := w.create(w.as(w.alice), apikey.NewKey{Profile: "signed"})
	w.asks.finds = 0
	for _, s := range []string{
		"", "up_live_", "garbage", made.Secret + "x", made.Secret[1:], strings.ToUpper(made.Secret), "nope" + made.Secret[2:],
		signed.Secret[:len(signed.Secret)-5] + "AAAAA", signed.Secret + ".", strings.Repeat("a", 1<<20),
	} {
		if known, err := w.keys.Leaked(t.Context(), s); known || err != nil {
			t.Errorf("%.20q: %v, %v", s, known, err)
		}
	}
	if w.asks.finds != 0 {
		t.Errorf("%d queries about garbage", w.asks.finds)
	}
}
