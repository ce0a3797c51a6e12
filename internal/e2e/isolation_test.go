package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/walk"
)

// party is one tenant with everything that can be presented or named.
type party struct {
	slug, id, login, domain, connection string

	rs      credentials // a resource server of this tenant alone
	own     app         // a client that this tenant owns
	machine credentials
	browser *walk.Browser

	trip         trip // of the code
	code         string
	tokens       tokens
	machineToken string
	waiting      *walk.Page // a transaction at its consent step
}

// tenants is a deployment with two parties, and its database seen from above row
// level security.
type tenants struct {
	*site
	f     front
	node  *process.Node
	above *pgx.Conn
	both  map[string]*party

	before map[string]string // the state after the last refusal, see checkBad
	names  []string          // of all tables
}

func newTenants(t *testing.T) *tenants {
	t.Helper()
	dsn := pgtest.Database(t)
	s := newSite(t, dsn)
	w := &tenants{site: s, both: map[string]*party{}}
	w.f, w.node = s.only(t)
	w.above = must[*pgx.Conn](t)(pgx.Connect(t.Context(), dsn))
	t.Cleanup(func() { w.above.Close(context.Background()) })
	for slug, login := range map[string]string{"acme": alice, "globex": carol} {
		w.both[slug] = w.party(t, slug, login)
	}
	return w
}

func (w *tenants) party(t *testing.T, slug, login string) *party {
	t.Helper()
	p := &party{
		slug: slug, id: w.tenants[slug], login: login, domain: slug + ".test", connection: w.connections[slug],
		rs: w.resourceServer(t, "api-"+slug, w.tenants[slug]), machine: w.machine[slug], browser: w.f.browser(w.web), trip: w.web.trip(),
	}
	own := w.operate(t, "client", "create", "--id", "own-"+slug, "--name", "Own", "--redirect", appURI, "--owner", p.id,
		"--scope", strings.ReplaceAll(fullScope, " ", ","))
	p.own = app{credentials{own["client_id"], own["secret"]}, appURI, fullScope}
	p.tokens = w.f.signIn(t, p.browser, w.web, login)
	p.code = w.f.code(t, p.browser, p.trip, login)
	p.machineToken = w.f.machineToken(t, p.machine)
	p.waiting = must[*walk.Page](t)(p.browser.Get(t.Context(), w.Issuer+w.web.trip().path("prompt", "consent")))
	if !p.waiting.Has("consent-approve") {
		t.Fatalf("no consent page: %s", p.waiting.Text())
	}
	return p
}

// attempt is what a credential of one tenant tries with an object: once with one
// of another tenant, once with one that nobody has.
type attempt struct {
	name             string
	foreign, missing func(t *testing.T) answer
}

func TestWhatBelongsToAnotherTenantDoesNotExist(t *testing.T) {
	w := newTenants(t)
	for _, direction := range [][2]string{{"acme", "globex"}, {"globex", "acme"}} {
		x, y := w.both[direction[0]], w.both[direction[1]]
		for _, a := range slices.Concat(w.introspections(x, y), w.tokenRequests(x, y), w.authorizations(x, y), w.transactions(x, y)) {
			t.Run(fmt.Sprintf("%s of %s by %s", a.name, y.slug, x.slug), func(t *testing.T) { w.try(t, a) })
		}
		t.Run("operator's commands for "+x.slug, func(t *testing.T) { w.commands(t, x, y) })
	}
	for _, p := range w.both {
		w.stillWhole(t, p)
	}
}

// try makes an attempt and compares answers and state.
func (w *tenants) try(t *testing.T, a attempt) {
	t.Helper()
	missing := comparable(a.missing(t))
	state, trail := w.state(t), w.successes(t)
	foreign := comparable(a.foreign(t))
	if d := cmp.Diff(missing, foreign); d != "" {
		t.Errorf("what is another tenant's is told from what does not exist (-missing +foreign):\n%s", d)
	}
	if d := cmp.Diff(state, w.state(t)); d != "" {
		t.Errorf("the attempt changed something:\n%s", d)
	}
	if d := cmp.Diff(trail, w.successes(t)); d != "" {
		t.Errorf("the audit trail speaks of a success:\n%s", d)
	}
}

