package manage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/watchgate/watchgate/templates"
)

// renderDocs writes the page of /v1/docs from the description.
func (a *API) renderDocs() ([]byte, error) {
	doc := a.huma.OpenAPI()
	page := templates.APIDocsPage{
		Title: doc.Info.Title, Version: doc.Info.Version, Issuer: a.cfg.Issuer, SpecURL: "/v1/openapi.json",
		Intro: paragraphs(doc.Info.Description), Groups: a.docGroups(doc),
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		page.Problems = append(page.Problems, templates.APIProblem{Kind: string(k), Status: k.Status(), Title: k.facts().title, URL: typePrefix + string(k) + ".md"})
	}
	var out bytes.Buffer
	err := templates.APIDocs(&out, page)
	return out.Bytes(), err
}

// methods is the order in which the methods of a path are described.
var methods = []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete}

func (a *API) docGroups(doc *huma.OpenAPI) []templates.APIGroup {
	groups := map[string]*templates.APIGroup{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, method := range methods {
			op := a.documented(Operation{Path: path, Method: method})
			if op == nil {
				continue
			}
			tag := op.Tags[0]
			if groups[tag] == nil {
				groups[tag] = &templates.APIGroup{Name: tag}
			}
			groups[tag].Operations = append(groups[tag].Operations, a.docOperation(path, method, op))
		}
	}
	var out []templates.APIGroup
	for _, tag := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, *groups[tag])
	}
	return out
}

func (a *API) docOperation(path, method string, op *huma.Operation) templates.APIOperation {
	own, _ := op.Metadata[metadataKey].(Operation)
	out := templates.APIOperation{
		ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Text: paragraphs(op.Description),
		Scopes: own.Scopes, Self: own.Self, Call: a.docCall(path, method, op),
	}
	for _, p := range op.Parameters {
		f := a.docField(p.Name, p.Schema, p.Required)
		f.In = p.In
		if p.Description != "" {
			f.Text = templates.Prose(p.Description)
		}
		out.Parameters = append(out.Parameters, f)
	}
	if op.RequestBody != nil {
		out.BodyMedia = usualMedia(op)
		out.Body = a.docFields(op.RequestBody.Content[out.BodyMedia].Schema)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		a.docResponse(&out, status, op.Responses[status])
	}
	return out
}

func (a *API) docResponse(out *templates.APIOperation, status string, r *huma.Response) {
	code, _ := strconv.Atoi(status)
	if code >= http.StatusBadRequest {
		for _, name := range slices.Sorted(maps.Keys(r.Content["application/problem+json"].Examples)) {
			k := Kind(name)
			out.Problems = append(out.Problems, templates.APIProblem{Kind: name, Status: code, Title: k.facts().title, URL: typePrefix + name + ".md"})
		}
		return
	}
	out.Status, out.StatusText = code, http.StatusText(code)
	if content := r.Content[mediaJSON]; content != nil {
		out.Answer, out.AnswerExample = a.docFields(content.Schema), indented(content.Example)
	}
}

// docFields are the fields of an object, those of a page's objects included.
func (a *API) docFields(s *huma.Schema) []templates.APIField {
	s = a.resolve(s)
	var fields []templates.APIField
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		fields = append(fields, a.docField(name, property, slices.Contains(s.Required, name)))
		if of := a.resolve(property); of.Type == huma.TypeArray && len(a.resolve(of.Items).Properties) > 0 {
			for _, inner := range a.docFields(of.Items) {
				inner.Name = name + "[]." + inner.Name
				fields = append(fields, inner)
			}
		}
	}
	return fields
}

func (a *API) docField(name string, s *huma.Schema, required bool) templates.APIField {
	of := a.resolve(s)
	text := of.Description
	if s != nil && s.Description != "" {
		text = s.Description
	}
	return templates.APIField{Name: name, Type: a.docType(of), Text: templates.Prose(text), Required: required, Limits: limits(of)}
}

// docType says a type in words.
func (a *API) docType(s *huma.Schema) string {
	switch {
	case s.Type == huma.TypeArray:
		return "list of " + a.docType(a.resolve(s.Items))
	case s.Format == "date-time":
		return "time"
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// limits says what a value must keep to.
func limits(s *huma.Schema) string {
	var parts []string
	add := func(format string, v any) { parts = append(parts, fmt.Sprintf(format, v)) }
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i] = fmt.Sprint(v)
		}
		add("one of %s", strings.Join(words, ", "))
	}
	if s.Minimum != nil {
		add("at least %v", *s.Minimum)
	}
	if s.Maximum != nil {
		add("at most %v", *s.Maximum)
	}
	if s.MinLength != nil && *s.MinLength > 1 {
		add("at least %v characters", *s.MinLength)
	}
	if s.MaxLength != nil {
		add("at most %v characters", *s.MaxLength)
	}
	if s.MaxItems != nil {
		add("at most %v of them", *s.MaxItems)
	}
	if s.Default != nil {
		add("%v if absent", s.Default)
	}
	return strings.Join(parts, "; ")
}

// docCall is the operation as a command that can be pasted.
func (a *API) docCall(path, method string, op *huma.Operation) string {
	lines := []string{"curl " + a.cfg.Issuer + path, `-H "Authorization: Bearer $WATCHGATE_KEY"`}
	if method != http.MethodGet {
		lines[0] = "curl -X " + method + " " + a.cfg.Issuer + path
	}
	own, _ := op.Metadata[metadataKey].(Operation)
	if own.Stream {
		lines[0] = "curl -N " + a.cfg.Issuer + path
	}
	if own.Idempotent {
		lines = append(lines, `-H "Idempotency-Key: $(uuidgen)"`)
	}
	if op.RequestBody != nil {
		media := usualMedia(op)
		lines = append(lines, `-H "Content-Type: `+media+`"`, "-d '"+indented(op.RequestBody.Content[media].Example)+"'")
	}
	return strings.Join(lines, " \\\n  ")
}

// usualMedia is the media type in which a body is sent as a rule.
func usualMedia(op *huma.Operation) string {
	if op.RequestBody.Content[mediaPatch] != nil {
		return mediaPatch
	}
	return mediaJSON
}

func indented(v any) string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if v == nil || enc.Encode(v) != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}

// paragraphs takes a text apart at its empty lines.
func paragraphs(text string) []templates.Prose {
	var out []templates.Prose
	for part := range strings.SplitSeq(text, "\n\n") {
		if part != "" {
			out = append(out, templates.Prose(part))
		}
	}
	return out
}
