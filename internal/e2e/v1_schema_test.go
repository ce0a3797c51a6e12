package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// schema is what of JSON Schema (2020-12) the management API's document uses. What it
// does not know is refused when it is read, so that no word of a new schema goes
// unheeded.
type schema struct {
	Ref         string
	Types       []string
	Properties  map[string]*schema
	Required    []string
	Additional  *schema // nil: no more than Properties
	AnyMore     bool    // anything may be beside Properties
	Items       *schema
	OneOf       []*schema
	Enum        []any
	Const       any
	Format      string
	Pattern     string
	MinLength   *int
	MaxLength   *int
	MinItems    *int
	MaxItems    *int
	MinProps    *int
	Unique      bool
	Minimum     *float64
	Maximum     *float64
	ReadOnly    bool
	Examples    []any
	Description string
}

// UnmarshalJSON reads the keywords that the tests heed.
func (s *schema) UnmarshalJSON(b []byte) error {
	var words map[string]json.RawMessage
	if err := json.Unmarshal(b, &words); err != nil {
		return err
	}
	into := map[string]any{
		"$ref": &s.Ref, "properties": &s.Properties, "required": &s.Required, "items": &s.Items, "oneOf": &s.OneOf, "enum": &s.Enum, "const": &s.Const,
		"format": &s.Format, "pattern": &s.Pattern, "minLength": &s.MinLength, "maxLength": &s.MaxLength, "minItems": &s.MinItems, "maxItems": &s.MaxItems,
		"minProperties": &s.MinProps, "uniqueItems": &s.Unique, "minimum": &s.Minimum, "maximum": &s.Maximum, "readOnly": &s.ReadOnly, "examples": &s.Examples, "description": &s.Description,
	}
	s.AnyMore = true
	for word, raw := range words {
		var err error
		switch target := into[word]; {
		case target != nil:
			err = json.Unmarshal(raw, target)
		case word == "type":
			s.Types, err = oneOrMore(raw)
		case word == "additionalProperties":
			err = s.additional(raw)
		case slices.Contains([]string{"title", "default", "deprecated", "$schema", "$comment", "contentEncoding", "writeOnly"}, word):
		default:
			err = fmt.Errorf("the tests do not know the keyword %q of a schema", word)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
}

func oneOrMore(raw json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var more []string
	return more, json.Unmarshal(raw, &more)
}

func (s *schema) additional(raw json.RawMessage) error {
	var allowed bool
	if json.Unmarshal(raw, &allowed) == nil {
		s.AnyMore = allowed
		return nil
	}
	s.AnyMore = false
	return json.Unmarshal(raw, &s.Additional)
}

// parameter is one of an operation.
type parameter struct {
	Name, In string
	Required bool
	Schema   *schema
	Example  any
}

type content map[string]struct{ Schema *schema }

// operation is one of the document's.
type operation struct {
	Method, Path string `json:"-"`
	OperationID  string
	Security     []map[string][]string
	Parameters   []parameter
	RequestBody  *struct {
		Required bool
		Content  content
	}
	Responses map[string]struct{ Content content }
}

func (o operation) String() string { return o.Method + " " + o.Path }

// in lists the operation's parameters of a place.
func (o operation) in(place string) []parameter {
	return slices.DeleteFunc(slices.Clone(o.Parameters), func(p parameter) bool { return p.In != place })
}

// body is the schema of the request's body and its media type; nil: it has none.
func (o operation) body() (*schema, string) {
	if o.RequestBody == nil {
		return nil, ""
	}
	for _, kind := range []string{"application/json", "application/merge-patch+json"} {
		if c, ok := o.RequestBody.Content[kind]; ok {
			return c.Schema, kind
		}
	}
	return nil, ""
}

// needs reports whether a credential has to have a scope for the operation.
func (o operation) needs(scope string) bool {
	return slices.ContainsFunc(o.Security, func(way map[string][]string) bool { return slices.Contains(way["bearer"], scope) })
}

// streams reports whether the operation's answer has no end.
func (o operation) streams() bool {
	_, ok := o.Responses["200"].Content["text/event-stream"]
	return ok
}

// document is the served OpenAPI document.
type document struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage
	Components struct{ Schemas map[string]*schema }
}

// served reads the document.
func served(t *testing.T, f front) document {
	t.Helper()
	a := f.get(t, "/v1/openapi.json")
	if a.status != http.StatusOK {
		t.Fatalf("the document: %s", a)
	}
	var d document
	noError(t, json.Unmarshal([]byte(a.body), &d))
	if !strings.HasPrefix(d.OpenAPI, "3.1") || len(d.Paths) == 0 {
		t.Fatalf("OpenAPI %q with %d paths", d.OpenAPI, len(d.Paths))
	}
	return d
}

// operations lists the document's, in a stable order.
func (d document) operations(t *testing.T) []operation {
	t.Helper()
	var out []operation
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete", "head"}, method) {
				t.Fatalf("%s has a member %q, which the tests do not know", path, method)
			}
			o := operation{Method: strings.ToUpper(method), Path: path}
			noError(t, json.Unmarshal(d.Paths[path][method], &o))
			out = append(out, o)
		}
	}
	return out
}

// real follows references.
func (d document) real(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// check says everything in which a JSON value does not fit a schema.
func (d document) check(s *schema, v any, at string) []string {
	s = d.real(s)
	if s == nil {
		return []string{at + " has no schema"}
	}
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, at+" "+fmt.Sprintf(format, args...)) }
	if len(s.Types) > 0 && !slices.ContainsFunc(s.Types, func(kind string) bool { return isOf(kind, v) }) {
		say("is %T, not %v", v, s.Types)
		return wrong
	}
	if v != nil && len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		say("is %v, none of %v", v, s.Enum)
	}
	if len(s.OneOf) > 0 && !slices.ContainsFunc(s.OneOf, func(one *schema) bool { return len(d.check(one, v, at)) == 0 }) {
		say("fits none of %d alternatives", len(s.OneOf))
	}
	switch v := v.(type) {
	case string:
		outside(say, "characters", utf8.RuneCountInString(v), s.MinLength, s.MaxLength)
		if layout := layouts[s.Format]; layout != "" {
			if _, err := time.Parse(layout, v); err != nil {
				say("is no %s: %q", s.Format, v)
			}
		}
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			say("does not match %s: %q", s.Pattern, v)
		}
	case float64:
		if s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum {
			say("is %v", v)
		}
	case []any:
		outside(say, "items", len(v), s.MinItems, s.MaxItems)
		for i, item := range v {
			if s.Items != nil {
				wrong = append(wrong, d.check(s.Items, item, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	case map[string]any:
		wrong = append(wrong, d.checkObject(s, v, at)...)
	}
	return wrong
}

// layouts are the formats that are times.
var layouts = map[string]string{"date-time": time.RFC3339, "date": time.DateOnly}

func outside(say func(string, ...any), of string, n int, least, most *int) {
	if least != nil && n < *least || most != nil && n > *most {
		say("has %d %s", n, of)
	}
}

func (d document) checkObject(s *schema, v map[string]any, at string) []string {
	var wrong []string
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			wrong = append(wrong, at+"."+name+" is missing")
		}
	}
	for name, value := range v {
		switch property := s.Properties[name]; {
		case property != nil:
			wrong = append(wrong, d.check(property, value, at+"."+name)...)
		case s.Additional != nil:
			wrong = append(wrong, d.check(s.Additional, value, at+"."+name)...)
		case !s.AnyMore:
			wrong = append(wrong, at+"."+name+" is not documented")
		}
	}
	return wrong
}

func isOf(kind string, v any) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	}
	return false
}