var reference = regexp.MustCompile(`<code class="pick">[^<]*</code>`)

// comparable is an answer without what differs between any two.
func comparable(a answer) map[string]any {
	h := a.header.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "Request-Id"} {
		h.Del(name)
	}
	return map[string]any{"status": a.status, "header": h, "body": reference.ReplaceAllString(a.body, "<code>one</code>")}
}

// passing are the tables that change by themselves, or by any success: the trail,
// and what nodes tell each other.
var passing = []string{"audit_events", "changes", "nodes"}

// state is every row of every table but those, and but the tables that are named.
// It is read in one question: it is asked for thousands of times.
func (w *tenants) state(t *testing.T, but ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var whole []string
	for _, table := range w.tables(t) {
		if !slices.Contains(passing, table) && !slices.Contains(but, table) {
			name := pgx.Identifier{table}.Sanitize()
			whole = append(whole, `SELECT '`+table+`', (SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM `+name+` t)`)
		}
	}
	rows := must[pgx.Rows](t)(w.above.Query(t.Context(), strings.Join(whole, " UNION ALL ")))
	var table, text string
	must[pgconn.CommandTag](t)(pgx.ForEachRow(rows, []any{&table, &text}, func() error {
		out[table] = text
		return nil
	}))
	if len(out) < 10 || out["access_tokens"] == "" || out["sessions"] == "" {
		t.Fatalf("%d tables are seen, tokens and sessions not among them", len(out))
	}
	return out
}

