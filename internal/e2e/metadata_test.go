package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// MD-09: every endpoint that the metadata names is there, and answers as the
// endpoint that it says it is.
func TestEveryAdvertisedEndpointIsThere(t *testing.T) {
	d := startDev(t, t.TempDir(), 0)
	var doc map[string]any
	res := must[*http.Response](t)(http.Get(d.URL + "/.well-known/openid-configuration"))
	noError(t, json.NewDecoder(res.Body).Decode(&doc))
	noError(t, res.Body.Close())
	asked := 0
	for name, value := range doc {
		endpoint, isText := value.(string)
		if !isText || (!strings.HasSuffix(name, "_endpoint") && name != "jwks_uri") {
			continue
		}
		asked++
		get := name == "jwks_uri" || name == "userinfo_endpoint" || name == "authorization_endpoint" || name == "end_session_endpoint"
		if got, want := statusOf(t, endpoint, get), map[string]int{
			"jwks_uri": 200, "userinfo_endpoint": 401, "authorization_endpoint": 400, "end_session_endpoint": 200,
			"introspection_endpoint": 401, "token_endpoint": 400, "revocation_endpoint": 401,
		}[name]; got != want {
			t.Errorf("%s (%s): status %d, want %d", name, endpoint, got, want)
		}
	}
	if asked < 7 {
		t.Errorf("%d endpoints are advertised", asked)
	}
}

// statusOf asks an endpoint without credentials and without parameters.
func statusOf(t *testing.T, endpoint string, get bool) int {
	t.Helper()
	var res *http.Response
	if get {
		res = must[*http.Response](t)(http.Get(endpoint))
	} else {
		res = must[*http.Response](t)(http.PostForm(endpoint, url.Values{}))
	}
	noError(t, res.Body.Close())
	return res.StatusCode
}
