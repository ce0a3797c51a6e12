package authz_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/authz"
)

var update = flag.Bool("update", false, "write the golden files")

// MD-01 to MD-06: the whole document, byte for byte.
func TestMetadataDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	oauth := w.do(get("/.well-known/oauth-authorization-server"))
	oidc := w.do(get("/.well-known/openid-configuration"))
	if oauth.Body.String() != oidc.Body.String() {
		t.Error("the two documents differ")
	}
	var v any
	w.must(json.Unmarshal(oidc.Body.Bytes(), &v))
	got, err := json.MarshalIndent(v, "", "  ")
	w.must(err)
	golden(t, "testdata/metadata.json", string(got)+"\n")
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// MD-08.
func TestMetadataAndKeysAreCacheable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		rec := w.do(get(path))
		h := rec.Header()
		if rec.Code != 200 || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "public, max-age=300" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", path, rec.Code, h)
		}
		r := get(path)
		r.Header.Set("If-None-Match", h.Get("ETag"))
		if again := w.do(r); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s with its ETag: %d", path, again.Code)
		}
		if head := w.do(httptest.NewRequest("HEAD", path, nil)); head.Code != 200 {
			t.Errorf("HEAD %s: %d", path, head.Code)
		}
		if post := w.do(httptest.NewRequest("POST", path, nil)); post.Code != 405 {
			t.Errorf("POST %s: %d", path, post.Code)
		}
	}
}

// Certification 7.
func TestJWKSHasPublicKeysOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var set struct{ Keys []map[string]any }
	w.must(json.Unmarshal(w.do(get("/.well-known/jwks.json")).Body.Bytes(), &set))
	seen := map[any]bool{}
	for _, k := range set.Keys {
		if seen[k["kid"]] || k["kid"] == nil || k["alg"] == nil || k["use"] != "sig" || k["kty"] == "oct" {
			t.Errorf("key %v", k)
		}
		seen[k["kid"]] = true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if k[private] != nil {
				t.Fatalf("the member %s is public", private)
			}
		}
	}
	if len(set.Keys) == 0 {
		t.Error("no keys")
	}
}

// MD-01: the three forms for an issuer with a path; MD-02.
func TestIssuerWithPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mount(issuer + "/tenants/main")
	for _, path := range []string{
		"/.well-known/oauth-authorization-server/tenants/main", "/.well-known/openid-configuration/tenants/main", "/tenants/main/.well-known/openid-configuration",
	} {
		rec := w.do(get(path))
		if !strings.Contains(rec.Body.String(), `"issuer":"`+issuer+`/tenants/main"`) {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	for _, path := range []string{"/.well-known/openid-configuration", "/oauth2/userinfo", "/.well-known/openid-configuration/tenants/other", "//tenants/main/.well-known/openid-configuration"} {
		if rec := w.do(get(path)); rec.Code == 200 {
			t.Errorf("%s: 200", path)
		}
	}
	if rec := w.do(get("/tenants/main/oauth2/userinfo")); rec.Code != 401 {
		t.Errorf("userinfo: %d", rec.Code)
	}
}

// document is the metadata, as clients read it.
func (w *world) document() map[string]any {
	w.Helper()
	var doc map[string]any
	w.must(json.Unmarshal(w.do(get("/.well-known/openid-configuration")).Body.Bytes(), &doc))
	return doc
}

// elsewhere are the endpoints that other packages serve, at these addresses.
var elsewhere = map[string]string{"introspection_endpoint": issuer + "/oauth2/introspect", "end_session_endpoint": issuer + "/oauth2/logout"}

// MD-09: what is advertised works.
func TestMetadataTellsTheTruth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := w.document()
	for name, v := range doc {
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		if want, ok := elsewhere[name]; ok {
			if v != want {
				t.Errorf("%s = %v, want %s", name, v, want)
			}
			continue
		}
		path := strings.TrimPrefix(v.(string), issuer)
		if rec := w.do(httptest.NewRequest("GET", path, nil)); rec.Code == 404 {
			t.Errorf("%s: nothing at %s", name, path)
		}
	}
	for _, scope := range doc["scopes_supported"].([]any) {
		if scope == "secret:read" {
			t.Error("a tenant's own scope is public")
		}
	}
	for _, mode := range doc["response_modes_supported"].([]any) {
		if rec := w.authorize(request("response_mode", mode.(string))); rec.Code != 303 {
			t.Errorf("response_mode=%s: %d", mode, rec.Code)
		}
	}
	for _, prompt := range doc["prompt_values_supported"].([]any) {
		if rec := w.authorize(request("prompt", prompt.(string))); strings.Contains(rec.Header().Get("Location"), "invalid_request") {
			t.Errorf("prompt=%s is refused", prompt)
		}
	}
	for _, grant := range doc["grant_types_supported"].([]any) {
		if got := w.tokens(w.post("/oauth2/token", form("grant_type", grant.(string)), as("web"))); got.Error == "unsupported_grant_type" {
			t.Errorf("grant_type=%s is not there", grant)
		}
	}
}

