package npmtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/internal/npmtest"
)

const (
	directory = "4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14"
	roleClaim = "https://acme.example/roles"
)

// of starts a provider that is like a product, and is its client.
func of(t *testing.T, p npmtest.Product) (*npmtest.Upstream, *oidc.Provider, oauth2.Config) {
	t.Helper()
	up := npmtest.Provider(t, npmtest.Config{
		ClientID: "watchgate", ClientSecret: "secret-of-the-upstream", RedirectURI: redirectURI, Product: p,
		BackchannelLogoutURI: "http://127.0.0.1:9/backchannel",
	})
	provider, err := oidc.NewProvider(t.Context(), up.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	return up, provider, oauth2.Config{
		ClientID: "watchgate", ClientSecret: "secret-of-the-upstream", RedirectURL: redirectURI,
		Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "profile"},
	}
}

// claims are those of the ID token of a sign-in.
func claims(t *testing.T, browser *http.Client, provider *oidc.Provider, client oauth2.Config, who npmtest.Person, params ...oauth2.AuthCodeOption) map[string]any {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	at := client.AuthCodeURL("state", append(params, oauth2.S256ChallengeOption(verifier))...)
	back, err := npmtest.SignInAs(browser, at, who)
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("%s: %v", back, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: "watchgate"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := id.Claims(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestProductsSayWhatTheySay(t *testing.T) {
	for name, c := range map[string]struct {
		product    npmtest.Product
		scope      string
		path       string
		with, none []string // claims that are there, and that are not
		groups     string
	}{
		"Okta": {
			npmtest.Product{Name: "okta"}, "groups", "", []string{"amr", "sid", "ver", "email_verified", "auth_time"}, []string{"hd", "tid"}, "groups",
		},
		"Okta, a custom server": {
			npmtest.Product{Name: "okta", Server: "default"}, "groups", "/oauth2/default", []string{"amr", "sid"}, nil, "groups",
		},
		"Entra ID": {
			npmtest.Product{Name: "entra", Directory: directory}, "", "/" + directory + "/v2.0",
			[]string{"oid", "tid", "ver", "xms_edov", "acct", "sid"}, []string{"amr", "acrs", "email_verified"}, "groups",
		},
		"Auth0": {
			npmtest.Product{Name: "auth0", Organization: "org_1", RoleClaim: roleClaim}, "", "/",
			[]string{"org_id", "sid", "email_verified", "amr"}, []string{"groups"}, roleClaim,
		},
		"Google": {
			npmtest.Product{Name: "google", HostedDomain: "example.test"}, "", "", []string{"hd", "azp", "email_verified"}, []string{"amr", "acr", "groups"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			up, provider, client := of(t, c.product)
			if u, err := url.Parse(up.Issuer); err != nil || u.Path != c.path {
				t.Errorf("the issuer is %s", up.Issuer)
			}
			if c.scope != "" {
				client.Scopes = append(client.Scopes, c.scope)
			}
			got := claims(t, person(t), provider, client, npmtest.Person{Login: login, MFA: true, Groups: []string{"one", "two"}})
			checkClaims(t, got, c.with, c.none)
			if groups, _ := got[c.groups].([]any); c.groups != "" && len(groups) != 2 {
				t.Errorf("%s = %v", c.groups, got[c.groups])
			}
			if got["email"] != login || got["sub"] == login {
				t.Errorf("email = %v, sub = %v", got["email"], got["sub"])
			}
		})
	}
}

func checkClaims(t *testing.T, got map[string]any, with, without []string) {
	t.Helper()
	for _, name := range with {
		if got[name] == nil {
			t.Errorf("there is no %s in %v", name, got)
		}
	}
	for _, name := range without {
		if _, has := got[name]; has {
			t.Errorf("there is %s in %v", name, got)
		}
	}
}

func TestSecondFactorIsSaidOfTheSignInThatHadOne(t *testing.T) {
	_, provider, client := of(t, npmtest.Product{Name: "auth0"})
	if amr := claims(t, person(t), provider, client, npmtest.Person{Login: login})["amr"]; amr != nil {
		t.Errorf("with a password alone: amr = %v", amr)
	}
	if amr := claims(t, person(t), provider, client, npmtest.Person{Login: login, MFA: true})["amr"]; amr == nil {
		t.Error("with a second factor there is no amr")
	}
}

func TestSecondFactorIsAskedForWhenTheLastSignInHadNone(t *testing.T) {
	_, provider, client := of(t, npmtest.Product{Name: "okta"})
	browser := person(t)
	claims(t, browser, provider, client, npmtest.Person{Login: login})
	asked := oauth2.SetAuthURLParam("acr_values", "urn:okta:loa:2fa:any")
	got := claims(t, browser, provider, client, npmtest.Person{Login: login, MFA: true}, asked)
	if got["acr"] != "urn:okta:loa:2fa:any" {
		t.Errorf("acr = %v, amr = %v", got["acr"], got["amr"])
	}
}

func TestEntraAnswersWithTheContextThatIsAskedFor(t *testing.T) {
	_, provider, client := of(t, npmtest.Product{Name: "entra", Directory: directory})
	asked := oauth2.SetAuthURLParam("claims", `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`)
	got := claims(t, person(t), provider, client, npmtest.Person{Login: login, MFA: true}, asked)
	if acrs, _ := got["acrs"].([]any); len(acrs) != 1 || acrs[0] != "c1" {
		t.Errorf("acrs = %v", got["acrs"])
	}
}

func TestEntraSaysElsewhereWhereTooManyGroupsAre(t *testing.T) {
	_, provider, client := of(t, npmtest.Product{Name: "entra", Directory: directory})
	got := claims(t, person(t), provider, client, npmtest.Person{Login: login, Groups: strings.Fields(strings.Repeat("group ", 201))})
	checkClaims(t, got, []string{"_claim_names", "_claim_sources"}, []string{"groups"})
}

// Google does not say when somebody signed in, though OpenID Connect has it do so.
func TestClaimsOfAProductAreReplaced(t *testing.T) {
	_, provider, client := of(t, npmtest.Product{Name: "google", HostedDomain: "example.test"})
	got := claims(t, person(t), provider, client, npmtest.Person{Login: login, Claims: map[string]any{"hd": nil, "email": "x@y.test"}}, oauth2.SetAuthURLParam("max_age", "60"))
	checkClaims(t, got, nil, []string{"hd", "auth_time"})
	if got["email"] != "x@y.test" {
		t.Errorf("email = %v", got["email"])
	}
}

func TestLoginIsAskedForAnewWhenTheAppWantsIt(t *testing.T) {
	_, provider, client := of(t, npmtest.Product{Name: "okta"})
	for _, c := range []struct {
		param oauth2.AuthCodeOption
		again bool
	}{
		{oauth2.SetAuthURLParam("ui_locales", "en"), false},
		{oauth2.SetAuthURLParam("prompt", "login"), true},
		{oauth2.SetAuthURLParam("max_age", "0"), true},
	} {
		browser := person(t)
		claims(t, browser, provider, client, npmtest.Person{Login: login})
		got := claims(t, browser, provider, client, npmtest.Person{Login: login, MFA: true}, c.param)
		if again := len(got["amr"].([]any)) > 1; again != c.again || got["auth_time"] == nil {
			t.Errorf("%v: asked again = %v, auth_time = %v", c.param, again, got["auth_time"])
		}
	}
}
