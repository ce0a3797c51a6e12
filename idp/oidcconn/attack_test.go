package oidcconn

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/handclock"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/storage"
)

// refused signs in and wants the answer refused.
func (r *room) refused() {
	r.t.Helper()
	if got, err := r.signIn(); !errors.Is(err, idp.ErrUpstreamInvalid) {
		r.t.Errorf("signed in as %q, err = %v; want ErrUpstreamInvalid", got.Subject, err)
	}
}

func segment(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestAttackIDTokenAlgNone(t *testing.T) {
	r := newRoom(t)
	for _, alg := range []string{"none", "None", "nOnE", ""} {
		r.op.Sign = func(payload []byte) string {
			return segment(map[string]any{"alg": alg, "typ": "JWT"}) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
		}
		r.refused()
	}
}

func TestAttackIDTokenHS256WithTheRSAPublicKey(t *testing.T) {
	r := newRoom(t)
	der, err := x509.MarshalPKIXPublicKey(r.op.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	r.op.Sign = func(payload []byte) string {
		return optest.Sign(jose.JSONWebKey{Key: public, KeyID: "rsa-1", Algorithm: "HS256"}, nil, payload)
	}
	r.refused()
	// A connection that names the algorithm opens nothing either.
	r.con.Algs, r.con.Version = []string{"RS256", "HS256"}, 2
	r.refused()
}

func TestAttackIDTokenHS256WithTheClientSecret(t *testing.T) {
	r := newRoom(t)
	r.con.Algs = []string{"HS256", "RS256"}
	secret := append([]byte(optest.ClientSecret), make([]byte, 32)...)
	r.op.Sign = func(payload []byte) string {
		return optest.Sign(jose.JSONWebKey{Key: secret, Algorithm: "HS256"}, nil, payload)
	}
	r.refused()
}

func attackerKey(t *testing.T) jose.JSONWebKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "rsa-1", Algorithm: "RS256", Use: "sig"}
}

func TestAttackIDTokenWithItsOwnKeyInTheHeader(t *testing.T) {
	r := newRoom(t)
	evil := attackerKey(t)
	thief := optest.New(t, r.clock.Now)
	thief.Keys = []jose.JSONWebKey{evil}
	for name, header := range map[string]map[string]any{
		"jwk": {"jwk": evil.Public()},
		"jku": {"jku": thief.Issuer + "/jwks"},
		"x5u": {"x5u": thief.Issuer + "/jwks"},
		"kid": {},
	} {
		t.Run(name, func(t *testing.T) {
			r.op.Sign = func(payload []byte) string { return optest.Sign(evil, header, payload) }
			r.refused()
		})
	}
	if thief.Seen("/jwks") != 0 {
		t.Error("a URL from the header was fetched")
	}
}

func TestAttackIDTokenUnknownCrit(t *testing.T) {
	r := newRoom(t)
	for _, name := range []string{"exp-policy", "b64"} {
		r.op.Sign = func(payload []byte) string {
			header := map[string]any{"crit": []string{name}, name: true}
			return optest.Sign(r.op.Keys[0], header, payload)
		}
		r.refused()
	}
}

func TestAttackIDTokenOfAnotherType(t *testing.T) {
	r := newRoom(t)
	for _, typ := range []string{"logout+jwt", "at+jwt"} {
		r.op.Sign = func(payload []byte) string {
			return optest.Sign(r.op.Keys[0], map[string]any{"typ": typ}, payload)
		}
		r.refused()
	}
}

func TestAttackIDTokenClaims(t *testing.T) {
	now := handclock.New().Now()
	for name, bend := range map[string]func(c map[string]any){
		"no nonce":              func(c map[string]any) { delete(c, "nonce") },
		"wrong nonce":           func(c map[string]any) { c["nonce"] = "another" },
		"expired 61 s":          func(c map[string]any) { c["exp"] = now.Add(-61 * time.Second).Unix() },
		"no exp":                func(c map[string]any) { delete(c, "exp") },
		"iat 10 min ahead":      func(c map[string]any) { c["iat"] = now.Add(10 * time.Minute).Unix() },
		"iat 61 s ahead":        func(c map[string]any) { c["iat"] = now.Add(61 * time.Second).Unix() },
		"no iat":                func(c map[string]any) { delete(c, "iat") },
		"iat overflows":         func(c map[string]any) { c["iat"] = 1e300 },
		"nbf in the future":     func(c map[string]any) { c["nbf"] = now.Add(2 * time.Minute).Unix() },
		"no sub":                func(c map[string]any) { delete(c, "sub") },
		"sub too long":          func(c map[string]any) { c["sub"] = string(make([]byte, 256)) },
		"sub is a number":       func(c map[string]any) { c["sub"] = 7 },
		"iss of another":        func(c map[string]any) { c["iss"] = "https://evil.example" },
		"iss with a slash":      func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" },
		"no iss":                func(c map[string]any) { delete(c, "iss") },
		"aud of another client": func(c map[string]any) { c["aud"] = "another" },
		"no aud":                func(c map[string]any) { delete(c, "aud") },
		"aud with a stranger":   func(c map[string]any) { c["aud"] = []string{optest.ClientID, "another"} },
		"azp of another client": func(c map[string]any) { c["azp"] = "another" },
		"at_hash of another":    func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.op.Claims = bend
			r.refused()
		})
	}
}