// registered are values of the IANA's registries (OAuth Parameters) and of the
// specifications that have none, each with how it is tried.
func (w *world) registered() map[string]struct {
	values  []string
	refused func(value string) bool
} {
	sentBack := func(rec *httptest.ResponseRecorder, code string) bool {
		return strings.HasPrefix(rec.Header().Get("Location"), callback+"?error="+code+"&")
	}
	code := w.code(request("client_id", "nopkce"))
	return map[string]struct {
		values  []string
		refused func(string) bool
	}{
		"grant_types_supported": {[]string{
			"authorization_code", "refresh_token", "client_credentials", "password", "implicit", "urn:ietf:params:oauth:grant-type:device_code",
			"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
			"urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:pre-authorized_code", "urn:ietf:params:oauth:grant-type:uma-ticket",
		}, func(v string) bool {
			got := w.tokens(w.post("/oauth2/token", form("grant_type", v, "username", "alice@acme.test", "password", "x", "assertion", "x", "device_code", "x"), as("web")))
			return got.Error == "unsupported_grant_type" && got.Access == ""
		}},
		"response_types_supported": {[]string{"code", "token", "id_token", "none", "code id_token", "code token", "id_token token", "code id_token token", "vp_token"},
			func(v string) bool {
				return sentBack(w.authorize(request("response_type", v)), "unsupported_response_type")
			}},
		"response_modes_supported": {[]string{"query", "form_post", "fragment", "web_message", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt", "direct_post", "okta_post_message"},
			func(v string) bool {
				rec := w.authorize(request("response_mode", v))
				return rec.Code == 400 && rec.Header().Get("Location") == ""
			}},
		"prompt_values_supported": {[]string{"none", "login", "consent", "select_account", "create"},
			func(v string) bool { return sentBack(w.authorize(request("prompt", v)), "invalid_request") }},
		"code_challenge_methods_supported": {[]string{"S256", "plain", "S512"},
			func(v string) bool {
				return sentBack(w.authorize(request("code_challenge_method", v)), "invalid_request")
			}},
		"token_endpoint_auth_methods_supported": {authMethods, func(v string) bool {
			rec := w.post("/oauth2/token", w.proof(v, code), w.header(v))
			return rec.Code == 401 && w.tokens(rec).Error == "invalid_client"
		}},
		"revocation_endpoint_auth_methods_supported": {authMethods, func(v string) bool {
			rec := w.post("/oauth2/revoke", w.proof(v, code), w.header(v))
			return rec.Code == 401
		}},
	}
}

var authMethods = []string{
	"client_secret_basic", "client_secret_post", "none", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth",
	"attest_jwt_client_auth", "spiffe_jwt",
}

// proof is the form of a request that a client proves by method.
func (w *world) proof(method, code string) url.Values {
	params := redemption(code, "token", "garbage")
	switch method {
	case "client_secret_basic":
	case "client_secret_post":
		params.Set("client_id", "post")
		params.Set("client_secret", secret)
	case "none":
		params.Set("client_id", "spa")
	case "client_secret_jwt", "private_key_jwt":
		params.Set("client_assertion_type", jwtBearer)
		params.Set("client_assertion", w.assertions("web")[method])
	case "spiffe_jwt":
		params.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe")
		params.Set("client_assertion", w.assertions("web")["private_key_jwt"])
	default:
		params.Set("client_id", "web")
	}
	return params
}

// header is what goes with it.
func (w *world) header(method string) func(*http.Request) {
	return func(r *http.Request) {
		switch method {
		case "client_secret_basic":
			as("web")(r)
		case "attest_jwt_client_auth":
			r.Header.Set("OAuth-Client-Attestation", w.assertions("web")["private_key_jwt"])
		case "tls_client_auth", "self_signed_tls_client_auth":
			r.Header.Set("Client-Cert", ":MIIB:")
			r.Header.Set("X-Forwarded-Client-Cert", "Subject=\"CN=web\"")
		}
	}
}

// MD-09, the other half: what is not advertised is refused.
func TestAttackWhatIsNotAdvertised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doc := w.document()
	for name, known := range w.registered() {
		advertised := doc[name].([]any)
		for _, v := range advertised {
			if !slices.Contains(known.values, v.(string)) {
				t.Errorf("%s: %v is in no registry", name, v)
			}
		}
		for _, v := range known.values {
			if refused := known.refused(v); refused == slices.Contains(advertised, any(v)) {
				t.Errorf("%s: %q is advertised and refused, or neither: refused = %v", name, v, refused)
			}
		}
	}
	for name, param := range map[string][2]string{
		"request_parameter_supported": {"request", "e30.e30."}, "request_uri_parameter_supported": {"request_uri", "https://app.example.com/object"},
	} {
		if got := w.response(w.authorize(request(param[0], param[1])), callback); doc[name] != false || got.Get("error") != param[0]+"_not_supported" {
			t.Errorf("%s = %v, and %v", name, doc[name], got)
		}
	}
	for name, path := range map[string]string{
		"pushed_authorization_request_endpoint": "/oauth2/par", "registration_endpoint": "/oauth2/register",
		"device_authorization_endpoint": "/oauth2/device_authorization", "backchannel_authentication_endpoint": "/oauth2/bc-authorize",
		"check_session_iframe": "/oauth2/check_session",
	} {
		if rec := w.post(path, form("client_id", "web"), as("web")); doc[name] != nil || rec.Code != 404 {
			t.Errorf("%s = %v, and %d at %s", name, doc[name], rec.Code, path)
		}
	}
	for _, absent := range []string{
		"token_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported", "tls_client_certificate_bound_access_tokens",
		"require_pushed_authorization_requests", "client_id_metadata_document_supported",
	} {
		if v, there := doc[absent]; there {
			t.Errorf("%s = %v", absent, v)
		}
	}
}

func TestNewRefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := authz.Config{Issuer: issuer, Store: w.store, Signer: keys, SignIn: w.browse, SuccessorKey: make([]byte, 32), Now: w.now}
	for name, spoil := range map[string]func(*authz.Config){
		"trailing slash": func(c *authz.Config) { c.Issuer += "/" }, "query": func(c *authz.Config) { c.Issuer += "?x" },
		"relative": func(c *authz.Config) { c.Issuer = "auth.example.com" }, "user": func(c *authz.Config) { c.Issuer = "https://u@auth.example.com" },
		"not a URL": func(c *authz.Config) { c.Issuer = "https://\x00" }, "short key": func(c *authz.Config) { c.SuccessorKey = make([]byte, 31) },
		"no clock": func(c *authz.Config) { c.Now = nil },
	} {
		c := good
		spoil(&c)
		if _, err := authz.New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Metadata outlives the store, once it was read.
func TestMetadataDuringAnOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.do(get("/.well-known/openid-configuration")).Body.String()
	w.must(w.store.Close())
	w.pass(time.Hour)
	if rec := w.do(get("/.well-known/openid-configuration")); rec.Code != 200 || rec.Body.String() != before {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// What clients read when they are refused, byte for byte.
func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.code(request())
	var out strings.Builder
	write := func(name string, rec *httptest.ResponseRecorder) {
		fmt.Fprintf(&out, "%s: %d %s\n", name, rec.Code, rec.Body)
		for _, header := range []string{"WWW-Authenticate", "Location"} {
			if v := rec.Header().Get(header); v != "" {
				fmt.Fprintf(&out, "  %s: %s\n", header, v)
			}
		}
	}
	write("no grant type", w.post("/oauth2/token", form("x", "y"), as("web")))
	write("unknown grant type", w.post("/oauth2/token", form("grant_type", "password"), as("web")))
	write("wrong secret", w.post("/oauth2/token", redemption(code), func(r *http.Request) { r.SetBasicAuth("web", "x") }))
	write("no client", w.post("/oauth2/token", redemption(code)))
	write("unauthorized client", w.post("/oauth2/token", form("grant_type", "client_credentials"), as("web")))
	write("unknown code", w.post("/oauth2/token", redemption("x"), as("web")))
	write("wrong verifier", w.post("/oauth2/token", redemption(code, "code_verifier", "x"), as("web")))
	write("other client", w.post("/oauth2/token", redemption(code), as("other")))
	write("unknown refresh token", w.post("/oauth2/token", form("grant_type", "refresh_token", "refresh_token", "x"), as("web")))
	write("scope", w.post("/oauth2/token", form("grant_type", "client_credentials", "scope", "openid"), as("m2m")))
	write("resource", w.post("/oauth2/token", form("grant_type", "client_credentials", "resource", "x"), as("m2m")))
	write("revoke other", w.post("/oauth2/revoke", form("token", w.granted().Access), as("other")))
	write("userinfo without token", w.do(get("/oauth2/userinfo")))
	write("userinfo with garbage", w.do(get("/oauth2/userinfo", bearer("x"))))
	for _, pair := range [][2]string{
		{"response_type", "token"}, {"scope", "admin"}, {"prompt", "none"}, {"code_challenge_method", "plain"}, {"resource", "x"}, {"request", "x"},
		{"request_uri", "x"}, {"registration", "x"}, {"max_age", "x"}, {"claims", "x"}, {"state", ""},
	} {
		params := request(pair[0], pair[1])
		if pair[0] == "state" {
			params.Set("response_type", "x")
		}
		write("authorize "+pair[0], w.authorize(params))
	}
	golden(t, "testdata/errors.txt", out.String())
}
