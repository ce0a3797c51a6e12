package npmtest_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/npmtest"
)

// freePort is a loopback port that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestRelyingPartyTakesLogoutTokens(t *testing.T) {
	up := npmtest.Provider(t, npmtest.Config{ClientID: "app", ClientSecret: "secret-of-the-app", RedirectURI: redirectURI})
	app := npmtest.StartRelyingParty(t, npmtest.RelyingPartyConfig{
		Issuer: up.Issuer, ClientID: "app", ClientSecret: "secret-of-the-app", Port: freePort(t),
	})
	if got := answer(t)(http.Get(app.URL)); got != "200 nobody is signed in" {
		t.Errorf("at home: %s", got)
	}
	got := answer(t)(http.PostForm(app.BackchannelLogoutURI(), url.Values{"logout_token": {"nonsense"}}))
	if !strings.HasPrefix(got, `400 {"error":"invalid_request"`) {
		t.Errorf("to nonsense it says %s", got)
	}
}

// answer is a response's status and body.
func answer(t *testing.T) func(*http.Response, error) string {
	return func(res *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.Status[:4] + string(body)
	}
}
