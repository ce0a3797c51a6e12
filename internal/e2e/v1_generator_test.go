package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// question is a request to an operation, before it is sent.
type question struct {
	operation
	path, query, header map[string]string
	body                any // nil: none
}

// send asks it with a credential.
func (q question) send(ctx context.Context, f front, token string) (answer, error) {
	path := q.Path
	for name, value := range q.path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	values := url.Values{}
	for name, value := range q.query {
		values.Set(name, value)
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	var body bytes.Buffer
	if q.body != nil {
		if err := json.NewEncoder(&body).Encode(q.body); err != nil {
			return answer{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, f.issuer+path, &body)
	if err != nil {
		return answer{}, err
	}
	if _, kind := q.operation.body(); q.body != nil {
		req.Header.Set("Content-Type", kind)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return f.send(req)
}

// String is what a failure says.
func (q question) String() string {
	body, _ := json.Marshal(q.body)
	return fmt.Sprintf("%s %s path=%v query=%v header=%v body=%s", q.Method, q.Path, q.path, q.query, q.header, body)
}

// drawn is a request that fits the document. The path's parameters are filled in by
// who knows what there is.
func (d document) drawn(rt *rapid.T, o operation) question {
	q := question{operation: o, path: map[string]string{}, query: map[string]string{}, header: map[string]string{}}
	for _, p := range o.Parameters {
		into := map[string]map[string]string{"query": q.query, "header": q.header}[p.In]
		if into == nil || !p.Required && rapid.Bool().Draw(rt, "without "+p.Name) {
			continue
		}
		if text := fmt.Sprint(d.value(rt, p.Schema, p.Name)); text != "" {
			into[p.Name] = text
		}
	}
	if s, _ := o.body(); s != nil && (o.RequestBody.Required || rapid.Bool().Draw(rt, "with a body")) {
		q.body = d.value(rt, s, "body")
	}
	return q
}

// value draws what fits a schema. Its example comes often: among strings of any
// letters none would be a scope.
func (d document) value(rt *rapid.T, s *schema, label string) any {
	s = d.real(s)
	switch {
	case len(s.Examples) > 0 && rapid.IntRange(0, 2).Draw(rt, label+": the example") > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(rt, label)
	case s.Const != nil:
		return s.Const
	case len(s.OneOf) > 0:
		return d.value(rt, rapid.SampledFrom(s.OneOf).Draw(rt, label), label)
	}
	kind := "object"
	if len(s.Types) > 0 {
		kind = rapid.SampledFrom(s.Types).Draw(rt, label+": the type")
	}
	switch kind {
	case "null":
		return nil
	case "boolean":
		return rapid.Bool().Draw(rt, label)
	case "integer", "number":
		return float64(rapid.IntRange(int(or(s.Minimum, -1000)), int(or(s.Maximum, 1000))).Draw(rt, label))
	case "array":
		return d.items(rt, s, label)
	case "string":
		return text(rt, s, label)
	}
	return d.object(rt, s, label)
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func (d document) items(rt *rapid.T, s *schema, label string) any {
	out := []any{}
	for i := range rapid.IntRange(or(s.MinItems, 0), min(or(s.MaxItems, 3), 3)).Draw(rt, label+": items") {
		out = append(out, d.value(rt, s.Items, label+"["+strconv.Itoa(i)+"]"))
	}
	return out
}

func (d document) object(rt *rapid.T, s *schema, label string) any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		// Most of what may be left out is: with everything at once little would succeed.
		if s.Properties[name].ReadOnly || !slices.Contains(s.Required, name) && rapid.IntRange(0, 3).Draw(rt, label+" with "+name) > 0 {
			continue
		}
		out[name] = d.value(rt, s.Properties[name], label+"."+name)
	}
	if s.Additional != nil {
		for range rapid.IntRange(or(s.MinProps, 0), 2).Draw(rt, label+": more") {
			name := rapid.StringMatching(`[a-z]{1,8}`).Draw(rt, label+": name")
			out[name] = d.value(rt, s.Additional, label+"."+name)
		}
	}
	return out
}

// letters are what strings are drawn from: what parsers, quotes and terminals may
// stumble over is among them.
var letters = []rune("abcdefghijklmnopqrstuvwxyz0123456789 :/_-.,;\"'\\<>%&?#{}[]\u00e4\u4e2d\u202e\U0001f511")

func text(rt *rapid.T, s *schema, label string) any {
	if layout := layouts[s.Format]; layout != "" {
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(rt, label), 0).UTC().Format(layout)
	}
	if s.Pattern != "" {
		return rapid.StringMatching(s.Pattern).Filter(func(v string) bool { return len(v) <= or(s.MaxLength, 40) }).Draw(rt, label)
	}
	least, most := or(s.MinLength, 0), or(s.MaxLength, 40)
	return rapid.StringOfN(rapid.SampledFrom(letters), least, min(most, max(least, 40)), -1).Draw(rt, label)
}

// harm makes a request unfit for the document in one place, and returns the name that
// the answer has to say. ok is false when the operation has nothing to harm.
func (d document) harm(rt *rapid.T, q *question) (name string, ok bool) {
	var ways []func() string
	for _, p := range q.in("query") {
		if bad, found := d.unfit(p.Schema); found {
			ways = append(ways, func() string { q.query[p.Name] = fmt.Sprint(bad); return p.Name })
		}
	}
	ways = append(ways, func() string { q.query["nothing_of_that_name"] = "1"; return "nothing_of_that_name" })
	if body, isObject := q.body.(map[string]any); isObject {
		s, _ := q.operation.body()
		ways = append(ways, d.harmBody(d.real(s), body)...)
	}
	return rapid.SampledFrom(ways).Draw(rt, "harm")(), true
}

func (d document) harmBody(s *schema, body map[string]any) []func() string {
	ways := []func() string{func() string { body["nothing_of_that_name"] = "x"; return "nothing_of_that_name" }}
	for _, name := range s.Required {
		ways = append(ways, func() string { delete(body, name); return name })
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := d.real(s.Properties[name])
		if bad, found := d.unfit(property); found {
			ways = append(ways, func() string { body[name] = bad; return name })
		}
		if len(property.Types) > 0 {
			ways = append(ways, func() string { body[name] = ofAnotherType(property.Types); return name })
		}
	}
	return ways
}

// unfit is a value of the right type that a schema does not allow.
func (d document) unfit(s *schema) (any, bool) {
	s = d.real(s)
	switch {
	case len(s.Enum) > 0:
		return "none of the words", true
	case s.MaxLength != nil && *s.MaxLength < 10_000:
		return strings.Repeat("x", *s.MaxLength+1), true
	case s.Maximum != nil:
		return math.Trunc(*s.Maximum) + 1, true
	case s.MaxItems != nil && *s.MaxItems < 1000:
		return slices.Repeat([]any{"x"}, *s.MaxItems+1), true
	case s.Format == "date-time" || s.Format == "date":
		return "yesterday", true
	}
	return nil, false
}

func ofAnotherType(kinds []string) any {
	for kind, value := range map[string]any{"number": 1.5, "string": "text", "object": map[string]any{"a": "b"}} {
		if !slices.Contains(kinds, kind) && !(kind == "number" && slices.Contains(kinds, "integer")) {
			return value
		}
	}
	return true
}

// checkAnswer says everything in which an answer is not as the document has it.
func (d document) checkAnswer(o operation, a answer) []string {
	response, documented := o.Responses[strconv.Itoa(a.status)]
	switch {
	case a.status >= 500:
		return []string{"the server failed"}
	case !documented:
		return []string{fmt.Sprintf("the status %d is not documented", a.status)}
	case len(response.Content) == 0 && a.body == "":
		return nil
	}
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	content, known := response.Content[kind]
	if err != nil || !known {
		return []string{fmt.Sprintf("%q is none of the documented types of a %d", a.header.Get("Content-Type"), a.status)}
	}
	var body any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		return []string{"the body is no JSON"}
	}
	return d.check(content.Schema, body, "body")
}

// named are the parts of a request that a problem calls wrong.
func named(a answer) []string {
	var p struct{ Errors []struct{ Field string } }
	_ = json.Unmarshal([]byte(a.body), &p) // no JSON names nothing
	var out []string
	for _, e := range p.Errors {
		out = append(out, e.Field)
	}
	return out
}

// unreachable are the operations that succeed only in a state that no request brings
// about, and where they are seen to succeed.
var unreachable = map[string]string{
	"reveal-key":      "the demonstration's profiles show no key again; package keyapi",
	"fetch-successor": "a scheduled rotation makes the successor; package keyapi",
}

func TestEveryValidRequestGetsADocumentedAnswer(t *testing.T) {
	w := newManaged(t)
	for _, o := range w.operations(t) {
		if o.streams() {
			continue // it has no end: package keyapi reads it
		}
		t.Run(o.String(), func(t *testing.T) {
			succeeded := 0
			rapid.Check(t, func(rt *rapid.T) {
				q := w.drawn(rt, o)
				q.path = w.acme.filled(t, w, o)
				w.own(t, rt, w.acme, &q)
				a := w.ask(t, q, w.acme.token)
				for _, wrong := range w.checkAnswer(o, a) {
					rt.Errorf("%s\nanswered %s\n%s", q, a, wrong)
				}
				if a.status < 300 {
					succeeded++
				}
				w.tidy(t, w.acme, q, a)
			})
			if _, never := unreachable[o.OperationID]; succeeded == 0 && !never {
				t.Error("no valid request succeeded: nothing was tested")
			}
		})
	}
}

func TestEveryInvalidRequestIsAProblemThatNamesTheField(t *testing.T) {
	w := newManaged(t)
	for _, o := range w.operations(t) {
		t.Run(o.String(), func(t *testing.T) {
			path := w.acme.filled(t, w, o)
			rapid.Check(t, func(rt *rapid.T) {
				q := w.drawn(rt, o)
				q.path = path
				name, ok := w.harm(rt, &q)
				if !ok {
					return
				}
				a := w.ask(t, q, w.acme.token)
				kind := a.header.Get("Content-Type")
				if a.status < 400 || a.status >= 500 || kind != "application/problem+json" {
					rt.Fatalf("%s\nanswered %s (%s)", q, a, kind)
				}
				says := func(field string) bool {
					return field == name || strings.HasPrefix(field, name+"[") || strings.HasPrefix(field, name+".")
				}
				if !slices.ContainsFunc(named(a), says) {
					rt.Errorf("%s\nanswered %s, which does not name %q", q, a, name)
				}
				for _, wrong := range w.checkAnswer(o, a) {
					rt.Errorf("%s\nanswered %s\n%s", q, a, wrong)
				}
			})
		})
	}
}

func TestWhatIsNoJSONIsRefused(t *testing.T) {
	w := newManaged(t)
	for _, o := range w.operations(t) {
		_, kind := o.body()
		if kind == "" {
			continue
		}
		path := o.Path
		for name, value := range w.acme.filled(t, w, o) {
			path = strings.ReplaceAll(path, "{"+name+"}", value)
		}
		for _, body := range []string{`{`, `[]`, `null`, `"name"`, `{"name":"a","name":"b"}`, `{} {}`, "{\"name\":\"\xff\"}", strings.Repeat("[", 10_000)} {
			req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), o.Method, w.f.issuer+path, strings.NewReader(body)))
			req.Header.Set("Content-Type", kind)
			req.Header.Set("Authorization", "Bearer "+w.acme.token)
			a := must[answer](t)(w.f.send(req))
			if a.status < 400 || a.status >= 500 || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s with %.40q: %s", o, body, a)
			}
		}
	}
}
