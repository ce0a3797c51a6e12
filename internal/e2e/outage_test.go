package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/walk"
)

// outage is a node whose database can go away, with what was issued before.
type outage struct {
	*site
	f       front
	browser *walk.Browser
	trip    trip
	tokens  tokens
	code    string
	machine string
	login   string // path of a transaction that waits for consent
	waiting *walk.Page
}

func newOutage(t *testing.T) (outage, *pgtest.Proxy) {
	t.Helper()
	proxy := pgtest.NewProxy(t, pgtest.Database(t))
	s := newSite(t, proxy.DSN())
	f, node := s.only(t)
	password, _ := must[*url.URL](t)(url.Parse(proxy.DSN())).User.Password()
	t.Cleanup(func() { keepsQuiet(t, node, password, s.web.secret, s.api.secret) })
	o := outage{site: s, f: f, browser: f.browser(s.web), trip: s.web.trip(), machine: f.machineToken(t, s.machine["acme"])}
	o.tokens = f.signIn(t, o.browser, s.web, alice)
	o.code = f.code(t, o.browser, o.trip, alice)
	o.waiting = must[*walk.Page](t)(o.browser.Get(t.Context(), s.Issuer+s.web.trip().path("prompt", "consent")))
	if !o.waiting.Has("consent-approve") {
		t.Fatalf("no consent page: %s", o.waiting.Text())
	}
	o.login = o.waiting.URL.Path
	return o, proxy
}

func TestDatabaseThatIsAwayIs503AndComesBack(t *testing.T) {
	o, proxy := newOutage(t)
	proxy.Down()
	await(t, "the outage to show", func() bool {
		return (front{issuer: o.f.issuer, transport: o.f.transport}).get(t, o.trip.path("prompt", "none"), "Cookie", o.f.cookies(o.browser)).status != http.StatusSeeOther
	})
	o.programs(t)
	o.people(t)
	proxy.Up()
	await(t, "full service", func() bool { return o.f.introspect(t, o.api, o.machine).status == http.StatusOK })
	o.nothingLost(t)
}

// programs call every endpoint while the database is away.
func (o outage) programs(t *testing.T) {
	t.Helper()
	unknown := token.New(token.Access, farAway)
	for name, a := range map[string]answer{
		"client credentials":        o.f.post(t, "/oauth2/token", o.site.machine["acme"], machineForm()),
		"code":                      o.f.post(t, "/oauth2/token", o.web.credentials, o.trip.form(o.code)),
		"refresh":                   o.f.refresh(t, o.web.credentials, o.tokens.Refresh),
		"a wrong client secret":     o.f.post(t, "/oauth2/token", credentials{o.web.id, "wrong"}, machineForm()),
		"an unknown client":         o.f.post(t, "/oauth2/token", credentials{"app_nobody", "wrong"}, machineForm()),
		"introspection":             o.f.introspect(t, o.api, o.tokens.Access),
		"introspection of unknown":  o.f.introspect(t, o.api, unknown),
		"introspection, wrong":      o.f.introspect(t, credentials{o.api.id, "wrong"}, o.tokens.Access),
		"introspection of a tenant": o.f.introspect(t, o.api, o.machine, "tenant", "globex"),
		"revocation":                o.f.post(t, "/oauth2/revoke", o.web.credentials, url.Values{"token": {o.tokens.Access}}),
		"revocation of unknown":     o.f.post(t, "/oauth2/revoke", o.web.credentials, url.Values{"token": {unknown}}),
		"userinfo":                  o.f.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+o.tokens.Access),
	} {
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.text("error") != "temporarily_unavailable" {
			t.Errorf("%s: %s, Retry-After %q", name, a, a.header.Get("Retry-After"))
		}
	}
}

// people open every page while the database is away.
func (o outage) people(t *testing.T) {
	t.Helper()
	cookies := o.f.cookies(o.browser)
	for name, a := range map[string]answer{
		"authorize with a session":    o.f.get(t, o.trip.path(), "Cookie", cookies),
		"authorize without a session": o.f.get(t, o.trip.path()),
		"authorize, prompt=none":      o.f.get(t, o.trip.path("prompt", "none"), "Cookie", cookies),
		"a transaction":               o.f.get(t, o.login, "Cookie", cookies),
		"a callback":                  o.f.get(t, "/login/callback/"+o.connections["acme"]+"?code=x&state="+strings.TrimPrefix(o.login, "/login/")+".x", "Cookie", cookies),
		"sign-in to our own pages":    o.f.get(t, "/login", "Cookie", cookies),
		"sign-out":                    o.f.get(t, "/oauth2/logout", "Cookie", cookies),
	} {
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.header.Get("Location") != "" ||
			!strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, "Reference") {
			t.Errorf("%s: %d to %q: %s", name, a.status, a.header.Get("Location"), a.body)
		}
		if strings.Contains(strings.Join(a.header["Set-Cookie"], ";"), "Max-Age=0") {
			t.Errorf("%s: a cookie was taken away", name)
		}
	}
	page := must[*walk.Page](t)(o.waiting.Press(t.Context(), "consent-approve", nil))
	if page.Ended || page.Status != http.StatusServiceUnavailable {
		t.Errorf("consent: %d at %s", page.Status, page.URL)
	}
}

// nothingLost uses what was issued before the outage.
func (o outage) nothingLost(t *testing.T) {
	t.Helper()
	for name, token := range map[string]string{"a person's": o.tokens.Access, "a machine's": o.machine} {
		if !o.f.isActive(t, o.api, token) {
			t.Errorf("%s token is lost", name)
		}
	}
	if a := o.f.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+o.tokens.Access); a.status != http.StatusOK {
		t.Errorf("userinfo: %s", a)
	}
	o.f.redeem(t, o.trip, o.code)
	tokensOf(t, o.f.refresh(t, o.web.credentials, o.tokens.Refresh))
	page := must[*walk.Page](t)(o.waiting.Press(t.Context(), "consent-approve", nil))
	if !page.Ended || page.URL.Query().Get("code") == "" {
		t.Errorf("the transaction is lost: %s: %s", page.URL, page.Text())
	}
	o.f.code(t, o.browser, o.web.trip(), alice)
	o.f.revoke(t, o.web.credentials, o.tokens.Access)
	if o.f.isActive(t, o.api, o.tokens.Access) {
		t.Error("revoked and active")
	}
}

// A connection that is cut in the middle is no outage: the next one is used, or
// the caller reads 503 and tries again.
func TestCutConnectionsAreNoWrongAnswer(t *testing.T) {
	o, proxy := newOutage(t)
	for range 20 {
		proxy.Cut()
		a := o.f.introspect(t, o.api, o.machine)
		if a.status != http.StatusServiceUnavailable && (a.status != http.StatusOK || a.json(t)["active"] != true) {
			t.Errorf("introspection after a cut: %s", a)
		}
		proxy.Cut()
		a = o.f.post(t, "/oauth2/token", o.site.machine["acme"], machineForm())
		if a.status != http.StatusServiceUnavailable && a.status != http.StatusOK {
			t.Errorf("token after a cut: %s", a)
		}
	}
	await(t, "full service", func() bool { return o.f.introspect(t, o.api, o.machine).status == http.StatusOK })
	o.nothingLost(t)
}
