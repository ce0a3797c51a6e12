package oidcconn

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/handclock"
	"github.com/watchgate/watchgate/storage"
)

func (r *room) logout(token string) (idp.LogoutToken, error) {
	r.t.Helper()
	return r.connector().(idp.LogoutVerifier).VerifyLogout(r.t.Context(), token)
}

func TestLogoutTokensOfEachKind(t *testing.T) {
	r := newRoom(t)
	ends := r.clock.Now().Add(2*time.Minute + Leeway)
	for name, c := range map[string]struct {
		claims map[string]any
		want   idp.LogoutToken
	}{
		"of a person":    {map[string]any{"sub": "alice-sub"}, idp.LogoutToken{Subject: "alice-sub"}},
		"of a session":   {map[string]any{"sid": "s1"}, idp.LogoutToken{SID: "s1"}},
		"of both":        {map[string]any{"sub": "alice-sub", "sid": "s1"}, idp.LogoutToken{Subject: "alice-sub", SID: "s1"}},
		"aud in a list":  {map[string]any{"sid": "s1", "aud": []string{optest.ClientID}}, idp.LogoutToken{SID: "s1"}},
		"another event":  {map[string]any{"sid": "s1", "events": map[string]any{logoutEvent: map[string]any{}, "x": 1}}, idp.LogoutToken{SID: "s1"}},
		"more is in it":  {map[string]any{"sid": "s1", "trace_id": "9"}, idp.LogoutToken{SID: "s1"}},
		"60 s ahead":     {map[string]any{"sid": "s1", "iat": r.clock.Now().Add(Leeway).Unix()}, idp.LogoutToken{SID: "s1"}},
		"a minute is up": {map[string]any{"sid": "s1", "exp": ends.Add(-2 * Leeway).Unix()}, idp.LogoutToken{SID: "s1", ExpiresAt: ends.Add(-Leeway)}},
		"made for hours": {map[string]any{"sid": "s1", "exp": ends.Add(time.Hour).Unix()}, idp.LogoutToken{SID: "s1", ExpiresAt: r.clock.Now().Add(maxLogoutAge)}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Issuer, c.want.ID = r.op.Issuer, "logout-1"
			if c.want.ExpiresAt.IsZero() {
				c.want.ExpiresAt = ends
			}
			got, err := r.logout(r.op.Logout(c.claims, nil))
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("err = %v\n%s", err, diff)
			}
		})
	}
}

func TestLogoutTokenTypes(t *testing.T) {
	r := newRoom(t)
	for _, typ := range []any{"logout+jwt", "LOGOUT+JWT", "application/logout+jwt", "JWT", nil} {
		token := r.op.Logout(map[string]any{"sid": "s"}, func(header, _ map[string]any) { header["typ"] = typ })
		if _, err := r.logout(token); err != nil {
			t.Errorf("typ %v: %v", typ, err)
		}
	}
}

func TestAttackLogoutToken(t *testing.T) {
	now := handclock.New().Now()
	for name, bend := range map[string]func(h, c map[string]any){
		"of another issuer":        func(_, c map[string]any) { c["iss"] = "https://evil.example" },
		"without iss":              func(_, c map[string]any) { delete(c, "iss") },
		"for another app":          func(_, c map[string]any) { c["aud"] = "another" },
		"for us and another":       func(_, c map[string]any) { c["aud"] = []string{optest.ClientID, "another"} },
		"for us and a number":      func(_, c map[string]any) { c["aud"] = []any{optest.ClientID, 7} },
		"without aud":              func(_, c map[string]any) { delete(c, "aud") },
		"over for 61 s":            func(_, c map[string]any) { c["exp"] = now.Add(-61 * time.Second).Unix() },
		"without exp":              func(_, c map[string]any) { delete(c, "exp") },
		"made in 61 s":             func(_, c map[string]any) { c["iat"] = now.Add(61 * time.Second).Unix() },
		"made 10 min ago":          func(_, c map[string]any) { c["iat"] = now.Add(-maxLogoutAge).Unix() },
		"without iat":              func(_, c map[string]any) { delete(c, "iat") },
		"good in 2 min":            func(_, c map[string]any) { c["nbf"] = now.Add(2 * time.Minute).Unix() },
		"nbf is a text":            func(_, c map[string]any) { c["nbf"] = "now" },
		"with a nonce":             func(_, c map[string]any) { c["nonce"] = "n" },
		"with a nonce of null":     func(_, c map[string]any) { c["nonce"] = nil },
		"without events":           func(_, c map[string]any) { delete(c, "events") },
		"with another event":       func(_, c map[string]any) { c["events"] = map[string]any{"x": map[string]any{}} },
		"events is a list":         func(_, c map[string]any) { c["events"] = []string{logoutEvent} },
		"the event is true":        func(_, c map[string]any) { c["events"] = map[string]any{logoutEvent: true} },
		"of nobody":                func(_, c map[string]any) { delete(c, "sub") },
		"sub is empty":             func(_, c map[string]any) { c["sub"] = "" },
		"sub is a number":          func(_, c map[string]any) { c["sub"], c["sid"] = 7, "s" },
		"sub is too long":          func(_, c map[string]any) { c["sub"] = strings.Repeat("x", maxSubject+1) },
		"sid is a list":            func(_, c map[string]any) { c["sid"] = []string{"s"} },
		"sid is too long":          func(_, c map[string]any) { c["sid"] = strings.Repeat("x", maxSID+1) },
		"without jti":              func(_, c map[string]any) { delete(c, "jti") },
		"jti is a number":          func(_, c map[string]any) { c["jti"] = 7 },
		"jti is too long":          func(_, c map[string]any) { c["jti"] = strings.Repeat("x", maxJTI+1) },
		"an access token":          func(h, _ map[string]any) { h["typ"] = "at+jwt" },
		"an Okta revocation token": func(h, _ map[string]any) { h["typ"] = "global-token-revocation+jwt" },
		"unknown crit":             func(h, _ map[string]any) { h["crit"], h["x"] = []string{"x"}, true },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			token := r.op.Logout(map[string]any{"sub": "alice-sub"}, bend)
			if got, err := r.logout(token); !errors.Is(err, idp.ErrUpstreamInvalid) {
				t.Errorf("%+v, err = %v; want ErrUpstreamInvalid", got, err)
			}
		})
	}
}

