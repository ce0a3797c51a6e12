package manage

import (
	"net/http"
	"strings"
	"testing"
)

func TestUnknownFieldsAreRefusedByName(t *testing.T) {
	w := newWorld(t)
	for body, fields := range map[string][]string{
		`{"name":"x","colour":"red"}`:         {"body:colour"},
		`{"name":"x","a":1,"b":2}`:            {"body:a", "body:b"},
		`{"Name":"x"}`:                        {"body:Name", "body:name"},
		`{"name":"x","access_token":"alice"}`: {"body:access_token"},
		`{}`:                                  {"body:name"},
		`{"name":""}`:                         {"body:name"},
		`{"name":7}`:                          {"body:name"},
		`{"name":"` + strings.Repeat("x", 21) + `"}`: {"body:name"},
		`{"name":"x","kind":"huge"}`:                 {"body:kind"},
		`{"name":"x","count":0}`:                     {"body:count"},
		`{"name":"x","count":1.5}`:                   {"body:count"},
		`{"name":"x","count":99999999999999999999}`:  {"body:count"},
		`{"name":"x","until":"tomorrow"}`:            {"body:until"},
		`{"name":"x","careful":"yes"}`:               {"body:careful"},
		`{"name":"x","tags":"a"}`:                    {"body:tags"},
		`{"name":"x","tags":["a",7]}`:                {"body:tags[1]"},
		`{"name":"x","tags":["a","b","c","d"]}`:      {"body:tags"},
	} {
		r := w.ask("POST", "/v1/things", body, asAlice, sendJSON)
		d := w.refused(r, Invalid, fields...)
		for _, f := range d.Errors {
			if !strings.HasSuffix(f.Detail, ".") || strings.Contains(f.Detail, "expected") || strings.Contains(f.Detail, "%!") {
				t.Errorf("%s: no plain words: %s", body, f.Detail)
			}
		}
	}
	if w.things.made() != 0 {
		t.Error("something was made")
	}
}

func TestBodiesThatAreNotOneJSONValueAreRefused(t *testing.T) {
	w := newWorld(t)
	for body, fields := range map[string][]string{
		``:                                 nil,
		`{`:                                nil,
		`{"name":"x"`:                      nil,
		`{"name":"x"} {"name":"y"}`:        nil,
		`{"name":"x"}x`:                    nil,
		`{"name":"x","name":"y"}`:          {"body:name"},
		`{"name":"x","a":[{"b":1,"b":2}]}`: {"body:a[0].b"},
		"{\"name\":\"\xff\"}":              nil,
		strings.Repeat("[", 40) + strings.Repeat("]", 40): nil,
		`{name:"x"}`:    nil,
		`{"name":"x",}`: nil,
		`'x'`:           nil,
	} {
		w.refused(w.ask("POST", "/v1/things", body, asAlice, sendJSON), InvalidRequest, fields...)
	}
	w.refused(w.ask("POST", "/v1/things", `["x"]`, asAlice, sendJSON), Invalid, "body:")
	w.refused(w.ask("POST", "/v1/things", `null`, asAlice, sendJSON), Invalid, "body:")
	w.refused(w.ask("PATCH", "/v1/things/1", `null`, asAlice, "Content-Type: "+mediaPatch), Invalid, "body:")
	w.refused(w.ask("PATCH", "/v1/things/1", `"x"`, asAlice, "Content-Type: "+mediaPatch), Invalid, "body:")
	w.refused(w.ask("POST", "/v1/things", `{"name":"`+strings.Repeat("x", maxBody)+`"}`, asAlice, sendJSON), PayloadTooLarge)
	w.refused(w.ask("POST", "/v1/things", strings.Repeat("x", 80<<10), asAlice, sendJSON), PayloadTooLarge)
	w.refused(w.ask("GET", "/v1/things", `{}`, asAlice, sendJSON), InvalidRequest)
	if w.things.made() != 0 {
		t.Error("something was made")
	}
}

func TestOnlyJSONIsRead(t *testing.T) {
	w := newWorld(t)
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/merge-patch+json", "a;b;c"} {
		w.refused(w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, "Content-Type: "+media), UnsupportedMediaType, "header:Content-Type")
	}
	w.refused(w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, sendJSON, "Content-Encoding: gzip"), UnsupportedMediaType, "header:Content-Type")
	w.refused(w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, sendJSON, sendJSON), InvalidRequest, "header:Content-Type")
	if r := w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, "Content-Type: application/json; charset=UTF-8"); r.StatusCode != http.StatusCreated {
		t.Error(r.StatusCode, r.body)
	}
}

