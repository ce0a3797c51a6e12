package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/browsertest"
	"github.com/watchgate/watchgate/internal/process"
)

// backAtTheApp is what the app says to whoever is sent back to it.
const backAtTheApp = "You are back at the app."

// journey is a deployment with an app, through which people go in real browsers.
type journey struct {
	server  front
	api     credentials // resource server for all tenants
	app     app
	operate operator
}

// addApp starts an app and registers it.
func (j *journey) addApp(t *testing.T, scopes ...string) {
	t.Helper()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>App</title><p>%s</p></html>`, backAtTheApp)
	}))
	t.Cleanup(home.Close)
	scopes = append([]string{"openid", "profile", "email", "offline_access"}, scopes...)
	c := j.operate(t, "client", "create", "--id", "board", "--name", "Status board", "--redirect", home.URL+"/callback",
		"--scope", strings.Join(scopes, ","), "--verified")
	j.app = app{credentials{c["client_id"], c["secret"]}, home.URL + "/callback", "openid email monitor:read"}
}

// demoJourney is one over the demonstration, which shows its mails.
func demoJourney(t *testing.T) (*journey, *product) {
	t.Helper()
	p := startProduct(t, "uptimepulse")
	j := &journey{server: p.server, api: demoAPI, operate: p.operate}
	j.addApp(t, "monitor:read", "api-keys:read", "api-keys:write")
	return j, p
}

// servedJourney is one over `serve` at a name: passkeys belong to names, and not to
// addresses (Web Authentication section 5.1.2).
func servedJourney(t *testing.T) *journey {
	t.Helper()
	s := &site{
		Deployment: must[*process.Deployment](t)(process.NewDeployment(t.Context(), t.TempDir(), onSQLite(t))),
		tenants:    map[string]string{}, connections: map[string]string{},
	}
	s.Issuer = "http://localhost:" + itoa(s.Port)
	api := s.resourceServer(t, "api", "")
	for _, slug := range []string{"acme", "globex"} {
		s.tenants[slug] = s.operate(t, "tenant", "create", slug, "--name", slug+" Inc.")["id"]
	}
	s.connect(t)
	j := &journey{api: api, operate: s.operate}
	j.addApp(t, "monitor:read")
	j.server, _ = s.only(t)
	return j
}

// visitor is somebody at a browser of their own.
type visitor struct {
	tab
	*journey
}

func (j *journey) visitor(t *testing.T) visitor {
	t.Helper()
	b := tab{browsertest.New(t), t}
	browsertest.Strict(b, t)
	return visitor{b, j}
}

// needs ends the test where the page does not say all of the words.
func (v visitor) needs(words ...string) {
	v.t.Helper()
	text := v.words()
	for _, w := range words {
		if !strings.Contains(text, w) {
			v.t.Fatalf("%s does not say %q:\n%s", v.at(), w, text)
		}
	}
}

// look is that of the tab for a page that the rest of the journey starts from.
func (v visitor) look(name string, words ...string) {
	v.t.Helper()
	v.needs(words...)
	v.tab.look(name)
}

// visits opens a page of the server.
func (v visitor) visits(path string) {
	v.t.Helper()
	v.open(v.server.issuer + path)
}

// How somebody proves who they are at the demo identity provider.
const (
	byPassword = "user_no_mfa"
	byMFA      = "user"
)

// identifies types an address at the sign-in page, which leads to the provider.
func (v visitor) identifies(login, by string) {
	v.t.Helper()
	v.needs("Work e-mail")
	v.types("#email", login)
	v.press("#login-submit")
	v.plays(login, by)
}

// plays is a person at the demo identity provider.
func (v visitor) plays(login, by string) {
	v.t.Helper()
	v.needs("Who do you want to be?")
	v.press(chromedp.CSS(fmt.Sprintf(`button[name="%s"][value="%s"]`, by, login)))
}

// asks opens an authorization request of the app; more are further parameters, by name
// and value in turn.
func (v visitor) asks(more ...string) trip {
	v.t.Helper()
	r := v.app.trip()
	v.visits(r.path(more...))
	return r
}

// consents allows the app what it asks for.
func (v visitor) consents() {
	v.t.Helper()
	v.needs("wants access to")
	v.press("#consent-approve")
}

// answered is what the app got: the browser has to be back there.
func (v visitor) answered(r trip) url.Values {
	v.t.Helper()
	v.needs(backAtTheApp)
	at := must[*url.URL](v.t)(url.Parse(v.at()))
	q := at.Query()
	if !strings.HasPrefix(at.String(), r.redirect+"?") || q.Get("state") != r.state || q.Get("iss") != v.server.issuer {
		v.t.Fatalf("the app got %s", at)
	}
	return q
}

// arrives gets the tokens of a request that was approved.
func (v visitor) arrives(r trip) tokens {
	v.t.Helper()
	return v.server.redeem(v.t, r, v.answered(r).Get("code"))
}

// claims are those of the ID token.
func (t tokens) claims(test *testing.T) map[string]any {
	test.Helper()
	parts := strings.Split(t.ID, ".")
	if len(parts) != 3 {
		test.Fatalf("no ID token: %q", t.ID)
	}
	var out map[string]any
	noError(test, json.Unmarshal(must[[]byte](test)(base64.RawURLEncoding.DecodeString(parts[1])), &out))
	return out
}

// knowsNobody checks that the browser has no session: its account asks to sign in.
func (v visitor) knowsNobody() {
	v.t.Helper()
	v.visits("/account")
	v.needs("Work e-mail")
}

// wantActive checks what introspection says of a token.
func (v visitor) wantActive(what, token string, want bool) {
	v.t.Helper()
	if got := v.server.isActive(v.t, v.api, token); got != want {
		v.t.Errorf("%s: active is %v", what, got)
	}
}

// wantNoRefresh checks that a refresh token is good for nothing.
func (v visitor) wantNoRefresh(what, token string) {
	v.t.Helper()
	if a := v.server.refresh(v.t, v.app.credentials, token); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
		v.t.Errorf("%s: the refresh answered %s", what, a)
	}
}
