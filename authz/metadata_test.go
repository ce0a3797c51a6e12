package authz_test

import (
	"encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/authz"
)

var update = flag.Bool("update", false, "write the golden files")

// MD-01 to MD-06: the whole document, byte for byte.
func TestMetadataDocument(t *testing.T) {
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

// MD-09: what is advertised works, what is not is refused.
func TestMetadataTellsTheTruth(t *testing.T) {
	w := newWorld(t)
	var doc map[string]any
	w.must(json.Unmarshal(w.do(get("/.well-known/openid-configuration")).Body.Bytes(), &doc))
	for name, v := range doc {
		if !strings.HasSuffix(name, "_endpoint") || name == "introspection_endpoint" || name == "end_session_endpoint" {
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

func TestNewRefusesABadConfiguration(t *testing.T) {
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
