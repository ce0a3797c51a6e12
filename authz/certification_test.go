package authz_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

// Certification 8.
func TestAuthorizeByPostIsAuthorizeByGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	r := httptest.NewRequest("POST", "/oauth2/authorize", strings.NewReader(request("extra", "foobar").Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(cookie)
	if got := w.response(w.do(r), callback); got.Get("code") == "" || got.Get("state") != "the-state" {
		t.Errorf("got %v", got)
	}
}

// Certification 8: scope order, unknown parameters, and no PKCE for who needs
// none.
func TestConfidentialClientWithoutPKCEAndNonce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request("client_id", "nopkce", "code_challenge", "", "code_challenge_method", "", "nonce", "", "scope", "monitor:read openid"))
	got := w.tokens(w.post("/oauth2/token", redemption(code, "code_verifier", ""), as("nopkce")))
	if c := w.claims(got.ID); c["nonce"] != nil || c["sub"] != string(w.alice.ID) {
		t.Errorf("claims %v", c)
	}
}

// Certification 9 and 38, AZ-11.
func TestRegisteredQuerySurvives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request("client_id", "native", "redirect_uri", "https://app.example.com/q?a=b"), cookie)
	got := w.response(w.approve(ls), "https://app.example.com/q?a=b&")
	if got.Get("a") != "b" || got.Get("code") == "" {
		t.Errorf("got %v", got)
	}
}

// Certification 9, AZ-06.
func TestRedirectURIMayBeLeftOutWhenThereIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request("redirect_uri", ""), cookie)
	if w.browse.last(t).RedirectSent {
		t.Error("redirect_uri was not sent")
	}
	code := w.response(w.approve(ls), callback).Get("code")
	if got := w.tokens(w.post("/oauth2/token", redemption(code, "redirect_uri", ""), as("web"))); got.Access == "" {
		t.Error(got.Error)
	}
	w.page(w.authorize(request("client_id", "native", "redirect_uri", ""), cookie))
}

// Certification 11 and 19: what an error response may carry.
func TestErrorResponseCarriesNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, params := range []url.Values{
		request("scope", "nope"), request("prompt", "none"), request("response_type", "token"), request("request", "x.y.z"),
		request("max_age", "x"), request("claims", "{"), request("resource", "x"), request("code_challenge", "x"),
	} {
		got := w.response(w.authorize(params), callback)
		for name := range got {
			if !strings.Contains(" error error_description state iss ", " "+name+" ") {
				t.Errorf("%v has %s", got, name)
			}
		}
		if strings.ContainsFunc(got.Get("error_description"), func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("error_description %q", got.Get("error_description"))
		}
	}
}

// Certification 12, AZ-23.
func TestHintsAreNeverAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hint := w.granted().ID
	for _, pair := range [][2]string{
		{"display", "page"}, {"display", "nonsense"}, {"ui_locales", "se de"}, {"ui_locales", strings.Repeat("x", 500)}, {"claims_locales", "se"},
		{"login_hint", "buffy@example.com"}, {"login_hint", strings.Repeat("x", 5000)}, {"login_hint", "a\nb"}, {"acr_values", "1 2"}, {"acr_values", "é"},
		{"id_token_hint", hint}, {"id_token_hint", "garbage"}, {"id_token_hint", strings.Repeat("x", 9000)},
		{"claims", `{"userinfo":{"unknown":{"essential":true}},"id_token":{"other":null,"name":7},"more":1}`},
	} {
		if rec := w.authorize(request(pair[0], pair[1])); rec.Header().Get("Location") != "/login/pending" {
			t.Errorf("%s=%.20s: %d %s", pair[0], pair[1], rec.Code, rec.Header().Get("Location"))
		}
	}
}

// Certification 12: of the classes that the app asks for, the one that the
// sign-in reached; never one that it did not.
func TestRequestedACRIsReturnedWhereItWasReached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, pair := range [][2]string{
		{"acr_values", "urn:gold urn:mfa"}, {"acr_values", "urn:gold"}, {"claims", `{"id_token":{"acr":{"values":["urn:gold","urn:mfa"]}}}`},
		{"claims", `{"id_token":{"acr":{"essential":true,"value":"urn:mfa"}}}`}, {"claims", `{"id_token":{"acr":{"value":"urn:gold"}}}`},
	} {
		if got := w.claims(w.granted(pair[0], pair[1]).ID); got["acr"] != "urn:mfa" {
			t.Errorf("%s=%s: acr = %v", pair[0], pair[1], got["acr"])
		}
	}
}