// tables are the names of all tables, which nothing makes while a test runs.
func (w *tenants) tables(t *testing.T) []string {
	t.Helper()
	if w.names == nil {
		w.names = w.column(t, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'p') AND NOT c.relispartition`)
	}
	return w.names
}

// successes are the audit events of what happened, refusals left out.
func (w *tenants) successes(t *testing.T) []string {
	t.Helper()
	return w.column(t, `SELECT tenant_id || ' ' || id || ' ' || kind FROM audit_events WHERE outcome = 'success' ORDER BY 1`)
}

func (w *tenants) column(t *testing.T, query string) []string {
	t.Helper()
	rows, err := w.above.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return must[[]string](t)(pgx.CollectRows(rows, pgx.RowTo[string]))
}

// introspections ask about tokens of y in the name of x.
func (w *tenants) introspections(x, y *party) []attempt {
	var out []attempt
	ask := func(name string, rs credentials, more ...string) {
		for kind, object := range map[string]string{
			"access token": y.tokens.Access, "machine's token": y.machineToken, "refresh token": y.tokens.Refresh, "code": y.code, "ID token": y.tokens.ID,
		} {
			out = append(out, attempt{
				"introspection " + name + " of the " + kind,
				func(t *testing.T) answer { return w.f.introspect(t, rs, object, more...) },
				func(t *testing.T) answer {
					return w.f.introspect(t, rs, token.New(token.Access, farAway), more...)
				},
			})
		}
	}
	ask("by the tenant's own resource server", x.rs)
	ask("by the tenant's own, naming the other tenant", x.rs, "tenant", y.slug)
	ask("for the tenant's slug", w.api, "tenant", x.slug)
	ask("for the tenant's id", w.api, "tenant", x.id)
	return out
}

// tokenRequests present tokens and codes of y with the clients of x.
func (w *tenants) tokenRequests(x, y *party) []attempt {
	var out []attempt
	post := func(name, path string, who credentials, foreign, missing url.Values) {
		out = append(out, attempt{
			name + " with " + who.id,
			func(t *testing.T) answer { return w.f.post(t, path, who, foreign) },
			func(t *testing.T) answer { return w.f.post(t, path, who, missing) },
		})
	}
	access, refresh := token.New(token.Access, farAway), token.New(token.Refresh, farAway)
	for _, who := range []credentials{x.own.credentials, x.machine} {
		post("revocation of the access token", "/oauth2/revoke", who, url.Values{"token": {y.tokens.Access}}, url.Values{"token": {access}})
		post("revocation of the machine's token", "/oauth2/revoke", who, url.Values{"token": {y.machineToken}}, url.Values{"token": {access}})
		post("revocation of the refresh token", "/oauth2/revoke", who, url.Values{"token": {y.tokens.Refresh}}, url.Values{"token": {refresh}})
		post("refresh", "/oauth2/token", who, refreshForm(y.tokens.Refresh), refreshForm(refresh))
		post("code", "/oauth2/token", who, y.trip.form(y.code), y.trip.form(token.New(token.Code, farAway)))
	}
	post("resource", "/oauth2/token", x.machine,
		with(machineForm(), "resource", "https://"+y.rs.id+".test/"), with(machineForm(), "resource", "https://nobody.test/"))
	both := func(other string) func(t *testing.T) answer {
		return func(t *testing.T) answer {
			req := must[*http.Request](t)(w.f.request(t.Context(), "/oauth2/userinfo", credentials{}, url.Values{"access_token": {other}}))
			req.Header.Set("Authorization", "Bearer "+x.tokens.Access)
			return must[answer](t)(w.f.send(req))
		}
	}
	return append(out, attempt{"userinfo with the token beside one's own", both(y.tokens.Access), both(access)})
}

// authorizations name people and apps of y in a browser of x.
func (w *tenants) authorizations(x, y *party) []attempt {
	silent := func(r trip, cookies string, more ...string) func(t *testing.T) answer {
		return func(t *testing.T) answer {
			return w.f.get(t, r.path(append(more, "prompt", "none")...), "Cookie", cookies)
		}
	}
	own, r, foreignApp := w.f.cookies(x.browser), w.web.trip(), y.own.trip()
	// x's handle under the name of y's cookie.
	swapped := strings.ReplaceAll(own, x.id, y.id)
	return []attempt{
		{"login_hint of the person", silent(r, own, "login_hint", y.login), silent(r, own, "login_hint", "nobody@nowhere.test")},
		{"id_token_hint of the person", silent(r, own, "id_token_hint", y.tokens.ID), silent(r, "", "id_token_hint", y.tokens.ID)},
		{"client", silent(foreignApp, own), silent(foreignApp, "")},
		{"session cookie's name", silent(r, swapped, "login_hint", y.login), silent(r, "", "login_hint", y.login)},
	}
}

// transactions open y's sign-in in x's browser. What is missing here is a
// transaction that the same tenant's person began in another browser: a browser
// is told apart from its owner's, whoever they are.
func (w *tenants) transactions(x, y *party) []attempt {
	own := w.f.cookies(x.browser)
	elsewhere := func(t *testing.T) *walk.Page {
		t.Helper()
		page := must[*walk.Page](t)(w.f.browser(w.web).Get(t.Context(), w.Issuer+w.web.trip().path()))
		if !page.Has("login-submit") {
			t.Fatalf("no sign-in page: %s", page.Text())
		}
		return page
	}
	open := func(t *testing.T, of *walk.Page, page string) answer {
		t.Helper()
		return w.f.get(t, of.URL.Path+page, "Cookie", own)
	}
	post := func(t *testing.T, of *walk.Page, page string) answer {
		t.Helper()
		form := with(with(of.Fields(), "decision", "allow"), "tenant", x.slug)
		req := must[*http.Request](t)(w.f.request(t.Context(), of.URL.Path+page, credentials{}, form))
		req.Header.Set("Cookie", own)
		req.Header.Set("Origin", w.Issuer)
		return must[answer](t)(w.f.send(req))
	}
	back := func(t *testing.T, of *walk.Page) answer {
		t.Helper()
		state := strings.TrimPrefix(of.URL.Path, "/login/") + "." + of.Fields().Get("verifier")
		return w.f.get(t, "/login/callback/"+y.connection+"?"+url.Values{"code": {"x"}, "state": {state}}.Encode(), "Cookie", own)
	}
	var out []attempt
	for name, do := range map[string]func(t *testing.T, of *walk.Page) answer{
		"transaction":                 func(t *testing.T, of *walk.Page) answer { return open(t, of, "") },
		"transaction's tenant page":   func(t *testing.T, of *walk.Page) answer { return open(t, of, "/tenant") },
		"transaction's e-mail page":   func(t *testing.T, of *walk.Page) answer { return open(t, of, "/email") },
		"consent with its verifier":   func(t *testing.T, of *walk.Page) answer { return post(t, of, "/consent") },
		"choice with its verifier":    func(t *testing.T, of *walk.Page) answer { return post(t, of, "/tenant") },
		"e-mail with its verifier":    func(t *testing.T, of *walk.Page) answer { return post(t, of, "") },
		"callback with its own state": back,
	} {
		out = append(out, attempt{name,
			func(t *testing.T) answer { return refusedPage(t, do(t, y.waiting)) },
			func(t *testing.T) answer { return refusedPage(t, do(t, elsewhere(t))) },
		})
	}
	return out
}

func refusedPage(t *testing.T, a answer) answer {
	t.Helper()
	if a.status < 400 || a.status >= 500 || a.header.Get("Location") != "" || a.header.Get("Set-Cookie") != "" {
		t.Errorf("not refused: %d to %q", a.status, a.header.Get("Location"))
	}
	return a
}

// commands name objects of y in commands for x.
func (w *tenants) commands(t *testing.T, x, y *party) {
	say := func(object string, args ...string) string {
		out, err := process.Run(t.Context(), []string{"WATCHGATE_CONFIG=" + w.Dir + "/operate.yaml"}, args...)
		if err == nil {
			t.Errorf("watchgate %v succeeded: %s", args, out)
		}
		return strings.ReplaceAll(out, object, "OBJECT")
	}
	for name, c := range map[string]struct {
		object, missing string
		args            func(object string) []string
	}{
		"disable":        {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "disable", x.slug, o} }},
		"enable":         {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "enable", x.slug, o} }},
		"show":           {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "show", x.slug, o} }},
		"set":            {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "set", "--role", "owner", x.slug, o} }},
		"doctor":         {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "doctor", x.slug, o} }},
		"test":           {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "test", x.slug, o} }},
		"promote-secret": {y.connection, "con_nobody", func(o string) []string { return []string{"connection", "promote-secret", x.slug, o} }},
		"domain verify":  {y.domain, "nobody.test", func(o string) []string { return []string{"domain", "verify", x.slug, o} }},
		"domain set":     {y.domain, "nobody.test", func(o string) []string { return []string{"domain", "set", "--sso-required", x.slug, o} }},
		"domain add":     {y.connection, "con_nobody", func(o string) []string { return []string{"domain", "add", "--vouch", x.slug, o, "new.test"} }},
		"domain remove":  {y.domain, "nobody.test", func(o string) []string { return []string{"domain", "remove", x.slug, o} }},
	} {
		state := w.state(t)
		foreign, missing := say(c.object, c.args(c.object)...), say(c.missing, c.args(c.missing)...)
		if d := cmp.Diff(missing, foreign); d != "" {
			t.Errorf("%s (-missing +foreign):\n%s", name, d)
		}
		if d := cmp.Diff(state, w.state(t)); d != "" {
			t.Errorf("%s changed something:\n%s", name, d)
		}
	}
	state := w.state(t)
	say("", "domain", "add", "--vouch", x.slug, x.connection, y.domain)
	if d := cmp.Diff(state, w.state(t)); d != "" {
		t.Errorf("taking the other tenant's domain changed something:\n%s", d)
	}
}

// stillWhole uses everything of a party as its owner: no attempt harmed it.
func (w *tenants) stillWhole(t *testing.T, p *party) {
	t.Helper()
	for _, rs := range []credentials{p.rs, w.api} {
		if !w.f.isActive(t, rs, p.tokens.Access) || !w.f.isActive(t, rs, p.machineToken) {
			t.Errorf("a token of %s is dead", p.slug)
		}
	}
	w.f.redeem(t, p.trip, p.code)
	tokensOf(t, w.f.refresh(t, w.web.credentials, p.tokens.Refresh))
	page := must[*walk.Page](t)(p.waiting.Press(t.Context(), "consent-approve", nil))
	if !page.Ended || page.URL.Query().Get("code") == "" {
		t.Errorf("the transaction of %s is dead: %s", p.slug, page.Text())
	}
	w.f.signIn(t, p.browser, p.own, p.login)
}
