package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/storage"
)

// managed is a demonstration with the description of its management API.
type managed struct {
	document
	dev          *process.Dev
	f            front
	acme, globex *landlord
}

// landlord is somebody who may do everything with a tenant's API keys.
type landlord struct {
	token string
	user  string
}

func newManaged(t *testing.T) *managed {
	t.Helper()
	dev := startDev(t, t.TempDir(), 0)
	w := &managed{dev: dev, f: front{issuer: dev.URL, transport: http.DefaultTransport}}
	w.document = served(t, w.f)
	a := demoApp(dev, "demo-spa", "")
	a.scope += " api-keys:read api-keys:write"
	for login, p := range map[string]**landlord{alice: &w.acme, carol: &w.globex} {
		*p = &landlord{token: w.f.signIn(t, w.f.browser(a), a, login).Access}
		(*p).user = w.made(t, *p, "/v1/auth/keys")["owner"].(string)
	}
	return w
}

// ask sends a request, for at most as long as an answer may take that is no stream.
func (w *managed) ask(t *testing.T, q question, token string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := q.send(ctx, w.f, token)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return a
}

// makers make the objects that paths name, by the path of their collection. An
// operation on a new kind of object fails the tests until there is one for it.
var makers = map[string]map[string]any{
	"/v1/auth/keys":                 {"name": "made for a test", "scopes": []string{"monitor:read"}},
	"/v1/auth/keys/{id}/executions": {"name": "made for a test"},
}

// made makes an object and returns it as it was answered.
func (w *managed) made(t *testing.T, by *landlord, collection string) map[string]any {
	t.Helper()
	template := collection
	if strings.Count(collection, "/") > 3 {
		parts := strings.Split(collection, "/")
		parts[4] = "{id}"
		template = strings.Join(parts, "/")
	}
	body, known := makers[template]
	if !known {
		t.Fatalf("there is no maker for the objects of %s: say in makers how to make one", template)
	}
	a := w.ask(t, question{operation: operation{Method: http.MethodPost, Path: collection, RequestBody: jsonBody}, body: body}, by.token)
	if a.status != http.StatusCreated {
		t.Fatalf("POST %s answered %s", collection, a)
	}
	return a.json(t)
}

// mighty makes a key that may do everything with API keys, and returns its secret.
func (w *managed) mighty(t *testing.T, p *landlord) string {
	t.Helper()
	body := map[string]any{"name": "mighty", "scopes": []string{"api-keys:read", "api-keys:write", "monitor:read"}}
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

var pathName = regexp.MustCompile(`\{([^}]+)\}`)

// filled makes an object for every parameter of an operation's path.
func (p *landlord) filled(t *testing.T, w *managed, o operation) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, at := range pathName.FindAllStringSubmatchIndex(o.Path, -1) {
		collection := o.Path[:at[0]-1]
		for name, value := range out {
			collection = strings.ReplaceAll(collection, "{"+name+"}", value)
		}
		out[o.Path[at[2]:at[3]]] = w.made(t, p, collection)["id"].(string)
	}
	return out
}

// tidy ends what a request made, and what was made for it: the number of keys is
// limited.
func (w *managed) tidy(t *testing.T, p *landlord, q question, a answer) {
	t.Helper()
	for _, path := range []string{a.header.Get("Location"), "/v1/auth/keys/" + q.path["id"]} {
		if path = strings.TrimPrefix(path, w.f.issuer); strings.TrimPrefix(path, "/v1/auth/keys/") != "" {
			w.ask(t, question{operation: operation{Method: http.MethodDelete, Path: path}}, p.token)
		}
	}
}

// ids are what names an object that nobody has.
var ids = map[string]func() string{
	"key_": func() string { return string(storage.NewKeyID(time.Now())) },
	"exe_": func() string { return string(storage.NewExecutionID(time.Now())) },
	"usr_": func() string { return string(storage.NewUserID(time.Now())) },
}