// Certification 13: prompt=login gives a newer auth_time than the code before.
func TestPromptLoginGivesANewerAuthTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authTime := func(params url.Values) float64 {
		return w.claims(w.tokens(w.post("/oauth2/token", redemption(w.code(params)), as("web"))).ID)["auth_time"].(float64)
	}
	first := authTime(request())
	w.pass(time.Second)
	if second := authTime(request("prompt", "login")); second <= first {
		t.Errorf("auth_time %v, then %v", first, second)
	}
}

// Certification 13, AZ-21.
func TestPromptNoneKeepsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	first := w.tokens(w.post("/oauth2/token", redemption(w.response(w.approve(ls), callback).Get("code")), as("web")))
	w.pass(10 * time.Minute)
	code := w.response(w.authorize(request("prompt", "none"), cookie), callback).Get("code")
	second := w.tokens(w.post("/oauth2/token", redemption(code), as("web")))
	was, is := w.claims(first.ID), w.claims(second.ID)
	if was["sub"] != is["sub"] || was["auth_time"] != is["auth_time"] || was["sid"] != is["sid"] {
		t.Errorf("first %v\nthen %v", was, is)
	}
}

// Certification 13 and 14, AZ-22.
func TestPromptLoginAndMaxAgeAuthenticateAgain(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]url.Values{
		"prompt=login": request("prompt", "login"), "max_age=0": request("max_age", "0"), "max_age=1": request("max_age", "1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cookie, ls := w.aliceIn()
			w.authorize(request(), cookie)
			w.response(w.approve(ls), callback)
			w.pass(5 * time.Second)
			if loc := w.authorize(params, cookie).Header().Get("Location"); loc != "/login/pending" {
				t.Fatalf("Location %q, want a sign-in", loc)
			}
			w.sentBack(w.approve(ls), "login_required")
			w.pass(5 * time.Second)
			w.aliceIn(func(s *storage.Session) { s.AuthTime = start })
			if name == "prompt=login" {
				w.pass(2 * time.Minute)
				w.authorize(params, cookie)
				w.pass(5 * time.Second)
				_, stale := w.aliceIn(func(s *storage.Session) { s.AuthTime = start })
				w.sentBack(w.approve(stale), "login_required")
			}
			_, fresh := w.aliceIn()
			code := w.response(w.approve(fresh), callback).Get("code")
			got := w.claims(w.tokens(w.post("/oauth2/token", redemption(code), as("web"))).ID)
			if got["auth_time"] != float64(w.now().Unix()) {
				t.Errorf("auth_time = %v, want %d", got["auth_time"], w.now().Unix())
			}
		})
	}
}

// Certification 14.
func TestMaxAgeThatIsMetAsksNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	w.pass(10 * time.Second)
	code := w.response(w.authorize(request("max_age", "10000"), cookie), callback).Get("code")
	if got := w.claims(w.tokens(w.post("/oauth2/token", redemption(code), as("web"))).ID); got["auth_time"] != float64(start.Unix()) {
		t.Errorf("auth_time = %v", got["auth_time"])
	}
	w.sentBack(w.authorize(request("max_age", "5", "prompt", "none"), cookie), "login_required")
	for _, bad := range []string{"-1", "+1", "x", "1.5", "0x10", "1e3", "-99999999999999999999"} {
		w.sentBack(w.authorize(request("max_age", bad), cookie), "invalid_request")
	}
	for _, ages := range []string{"2147483647", "2147483648", "99999999999999999999"} {
		if w.response(w.authorize(request("max_age", ages), cookie), callback).Get("code") == "" {
			t.Errorf("max_age=%s: no code", ages)
		}
	}
}

// Certification 13.
func TestPromptConsentAndSelectAccountAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	for _, prompt := range []string{"consent", "select_account", "login consent"} {
		if loc := w.authorize(request("prompt", prompt), cookie).Header().Get("Location"); loc != "/login/pending" {
			t.Errorf("prompt=%s: Location %q", prompt, loc)
		}
	}
	w.sentBack(w.authorize(request("prompt", "create"), cookie), "invalid_request")
}

