package e2e

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/storage"
)

// allScopes are the scopes of all operations.
var allScopes = []string{"api-keys:read", "api-keys:write", "organization:read", "organization:write"}

// landlord is an owner who may do everything with a tenant, with what of theirs was
// there before the test.
type landlord struct {
	slug, login, token string
	user, connection   string
	domain             string // the operator vouches for it
	app                string // an app of the tenant's own
}

// landlord signs an owner in with a second factor.
func (w *managed) landlord(t *testing.T, slug, login string) *landlord {
	t.Helper()
	p := &landlord{slug: slug, login: login, domain: slug + ".test"}
	w.signIn(t, p)
	p.user = w.f.get(t, "/v1/auth/whoami", "Authorization", "Bearer "+p.token).text("user")
	p.connection = w.first(t, p, "/v1/connections")["id"].(string)
	out := must[string](t)(process.Run(t.Context(), nil, "client", "create", "--name", "Own", "--redirect", appURI, "--owner", slug, "--data-dir", w.dev.Dir, "--json"))
	p.app = answer{body: strings.Trim(strings.TrimSpace(out), "[]")}.text("client_id")
	if p.user == "" || p.app == "" {
		t.Fatalf("%s has not everything: %+v, %s", slug, *p, out)
	}
	return p
}

// signIn gets an owner a token in a browser of its own.
func (w *managed) signIn(t *testing.T, p *landlord) {
	t.Helper()
	p.token = w.f.signIn(t, w.f.browser(w.app), w.app, p.login).Access
}

// first is the first object of a list.
func (w *managed) first(t *testing.T, p *landlord, path string) map[string]any {
	t.Helper()
	a := w.f.get(t, path, "Authorization", "Bearer "+p.token)
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || len(list.Items) == 0 {
		t.Fatalf("%s has nothing: %s", path, a)
	}
	return list.Items[0]
}

// maker makes an object in a collection and returns it as it was answered.
type maker func(t *testing.T, w *managed, p *landlord, to question) map[string]any

// makers make the objects that paths name, by the path of their collection. An
// operation on a new kind of object fails the tests until there is one for it.
var makers = map[string]maker{
	"/v1/auth/keys": posting(func(*managed, *landlord) any {
		return map[string]any{"name": "made for a test", "scopes": []string{"monitor:read"}}
	}),
	"/v1/auth/keys/{id}/executions": posting(func(*managed, *landlord) any { return map[string]any{"name": "made for a test"} }),
	"/v1/connections": posting(func(w *managed, _ *landlord) any {
		return map[string]any{"name": "made for a test", "fields": map[string]string{"issuer": w.dev.IDP, "client_id": "made-for-a-test", "client_secret": rand.Text()}}
	}),
	"/v1/connections/{id}/tests": posting(func(*managed, *landlord) any { return nil }),
	"/v1/domains": posting(func(_ *managed, p *landlord) any {
		return map[string]any{"name": newDomain(), "connection": p.connection}
	}),
	"/v1/users":    posting(func(*managed, *landlord) any { return map[string]any{"email": "made@" + newDomain()} }),
	"/v1/sessions": signingIn,
}

// newDomain is a name that nobody has (RFC 6761 section 6.2).
func newDomain() string { return strings.ToLower(rand.Text()) + ".test" }

// posting is how most objects are made.
func posting(body func(w *managed, p *landlord) any) maker {
	return func(t *testing.T, w *managed, p *landlord, to question) map[string]any {
		t.Helper()
		to.Method, to.RequestBody, to.body = http.MethodPost, jsonBody, body(w, p)
		a := w.ask(t, to, p.token)
		if a.status != http.StatusCreated {
			t.Fatalf("%s answered %s", to, a)
		}
		return a.json(t)
	}
}

// signingIn makes a session: of the landlord, in another browser.
func signingIn(t *testing.T, w *managed, p *landlord, _ question) map[string]any {
	t.Helper()
	w.f.code(t, w.f.browser(w.app), w.app.trip(), p.login)
	return w.first(t, p, "/v1/sessions?limit=1") // the newest
}