// nobodys is an id like another, of nothing.
func nobodys(t *testing.T, id string) string {
	t.Helper()
	kind, _, _ := strings.Cut(id, "_")
	fresh, known := ids[kind+"_"]
	if !known {
		t.Fatalf("%q is of a kind that the tests do not know: say in ids how to make one", id)
	}
	return fresh()
}

// naming are the query parameters that name an object, with what they name of a
// tenant; the others are in plain. A new parameter fails the test until somebody has
// decided which it is.
var (
	naming = map[string]func(p *landlord) string{"owner": func(p *landlord) string { return p.user }}
	plain  = []string{"profile", "state", "limit", "cursor", "since", "after"}
)

// raid is a request about another tenant's objects, and the same about nobody's.
type raid struct {
	name             string
	foreign, missing question
}

// raids are all ways in which an operation can be asked about objects of other, by
// somebody who has the objects own.
func (w *managed) raids(t *testing.T, o operation, other *landlord, own, foreign map[string]string) []raid {
	t.Helper()
	base := question{operation: o, path: own, query: map[string]string{}, header: map[string]string{}, body: w.plainBody(o)}
	var out []raid
	reached := map[string]string{}
	for i, at := range pathName.FindAllStringSubmatch(o.Path, -1) {
		// From here on all objects are the other's; those before it are one's own.
		f, m := base, base
		f.path, m.path = maps.Clone(own), maps.Clone(own)
		for _, rest := range pathName.FindAllStringSubmatch(o.Path, -1)[i:] {
			f.path[rest[1]], m.path[rest[1]] = foreign[rest[1]], nobodys(t, foreign[rest[1]])
		}
		out = append(out, raid{"path " + at[1], f, m})
		reached[at[1]] = foreign[at[1]]
	}
	for _, p := range o.in("query") {
		name, names := naming[p.Name]
		if !names {
			if !slices.Contains(plain, p.Name) {
				t.Errorf("%s has a parameter %q: say in naming or in plain whether it names an object", o, p.Name)
			}
			continue
		}
		f, m := base, base
		f.query, m.query = map[string]string{p.Name: name(other)}, map[string]string{p.Name: nobodys(t, name(other))}
		out = append(out, raid{"query " + p.Name, f, m})
	}
	return out
}

// plainBody has everything that the document has an example for, and what it
// requires.
func (w *managed) plainBody(o operation) any {
	s, _ := o.body()
	if s = w.real(s); s == nil {
		return nil
	}
	out := map[string]any{}
	for name, property := range s.Properties {
		property = w.real(property)
		if len(property.Examples) > 0 && (slices.Contains(s.Required, name) || o.Method == http.MethodPatch || len(s.Required) == 0) {
			out[name] = property.Examples[0]
		}
	}
	return out
}

// varying is what differs between any two problems, and between any two lists: a
// cursor is bound to what was asked for.
var varying = regexp.MustCompile(`(urn:watchgate:request:|cursor=)[\w-]+`)

// told is what somebody learns from an answer, with the names that they sent taken
// out.
func told(q question, a answer) map[string]any {
	var sent []string
	for _, values := range []map[string]string{q.path, q.query} {
		for name, value := range values {
			sent = append(sent, value, "{"+name+"}")
		}
	}
	plain := func(s string) string { return strings.NewReplacer(sent...).Replace(varying.ReplaceAllString(s, "")) }
	out := comparable(a)
	out["body"] = plain(a.body)
	for _, values := range out["header"].(http.Header) {
		for i := range values {
			values[i] = plain(values[i])
		}
	}
	return out
}

// belongings are everything that a tenant sees of its own keys.
func (w *managed) belongings(t *testing.T, p *landlord, key string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, path := range []string{"/v1/auth/keys?state=all&limit=100", "/v1/auth/keys/" + key, "/v1/auth/keys/" + key + "/executions"} {
		a := w.f.get(t, path, "Authorization", "Bearer "+p.token)
		if a.status != http.StatusOK {
			t.Fatalf("GET %s answered %s", path, a)
		}
		out[path] = a.body
	}
	return out
}

