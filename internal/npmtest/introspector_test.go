package npmtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/watchgate/watchgate/internal/npmtest"
)

func TestIntrospectorAnswersAboutItsTokens(t *testing.T) {
	provider, err := npmtest.StartIntrospector(npmtest.Config{ClientID: "c", ClientSecret: "s", RedirectURI: redirectURI})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Stop(); err != nil {
			t.Error(err)
		}
	})
	client := clientcredentials.Config{ClientID: "c", ClientSecret: "s", TokenURL: provider.TokenURL(), Scopes: []string{"monitor:read"}}
	token, err := client.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for presented, want := range map[string]bool{token.AccessToken: true, "garbage": false} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, provider.URL(), strings.NewReader(url.Values{"token": {presented}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("c", "s")
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Active bool }
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		if err != nil || answer.Active != want {
			t.Errorf("%.10s: %s, active = %t, err = %v; want %t", presented, response.Status, answer.Active, err, want)
		}
	}
}
