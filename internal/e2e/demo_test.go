package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/browsertest"
	"github.com/watchgate/watchgate/internal/process"
)

// tab is a real browser's tab.
type tab struct {
	context.Context
	t *testing.T
}

// press clicks what the selector finds and waits for the page that follows.
func (b tab) press(selector chromedp.CSS) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b, chromedp.Click(selector)); err != nil {
		b.t.Fatalf("press %s at %s: %v", selector, b.at(), err)
	}
}

// open visits a URL.
func (b tab) open(url string) {
	b.t.Helper()
	if err := chromedp.Do(b, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("open %s: %v", url, err)
	}
}

func (b tab) at() string {
	b.t.Helper()
	return must[string](b.t)(chromedp.Run(b, chromedp.Location()))
}

func (b tab) text() string {
	b.t.Helper()
	return must[string](b.t)(chromedp.Run(b, chromedp.Text(chromedp.CSS("body"))))
}

// look reads the page, takes pictures of it in every view, and checks each for
// accessibility and for its width. The name is part of the pictures'.
func (b tab) look(name string, words ...string) {
	b.t.Helper()
	text, at := b.text(), b.at()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s does not say %q:\n%s", at, w, text)
		}
	}
	b.t.Run(name, func(t *testing.T) {
		for _, view := range browsertest.Views {
			browsertest.Screenshot(b, t, "", view)
			browsertest.FitsWidth(b, t)
			browsertest.Axe(b, t)
		}
	})
}

func TestDemoInABrowser(t *testing.T) {
	t.Parallel()
	dev := startDev(t, t.TempDir(), 0)
	b := tab{browsertest.New(t), t}
	browsertest.Strict(b, t)

	b.open(dev.API + "/")
	b.look("invitation", "Sign in with Watchgate", alice)
	b.press(`a[href="/start"]`)
	b.look("e-mail", "Sign in", "Work e-mail")
	if err := chromedp.Do(b, chromedp.SendKeys(chromedp.CSS("#email"), alice)); err != nil {
		t.Fatal(err)
	}
	b.press("#login-submit")
	b.look("provider", "Who do you want to be?", alice)
	b.press(chromedp.CSS(fmt.Sprintf(`button[name="user"][value="%s"]`, alice)))
	b.look("consent", "wants access to", alice, "monitor:read", "127.0.0.1")
	b.press("#consent-approve")
	if at := b.at(); at != dev.API+"/" {
		t.Fatalf("after consent the browser is at %s", at)
	}
	b.look("signed in", "/t/acme/monitors", "200 OK", "/t/globex/monitors", "404 Not Found", "Refused, as it should be", alice)
	b.signOutOfTheApp(dev)
	b.signOutOfTheServer(dev)
	checkDemoLog(t, dev)
}

func (b tab) signOutOfTheApp(dev *process.Dev) {
	b.t.Helper()
	b.press(`form[action="/signout"] button`)
	b.look("signed out of the app", "Sign in with Watchgate")
	b.press(`a[href="/start"]`) // the session at the server is still there
	b.look("consent again", "wants access to", alice)
	b.press("#consent-deny")
	b.look("refused", "The sign-in did not succeed", "access_denied")
	if !strings.HasPrefix(b.at(), dev.API) {
		b.t.Errorf("a refusal ends at %s", b.at())
	}
}

func (b tab) signOutOfTheServer(dev *process.Dev) {
	b.t.Helper()
	b.open(dev.URL + "/oauth2/logout")
	b.look("sign out", "Sign out?", alice)
	b.press("#logout-confirm")
	b.look("signed out", "Signed out")
	b.open(dev.API + "/start?login_hint=nobody")
	b.look("e-mail again", "Work e-mail")
	b.open(dev.URL + "/oauth2/authorize?client_id=unknown")
	b.look("bad request", "Error code", "Reference")
	b.open(dev.URL + "/nothing")
	b.look("not found", "Error code", "Reference")
}

func checkDemoLog(t *testing.T, dev *process.Dev) {
	t.Helper()
	log := must[string](t)(dev.Log())
	if !strings.Contains(log, `"route":"/oauth2/token"`) {
		t.Errorf("the log has no token request:\n%s", log)
	}
	if found := tokenLike.FindAllString(log+dev.Output(), -1); len(found) > 0 {
		t.Errorf("%d tokens are in the log", len(found))
	}
	if strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("the log has errors:\n%s", log)
	}
}

func TestWhatDevSaysCanBePasted(t *testing.T) {
	dev := startDev(t, t.TempDir(), 0)
	await(t, "the greeting", func() bool { return strings.Contains(dev.Output(), "Stop with Ctrl-C") })
	for _, words := range []string{dev.URL, dev.API, dev.IDP, dev.OperatorURL, alice, "demo-m2m-secret", dev.Dir} {
		if !strings.Contains(dev.Output(), words) {
			t.Errorf("dev does not say %q:\n%s", words, dev.Output())
		}
	}
	f := front{issuer: dev.URL, transport: http.DefaultTransport}
	token := f.machineToken(t, demoM2M)
	for tenant, want := range map[string]int{"acme": 200, "globex": 404} {
		api := front{issuer: dev.API, transport: http.DefaultTransport}
		if a := api.get(t, "/t/"+tenant+"/monitors", "Authorization", "Bearer "+token); a.status != want {
			t.Errorf("the API answers %s for %s, want %d", a, tenant, want)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if a := (front{issuer: dev.OperatorURL, transport: http.DefaultTransport}).get(t, path); a.status != 200 {
			t.Errorf("%s: %s", path, a)
		}
	}
}

func TestWhatWasThereIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	first := must[*process.Dev](t)(process.StartDev(t.Context(), dir, 0))
	a := demoApp(first, "demo-spa", "")
	f := front{issuer: first.URL, transport: http.DefaultTransport}
	b := f.browser(a)
	had := f.signIn(t, b, a, alice)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	f.transport.(*http.Transport).CloseIdleConnections()

	startDev(t, dir, first.Base)
	if !f.isActive(t, demoAPI, had.Access) {
		t.Error("an access token did not survive the restart")
	}
	now := tokensOf(t, f.refresh(t, a.credentials, had.Refresh))
	if now.Refresh == had.Refresh || !f.isActive(t, demoAPI, now.Access) {
		t.Error("a refresh after the restart gave nothing new")
	}
	// The session: no e-mail and no identity provider are asked for.
	page := f.walkTo(t, b, a.trip().path(), "nobody@acme.test")
	if !page.Ended || page.URL.Query().Get("code") == "" {
		t.Errorf("the session did not survive the restart: %s: %s", page.URL, page.Text())
	}
	if info := must[os.FileInfo](t)(os.Stat(filepath.Join(dir, "watchgate.db"))); info.Mode().Perm() != 0o600 {
		t.Errorf("the database has mode %v", info.Mode())
	}
}
