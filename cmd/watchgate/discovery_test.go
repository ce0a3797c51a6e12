package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// providerThatSays serves a discovery document, bent.
func providerThatSays(t *testing.T, bend func(doc map[string]any)) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	t.Cleanup(s.Close)
	url := "http://" + s.Listener.Addr().String()
	doc := map[string]any{
		"issuer": url, "authorization_endpoint": url + "/authorize", "token_endpoint": url + "/token", "jwks_uri": url + "/keys",
	}
	bend(doc)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(doc); err != nil {
			t.Error(err)
		}
	})
	s.Start()
	return url
}

// looking returns what looks at providers, in a deployment that may or may not
// use loopback.
func looking(loopback bool) discovery {
	cfg := defaults()
	cfg.Outbound.AllowLoopbackHTTP = loopback
	return discovery{&deployment{cfg: cfg, outbound: cfg.outboundClient}}
}

func TestDiscoveryThatFits(t *testing.T) {
	url := providerThatSays(t, func(doc map[string]any) { doc["userinfo_endpoint"] = "https://idp.example/userinfo" })
	if err := looking(true).Discover(t.Context(), url); err != nil {
		t.Error(err)
	}
}

func TestDiscoveryThatDoesNotFit(t *testing.T) {
	set := func(name string, value any) func(map[string]any) {
		return func(doc map[string]any) { doc[name] = value }
	}
	for word, bend := range map[string]func(doc map[string]any){
		"https://other.example":   set("issuer", "https://other.example"),
		"byte for byte":           func(doc map[string]any) { doc["issuer"] = doc["issuer"].(string) + "/" },
		`calls itself ""`:         set("issuer", ""),
		"no token_endpoint":       set("token_endpoint", ""),
		"no jwks_uri":             func(doc map[string]any) { delete(doc, "jwks_uri") },
		"http://idp.example/keys": set("jwks_uri", "http://idp.example/keys"),
		"javascript":              set("authorization_endpoint", "javascript:alert(1)"),
		"https://u:p@idp.example": set("token_endpoint", "https://u:p@idp.example/"),
		"https://10.0.0.5/token":  set("token_endpoint", "https://10.0.0.5/token"),
		"https://idp.example:22/": set("userinfo_endpoint", "https://idp.example:22/"),
		"not JSON":                set("issuer", []int{1}),
	} {
		err := looking(true).Discover(t.Context(), providerThatSays(t, bend))
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v, want a word about %q", err, word)
		}
	}
}

func TestDiscoveryOfAddressesThatAreNotPublic(t *testing.T) {
	url := providerThatSays(t, func(map[string]any) {})
	for issuer, loopback := range map[string]bool{url: false, "https://10.0.0.1": true, "https://169.254.169.254": false, "https://[fd00::1]": true} {
		err := looking(loopback).Discover(t.Context(), issuer)
		if err == nil || !strings.Contains(err.Error(), "sends nothing") || strings.Contains(err.Error(), "--no-check") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestConnectionIsCheckedUnlessToldOtherwise(t *testing.T) {
	file := deploymentFile(t)
	with := func(args ...string) []string { return append(args, "--config", file) }
	rows(t, nil, with("tenant", "create", "acme", "--name", "Acme")...)
	env := map[string]string{"WATCHGATE_CLIENT_SECRET": "s3cret"}
	create := with("connection", "create", "acme", "--name", "Okta", "--issuer", "https://10.0.0.1", "--client-id", "us")
	if o := call(t, env, create...); o.code != 1 || !strings.Contains(o.err, "10.0.0.1") {
		t.Errorf("%+v", o)
	}
	if o := call(t, env, append(create, "--no-check")...); o.code != 0 {
		t.Errorf("unseen: %+v", o)
	}
	if got := rows(t, nil, with("connection", "list", "acme")...); len(got) != 1 {
		t.Errorf("%d connections, want the unseen one: %v", len(got), maps.Keys(got[0]))
	}
}