func TestAttackLogoutTokenSignature(t *testing.T) {
	r := newRoom(t)
	good := r.op.Logout(map[string]any{"sub": "alice-sub"}, nil)
	parts := strings.Split(good, ".")
	evil := attackerKey(t)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"alg none":         segment(map[string]any{"alg": "none", "typ": "logout+jwt"}) + "." + parts[1] + ".",
		"an attacker's":    optest.Sign(evil, map[string]any{"typ": "logout+jwt"}, payload),
		"key in header":    optest.Sign(evil, map[string]any{"typ": "logout+jwt", "jwk": evil.Public()}, payload),
		"no signature":     parts[0] + "." + parts[1] + ".",
		"another's body":   parts[0] + "." + segment(map[string]any{"sub": "victim"}) + "." + parts[2],
		"no token":         "logout",
		"nothing":          "",
		"ten megabytes":    strings.Repeat("a", 10<<20),
		"a list":           optest.Sign(r.op.Keys[0], map[string]any{"typ": "logout+jwt"}, []byte(`[]`)),
		"null":             optest.Sign(r.op.Keys[0], map[string]any{"typ": "logout+jwt"}, []byte(`null`)),
		"nothing's object": optest.Sign(r.op.Keys[0], map[string]any{"typ": "logout+jwt"}, []byte(`{}`)),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := r.logout(token); !errors.Is(err, idp.ErrUpstreamInvalid) {
				t.Errorf("%+v, err = %v; want ErrUpstreamInvalid", got, err)
			}
		})
	}
}

// An ID token is none, and a logout token signs nobody in.
func TestAttackTokensOfTheOtherKind(t *testing.T) {
	r := newRoom(t)
	var idToken string
	r.op.Sign = func(payload []byte) string {
		idToken = optest.Sign(r.op.Keys[0], nil, payload)
		return idToken
	}
	r.succeeds("sign in")
	if got, err := r.logout(idToken); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("an ID token signs %+v out, err = %v", got, err)
	}
	r.op.Sign = func([]byte) string { return r.op.Logout(map[string]any{"sub": "alice-sub"}, nil) }
	r.refused()
}

func TestLogoutTokenOfAProviderThatIsDown(t *testing.T) {
	r := newRoom(t)
	token := r.op.Logout(map[string]any{"sub": "alice-sub"}, nil)
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks"} {
		r.again()
		r.op.Intercept = func(w http.ResponseWriter, req *http.Request) bool {
			if req.URL.Path == path {
				w.WriteHeader(http.StatusBadGateway)
			}
			return req.URL.Path == path
		}
		if _, err := r.logout(token); !errors.Is(err, idp.ErrUpstreamUnavailable) {
			t.Errorf("%s: err = %v, want ErrUpstreamUnavailable", path, err)
		}
	}
}

// Two connections to one provider: the one's tokens end nothing of the other's (LO-09).
func TestAttackLogoutTokenOfAnotherConnection(t *testing.T) {
	r := newRoom(t)
	r.con.ClientID = "another"
	r.again()
	if got, err := r.logout(r.op.Logout(map[string]any{"sub": "alice-sub"}, nil)); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("%+v, err = %v", got, err)
	}
}

