package manage

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (w *world) document() map[string]any {
	w.t.Helper()
	r := w.ask("GET", "/v1/openapi.json", "")
	var doc map[string]any
	if err := json.Unmarshal([]byte(r.body), &doc); err != nil || r.StatusCode != 200 {
		w.t.Fatal(r.StatusCode, err)
	}
	return doc
}

// at walks into a document.
func at(t *testing.T, v any, way ...string) any {
	t.Helper()
	for _, name := range way {
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("nothing at %v", way)
		}
		v = m[name]
	}
	return v
}

func TestTheDescriptionIsPublicAndCanBeKept(t *testing.T) {
	w := newWorld(t)
	for path, media := range map[string]string{"/v1/openapi.json": "application/vnd.oai.openapi+json;version=3.1", "/v1/context.jsonld": mediaLD} {
		r := w.ask("GET", path, "")
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != media || r.Header.Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("%s: %d %v", path, r.StatusCode, r.Header)
		}
		again := w.ask("GET", path, "", "If-None-Match: \"x\", W/"+r.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || again.body != "" {
			t.Errorf("%s: %d %s", path, again.StatusCode, again.body)
		}
	}
}

func TestTheDescriptionSaysWhatCallersNeed(t *testing.T) {
	w := newWorld(t)
	doc := w.document()
	if doc["openapi"] != "3.1.0" || doc["jsonSchemaDialect"] != nil {
		t.Error(doc["openapi"])
	}
	post := at(t, doc, "paths", "/v1/things", "post")
	want := []any{map[string]any{"bearer": []any{"things:write"}}, map[string]any{"apiKey": []any{"things:write"}}, map[string]any{"oauth2": []any{"things:write"}}}
	if diff := cmp.Diff(want, at(t, post, "security")); diff != "" {
		t.Error(diff)
	}
	responses := at(t, post, "responses").(map[string]any)
	if got := slices.Sorted(maps.Keys(responses)); !slices.Equal(got, []string{"201", "400", "401", "403", "406", "409", "413", "415", "422", "429", "500", "503"}) {
		t.Error(got)
	}
	for status := range responses {
		if status[0] != '2' && at(t, responses, status, "content", "application/problem+json", "schema", "$ref") != "#/components/schemas/Problem" {
			t.Error(status)
		}
	}
	for _, header := range []string{"ETag", "Idempotency-Replayed", "X-Request-Id"} {
		at(t, responses, "201", "headers", header)
	}
	at(t, responses, "429", "headers", "RateLimit")
	at(t, responses, "429", "headers", "Retry-After")
	at(t, responses, "401", "headers", "WWW-Authenticate")
	at(t, responses, "409", "content", "application/problem+json", "examples", "too-many-keys")
	if got := at(t, responses, "201", "content", "application/json", "example", "id"); got != "thing_1" {
		t.Error(got)
	}
	at(t, post, "requestBody", "content", "application/json", "example", "name")
	if got := at(t, doc, "components", "securitySchemes", "oauth2", "flows", "authorizationCode", "scopes", "things:read"); got != "See things" {
		t.Error(got)
	}
	at(t, doc, "paths", "/v1/things/{id}/events", "get", "responses", "200", "content", "text/event-stream")
	at(t, doc, "paths", "/v1/things", "get", "responses", "200", "content", "application/ld+json", "schema", "properties", "totalItems")
	at(t, doc, "components", "schemas", "Problem", "properties", "errors")
}

func TestTheDescriptionHasNoTraceOfTheLibrary(t *testing.T) {
	w := newWorld(t)
	text := w.ask("GET", "/v1/openapi.json", "").body
	for _, trace := range []string{"ErrorModel", "ErrorDetail", "$schema", "huma", "Unprocessable Entity"} {
		if strings.Contains(text, trace) {
			t.Errorf("%q is in it", trace)
		}
	}
	for _, path := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/schemas/Thing.json", "/v1/openapi.yaml", "/v1/schemas/Thing"} {
		if r := w.ask("GET", path, "", asAlice); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if r := w.ask("GET", "/v1/things/1", "", asAlice); strings.Contains(r.body, "$schema") || r.Header.Get("Link") != "" {
		t.Error(r.body, r.Header)
	}
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	w := newWorld(t)
	doc := w.document()
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				at(t, doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
			for _, inner := range v {
				visit(inner)
			}
		case []any:
			for _, inner := range v {
				visit(inner)
			}
		}
	}
	visit(doc)
}

func TestTheDocumentationIsAPageOfOurs(t *testing.T) {
	w := newWorld(t)
	r := w.ask("GET", "/v1/docs", "")
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatal(r.StatusCode, r.body)
	}
	if policy := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; img-src 'self';") {
		t.Error(policy)
	}
	for _, words := range []string{
		"Make a thing", "/v1/things/{id}/events", "things:write", "Idempotency-Key", "curl -X POST https://auth.example/v1/things", "What it is called",
		"at most 20 characters", "one of small, large", "unless a key asks about itself", "docs/problems/too-many-keys.md", "items[].name", "application/merge-patch",
	} {
		if !strings.Contains(r.body, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if strings.Contains(r.body, "<script") || strings.Contains(r.body, "unpkg") {
		t.Error("the page has a script")
	}
}

// TestEveryKindHasAPage: the type of a problem is the address of a page that explains
// it.
func TestEveryKindHasAPage(t *testing.T) {
	files, err := filepath.Glob("../../docs/problems/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{}
	for _, file := range files {
		pages[strings.TrimSuffix(filepath.Base(file), ".md")] = true
	}
	delete(pages, "README")
	for k := range kinds {
		text, err := os.ReadFile("../../docs/problems/" + string(k) + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		delete(pages, string(k))
		for _, words := range []string{"# " + k.facts().title, "Status: " + strconv.Itoa(k.Status()), k.uri(), "## What to do"} {
			if !strings.Contains(string(text), words) {
				t.Errorf("the page of %s does not say %q", k, words)
			}
		}
	}
	for page := range pages {
		t.Errorf("docs/problems/%s.md is about no kind", page)
	}
}