// made makes an object in a collection, whose path has names for what path has.
func (w *managed) made(t *testing.T, by *landlord, collection string, path map[string]string) map[string]any {
	t.Helper()
	make, known := makers[collection]
	if !known {
		t.Fatalf("there is no maker for the objects of %s: say in makers how to make one", collection)
	}
	return make(t, w, by, question{operation: operation{Path: collection}, path: path})
}

// mighty makes a key that may do as much as a key can, and returns its secret.
func (w *managed) mighty(t *testing.T, p *landlord) string {
	t.Helper()
	body := map[string]any{"name": "mighty", "scopes": append([]string{"monitor:read"}, allScopes...)}
	a := w.ask(t, question{operation: operation{Method: http.MethodPost, Path: "/v1/auth/keys", RequestBody: jsonBody}, body: body}, p.token)
	if a.status != http.StatusCreated {
		t.Fatalf("a key that may do everything: %s", a)
	}
	return a.text("secret")
}

// jsonBody says of an operation that its body is JSON.
var jsonBody = func() (b *struct {
	Required bool
	Content  content
}) {
	_ = json.Unmarshal([]byte(`{"content":{"application/json":{"schema":{}}}}`), &b) // it is JSON
	return b
}()

// spot is where a path names an object.
type spot struct {
	collection string // "/v1/connections"
	path       string // "/v1/connections/{id}"
	parameter  string // "id"
}

var pathName = regexp.MustCompile(`\{([^}]+)\}`)

// spots are those of an operation's path, the outermost first.
func (o operation) spots() []spot {
	var out []spot
	for _, at := range pathName.FindAllStringSubmatchIndex(o.Path, -1) {
		out = append(out, spot{o.Path[:at[0]-1], o.Path[:at[1]], o.Path[at[2]:at[3]]})
	}
	return out
}

// nameOf is what a path calls an object.
func nameOf(parameter string, object map[string]any) string {
	if parameter == "name" {
		return object["name"].(string)
	}
	return object["id"].(string)
}

// vouched are the operations that would ask the name servers of a domain, but not of
// one that the operator vouches for.
var vouched = map[string]bool{"verify-domain": true}

// filled makes an object for every parameter of an operation's path.
func (p *landlord) filled(t *testing.T, w *managed, o operation) map[string]string {
	t.Helper()
	if vouched[o.OperationID] {
		return map[string]string{"name": p.domain}
	}
	out := map[string]string{}
	for _, at := range o.spots() {
		out[at.parameter] = nameOf(at.parameter, w.made(t, p, at.collection, out))
	}
	return out
}

// estate is an object of every kind, by the path that names it.
type estate map[string]map[string]any

// path has what an operation's path names.
func (e estate) path(o operation) map[string]string {
	out := map[string]string{}
	for _, at := range o.spots() {
		if object := e[at.path]; object != nil {
			out[at.parameter] = nameOf(at.parameter, object)
		}
	}
	return out
}

// estate makes one of every kind.
func (w *managed) estate(t *testing.T, p *landlord) estate {
	t.Helper()
	e := estate{}
	for _, o := range w.operations(t) {
		for _, at := range o.spots() {
			if e[at.path] == nil {
				e[at.path] = w.made(t, p, at.collection, e.path(o))
			}
		}
	}
	return e
}

// limited are the collections that may have only so many objects.
var limited = []string{"/v1/auth/keys/", "/v1/domains/"}

// tidy ends what a request made, and what was made for it, where there may be only so
// many; and takes back what the policy keeps the landlord from.
func (w *managed) tidy(t *testing.T, p *landlord, q question, a answer) {
	t.Helper()
	paths := []string{strings.TrimPrefix(a.header.Get("Location"), w.f.issuer)}
	for parameter, of := range map[string]string{"id": "/v1/auth/keys/", "name": "/v1/domains/"} {
		if name := q.path[parameter]; name != p.domain && name != "" {
			paths = append(paths, of+name)
		}
	}
	for _, path := range paths {
		for _, of := range limited {
			if strings.HasPrefix(path, of) {
				w.ask(t, question{operation: operation{Method: http.MethodDelete, Path: path}}, p.token)
			}
		}
	}
	if q.OperationID == "change-policy" && a.status < 300 {
		w.relax(t, p)
	}
}