// Certification 15, AZ-24: the hint of somebody else, and an expired one.
func TestIDTokenHintSelectsThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, ls := w.aliceIn()
	carol, carolIn := w.signIn(w.globex, w.idpG, w.carol)
	w.authorize(request(), alice)
	hint := w.tokens(w.post("/oauth2/token", redemption(w.response(w.approve(ls), callback).Get("code")), as("web"))).ID
	w.sentBack(w.authorize(request("prompt", "none", "id_token_hint", hint), carol), "login_required")
	w.sentBack(w.authorize(request("prompt", "none", "id_token_hint", "garbage"), alice), "login_required")
	w.sentBack(w.authorize(request("prompt", "none"), alice, carol), "account_selection_required")
	if got := w.response(w.authorize(request("prompt", "none", "id_token_hint", hint), alice, carol), callback); got.Get("code") == "" {
		t.Errorf("the hint selects among two: %v", got)
	}
	w.authorize(request("id_token_hint", hint), carol)
	w.sentBack(w.approve(carolIn), "login_required")
	w.pass(50 * time.Minute)
	w.response(w.authorize(request("prompt", "none"), alice), callback)
	w.pass(50 * time.Minute)
	if got := w.response(w.authorize(request("prompt", "none", "id_token_hint", hint), alice), callback); got.Get("code") == "" {
		t.Errorf("an expired hint is still one: %v", got)
	}
}

// AZ-24: what others signed names nobody.
func TestAttackForgedIDTokenHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, ls := w.aliceIn()
	w.authorize(request(), alice)
	hint := w.tokens(w.post("/oauth2/token", redemption(w.response(w.approve(ls), callback).Get("code")), as("web"))).ID
	parts := strings.Split(hint, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	elsewhere, err := keys.Sign(context.Background(), "RS256", "JWT", map[string]any{"iss": "https://other.example.com", "sub": string(w.alice.ID)})
	w.must(err)
	for _, forged := range []string{elsewhere, none, parts[0] + "." + parts[1] + ".", hint[:len(hint)-4] + "AAAA"} {
		w.sentBack(w.authorize(request("prompt", "none", "id_token_hint", forged), alice), "login_required")
	}
}

// login_hint selects the session, and never makes one.
func TestLoginHintSelectsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, ls := w.aliceIn()
	carol, _ := w.signIn(w.globex, w.idpG, w.carol)
	w.authorize(request(), alice)
	w.response(w.approve(ls), callback)
	if got := w.response(w.authorize(request("prompt", "none", "login_hint", "Alice@acme.test"), alice, carol), callback); got.Get("code") == "" {
		t.Errorf("got %v", got)
	}
	w.sentBack(w.authorize(request("prompt", "none", "login_hint", "dave@acme.test"), alice), "login_required")
}

// Certification 16, AZ-25.
func TestRequestObjectsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sentBack(w.authorize(request("request", "e30.e30.")), "request_not_supported")
	w.sentBack(w.authorize(request("request_uri", "https://app.example.com/object")), "request_uri_not_supported")
	w.sentBack(w.authorize(request("request_uri", "urn:ietf:params:oauth:request_uri:x")), "request_uri_not_supported")
	w.sentBack(w.authorize(request("registration", "{}")), "registration_not_supported")
}

// Certification 17.
func TestFormPostErrorsGoByPageToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rec := w.authorize(request("response_mode", "form_post", "scope", "nope", "state", `"><script>`))
	body := rec.Body.String()
	if rec.Code != 200 || rec.Header().Get("Location") != "" || !strings.Contains(body, "invalid_scope") || strings.Contains(body, "<script>\"") || !strings.Contains(body, "&#34;&gt;&lt;script&gt;") {
		t.Errorf("%d\n%s", rec.Code, body)
	}
}

// Certification 24 and 25, and fosite.md 2.1: at_hash by the token's own
// algorithm.
func TestIDTokenAlgorithmsAndTheirHashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for alg, hash := range map[string]func(string) []byte{
		"RS256": half256, "ES256": half256,
		"EdDSA": func(s string) []byte { h := sha512.Sum512([]byte(s)); return h[:32] },
	} {
		w.change("web", func(c *storage.Client) { c.IDTokenAlg = alg })
		got := w.granted()
		var header struct{ Alg, Kid, Typ string }
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(got.ID, ".")[0])
		w.must(err)
		w.must(json.Unmarshal(raw, &header))
		if header.Alg != alg || header.Kid == "" {
			t.Errorf("header %+v, want alg %s and a kid", header, alg)
		}
		if want := base64.RawURLEncoding.EncodeToString(hash(got.Access)); w.claims(got.ID)["at_hash"] != want {
			t.Errorf("%s: at_hash %v, want %s", alg, w.claims(got.ID)["at_hash"], want)
		}
	}
}

