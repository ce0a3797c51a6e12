package e2e

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/process"
)

// managed is a demonstration with the description of its management API.
type managed struct {
	document
	dev          *process.Dev
	f            front
	app          app
	acme, globex *landlord
}

func newManaged(t *testing.T) *managed {
	t.Helper()
	dev := startDev(t, t.TempDir(), 0)
	w := &managed{dev: dev, f: front{issuer: dev.URL, transport: http.DefaultTransport}, app: demoApp(dev, "demo-spa", "")}
	w.document = served(t, w.f)
	w.app.scope += " " + strings.Join(allScopes, " ")
	w.acme, w.globex = w.landlord(t, "acme", alice), w.landlord(t, "globex", carol)
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
	for i, at := range o.spots() {
		// From here on all objects are the other's; those before it are one's own.
		f, m := base, base
		f.path, m.path = maps.Clone(own), maps.Clone(own)
		for _, rest := range o.spots()[i:] {
			f.path[rest.parameter], m.path[rest.parameter] = foreign[rest.parameter], nobodys(t, foreign[rest.parameter])
		}
		out = append(out, raid{"path " + at.parameter, f, m})
	}
	for _, p := range o.in("query") {
		name, names := naming[p.Name]
		if !names {
			if !slices.Contains(plain, p.Name) {
				t.Errorf("%s has a parameter %q: say in naming or in plain whether it names an object", o, p.Name)
			}
			continue
		}
		f, m, of := base, base, name(t, w, other)
		f.query, m.query = map[string]string{p.Name: of}, map[string]string{p.Name: nobodys(t, of)}
		out = append(out, raid{"query " + p.Name, f, m})
	}
	return append(out, w.bodyRaids(t, base, other)...)
}

// bodyRaids are those in which the body names what is other's.
func (w *managed) bodyRaids(t *testing.T, base question, other *landlord) []raid {
	t.Helper()
	s, _ := base.operation.body()
	if s = w.real(s); s == nil {
		return nil
	}
	var out []raid
	for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
		of := w.real(s.Properties[property])
		name, names := naming[property]
		if !names {
			if example, _ := slices.Concat(of.Examples, []any{""})[0].(string); idStart.MatchString(example) {
				t.Errorf("%s has a body with %q, which looks as if it named an object: say in naming what", base.operation, property)
			}
			continue
		}
		f, m, foreign := base, base, name(t, w, other)
		f.body, m.body = having(base.body, property, of.of(foreign)), having(base.body, property, of.of(nobodys(t, foreign)))
		out = append(out, raid{"body " + property, f, m})
	}
	return out
}

// having is a body with one more property.
func having(body any, name string, value any) any {
	out := map[string]any{name: value}
	for property, was := range body.(map[string]any) {
		if property != name {
			out[property] = was
		}
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
	for _, values := range []map[string]string{q.path, q.query, q.calls()} {
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

// calls are the objects that the body names.
func (q question) calls() map[string]string {
	out := map[string]string{}
	body, _ := q.body.(map[string]any)
	for property, value := range body {
		if list, isList := value.([]any); isList && len(list) == 1 {
			value = list[0]
		}
		if name, isText := value.(string); isText && naming[property] != nil {
			out[property] = name
		}
	}
	return out
}

// belongings are everything that a tenant sees of its own.
func (w *managed) belongings(t *testing.T, p *landlord, e estate) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range w.operations(t) {
		if o.Method != http.MethodGet || o.streams() || o.OperationID == "list-connection-presets" { // each draft is another
			continue
		}
		q := question{operation: o, path: e.path(o), query: map[string]string{}}
		for _, parameter := range o.in("query") {
			if whole := map[string]string{"limit": "100", "state": "all"}[parameter.Name]; whole != "" {
				q.query[parameter.Name] = whole
			}
		}
		a := w.ask(t, q, p.token)
		if a.status != http.StatusOK {
			t.Fatalf("%s answered %s", q, a)
		}
		out[o.String()] = a.body
	}
	return out
}

func TestEveryOperationOnWhatBelongsToAnotherTenant(t *testing.T) {
	w := newManaged(t)
	callers := map[string]string{"owner's access token": w.acme.token, "API key": w.mighty(t, w.acme)}
	target := w.estate(t, w.globex)
	before := w.belongings(t, w.globex, target)
	tried := 0
	for _, o := range w.operations(t) {
		foreign := target.path(o)
		for who, token := range callers {
			own := w.acme.filled(t, w, o)
			for _, r := range w.raids(t, o, w.globex, own, foreign) {
				t.Run(o.String()+" by "+who+": "+r.name, func(t *testing.T) {
					tried++
					missing, got := w.ask(t, r.missing, token), w.ask(t, r.foreign, token)
					if d := cmp.Diff(told(r.missing, missing), told(r.foreign, got)); d != "" {
						t.Errorf("what is another tenant's is told from what does not exist (-missing +foreign):\n%s", d)
					}
					if !strings.HasPrefix(r.name, "query") && got.status < 400 {
						t.Errorf("the answer is %s", got)
					}
					for parameter, name := range foreign {
						if strings.Contains(got.body, name) && r.foreign.path[parameter] != name {
							t.Errorf("the answer names what is the other tenant's: %s", got)
						}
					}
				})
			}
			w.tidy(t, w.acme, question{path: own}, answer{header: http.Header{}})
		}
	}
	if tried < 70 {
		t.Errorf("only %d attempts were made", tried)
	}
	if d := cmp.Diff(before, w.belongings(t, w.globex, target)); d != "" {
		t.Errorf("the attempts changed something (-before +after):\n%s", d)
	}
	if !w.f.isActive(t, demoAPI, target["/v1/auth/keys/{id}"]["secret"].(string)) {
		t.Error("the other tenant's key works no more")
	}
}

func TestAnotherTenantsCursorLeadsNowhere(t *testing.T) {
	w := newManaged(t)
	w.estate(t, w.globex)
	w.estate(t, w.globex)
	lists := 0
	for _, o := range w.operations(t) {
		if !slices.ContainsFunc(o.in("query"), func(p parameter) bool { return p.Name == "cursor" }) {
			continue
		}
		lists++
		t.Run(o.String(), func(t *testing.T) { w.cursor(t, o) })
	}
	if lists < 5 {
		t.Errorf("there are %d lists", lists)
	}
}

// cursor takes a cursor of a list of globex's to acme.
func (w *managed) cursor(t *testing.T, list operation) {
	t.Helper()
	page := func(cursor string, by *landlord) answer {
		q := question{operation: list, query: map[string]string{"limit": "1"}}
		if cursor != "" {
			q.query["cursor"] = cursor
		}
		return w.ask(t, q, by.token)
	}
	one := page("", w.globex)
	next := regexp.MustCompile(`cursor=([^&>"]+)`).FindStringSubmatch(one.header.Get("Link"))
	if next == nil {
		t.Fatalf("a page without a next one: %s, Link %q", one, one.header.Get("Link"))
	}
	if a := page(next[1], w.globex); a.status != http.StatusOK {
		t.Fatalf("the cursor does not work at all: %s", a)
	}
	foreign, garbage := page(next[1], w.acme), page("nonsense", w.acme)
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