func TestEveryOperationOnWhatBelongsToAnotherTenant(t *testing.T) {
	w := newManaged(t)
	callers := map[string]string{"owner's access token": w.acme.token, "API key": w.mighty(t, w.acme)}
	target := w.made(t, w.globex, "/v1/auth/keys")
	secret := target["secret"].(string)
	work := w.made(t, w.globex, "/v1/auth/keys/"+target["id"].(string)+"/executions")
	foreign := map[string]string{"id": target["id"].(string), "execution": work["id"].(string)}

	before := w.belongings(t, w.globex, foreign["id"])
	tried := 0
	for _, o := range w.operations(t) {
		for who, token := range callers {
			own := w.acme.filled(t, w, o)
			for _, r := range w.raids(t, o, w.globex, own, foreign) {
				t.Run(o.String()+" by "+who+": "+r.name, func(t *testing.T) {
					tried++
					missing, got := w.ask(t, r.missing, token), w.ask(t, r.foreign, token)
					if d := cmp.Diff(told(r.missing, missing), told(r.foreign, got)); d != "" {
						t.Errorf("what is another tenant's is told from what does not exist (-missing +foreign):\n%s", d)
					}
					if strings.HasPrefix(r.name, "path") && got.status < 400 {
						t.Errorf("the answer is %s", got)
					}
					if strings.Contains(got.body, foreign["id"]) && r.foreign.path["id"] != foreign["id"] {
						t.Errorf("the answer names the other tenant's key: %s", got)
					}
				})
			}
			w.tidy(t, w.acme, question{path: own}, answer{header: http.Header{}})
		}
	}
	if tried < 20 {
		t.Errorf("only %d attempts were made", tried)
	}
	if d := cmp.Diff(before, w.belongings(t, w.globex, foreign["id"])); d != "" {
		t.Errorf("the attempts changed something (-before +after):\n%s", d)
	}
	if !w.f.isActive(t, demoAPI, secret) {
		t.Error("the other tenant's key works no more")
	}
}

func TestAnotherTenantsCursorLeadsNowhere(t *testing.T) {
	w := newManaged(t)
	w.made(t, w.globex, "/v1/auth/keys")
	w.made(t, w.globex, "/v1/auth/keys")
	page := w.f.get(t, "/v1/auth/keys?limit=1", "Authorization", "Bearer "+w.globex.token)
	next := regexp.MustCompile(`cursor=([^&>"]+)`).FindStringSubmatch(page.header.Get("Link"))
	if next == nil {
		t.Fatalf("a page without a next one: %s, Link %q", page, page.header.Get("Link"))
	}
	path := "/v1/auth/keys?limit=1&cursor="
	if a := w.f.get(t, path+next[1], "Authorization", "Bearer "+w.globex.token); a.status != http.StatusOK {
		t.Fatalf("the cursor does not work at all: %s", a)
	}
	foreign := w.f.get(t, path+next[1], "Authorization", "Bearer "+w.acme.token)
	garbage := w.f.get(t, path+"nonsense", "Authorization", "Bearer "+w.acme.token)
	if d := cmp.Diff(told(question{}, garbage), told(question{}, foreign)); d != "" || foreign.status < 400 {
		t.Errorf("another tenant's cursor answers %s (-garbage +foreign):\n%s", foreign, d)
	}
}

func TestNoOperationAnswersWithoutACredential(t *testing.T) {
	w := newManaged(t)
	for _, o := range w.operations(t) {
		q := question{operation: o, path: w.acme.filled(t, w, o), body: w.plainBody(o)}
		for _, token := range []string{"", "garbage", "wgat_garbage", "up_live_0000000000000000_garbage"} {
			if a := w.ask(t, q, token); a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q answers %s", o, token, a)
			}
		}
		w.tidy(t, w.acme, q, answer{header: http.Header{}})
	}
}
