package templates

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"
)

// APIDocsPage is the documentation of an API, one page long. Its texts are the API's own: nothing that a stranger chose.
type APIDocsPage struct {
	Title, Version string
	Issuer         string // where the API is
	SpecURL        string // the machine-readable description: a path of this origin
	Intro          []Prose
	Groups         []APIGroup
	Problems       []APIProblem // every kind of problem, in order
}

// Prose is a paragraph in which `code` stands between backquotes.
type Prose string

// Span is a part of a paragraph.
type Span struct {
	Text string
	Code bool
}

// Spans takes a paragraph apart.
func (p Prose) Spans() []Span {
	var out []Span
	for i, part := range strings.Split(string(p), "`") {
		if part != "" {
			out = append(out, Span{Text: part, Code: i%2 == 1})
		}
	}
	return out
}

// APIGroup is the operations under one heading.
type APIGroup struct {
	Name       string
	Operations []APIOperation
}

// Anchor is where the group is on the page.
func (g APIGroup) Anchor() string {
	return "group-" + strings.ToLower(strings.ReplaceAll(g.Name, " ", "-"))
}

// APIOperation is one operation.
type APIOperation struct {
	ID, Method, Path string
	Summary          string
	Text             []Prose
	Scopes           []string // all are needed; none: any live credential will do
	Self             bool     // a key needs none of them for itself

	Parameters []APIField
	BodyMedia  string
	Body       []APIField

	Status        int // of success
	StatusText    string
	Answer        []APIField
	AnswerExample string

	Problems []APIProblem
	Call     string // a command that can be pasted
}

// Tone is the stylesheet's class for the method.
func (o APIOperation) Tone() string {
	switch o.Method {
	case http.MethodGet:
		return "good"
	case http.MethodDelete:
		return "bad"
	}
	return "warn"
}

// APIField is a parameter or a field.
type APIField struct {
	Name, In, Type string // In is "" for a field of a body
	Text           Prose
	Required       bool
	Limits         string
}

// APIProblem is a kind of refusal and the page that explains it.
type APIProblem struct {
	Kind   string
	Status int
	Title  string
	URL    string // an https URL
}

// Link is the URL as one that may be linked to.
func (p APIProblem) Link() (template.URL, error) { return webURL(p.URL) }

var apiDocs = document("api_docs")

// APIDocs writes the page. A SpecURL that is no path of this origin, and a problem's URL that is no web address, give
// [ErrUnsafeURL].
func APIDocs(w io.Writer, p APIDocsPage) error {
	if !isLocalPath(p.SpecURL) {
		return fmt.Errorf("%w: not a path of this origin", ErrUnsafeURL)
	}
	return render(w, apiDocs, p)
}