// relax takes a policy back. One that asks for more than the landlord has proved, or
// that has ended their session, only the operator can.
func (w *managed) relax(t *testing.T, p *landlord) {
	t.Helper()
	o := operation{Method: http.MethodPatch, Path: "/v1/policy", RequestBody: jsonBody}
	body := map[string]any{"session_lifetime": 86400, "session_idle": 3600, "clients": nil, "require_level": "none", "credentials_without_mfa": false, "credential_mfa_age": nil}
	if a := w.ask(t, question{operation: o, body: body, header: map[string]string{"Content-Type": "application/merge-patch+json"}}, p.token); a.status == http.StatusOK {
		return
	}
	must[string](t)(process.Run(t.Context(), nil, "tenant", "policy", p.slug, "--session-lifetime", "24h", "--session-idle", "1h", "--all-clients",
		"--require-level", "none", "--no-credentials-without-mfa", "--credential-mfa-age", "1h", "--data-dir", w.dev.Dir))
	w.signIn(t, p)
}

// ids are what names an object that nobody has, by how its name begins; "" is a domain.
var ids = map[string]func() string{
	"key_": func() string { return string(storage.NewKeyID(time.Now())) },
	"exe_": func() string { return string(storage.NewExecutionID(time.Now())) },
	"usr_": func() string { return string(storage.NewUserID(time.Now())) },
	"ses_": func() string { return string(storage.NewSessionID(time.Now())) },
	"con_": func() string { return string(storage.NewConnectionID(time.Now())) },
	"tst_": func() string { return string(storage.NewTestID(time.Now())) },
	"app_": func() string { return string(storage.NewClientID(time.Now())) },
	"":     newDomain,
}

var idStart = regexp.MustCompile(`^[a-z]{3}_`)

// nobodys is a name like another, of nothing. Of a draft, which is an id with a proof
// that it is ours, the proof stays.
func nobodys(t *testing.T, name string) string {
	t.Helper()
	fresh, known := ids[idStart.FindString(name)]
	if !known {
		t.Fatalf("%q is of a kind that the tests do not know: say in ids how to make one", name)
	}
	if id, proof, isDraft := strings.Cut(name, "."); isDraft && idStart.MatchString(id) {
		return fresh() + "." + proof
	}
	return fresh()
}

// naming are the parameters, of queries and of bodies, that name an object, with what
// they name of a tenant; the others of queries are in plain. A new one fails the test
// until somebody has decided which it is.
var (
	naming = map[string]func(t *testing.T, w *managed, p *landlord) string{
		"owner":      func(_ *testing.T, _ *managed, p *landlord) string { return p.user },
		"user":       func(_ *testing.T, _ *managed, p *landlord) string { return p.user },
		"connection": func(_ *testing.T, _ *managed, p *landlord) string { return p.connection },
		"clients":    func(_ *testing.T, _ *managed, p *landlord) string { return p.app },
		"draft":      draft,
	}
	plain = []string{"profile", "state", "limit", "cursor", "since", "after"}
)

// draft is one of a connection.
func draft(t *testing.T, w *managed, p *landlord) string {
	t.Helper()
	return w.f.get(t, "/v1/connection-presets", "Authorization", "Bearer "+p.token).json(t)["draft"].(map[string]any)["draft"].(string)
}

// of is the value of a property that names one object.
func (s *schema) of(name string) any {
	if slices.Contains(s.Types, "array") {
		return []any{name}
	}
	return name
}

// own lets a drawn body name what is there: of names that are drawn nothing is.
func (w *managed) own(t *testing.T, rt *rapid.T, p *landlord, q *question) {
	t.Helper()
	body, isObject := q.body.(map[string]any)
	s, _ := q.operation.body()
	if !isObject {
		return
	}
	for _, property := range slices.Sorted(maps.Keys(body)) {
		if name := naming[property]; name != nil && rapid.Bool().Draw(rt, property+" is one's own") {
			body[property] = w.real(w.real(s).Properties[property]).of(name(t, w, p))
		}
	}
}
