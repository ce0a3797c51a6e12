package templates

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func sampleAPIDocs() APIDocsPage {
	problems := []APIProblem{
		{Kind: "insufficient-scope", Status: 403, Title: "The credential lacks a scope", URL: "https://docs.example/insufficient-scope.md"},
		{Kind: "unauthenticated", Status: 401, Title: "No live credential", URL: "https://docs.example/unauthenticated.md"},
	}
	return APIDocsPage{
		Title: "Watchgate management API", Version: "1.2.3", Issuer: "https://auth.example", SpecURL: "/v1/openapi.json", Problems: problems,
		Intro: []Prose{
			"Manage what belongs to a tenant: its API keys, how they are used, and what runs under them.",
			"Send one credential in each request, in the header `Authorization: Bearer`.", "Lists come in pages.",
		},
		Groups: []APIGroup{
			{Name: "API keys", Operations: []APIOperation{{
				ID: "create-key", Method: "POST", Path: "/v1/auth/keys", Summary: "Make a key", Text: []Prose{"Makes a key and tells its `secret`, once.", "Keep it well."},
				Scopes: []string{"api-keys:write"}, BodyMedia: "application/json", Status: 201, StatusText: "Created", Problems: problems,
				Parameters: []APIField{{Name: "Idempotency-Key", In: "header", Type: "string", Text: "A word of your own.", Limits: "at most 255 characters"}},
				Body: []APIField{
					{Name: "name", Type: "string", Text: "What its people call it.", Required: true, Limits: "at most 100 characters"},
					{Name: "scopes", Type: "list of string", Text: "What it may do; absent: the profile's."},
				},
				Answer: []APIField{{Name: "id", Type: "string", Text: "Its id."}, {Name: "secret", Type: "string", Text: "The whole key."}},
				Call:   "curl -X POST https://auth.example/v1/auth/keys \\\n  -d '{\"name\": \"ci\"}'", AnswerExample: "{\n  \"id\": \"key_1\"\n}",
			}, {
				ID: "revoke-key", Method: "DELETE", Path: "/v1/auth/keys/{id}", Summary: "Revoke a key", Text: []Prose{"It is dead when the answer comes."},
				Scopes: []string{"api-keys:write"}, Self: true, Status: 204, StatusText: "No Content", Problems: problems, Call: "curl -X DELETE https://auth.example/v1/auth/keys/{id}",
			}}},
			{Name: "Credentials", Operations: []APIOperation{{
				ID: "whoami", Method: "GET", Path: "/v1/auth/whoami", Summary: "Who am I?", Status: 200, StatusText: "OK", Problems: problems, Call: "curl https://auth.example/v1/auth/whoami",
			}}},
		},
	}
}

func TestAPIDocsSayWhatAnOperationNeeds(t *testing.T) {
	said := text(parsed(t, func(w io.Writer) error { return APIDocs(w, sampleAPIDocs()) }))
	for _, words := range []string{"Make a key", "api-keys:write", "required", "at most 100 characters", "unless a key asks about itself", "Any live credential", "201 Created"} {
		if !strings.Contains(said, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if strings.Contains(said, "`") {
		t.Error("a backquote is left")
	}
}

func TestAPIDocsLeadNowhereElse(t *testing.T) {
	for name, change := range map[string]func(*APIDocsPage){
		"document": func(p *APIDocsPage) { p.SpecURL = "//evil.example/openapi.json" },
		"problem":  func(p *APIDocsPage) { p.Problems = []APIProblem{{URL: "javascript:alert(1)"}} },
	} {
		page, out := sampleAPIDocs(), bytes.Buffer{}
		change(&page)
		if err := APIDocs(&out, page); !errors.Is(err, ErrUnsafeURL) || out.Len() != 0 {
			t.Errorf("%s: %v and %d bytes", name, err, out.Len())
		}
	}
}
