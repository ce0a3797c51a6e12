package authz_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/storage"
)

// RP-Initiated Logout section 2: an ID token of ours says who, through which app and
// in which session, whether it has expired or not.
func TestSignOutHintSaysWhoseSessionItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.consented()
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		w.change("web", func(c *storage.Client) { c.IDTokenAlg = alg })
		got := w.grantedBy(ls, "openid offline_access")
		for what, id := range map[string]string{"first": got.ID, "refreshed": w.refresh(got.Refresh, "web").ID} {
			want := storage.SignOutHint{User: ls.User, Client: "web", Session: ls.ID}
			hint, err := w.engine.SignOutHint(t.Context(), id)
			if diff := cmp.Diff(want, hint); err != nil || diff != "" {
				t.Errorf("%s, %s: %v %s", alg, what, err, diff)
			}
		}
	}
	id := w.grantedBy(ls, "openid").ID
	for _, c := range []struct {
		after   time.Duration
		expired bool
	}{{time.Hour - time.Second, false}, {time.Second, true}, {48 * time.Hour, true}} {
		w.pass(c.after)
		if hint, err := w.engine.SignOutHint(t.Context(), id); err != nil || hint.Expired != c.expired || hint.Session != ls.ID {
			t.Errorf("after %v: %+v %v", c.after, hint, err)
		}
	}
}

// LO-02, attack 94: what is not an ID token of ours hints at nothing.
func TestAttackForgedSignOutHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ls := w.consented()
	got := w.grantedBy(ls, "openid offline_access")
	signed := func(typ string, edit func(map[string]any)) string {
		claims := map[string]any{"iss": issuer, "sub": string(ls.User), "aud": "web", "sid": string(ls.ID), "exp": w.now().Add(time.Hour).Unix()}
		edit(claims)
		s, err := keys.Sign(t.Context(), "RS256", typ, claims)
		w.must(err)
		return s
	}
	same := func(map[string]any) {}
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	parts := strings.Split(got.ID, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	if _, err := w.engine.SignOutHint(t.Context(), signed("JWT", same)); err != nil {
		t.Fatalf("the forger's tools are blunt: %v", err)
	}
	for name, forged := range map[string]string{
		"nothing": "", "garbage": "x", "alg none": none, "no signature": parts[0] + "." + parts[1] + ".", "alg none, signed": none + parts[2],
		"altered":         parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+issuer+`","sub":"usr_1","aud":"web"}`)) + "." + parts[2],
		"half a token":    got.ID[:len(got.ID)-4] + "AAAA",
		"another signer":  w.strangers(ls, parts[0]),
		"another issuer":  signed("JWT", set("iss", "https://other.example.com")),
		"almost ours":     signed("JWT", set("iss", issuer+"/")),
		"no issuer":       signed("JWT", set("iss", nil)),
		"nobody":          signed("JWT", set("sub", "")),
		"no audience":     signed("JWT", set("aud", nil)),
		"two audiences":   signed("JWT", set("aud", []string{"web", "other"})),
		"a list":          signed("JWT", set("aud", []string{"web"})),
		"a logout token":  signed("logout+jwt", set("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})),
		"a signed answer": signed("token-introspection+jwt", same),
		"an API key":      signed("api-key+jwt", same),
		"no type":         signed("", same),
		"an access token": got.Access, "a refresh token": got.Refresh, "too long": signed("JWT", set("x", strings.Repeat("x", 9000))),
	} {
		if hint, err := w.engine.SignOutHint(t.Context(), forged); err == nil || hint != (storage.SignOutHint{}) {
			t.Errorf("%s: %+v %v", name, hint, err)
		}
	}
	if hint, err := w.engine.SignOutHint(t.Context(), signed("JWT", set("sid", nil))); err != nil || hint.Session != "" {
		t.Errorf("one of a time without sid: %+v %v", hint, err)
	}
}

// strangers is a token like ours, with our key's name, of somebody else's key.
func (w *world) strangers(ls storage.LiveSession, header string) string {
	w.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(header)
	w.must(err)
	kid, _, _ := strings.Cut(strings.SplitAfter(string(raw), `"kid":"`)[1], `"`)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(strings.Repeat("k", 32)), KeyID: kid}},
		(&jose.SignerOptions{}).WithType("JWT"))
	w.must(err)
	jws, err := signer.Sign([]byte(`{"iss":"` + issuer + `","sub":"` + string(ls.User) + `","aud":"web","sid":"` + string(ls.ID) + `"}`))
	w.must(err)
	compact, err := jws.CompactSerialize()
	w.must(err)
	return compact
}

// keyless is a signer whose keys cannot be read.
type keyless struct{ authz.Signer }

var errKeyless = errors.New("the keys cannot be read")

func (keyless) Verify(context.Context, string) ([]byte, error) { return nil, errKeyless }

// While the keys cannot be read no hint is believed, and the error says why.
func TestSignOutHintWhileTheKeysAreAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.granted().ID
	engine, err := authz.New(authz.Config{
		Issuer: issuer, Store: w.store, Signer: keyless{keys}, SignIn: w.browse, SuccessorKey: make([]byte, 32), Now: w.now,
	})
	w.must(err)
	if hint, err := engine.SignOutHint(t.Context(), id); !errors.Is(err, errKeyless) || hint != (storage.SignOutHint{}) {
		t.Errorf("%+v %v", hint, err)
	}
}

// AZ-24: a token of another kind names nobody at the authorization endpoint either.
func TestAttackLogoutTokenAsIDTokenHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.consented()
	for typ, code := range map[string]string{"logout+jwt": login, "JWT": ""} {
		hint, err := keys.Sign(t.Context(), "ES256", typ, map[string]any{"iss": issuer, "sub": string(ls.User), "aud": "web"})
		w.must(err)
		w.answered(typ, w.authorize(request("scope", "openid", "prompt", "none", "id_token_hint", hint), cookie), code)
	}
}
