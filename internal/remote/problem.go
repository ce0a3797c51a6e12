package remote

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// Problem is a refusal of the server (RFC 9457).
type Problem struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Instance string         `json:"instance"`
	Code     string         `json:"code"`
	Errors   []ProblemField `json:"errors"`
	Scopes   []string       `json:"scopes"`
	MaxAge   int            `json:"max_age"` // seconds

	challenge  string // WWW-Authenticate
	retryAfter string // Retry-After
}

// ProblemField says what is wrong with one part of the request.
type ProblemField struct {
	Field  string `json:"field"`
	In     string `json:"in"`
	Detail string `json:"detail"`
}

// problemOf reads an answer that is no success.
func problemOf(res *http.Response, body []byte) *Problem {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(body, p) != nil || p.Title == "" {
		*p = Problem{Title: "The server answers " + res.Status, Detail: "That is no answer of Watchgate's management API: is the address right?"}
	}
	p.Status = res.StatusCode
	p.challenge, p.retryAfter = res.Header.Get("WWW-Authenticate"), res.Header.Get("Retry-After")
	return p
}

// Kind is the last word of the problem's type: not-found.
func (p *Problem) Kind() string {
	return strings.TrimSuffix(p.Type[strings.LastIndexByte(p.Type, '/')+1:], ".md")
}

// Error is the problem in sentences, for a person: what happened, each field, what
// is missing, and how an operator finds it.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, f := range p.Errors {
		b.WriteString("\n  - " + f.place() + ": " + f.Detail)
	}
	if len(p.Scopes) > 0 {
		b.WriteString("\n  needed: " + strings.Join(p.Scopes, " "))
	}
	if p.retryAfter != "" {
		b.WriteString("\n  again in: " + p.retryAfter + " s")
	}
	if p.Status >= http.StatusInternalServerError && p.Instance != "" {
		b.WriteString("\n  reference: " + p.Instance)
	}
	return b.String()
}

func (f ProblemField) place() string {
	if f.In == "" || f.In == "body" {
		return f.Field
	}
	return fmt.Sprintf("%s (%s)", f.Field, f.In)
}

// wants is the sign-in that would put the problem right (RFC 9470); false: none
// would.
func (p *Problem) wants() (stepUp, bool) {
	switch p.Kind() {
	case "reauthenticate", "mfa-required":
		return stepUp{maxAge: p.MaxAge, acr: attribute(p.challenge, "acr_values"), fresh: true}, true
	}
	return stepUp{}, false
}

// attribute is a quoted value of a challenge, "" when it has none of that name.
func attribute(challenge, name string) string {
	_, rest, found := strings.Cut(challenge, name+`="`)
	value, _, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return ""
	}
	return value
}
