package authz_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertions are client assertions (RFC 7523 section 2.2) that would be good
// where they are accepted.
func (w *world) assertions(client string) map[string]string {
	w.Helper()
	claims := map[string]any{"iss": client, "sub": client, "aud": issuer, "jti": "1", "iat": start.Unix(), "exp": start.Add(time.Minute).Unix()}
	payload, err := json.Marshal(claims)
	w.must(err)
	part := base64.RawURLEncoding.EncodeToString
	signing := part([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + part(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signing))
	private, err := keys.Sign(w.Context(), "RS256", "JWT", claims)
	w.must(err)
	return map[string]string{
		"client_secret_jwt": signing + "." + part(mac.Sum(nil)), "private_key_jwt": private,
		"alg none": part([]byte(`{"alg":"none"}`)) + "." + part(payload) + ".", "ID token": w.granted().ID, "garbage": "x",
	}
}

// CA-04, CA-11: no assertion is a proof, for nobody and nowhere.
func TestAttackClientAssertions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.granted()
	for path, params := range map[string]url.Values{
		"/oauth2/token": form("grant_type", "client_credentials"), "/oauth2/revoke": form("token", got.Access),
	} {
		for _, client := range []string{"web", "m2m", "spa"} {
			for name, jwt := range w.assertions(client) {
				for _, named := range []string{client, ""} {
					asserted := form("client_assertion_type", jwtBearer, "client_assertion", jwt, "client_id", named)
					for k, v := range params {
						asserted[k] = v
					}
					rec := w.post(path, asserted)
					if rec.Code != 401 || !strings.Contains(rec.Body.String(), `"invalid_client"`) {
						t.Errorf("%s, %s of %q: %d %s", path, name, named, rec.Code, rec.Body)
					}
					w.refused(w.post(path, asserted, as(client)), 400, "invalid_request")
				}
			}
		}
	}
	if !w.alive(got.Access) {
		t.Error("an assertion revoked a token")
	}
}

// CA-11: each endpoint wants the same proof of the same client. The one for
// resource servers is package introspect's.
func TestAttackClientAuthenticationAtEveryEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("turning", func(c *storage.Client) {
		c.Secrets = []storage.Secret{token.Seal("old", start.Add(-time.Hour), start), token.Seal("older", start.Add(-2*time.Hour), start.Add(time.Hour)), token.Seal("newest", start, time.Time{})}
	})
	const ok, invalid, ambiguous = "", "invalid_client", "invalid_request"
	in := func(client, secret string) url.Values { return form("client_id", client, "client_secret", secret) }
	for name, c := range map[string]struct {
		form url.Values
		edit func(*http.Request)
		want string
	}{
		"right":                     {nil, as("web"), ok},
		"right, in the body":        {in("post", secret), nil, ok},
		"one secret of two":         {nil, with("turning", "older"), ok},
		"the other":                 {nil, with("turning", "newest"), ok},
		"expired secret":            {nil, with("turning", "old"), invalid},
		"wrong secret":              {nil, with("web", "x"), invalid},
		"empty secret":              {nil, with("web", ""), invalid},
		"another's secret":          {nil, with("turning", secret), invalid},
		"no secret":                 {form("client_id", "web"), nil, invalid},
		"nobody":                    {nil, nil, invalid},
		"unknown":                   {nil, with("nobody", secret), invalid},
		"Basic client, in the body": {in("web", secret), nil, invalid},
		"body client, by Basic":     {nil, as("post"), invalid},
		"resource server":           {nil, as("api"), invalid},
		"bearer":                    {form("client_id", "web"), bearer("x"), invalid},
		"certificate headers": {form("client_id", "web"), func(r *http.Request) {
			r.Header.Set("X-Client-Cert", "MIIB")
			r.Header.Set("X-SSL-Client-Verify", "SUCCESS")
		}, invalid},
		"two secrets":         {in("web", secret), as("web"), ambiguous},
		"two clients":         {form("client_id", "other"), as("web"), ambiguous},
		"two headers":         {nil, func(r *http.Request) { as("web")(r); r.Header.Add("Authorization", "Basic eDp5") }, ambiguous},
		"secret in the query": {nil, func(r *http.Request) { r.URL.RawQuery = in("web", secret).Encode() }, ambiguous},
	} {
		for path, endpoint := range map[string]struct {
			form url.Values
			good string
		}{
			// Who is let in hears about the code, or that the garbage is as good as
			// revoked.
			"/oauth2/token": {redemption("x"), "400 invalid_grant"}, "/oauth2/revoke": {form("token", "garbage"), "200 "},
		} {
			params := url.Values{}
			for _, f := range []url.Values{endpoint.form, c.form} {
				for k, v := range f {
					params[k] = v
				}
			}
			edit := c.edit
			if edit == nil {
				edit = func(*http.Request) {}
			}
			rec := w.post(path, params, edit)
			var body tokens
			_ = json.Unmarshal(rec.Body.Bytes(), &body)
			want := map[string]string{ok: endpoint.good, invalid: "401 invalid_client", ambiguous: "400 invalid_request"}[c.want]
			if got := fmt.Sprint(rec.Code, " ", body.Error); got != want {
				t.Errorf("%s at %s: %s, want %s", name, path, got, want)
			}
		}
	}
}
