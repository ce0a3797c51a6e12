package oidcconn

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/handclock"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

const (
	tenant   = storage.TenantID("ten_acme")
	callback = "https://auth.example.com/login/callback/con_1"
)

// room is a provider and a connection to it.
type room struct {
	t       *testing.T
	clock   *handclock.Clock
	op      *optest.Provider
	con     storage.Connection
	sealer  *seal.Sealer
	connect idp.Connect
}

func newRoom(t *testing.T) *room {
	c := handclock.New()
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{1}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t: t, clock: c, op: optest.New(t, c.Now), sealer: sealer}
	r.con = storage.Connection{ID: "con_1", Kind: storage.OIDC, Issuer: r.op.Issuer, ClientID: optest.ClientID, Scopes: []string{"openid", "email", "profile"}, Version: 1}
	r.con.SealedSecret = r.seal("client_secret", optest.ClientSecret)
	r.connect = Connect(Config{Client: r.op.Client, Opener: sealer, Now: c.Now})
	return r
}

// seal seals a secret of the connection.
func (r *room) seal(column, secret string) []byte {
	r.t.Helper()
	place := seal.Place{Tenant: tenant, Table: "connections", Column: column, Row: string(r.con.ID)}
	sealed, err := r.sealer.Seal(place, []byte(secret))
	if err != nil {
		r.t.Fatal(err)
	}
	return sealed
}

func (r *room) connector() idp.Connector {
	r.t.Helper()
	c, err := r.connect(r.t.Context(), tenant, r.con)
	if err != nil {
		r.t.Fatalf("Connect: %v", err)
	}
	return c
}

var request = idp.UpstreamRequest{
	State: "log_1.verifier", Nonce: "the-nonce", RedirectURI: callback,
	Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
}

// authorize is the browser's trip: it returns what comes back.
func (r *room) authorize(req idp.UpstreamRequest) idp.UpstreamCallback {
	r.t.Helper()
	target, err := r.connector().AuthURL(r.t.Context(), req)
	if err != nil {
		r.t.Fatalf("AuthURL: %v", err)
	}
	return r.visit(target, req)
}

func (r *room) visit(target string, req idp.UpstreamRequest) idp.UpstreamCallback {
	r.t.Helper()
	browser := *r.op.Client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := browser.Get(target)
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		r.t.Fatalf("the provider answered %s", resp.Status)
	}
	return idp.UpstreamCallback{Params: back.Query(), Nonce: req.Nonce, Verifier: req.Verifier, RedirectURI: req.RedirectURI}
}

// signIn is a whole trip.
func (r *room) signIn() (idp.Subject, error) {
	r.t.Helper()
	return r.connector().Finish(r.t.Context(), r.authorize(request))
}

func TestSignIn(t *testing.T) {
	r := newRoom(t)
	r.op.Person["acr"], r.op.Person["amr"] = "urn:two", []string{"pwd", "otp"}
	r.op.Person["groups"] = []string{"admins"}
	got, err := r.signIn()
	if err != nil {
		t.Fatal(err)
	}
	want := idp.Subject{
		Issuer: r.op.Issuer, Subject: "alice-sub", Email: "alice@acme.test", EmailVerified: true,
		Claims: map[string]any{"email": "alice@acme.test", "email_verified": true, "name": "Alice Archer"},
		ACR:    "urn:two", AMR: []string{"pwd", "otp"}, Level: storage.LevelMFA,
	}
	if raw := got.Raw; raw["iss"] != r.op.Issuer || raw["groups"] == nil {
		t.Errorf("raw claims: %v", raw)
	}
	got.Raw = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	if n := r.op.Seen("/userinfo"); n != 0 {
		t.Errorf("userinfo was asked %d times, though the ID token says everything", n)
	}
}