func half256(s string) []byte { h := sha256.Sum256([]byte(s)); return h[:16] }

// Certification 26: no profile claims in the ID token unless asked for, and then
// exactly those that the client may have.
func TestClaimsParameterForTheIDToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.claims(w.granted("scope", "openid profile email", "claims", `{"id_token":{"email":{"essential":true},"name":null,"groups":null,"tenant":null,"auth_time":{"essential":true}}}`).ID)
	if got["email"] != "alice@acme.test" || got["name"] != "Alice A" || got["tenant"] != "acme" || got["groups"] != nil || got["given_name"] != nil {
		t.Errorf("claims %v", got)
	}
	w.change("web", func(c *storage.Client) { c.Scopes = []string{"openid"} })
	if got := w.claims(w.granted("scope", "openid", "claims", `{"id_token":{"email":null}}`).ID); got["email"] != nil {
		t.Error("a claim of a scope that the client may not ask for")
	}
}

// Certification 30: name without the scope profile, and what is unknown is no
// error.
func TestClaimsParameterForUserInfo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted("scope", "openid offline_access", "claims", `{"userinfo":{"name":{"essential":true},"tenant_id":null,"unknown":null,"groups":null}}`)
	if strings.Contains(got.Scope, "profile") {
		t.Errorf("a single claim gave the scope %q", got.Scope)
	}
	want := map[string]any{"sub": string(w.alice.ID), "name": "Alice A", "tenant_id": string(w.acme.ID)}
	for _, access := range []string{got.Access, w.refresh(got.Refresh, "web").Access} {
		if diff := cmp.Diff(want, w.userinfo(get("/oauth2/userinfo", bearer(access)))); diff != "" {
			t.Error(diff)
		}
	}
}

// OIDC Core 5.5.1: sub and acr that must be.
func TestClaimsParameterForWhoAndHow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	silent := func(claims string) *httptest.ResponseRecorder {
		return w.authorize(request("prompt", "none", "claims", claims), cookie)
	}
	w.sentBack(silent(`{"id_token":{"sub":{"value":"usr_other"}}}`), "login_required")
	w.sentBack(silent(`{"id_token":{"acr":{"essential":true,"values":["urn:gold"]}}}`), "unmet_authentication_requirements")
	for _, met := range []string{`{"id_token":{"sub":{"value":"` + string(w.alice.ID) + `"}}}`, `{"id_token":{"acr":{"essential":true,"values":["urn:gold","urn:mfa"]}}}`, `{"id_token":{"acr":{"values":["urn:gold"]}}}`} {
		if got := w.response(silent(met), callback); got.Get("code") == "" {
			t.Errorf("%s: %v", met, got)
		}
	}
	w.authorize(request("claims", `{"id_token":{"acr":{"essential":true,"value":"urn:gold"}}}`), cookie)
	w.sentBack(w.approve(ls), "unmet_authentication_requirements")
	for _, bad := range []string{"[]", "null", "{", `{"id_token":[]}`, "7", strings.Repeat(" ", 5000) + "{}"} {
		w.sentBack(silent(bad), "invalid_request")
	}
}

// fosite.md 2.1: no acr is no acr, never "0", and an auth_time is never made up.
func TestFositeInventsNoACRAndNoAuthTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn(func(s *storage.Session) { s.ACR, s.AMR, s.AuthTime = "", nil, start.Add(-30*time.Minute) })
	w.authorize(request("acr_values", "urn:gold", "nonce", "n"), cookie)
	got := w.claims(w.tokens(w.post("/oauth2/token", redemption(w.response(w.approve(ls), callback).Get("code")), as("web"))).ID)
	if got["acr"] != nil || got["amr"] != nil || got["auth_time"] != float64(start.Add(-30*time.Minute).Unix()) || got["nonce"] != "n" {
		t.Errorf("claims %v", got)
	}
}

