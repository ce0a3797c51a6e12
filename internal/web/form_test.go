package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestStrictForm(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want map[string]string // nil: invalid_request
	}{
		"plain":                    {"a=1&b=2", map[string]string{"a": "1", "b": "2"}},
		"encoded":                  {"a=%C3%A9+%2b%26%3B", map[string]string{"a": "é +&;"}},
		"value with equals":        {"a=b=c", map[string]string{"a": "b=c"}},
		"empty is omitted":         {"a=&b&c=1", map[string]string{"c": "1"}},
		"nothing":                  {"", map[string]string{}},
		"stray separators":         {"&&a=1&", map[string]string{"a": "1"}},
		"bad escape":               {"a=%zz", nil},
		"cut escape":               {"a=%4", nil},
		"lone percent":             {"a=100%", nil},
		"bad escape in the name":   {"%zz=1", nil},
		"invalid UTF-8":            {"a=%ff", nil},
		"raw invalid UTF-8":        {"a=\xff", nil},
		"overlong UTF-8":           {"a=%c0%af", nil},
		"surrogate":                {"a=%ed%a0%80", nil},
		"NUL":                      {"a=%00", nil},
		"raw NUL":                  {"a=\x00", nil},
		"NUL in the name":          {"a%00=1", nil},
		"semicolon":                {"a=1;b=2", nil},
		"repeated":                 {"a=1&a=2", nil},
		"repeated the same":        {"a=1&a=1", nil},
		"repeated, one empty":      {"a=&a=1", nil},
		"repeated, other spelling": {"a=1&%61=2", nil},
		"repeated resource":        {"resource=x&resource=y", map[string]string{"resource": "x"}},
		"NUL for the scope rule":   {"scope=a%00b", map[string]string{"scope": "a\x00b"}},
	} {
		f, err := ReadForm(httptest.NewRecorder(), post("/", c.body))
		if c.want == nil {
			if e := AsError(err); err == nil || e.Status != 400 || e.Code != "invalid_request" {
				t.Errorf("%s: %v, %v; want invalid_request", name, f, err)
			}
			continue
		}
		if d := cmp.Diff(c.want, f.Values); err != nil || d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

func TestBodyMustBeAForm(t *testing.T) {
	for kind, ok := range map[string]bool{
		"application/x-www-form-urlencoded":                true,
		"application/x-www-form-urlencoded; charset=UTF-8": true,
		"Application/X-WWW-Form-URLencoded;charset=utf-8":  true,
		"application/x-www-form-urlencoded; charset=utf-7": false,
		"application/x-www-form-urlencoded; charset":       false,
		"application/json":                false,
		"multipart/form-data; boundary=x": false,
		"text/plain":                      false,
		"":                                false,
	} {
		r := post("/", "a=1")
		r.Header.Set("Content-Type", kind)
		if _, err := ReadForm(httptest.NewRecorder(), r); (err == nil) != ok {
			t.Errorf("%q: %v", kind, err)
		}
	}
	for name, spoil := range map[string]func(*http.Request){
		"no Content-Type":  func(r *http.Request) { delete(r.Header, "Content-Type") },
		"two Content-Type": func(r *http.Request) { r.Header.Add("Content-Type", r.Header.Get("Content-Type")) },
		"compressed":       func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		"query":            func(r *http.Request) { r.URL.RawQuery = "client_secret=x" },
		"empty query":      func(r *http.Request) { r.URL.ForceQuery = true },
		"GET":              func(r *http.Request) { r.Method = "GET" },
	} {
		r := post("/", "a=1")
		spoil(r)
		if _, err := ReadForm(httptest.NewRecorder(), r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRepeatedParametersAreReported(t *testing.T) {
	r := httptest.NewRequest("GET", "/?a=1&a=2&b=3&c=&c=4&d=&d=&resource=x", nil)
	f, err := ReadQueryOrForm(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := Form{
		Values:   map[string]string{"a": "1", "b": "3", "c": "4", "resource": "x"},
		Repeated: map[string][]string{"a": {"1", "2"}, "c": {"4"}, "d": {}},
		Blank:    map[string]bool{"c": true, "d": true},
	}
	if d := cmp.Diff(want, f); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]string{{"1", "2"}, {"x"}, nil}, [][]string{f.All("a"), f.All("resource"), f.All("zz")}); d != "" {
		t.Error(d)
	}
}

func TestPostedAuthorizeRequestIsReadFromTheBodyAlone(t *testing.T) {
	if _, err := ReadQueryOrForm(httptest.NewRecorder(), post("/?client_id=evil", "client_id=good")); err == nil {
		t.Error("a POST with parameters in the URL is accepted")
	}
}

// FuzzParse: what is accepted is what url.ParseQuery reads, and is clean.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a=1&b=2", "a=%41+x", "a=%zz", "a;b", "%00", "a=%ff&a", "=&==&", "scope=%00", strings.Repeat("&", 70)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		form, err := parse(s)
		if err != nil {
			if e := AsError(err); e.Code != "invalid_request" || e.Status >= 500 {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		want, err := url.ParseQuery(s)
		if err != nil {
			t.Fatalf("%q is accepted, and url.ParseQuery says %v", s, err)
		}
		for name, v := range form.Values {
			if v == "" || !utf8.ValidString(name+v) || (strings.Contains(v, "\x00") && !ownRules[name]) {
				t.Fatalf("%q: parameter %q = %q", s, name, v)
			}
			if len(want[name]) > 1 != (form.Repeated[name] != nil) {
				t.Fatalf("%q: %q repeated: %v", s, name, want[name])
			}
		}
	})
}

// FuzzErrorsReflectNothing: no answer of the edge contains what was sent.
func FuzzErrorsReflectNothing(f *testing.F) {
	f.Add("POST", "/oauth2/token", "application/x-www-form-urlencoded", "a=%zz")
	f.Add("POST", "/nothing", "text/html", "<script>")
	f.Add("X", "/oauth2/authorize", "", "")
	f.Fuzz(func(t *testing.T, method, path, kind, body string) {
		const marker = "zQmarkerQz"
		r := httptest.NewRequest("POST", "/", strings.NewReader(body+marker+"%"))
		r.Method, r.URL.Path, r.Host = method+marker, "/"+path+marker, marker
		if len(body)%2 == 0 {
			r.Method, r.URL.Path = "POST", "/oauth2/token"
		}
		r.Header.Set("Content-Type", kind)
		w := newEdge(Config{}).do(r)
		if strings.Contains(w.Body.String(), marker) || w.Code >= 500 || w.Code < 400 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for name, values := range w.Header() {
			if strings.Contains(strings.Join(values, ""), marker) {
				t.Fatalf("header %s reflects the request", name)
			}
		}
	})
}