func TestAuthenticationRequest(t *testing.T) {
	r := newRoom(t)
	age := int64(300)
	req := request
	req.LoginHint, req.Prompt, req.MaxAge, req.ACRValues = "alice@acme.test", "login", &age, []string{"a", "b"}
	r.authorize(req)
	asked := r.op.Asked()
	for name, want := range map[string]string{
		"client_id": optest.ClientID, "response_type": "code", "scope": "openid email profile", "redirect_uri": callback,
		"state": "log_1.verifier", "nonce": "the-nonce", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
		"code_challenge_method": "S256", "login_hint": "alice@acme.test", "prompt": "login", "max_age": "300", "acr_values": "a b",
	} {
		if got := asked.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if asked.Has("client_secret") {
		t.Error("the secret went through the browser")
	}
}

func TestUserinfoFillsWhatTheIDTokenLacks(t *testing.T) {
	r := newRoom(t)
	r.op.IDTokenClaims = []string{"sub"}
	got, err := r.signIn()
	if err != nil {
		t.Fatal(err)
	}
	if got.Email != "alice@acme.test" || !got.EmailVerified || got.Claims["name"] != "Alice Archer" {
		t.Errorf("subject = %+v", got)
	}
}

// Whoever vouches for one address has not vouched for another.
func TestVerifiedIsTakenFromWhoNamedTheAddress(t *testing.T) {
	r := newRoom(t)
	r.op.IDTokenClaims = []string{"sub", "email"}
	r.op.Userinfo = func(c map[string]any) { c["email"] = "other@acme.test" }
	got, err := r.signIn()
	if err != nil {
		t.Fatal(err)
	}
	if got.Email != "alice@acme.test" || got.EmailVerified {
		t.Errorf("email %q verified %v: userinfo verified another address", got.Email, got.EmailVerified)
	}
}

func TestClaimsOfTheWrongTypeOrSizeAreDropped(t *testing.T) {
	r := newRoom(t)
	r.op.Person["picture"] = "data:" + strings.Repeat("x", maxClaim)
	r.op.Person["locale"] = 7
	r.op.Person["phone_number_verified"] = "true" // a text is no answer to yes or no
	r.op.Person["address"] = map[string]any{"locality": "Berlin"}
	got, err := r.signIn()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"email": "alice@acme.test", "email_verified": true, "name": "Alice Archer", "address": map[string]any{"locality": "Berlin"}}
	if diff := cmp.Diff(want, got.Claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestAuthTimeIsReported(t *testing.T) {
	r := newRoom(t)
	req, age := request, int64(60)
	req.MaxAge = &age
	got, err := r.connector().Finish(t.Context(), r.authorize(req))
	if err != nil || !got.AuthTime.Equal(r.clock.Now()) {
		t.Errorf("auth_time = %v, err %v", got.AuthTime, err)
	}
	if got, err := r.signIn(); err != nil || !got.AuthTime.IsZero() {
		t.Errorf("auth_time = %v, err %v; the provider did not say one", got.AuthTime, err)
	}
}

func TestSecretIsOpenedForItsOwnTenantAlone(t *testing.T) {
	r := newRoom(t)
	if _, err := r.connect(t.Context(), "ten_globex", r.con); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("err = %v, want ErrSealed", err)
	}
}

func TestChangedConnectionBeginsAfresh(t *testing.T) {
	r := newRoom(t)
	first := r.connector()
	if r.connector() != first {
		t.Error("the connector is not kept")
	}
	r.con.Version++
	if r.connector() == first {
		t.Error("a changed connection still has the old connector")
	}
}

func TestSecretGoesToTheTokenEndpointAlone(t *testing.T) {
	r := newRoom(t)
	r.op.IDTokenClaims = []string{"sub"}
	r.op.Intercept = func(_ http.ResponseWriter, req *http.Request) bool {
		if _, _, ok := req.BasicAuth(); ok && req.URL.Path != "/token" {
			t.Errorf("%s got the client secret", req.URL.Path)
		}
		return false
	}
	if _, err := r.signIn(); err != nil {
		t.Fatal(err)
	}
}

func TestAttackTokenEndpointRedirectsTheSecretAway(t *testing.T) {
	r := newRoom(t)
	thief := optest.New(t, r.clock.Now)
	r.op.Intercept = func(w http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path != "/token" {
			return false
		}
		http.Redirect(w, req, thief.Issuer+"/token", http.StatusTemporaryRedirect)
		return true
	}
	if _, err := r.signIn(); !errors.Is(err, idp.ErrUpstreamUnavailable) {
		t.Errorf("err = %v, want ErrUpstreamUnavailable", err)
	}
	if thief.Seen("/token") != 0 {
		t.Error("the redirect was followed")
	}
}

func TestProviderThatIsDownIsUnavailable(t *testing.T) {
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/userinfo", "/jwks"} {
		t.Run(path, func(t *testing.T) {
			r := newRoom(t)
			cb := idp.UpstreamCallback{Params: url.Values{"code": {"c"}, "iss": {r.op.Issuer}}}
			if path != "/.well-known/openid-configuration" {
				cb = r.authorize(request)
			}
			r.op.IDTokenClaims = []string{"sub"}
			r.op.Intercept = func(w http.ResponseWriter, req *http.Request) bool {
				if req.URL.Path == path {
					http.Error(w, strings.Repeat("out of order ", 1000), http.StatusBadGateway)
				}
				return req.URL.Path == path
			}
			_, err := r.connector().Finish(t.Context(), cb)
			if !errors.Is(err, idp.ErrUpstreamUnavailable) {
				t.Errorf("err = %v, want ErrUpstreamUnavailable", err)
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the error quotes %d bytes of the answer", len(err.Error()))
			}
		})
	}
}