func TestIDTokenWithinTheLeeway(t *testing.T) {
	now := handclock.New().Now()
	for name, bend := range map[string]func(c map[string]any){
		"expired 60 s":      func(c map[string]any) { c["exp"] = now.Add(-60 * time.Second).Unix() },
		"iat 60 s ahead":    func(c map[string]any) { c["iat"] = now.Add(60 * time.Second).Unix() },
		"aud as a list":     func(c map[string]any) { c["aud"] = []string{optest.ClientID} },
		"azp is us":         func(c map[string]any) { c["azp"] = optest.ClientID },
		"amr is no list":    func(c map[string]any) { c["amr"] = "pwd" },
		"nbf 60 s ahead":    func(c map[string]any) { c["nbf"] = now.Add(60 * time.Second).Unix() },
		"iat has fractions": func(c map[string]any) { c["iat"] = float64(now.Unix()) + 0.5 },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.op.Claims = bend
			if _, err := r.signIn(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAttackMixUp(t *testing.T) {
	r := newRoom(t)
	other := optest.New(t, r.clock.Now)
	for name, bend := range map[string]func(p url.Values){
		"iss of another":      func(p url.Values) { p.Set("iss", other.Issuer) },
		"iss missing":         func(p url.Values) { p.Del("iss") },
		"iss twice":           func(p url.Values) { p.Add("iss", r.op.Issuer) },
		"code twice":          func(p url.Values) { p.Add("code", "another") },
		"error from another":  func(p url.Values) { p.Set("iss", other.Issuer); p.Set("error", "access_denied") },
		"neither code, error": func(p url.Values) { p.Del("code") },
	} {
		t.Run(name, func(t *testing.T) {
			r.op.Response = bend
			before := r.op.Seen("/token")
			r.refused()
			if r.op.Seen("/token") != before {
				t.Error("the code was redeemed all the same")
			}
		})
	}
}

func TestIssIsOptionalWhereItIsNotAdvertised(t *testing.T) {
	r := newRoom(t)
	r.op.Discovery = func(doc map[string]any) { delete(doc, "authorization_response_iss_parameter_supported") }
	r.op.Response = func(p url.Values) { p.Del("iss") }
	if _, err := r.signIn(); err != nil {
		t.Error(err)
	}
	r.op.Response = func(p url.Values) { p.Set("iss", "https://evil.example") }
	r.refused()
}

func TestAttackUserinfoOfSomebodyElse(t *testing.T) {
	r := newRoom(t)
	r.op.IDTokenClaims = []string{"sub"}
	r.op.Userinfo = func(c map[string]any) { c["sub"] = "victim-sub" }
	r.refused()
	r.op.Userinfo = func(c map[string]any) { delete(c, "sub") }
	r.refused()
}

func TestAttackCallbackReplayed(t *testing.T) {
	r := newRoom(t)
	cb := r.authorize(request)
	if _, err := r.connector().Finish(t.Context(), cb); err != nil {
		t.Fatal(err)
	}
	if _, err := r.connector().Finish(t.Context(), cb); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("err = %v, want ErrUpstreamInvalid", err)
	}
}

func TestAttackCodeInjection(t *testing.T) {
	r := newRoom(t)
	stolen := request
	stolen.Verifier = "another-verifier-another-verifier-another-v"
	cb := r.authorize(stolen)
	cb.Verifier = request.Verifier
	if _, err := r.connector().Finish(t.Context(), cb); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("err = %v, want ErrUpstreamInvalid: the code belongs to another verifier", err)
	}
}

func TestAttackEndpointsInDiscovery(t *testing.T) {
	for name, bend := range map[string]func(doc map[string]any){
		"token_endpoint on plain http":    func(d map[string]any) { d["token_endpoint"] = "http://10.0.0.5/" },
		"jwks_uri on plain http":          func(d map[string]any) { d["jwks_uri"] = "http://127.0.0.1/jwks" },
		"javascript authorization":        func(d map[string]any) { d["authorization_endpoint"] = "javascript:alert(1)//" },
		"data authorization":              func(d map[string]any) { d["authorization_endpoint"] = "data:text/html,x" },
		"userinfo on plain http":          func(d map[string]any) { d["userinfo_endpoint"] = "http://evil.example/" },
		"user information in an endpoint": func(d map[string]any) { d["token_endpoint"] = "https://a:b@evil.example/" },
		"no token_endpoint":               func(d map[string]any) { delete(d, "token_endpoint") },
		"no jwks_uri":                     func(d map[string]any) { delete(d, "jwks_uri") },
		"issuer of another":               func(d map[string]any) { d["issuer"] = "https://evil.example" },
		"issuer with a slash":             func(d map[string]any) { d["issuer"] = d["issuer"].(string) + "/" },
		"no issuer":                       func(d map[string]any) { delete(d, "issuer") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.op.Discovery = bend
			if target, err := r.connector().AuthURL(t.Context(), request); !errors.Is(err, idp.ErrUpstreamInvalid) {
				t.Errorf("goes to %q, err = %v; want ErrUpstreamInvalid", target, err)
			}
		})
	}
}