// Certification 27, TK-22.
func TestUserInfoTakesTheTokenInThreeWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	post := func(body string, edit ...func(*http.Request)) *http.Request {
		r := httptest.NewRequest("POST", "/oauth2/userinfo", strings.NewReader(body))
		for _, e := range edit {
			e(r)
		}
		return r
	}
	isForm := func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
	for name, r := range map[string]*http.Request{
		"GET": get("/oauth2/userinfo", bearer(got.Access)), "lower case": get("/oauth2/userinfo", func(r *http.Request) { r.Header.Set("Authorization", "bearer "+got.Access) }),
		"POST header": post("", bearer(got.Access)), "POST header and form": post("", bearer(got.Access), isForm), "POST body": post("access_token="+got.Access, isForm),
	} {
		if sub := w.userinfo(r)["sub"]; sub != string(w.alice.ID) {
			t.Errorf("%s: sub = %v", name, sub)
		}
	}
	for name, c := range map[string]struct {
		r         *http.Request
		status    int
		challenge string
	}{
		"nothing":           {get("/oauth2/userinfo"), 401, `Bearer realm="watchgate"`},
		"query":             {get("/oauth2/userinfo?access_token=" + got.Access), 401, `Bearer realm="watchgate"`},
		"query of a POST":   {httptest.NewRequest("POST", "/oauth2/userinfo?access_token="+got.Access, nil), 401, `Bearer realm="watchgate"`},
		"other scheme":      {get("/oauth2/userinfo", as("web")), 401, `Bearer realm="watchgate"`},
		"garbage":           {get("/oauth2/userinfo", bearer("x")), 401, `error="invalid_token"`},
		"refresh token":     {get("/oauth2/userinfo", bearer(got.Refresh)), 401, `error="invalid_token"`},
		"id token":          {get("/oauth2/userinfo", bearer(got.ID)), 401, `error="invalid_token"`},
		"two ways":          {post("access_token="+got.Access, isForm, bearer(got.Access)), 400, `error="invalid_request"`},
		"two headers":       {get("/oauth2/userinfo", bearer(got.Access), func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }), 400, `error="invalid_request"`},
		"no openid":         {get("/oauth2/userinfo", bearer(w.granted("scope", "monitor:read").Access)), 403, `error="insufficient_scope"`},
		"body of no form":   {post("access_token=" + got.Access), 401, `Bearer realm="watchgate"`},
		"no credential":     {get("/oauth2/userinfo", bearer("")), 400, `error="invalid_request"`},
		"somebody's code":   {get("/oauth2/userinfo", bearer(w.code(request()))), 401, `error="invalid_token"`},
		"malformed padding": {get("/oauth2/userinfo", bearer(got.Access+"=")), 401, `error="invalid_token"`},
	} {
		rec := w.do(c.r)
		challenge := rec.Header().Get("WWW-Authenticate")
		if rec.Code != c.status || !strings.Contains(challenge, c.challenge) || (!strings.Contains(c.challenge, "error") && strings.Contains(challenge, "error")) {
			t.Errorf("%s: %d %q, want %d with %s", name, rec.Code, challenge, c.status, c.challenge)
		}
		if rec.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(rec.Header().Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
			t.Errorf("%s: no CORS", name)
		}
	}
	w.pass(time.Hour)
	if rec := w.do(get("/oauth2/userinfo", bearer(got.Access))); rec.Code != 401 {
		t.Errorf("expired: %d", rec.Code)
	}
}

func (w *world) userinfo(r *http.Request) map[string]any {
	w.Helper()
	rec := w.do(r)
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
		w.Fatalf("userinfo: %d %s", rec.Code, rec.Body)
	}
	return got
}

// Certification 28 and 29.
func TestUserInfoHasEveryStandardClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.userinfo(get("/oauth2/userinfo", bearer(w.granted("scope", "openid profile email address phone").Access)))
	want := map[string]any{
		"sub": string(w.alice.ID), "email": "alice@acme.test", "email_verified": true,
		"address": map[string]any{"formatted": "1 Road", "country": "DE"},
	}
	for name, v := range w.alice.Claims {
		if name != "address" && name != "groups" && name != "nothing" {
			want[name] = v
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Certification 18 and 21.
func TestTokensHaveEntropy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[string]bool{}
	for range 5 {
		got := w.granted()
		for _, s := range []string{w.code(request()), got.Access, got.Refresh} {
			if seen[s] || len(s) < 50 {
				t.Errorf("%q", s)
			}
			seen[s] = true
		}
	}
}