func TestErrorsOfTheProvider(t *testing.T) {
	for code, want := range map[string]error{
		"access_denied":                    idp.ErrUpstreamDenied,
		"temporarily_unavailable":          idp.ErrUpstreamUnavailable,
		"login_required":                   idp.ErrUpstreamFailed,
		"\x1b[31m<script>" + "very broken": idp.ErrUpstreamFailed,
	} {
		r := newRoom(t)
		r.op.Response = func(p url.Values) { p.Del("code"); p.Set("error", code); p.Set("error_description", "SECRET") }
		_, err := r.signIn()
		if !errors.Is(err, want) {
			t.Errorf("%q: err = %v, want %v", code, err, want)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b<S") {
			t.Errorf("%q: the log would have %q", code, err)
		}
	}
}

func TestFinishStopsWithItsContext(t *testing.T) {
	r := newRoom(t)
	cb := r.authorize(request)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.connector().Finish(ctx, cb); !errors.Is(err, idp.ErrUpstreamUnavailable) {
		t.Errorf("err = %v, want ErrUpstreamUnavailable", err)
	}
}

// Of the claims that are not standard only the one that the connection names comes
// through, from the ID token or from userinfo.
func TestRoleClaimOfTheConnectionIsKept(t *testing.T) {
	for name, inIDToken := range map[string][]string{"in the ID token": nil, "from userinfo": {"sub", "email", "name"}} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			r.con.RoleClaim, r.op.IDTokenClaims = "roles", inIDToken
			r.op.Person["roles"], r.op.Person["groups"] = []any{"admin"}, []any{"owner"}
			got, err := r.signIn()
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(got.Claims["roles"], any([]any{"admin"})) || got.Claims["groups"] != nil {
				t.Errorf("claims: %v", got.Claims)
			}
		})
	}
}

func TestRoleClaimOfTheWrongTypeOrSizeIsDropped(t *testing.T) {
	for _, v := range []any{true, map[string]any{"owner": true}, strings.Repeat("x", maxClaim), 7} {
		r := newRoom(t)
		r.con.RoleClaim, r.op.Person["roles"] = "roles", v
		if got, err := r.signIn(); err != nil || got.Claims["roles"] != nil {
			t.Errorf("%T: %v, %v", v, got.Claims["roles"], err)
		}
	}
}