func TestAttackIssuerOfTheConnection(t *testing.T) {
	for _, issuer := range []string{"http://op.example", "http://127.0.0.1:1", "ftp://op.example", "op.example", "https://op.example#x", ""} {
		r := newRoom(t)
		r.con.Issuer = issuer
		if _, err := r.connect(t.Context(), tenant, r.con); !errors.Is(err, idp.ErrUpstreamInvalid) {
			t.Errorf("%q: err = %v, want ErrUpstreamInvalid", issuer, err)
		}
	}
}

func TestPlainHTTPOnLoopbackOnlyWhenAllowed(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://127.0.0.1:8081": true, "http://localhost:8081/x": true, "http://[::1]:8081": true,
		"http://127.0.0.1.evil.example": false, "http://10.0.0.5": false, "https://op.example": true,
	} {
		if got := checkURL(raw, true) == nil; got != want {
			t.Errorf("checkURL(%q, true) accepts: %v, want %v", raw, got, want)
		}
	}
}

func TestUnusableConnections(t *testing.T) {
	r := newRoom(t)
	for name, bend := range map[string]func(c *storage.Connection){
		"kind": func(c *storage.Connection) { c.Kind = "saml" },
		"algs": func(c *storage.Connection) { c.Algs = []string{"none", "HS256"} },
	} {
		con := r.con
		bend(&con)
		con.Version = 9
		if _, err := r.connect(t.Context(), tenant, con); !errors.Is(err, idp.ErrUpstreamInvalid) {
			t.Errorf("%s: err = %v, want ErrUpstreamInvalid", name, err)
		}
	}
}

// go-oidc lets Google's issuer pass without its scheme; we compare every byte.
func TestAttackIssuerWithoutItsSchemeFromGoogle(t *testing.T) {
	r := newRoom(t)
	r.con.Issuer = "https://accounts.google.com"
	c := r.connector().(*connector)
	got := idToken{IDToken: &oidc.IDToken{
		Issuer: "accounts.google.com", Subject: "s", Audience: []string{optest.ClientID}, Nonce: "n",
	}, all: map[string]any{"iat": float64(r.clock.Now().Unix())}}
	if c.refuse(got, "n", r.clock.Now()) == "" {
		t.Error("accepted")
	}
	got.Issuer = r.con.Issuer
	if why := c.refuse(got, "n", r.clock.Now()); why != "" {
		t.Error(why)
	}
}

// A private address is a mistake, or an attempt, in the connection: nobody is
// told to try again in a minute.
func TestAttackConnectionToAPrivateAddress(t *testing.T) {
	client := outbound.New(outbound.Config{}).HTTP(1<<20, 0)
	for _, issuer := range []string{"https://127.0.0.1", "https://10.0.0.1/realm", "https://[::1]", "https://169.254.169.254", "https://127.0.0.1:8443"} {
		r := newRoom(t)
		r.con.Issuer, r.con.SealedSecret = issuer, nil
		connect := Connect(Config{Client: client, Now: r.clock.Now})
		c, err := connect(t.Context(), tenant, r.con)
		if err == nil {
			_, err = c.AuthURL(t.Context(), idp.UpstreamRequest{State: "s", Nonce: "n", Verifier: "v", RedirectURI: callback})
		}
		if !errors.Is(err, idp.ErrUpstreamInvalid) || errors.Is(err, idp.ErrUpstreamUnavailable) {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestAttackKeysAtAPrivateAddress(t *testing.T) {
	cfg := Config{Client: outbound.New(outbound.Config{}).HTTP(1<<20, 0), Now: handclock.New().Now}
	_, err := newKeySet(cfg, "https://10.0.0.1/jwks", defaultAlgs).download(t.Context())
	if !errors.Is(err, idp.ErrUpstreamInvalid) || errors.Is(err, idp.ErrUpstreamUnavailable) {
		t.Error(err)
	}
}