// In Entra, sub is not by what we know a person.
func TestEntraLogoutNamesAPersonByDirectoryAndObject(t *testing.T) {
	r := newEntra(t)
	got, err := r.logout(r.op.Logout(map[string]any{"sub": "pairwise", "tid": acmeDirectory, "oid": alicesOID}, nil))
	if err != nil || got.Subject != acmeDirectory+"|"+alicesOID {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := r.logout(r.op.Logout(map[string]any{"sub": "pairwise", "tid": acmeDirectory}, nil)); err == nil {
		t.Errorf("%+v: somebody is signed out by sub alone", got)
	}
}

const revocation = "https://auth.example.com/login/revocation/acme/con_1"

func (r *room) revoke(token string) (idp.LogoutToken, error) {
	r.t.Helper()
	return r.connector().(idp.RevocationVerifier).VerifyRevocation(r.t.Context(), token, revocation)
}

func TestOktaRevocation(t *testing.T) {
	r := newOkta(t)
	got, err := r.revoke(r.op.Revocation(revocation, nil))
	want := idp.LogoutToken{Issuer: oktaOrg, ID: "revocation-1", ExpiresAt: r.clock.Now().Add(maxRevocationAge)}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("err = %v\n%s", err, diff)
	}
}

func TestAttackOktaRevocation(t *testing.T) {
	now := handclock.New().Now()
	for name, bend := range map[string]func(h, c map[string]any){
		"of another issuer":       func(_, c map[string]any) { c["iss"] = "https://evil.okta.com" },
		"of a custom server":      func(_, c map[string]any) { c["iss"] = oktaCustom },
		"of another app":          func(_, c map[string]any) { c["sub"] = "0oaanother" },
		"without sub":             func(_, c map[string]any) { delete(c, "sub") },
		"for another endpoint":    func(_, c map[string]any) { c["aud"] = "https://auth.example.com/login/revocation/globex/con_1" },
		"for us as an app":        func(_, c map[string]any) { c["aud"] = optest.ClientID },
		"for two endpoints":       func(_, c map[string]any) { c["aud"] = []string{revocation, "https://other.example"} },
		"without aud":             func(_, c map[string]any) { delete(c, "aud") },
		"made 5 min ago":          func(_, c map[string]any) { c["iat"] = now.Add(-5 * time.Minute).Unix() },
		"made in 61 s":            func(_, c map[string]any) { c["iat"] = now.Add(61 * time.Second).Unix() },
		"over":                    func(_, c map[string]any) { c["exp"] = now.Add(-61 * time.Second).Unix() },
		"without exp":             func(_, c map[string]any) { delete(c, "exp") },
		"good in 61 s":            func(_, c map[string]any) { c["nbf"] = now.Add(61 * time.Second).Unix() },
		"without jti":             func(_, c map[string]any) { delete(c, "jti") },
		"an ID token by its type": func(h, _ map[string]any) { h["typ"] = "JWT" },
		"of no type":              func(h, _ map[string]any) { h["typ"] = nil },
		"a logout token":          func(h, _ map[string]any) { h["typ"] = "logout+jwt" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newOkta(t)
			if _, err := r.revoke(r.op.Revocation(revocation, bend)); !errors.Is(err, idp.ErrUpstreamInvalid) {
				t.Errorf("err = %v, want ErrUpstreamInvalid", err)
			}
		})
	}
	r := newOkta(t)
	good := r.op.Revocation(revocation, nil)
	r.op.Keys[0] = attackerKey(t)
	r.again()
	if _, err := r.revoke(good); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("signed by another key: %v", err)
	}
}

func TestAttackRevocationAtAConnectionThatIsNotOktas(t *testing.T) {
	for _, preset := range []storage.Preset{"", storage.PresetOIDC, storage.PresetAuth0, storage.PresetEntra} {
		r := newOkta(t)
		r.con.Preset = preset
		r.again()
		if _, err := r.revoke(r.op.Revocation(revocation, nil)); !errors.Is(err, idp.ErrUpstreamInvalid) {
			t.Errorf("%s: err = %v, want ErrUpstreamInvalid", preset, err)
		}
	}
}

// Behind a custom authorization server, the organization's own may call, with its own
// keys; nobody else, and not the one with the other's.
func TestOktaRevocationBehindACustomAuthorizationServer(t *testing.T) {
	r := newProduct(t, storage.PresetOkta, oktaCustom, "okta/discovery_custom.json", "okta/id_token.json")
	if _, err := r.revoke(r.op.Revocation(revocation, nil)); err != nil {
		t.Errorf("the custom server: %v", err)
	}
	orgKey := optest.ECKey("org-1")
	r.op.Elsewhere = oktaOrganization(t, orgKey)
	org := func(_, c map[string]any) { c["iss"] = oktaOrg }
	if _, err := r.revoke(r.op.Revocation(revocation, org)); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("the organization by the custom server's key: %v", err)
	}
	custom := r.op.Keys[0]
	r.op.Keys[0] = orgKey
	got, err := r.revoke(r.op.Revocation(revocation, org))
	if err != nil || got.Issuer != oktaCustom {
		t.Errorf("the organization: %+v, %v", got, err)
	}
	if _, err := r.revoke(r.op.Revocation(revocation, func(_, c map[string]any) { c["iss"] = "https://evil.okta.com" })); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("another organization: %v", err)
	}
	r.op.Keys[0] = custom
	if r.op.Seen("evil.okta.com") != 0 {
		t.Error("an issuer that a token named was asked")
	}
}
