package monitorapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestSignOutRevokesTheGrant(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	if got := v.do("POST", "/signout", "Origin", "https://evil.example"); got.status != 403 || !v.signedIn() {
		t.Errorf("a foreign page signed the person out: %d", got.status)
	}
	got := v.do("POST", "/signout", "Origin", v.app)
	if got.status != 303 || v.signedIn() || v.p.counted("revoke") != 1 {
		t.Errorf("sign-out: %d, %d revocations", got.status, v.p.counted("revoke"))
	}
	page := v.do("GET", got.header.Get("Location")).body
	for _, want := range []string{"You are signed out of this app.", `<a href="` + v.p.server.URL + `/oauth2/logout">`, "gave its access"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page after it does not have %q", want)
		}
	}
}

func TestSignOutWithoutTheServerSaysThatAccessGoesOn(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	v.p.server.Close()
	got := v.do("POST", "/signout", "Origin", v.app)
	page := v.do("GET", got.header.Get("Location")).body
	if !strings.Contains(page, "did not answer when the app gave its access back") || !strings.Contains(page, v.p.server.URL+"/oauth2/logout") {
		t.Error("the page claims that the access was taken back, or has no way to the server's sign-out")
	}
}

// TestLinkCannotSaySignedOutToSomebodyWhoIsSignedIn has somebody else's link to
// the note after a sign-out.
func TestLinkCannotSaySignedOutToSomebodyWhoIsSignedIn(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	page := v.do("GET", "/?note=signed-out").body
	if strings.Contains(page, "signed out of this app") || !strings.Contains(page, "alice@acme.test") {
		t.Error("the page tells a signed-in person that they are signed out")
	}
	if page := v.do("GET", "/?note=%3Cb%3ECall-this-number").body; strings.Contains(page, "Call-this-number") {
		t.Error("the page says what the address says")
	}
}

func TestRefusalOfTheOtherTenantComesSecond(t *testing.T) {
	v := newVisitor(t)
	v.signIn()
	page, last := v.do("GET", "/").body, -1
	for _, path := range []string{"/t/acme/monitors</code>", "/t/globex/monitors</code>", "/t/acme/alerts</code>", "/t/acme/checks</code>"} {
		at := strings.Index(page, path)
		if at <= last {
			t.Errorf("%s is at %d, after %d", path, at, last)
		}
		last = at
	}
	if !strings.Contains(page, "The token belongs to Acme Monitoring. For it, Globex Corporation does not exist.") {
		t.Error("the tenants are not called by their names")
	}
}

func TestPagesUnderAnotherHostLeadHome(t *testing.T) {
	v := newVisitor(t)
	port := v.app[strings.LastIndex(v.app, ":"):]
	at := func(method, host, path string) reply {
		req, err := http.NewRequest(method, v.app+path, nil)
		must(t, err)
		req.Host = host
		resp, err := v.http.Do(req)
		must(t, err)
		defer resp.Body.Close()
		return reply{resp.StatusCode, resp.Header, ""}
	}
	for _, host := range []string{"localhost" + port, "evil.example", "127.0.0.1"} {
		for _, path := range []string{"/", "/start?login_hint=alice%40acme.test", "/callback?code=x&state=y", "/nothing"} {
			if got := at("GET", host, path); got.status != 307 || got.header.Get("Location") != v.app+path || got.header.Get("Set-Cookie") != "" {
				t.Errorf("%s at %s: %d to %q", path, host, got.status, got.header.Get("Location"))
			}
		}
		for path, want := range map[string]int{"/t/acme/monitors": 401, metadataPath: 200} {
			if got := at("GET", host, path); got.status != want {
				t.Errorf("%s at %s: %d, want %d", path, host, got.status, want)
			}
		}
		if got := at("POST", host, "/signout"); got.status == 307 {
			t.Errorf("a POST at %s was sent on", host)
		}
	}
	if got := at("GET", v.app[len("http://"):], "/"); got.status != 200 {
		t.Errorf("at home: %d", got.status)
	}
}

func TestDefaultPortIsTheSameHost(t *testing.T) {
	for _, c := range []struct {
		base, host string
		home       bool
	}{
		{"https://api.example.com", "api.example.com:443", true},
		{"https://api.example.com:443", "API.example.com", true},
		{"https://api.example.com", "api.example.com:80", false},
		{"http://api.example.com:8082", "api.example.com", false},
		{"", "anything", true},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.host
		oneHost(c.base, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		if (w.Code == 200) != c.home {
			t.Errorf("%s at %s: %d", c.base, c.host, w.Code)
		}
	}
}

func TestUnknownPathLeadsToTheApp(t *testing.T) {
	v := newVisitor(t)
	got := v.do("GET", "/nothing/here")
	if got.status != 404 || !strings.Contains(got.body, `href="/"`) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", got.status, got.body)
	}
}