func TestParametersAreReadStrictly(t *testing.T) {
	w := newWorld(t)
	for query, fields := range map[string][]string{
		"?colour=red":      {"query:colour"},
		"?limit=2&limit=3": {"query:limit"},
		"?limit=0":         {"query:limit"},
		"?limit=101":       {"query:limit"},
		"?limit=x":         {"query:limit"},
		"?owner=%ff":       nil,
		"?owner=%zz":       nil,
		"?owner=a;limit=3": nil,
		"?owner=a%00":      nil,
		"?cursor=nonsense": {"query:cursor"},
	} {
		w.refused(w.ask("GET", "/v1/things"+query, "", asAlice), InvalidRequest, fields...)
	}
}

// TestRefusedFormHasNoEffect: an answer that nobody would understand is refused
// before anything is done for it.
func TestRefusedFormHasNoEffect(t *testing.T) {
	w := newWorld(t)
	for _, accept := range []string{"text/html", "application/xml, text/*;q=0.5", "application/json;q=0", "nonsense"} {
		w.refused(w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, sendJSON, "Accept: "+accept), NotAcceptable, "header:Accept")
	}
	if w.things.made() != 0 {
		t.Error("a thing was made, and its answer refused")
	}
	for accept, media := range map[string]string{
		"*/*": mediaJSON, "application/*": mediaJSON, "text/html, */*;q=0.1": mediaJSON, "application/ld+json": mediaLD,
		"application/json;q=0.5, application/ld+json": mediaLD, "application/ld+json;q=0.5, application/json": mediaJSON,
	} {
		if r := w.ask("GET", "/v1/things/1", "", asAlice, "Accept: "+accept); r.Header.Get("Content-Type") != media {
			t.Errorf("%s: %s %s", accept, r.Header.Get("Content-Type"), r.body)
		}
	}
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	w := newWorld(t)
	w.refused(w.ask("GET", "/v1/nothing", "", asAlice), NotFound)
	w.refused(w.ask("GET", "/v1/nothing", ""), NotFound)
	w.refused(w.ask("GET", "/v1", ""), NotFound)
	r := w.ask("PUT", "/v1/things", "{}", asAlice)
	w.refused(r, MethodNotAllowed)
	if r.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow = %q", r.Header.Get("Allow"))
	}
}

func TestMergePatchTellsAbsentFromNull(t *testing.T) {
	w := newWorld(t)
	for body, said := range map[string]string{
		`{}`:                          `name false/false/"" tags false/false/[]`,
		`{"name":null}`:               `name true/true/"" tags false/false/[]`,
		`{"name":"x","tags":["a"]}`:   `name true/false/"x" tags true/false/["a"]`,
		`{"tags":null,"name":"null"}`: `name true/false/"null" tags true/true/[]`,
	} {
		for _, media := range []string{mediaPatch, mediaJSON} {
			r := w.ask("PATCH", "/v1/things/1", body, asAlice, "Content-Type: "+media)
			if r.StatusCode != http.StatusOK || !strings.Contains(strings.ReplaceAll(r.body, `\"`, `"`), said) {
				t.Errorf("%s: %d %s, want %s", body, r.StatusCode, r.body, said)
			}
		}
	}
}

func TestPatchOfAReadOnlyFieldIsRefusedByName(t *testing.T) {
	w := newWorld(t)
	d := w.refused(w.ask("PATCH", "/v1/things/1", `{"name":"x","owner":"usr_bob","id":"2"}`, asAlice, "Content-Type: "+mediaPatch), Invalid, "body:owner", "body:id")
	for _, f := range d.Errors {
		if f.Detail != "It cannot be changed." {
			t.Errorf("%+v", f)
		}
	}
	d = w.refused(w.ask("PATCH", "/v1/things/1", `{"colour":"red"}`, asAlice, "Content-Type: "+mediaPatch), Invalid, "body:colour")
	if d.Errors[0].Detail != "There is no such field here." {
		t.Errorf("%+v", d.Errors)
	}
	w.refused(w.ask("PATCH", "/v1/things/1", `{"name":["x"]}`, asAlice, "Content-Type: "+mediaPatch), Invalid, "body:name")
}

func TestChangesAreMadeToTheVersionThatIsMeant(t *testing.T) {
	w := newWorld(t)
	patch := func(tag string) reply {
		headers := []string{asAlice, "Content-Type: " + mediaPatch}
		if tag != "" {
			headers = append(headers, "If-Match: "+tag)
		}
		return w.ask("PATCH", "/v1/things/1", `{}`, headers...)
	}
	for _, tag := range []string{"", "*", `"3"`, `"3-ld"`} {
		if r := patch(tag); r.StatusCode != http.StatusOK || r.Header.Get("ETag") != `"4"` {
			t.Errorf("%s: %d %s", tag, r.StatusCode, r.body)
		}
	}
	for _, tag := range []string{`"2"`, `W/"3"`, `3`, `"x"`, `"-3"`, `"0"`} {
		w.refused(patch(tag), PreconditionFailed, "header:If-Match")
	}
	w.refused(patch(`"3", "2"`), InvalidRequest, "header:If-Match")
}
