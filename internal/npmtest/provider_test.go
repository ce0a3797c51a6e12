package npmtest_test

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/internal/npmtest"
)

const (
	redirectURI = "http://127.0.0.1:9/callback"
	login       = "ada@example.test"
)

// person is a browser's cookie jar.
func person(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func TestProviderSignsAPersonIn(t *testing.T) {
	for name, inIDToken := range map[string]bool{"claims at userinfo only": false, "claims in the ID token": true} {
		t.Run(name, func(t *testing.T) {
			upstream := npmtest.Provider(t, npmtest.Config{
				ClientID: "watchgate", ClientSecret: "secret-of-the-upstream", RedirectURI: redirectURI, ClaimsInIDToken: inIDToken,
			})
			provider, err := oidc.NewProvider(t.Context(), upstream.Issuer)
			if err != nil {
				t.Fatal(err)
			}
			client := oauth2.Config{
				ClientID: "watchgate", ClientSecret: "secret-of-the-upstream", RedirectURL: redirectURI,
				Endpoint: provider.Endpoint(), Scopes: []string{"openid", "email", "profile"},
			}
			token := redeem(t, client)
			checkIDToken(t, provider, token, inIDToken)
			info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			if info.Subject != login || info.Email != login || !info.EmailVerified {
				t.Errorf("userinfo = %+v", info)
			}
		})
	}
}

func redeem(t *testing.T, client oauth2.Config) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	callback, err := npmtest.SignIn(person(t), client.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), login)
	if err != nil {
		t.Fatal(err)
	}
	if callback.Query().Get("state") != "state" {
		t.Errorf("callback = %s", callback)
	}
	token, err := client.Exchange(t.Context(), callback.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func checkIDToken(t *testing.T, provider *oidc.Provider, token *oauth2.Token, wantEmail bool) {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: "watchgate"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Email string }
	if err := idToken.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if idToken.Subject != login || (claims.Email != "") != wantEmail {
		t.Errorf("sub = %q, email = %q", idToken.Subject, claims.Email)
	}
}

func TestProviderStopsWithItsTest(t *testing.T) {
	var issuer string
	t.Run("inner", func(t *testing.T) {
		issuer = npmtest.Provider(t, npmtest.Config{ClientID: "c", ClientSecret: "s", RedirectURI: redirectURI}).Issuer
	})
	if response, err := http.Get(issuer); err == nil {
		response.Body.Close()
		t.Error("the provider outlived its test")
	}
}

func TestPackageFindsTheAccessibilityChecker(t *testing.T) {
	path, err := npmtest.Package("axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("%s: %v", path, err)
	}
}
