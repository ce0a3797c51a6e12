package clientauth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func basic(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }

// read parses a token request with these Authorization headers and this body.
func read(t *testing.T, authorization []string, body string) (Credentials, error) {
	t.Helper()
	r := httptest.NewRequest("POST", "/oauth2/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header["Authorization"] = authorization
	f, err := web.ReadForm(httptest.NewRecorder(), r)
	if err != nil {
		t.Fatal(err)
	}
	return Read(r, f)
}

func TestRead(t *testing.T) {
	refused := func(code string) string { return code }
	for name, c := range map[string]struct {
		header []string
		body   string
		want   Credentials
		code   string // of the refusal
	}{
		"basic":                        {header: []string{basic("a:s")}, want: Credentials{"a", "s", storage.AuthBasic, true}},
		"basic in another case":        {header: []string{"bASIC " + basic("a:s")[6:]}, want: Credentials{"a", "s", storage.AuthBasic, true}},
		"basic and the same client_id": {header: []string{basic("a:s")}, body: "client_id=a", want: Credentials{"a", "s", storage.AuthBasic, true}},
		"basic without a secret":       {header: []string{basic("a:")}, want: Credentials{"a", "", storage.AuthBasic, true}},
		"post":                         {body: "client_id=a&client_secret=s", want: Credentials{"a", "s", storage.AuthPost, false}},
		"post without an id":           {body: "client_secret=s", want: Credentials{"", "s", storage.AuthPost, false}},
		"public":                       {body: "client_id=a", want: Credentials{"a", "", storage.AuthNone, false}},
		"nothing":                      {want: Credentials{"", "", storage.AuthNone, false}},
		"empty secret is omitted":      {body: "client_id=a&client_secret=", want: Credentials{"a", "", storage.AuthNone, false}},

		"Basic and body secret":          {header: []string{basic("a:s")}, body: "client_id=a&client_secret=s", code: refused("invalid_request")},
		"two Authorization headers":      {header: []string{basic("a:s"), basic("a:s")}, code: refused("invalid_request")},
		"Basic and another client_id":    {header: []string{basic("a:s")}, body: "client_id=b", code: refused("invalid_request")},
		"Basic and an assertion":         {header: []string{basic("a:s")}, body: "client_assertion=x", code: refused("invalid_request")},
		"body secret and an assertion":   {body: "client_id=a&client_secret=s&client_assertion=x", code: refused("invalid_request")},
		"assertion":                      {body: "client_id=a&client_assertion=x&client_assertion_type=y", code: refused("invalid_client")},
		"Bearer":                         {header: []string{"Bearer x"}, code: refused("invalid_client")},
		"empty header":                   {header: []string{""}, code: refused("invalid_client")},
		"not base64":                     {header: []string{"Basic !!"}, code: refused("invalid_client")},
		"no colon":                       {header: []string{basic("a")}, code: refused("invalid_client")},
		"no id":                          {header: []string{basic(":s")}, code: refused("invalid_client")},
		"bad escape":                     {header: []string{basic("a:100%")}, code: refused("invalid_client")},
		"NUL in the id":                  {header: []string{basic("a%00:s")}, code: refused("invalid_client")},
		"invalid UTF-8 in the id":        {header: []string{basic("%ff:s")}, code: refused("invalid_client")},
		"line feed in the id":            {header: []string{basic("a\nb:s")}, code: refused("invalid_client")},
		"base64 with a trailing garbage": {header: []string{basic("a:s") + " x"}, code: refused("invalid_client")},
	} {
		got, err := read(t, c.header, c.body)
		if c.code == "" {
			if d := cmp.Diff(c.want, got); err != nil || d != "" {
				t.Errorf("%s: %v\n%s", name, err, d)
			}
			continue
		}
		e := web.AsError(err)
		status := map[string]int{"invalid_request": 400, "invalid_client": 401}[c.code]
		if err == nil || e.Code != c.code || e.Status != status {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		challenged := e.Header.Get("WWW-Authenticate") != ""
		if wants := status == 401 && len(c.header) > 0; challenged != wants {
			t.Errorf("%s: WWW-Authenticate present: %v, want %v", name, challenged, wants)
		}
	}
}

func TestBasicEncodingConfusion(t *testing.T) {
	for _, secret := range []string{"a%41b", "a+b", "a:b:c", "a b", "100%", "é&=", "%2B"} {
		header := basic(url.QueryEscape("my:app") + ":" + url.QueryEscape(secret))
		c, err := read(t, []string{header}, "")
		if err != nil || c.ID != "my:app" || c.Secret != secret {
			t.Errorf("%q: read as %q, %v", secret, c.Secret, err)
		}
		if !Check(c, storage.AuthBasic, []storage.Secret{token.Seal(secret, now, time.Time{})}, now) {
			t.Errorf("%q: the right secret is refused", secret)
		}
	}
}

func TestCheck(t *testing.T) {
	secrets := []storage.Secret{
		token.Seal("old", now.Add(-time.Hour), now), token.Seal("current", now, time.Time{}), token.Seal("next", now, now.Add(time.Hour)),
	}
	for name, c := range map[string]struct {
		presented  Credentials
		registered storage.AuthMethod
		want       bool
	}{
		"right":                          {Credentials{Secret: "current", Method: storage.AuthBasic}, storage.AuthBasic, true},
		"second active secret":           {Credentials{Secret: "next", Method: storage.AuthPost}, storage.AuthPost, true},
		"expired secret":                 {Credentials{Secret: "old", Method: storage.AuthBasic}, storage.AuthBasic, false},
		"wrong secret":                   {Credentials{Secret: "x", Method: storage.AuthBasic}, storage.AuthBasic, false},
		"secret in the body, not Basic":  {Credentials{Secret: "current", Method: storage.AuthPost}, storage.AuthBasic, false},
		"Basic, not in the body":         {Credentials{Secret: "current", Method: storage.AuthBasic}, storage.AuthPost, false},
		"no secret":                      {Credentials{Method: storage.AuthNone}, storage.AuthBasic, false},
		"empty secret by Basic":          {Credentials{Method: storage.AuthBasic}, storage.AuthBasic, false},
		"public":                         {Credentials{Method: storage.AuthNone}, storage.AuthNone, true},
		"public sends somebody's secret": {Credentials{Secret: "current", Method: storage.AuthPost}, storage.AuthNone, true},
		"unknown method":                 {Credentials{Secret: "current", Method: "client_secret_jwt"}, storage.AuthBasic, false},
	} {
		if got := Check(c.presented, c.registered, secrets, now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if Check(Credentials{Secret: "current", Method: storage.AuthBasic}, storage.AuthBasic, nil, now) {
		t.Error("an unknown caller is accepted")
	}
}

func TestUnknownClientAndWrongSecretAreAnsweredAlike(t *testing.T) {
	answer := func(c Credentials) (int, string, http.Header) {
		w := httptest.NewRecorder()
		web.WriteOAuthError(w, httptest.NewRequest("POST", "/", nil), Invalid(c))
		return w.Code, w.Body.String(), w.Header()
	}
	unknown := Credentials{ID: "nobody", Secret: "a", Method: storage.AuthBasic, UsedHeader: true}
	wrong := Credentials{ID: "demo-web", Secret: "b", Method: storage.AuthBasic, UsedHeader: true}
	code1, body1, h1 := answer(unknown)
	code2, body2, h2 := answer(wrong)
	if d := cmp.Diff(h1, h2); code1 != code2 || body1 != body2 || d != "" {
		t.Errorf("%d %s, %d %s, %s", code1, body1, code2, body2, d)
	}
	if code1 != 401 || h1.Get("WWW-Authenticate") != Challenge || !strings.Contains(body1, `"error":"invalid_client"`) {
		t.Errorf("%d %s %v", code1, body1, h1)
	}
}

func TestCredentialsNeverPrintTheirSecret(t *testing.T) {
	c := Credentials{ID: "a", Secret: "MARKER", Method: storage.AuthBasic}
	if s := fmt.Sprintf("%v %+v %#v %s", c, c, c, &c); strings.Contains(s, "MARKER") {
		t.Error(s)
	}
}

// FuzzRead: no header makes it panic, or gives an id that a store cannot look up.
func FuzzRead(f *testing.F) {
	f.Add("Basic YTpz", "client_id=a")
	f.Add("Bearer x", "client_secret=%00")
	f.Add(basic("%00:\xff"), "")
	f.Fuzz(func(t *testing.T, header, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header["Authorization"] = []string{header}
		form, err := web.ReadForm(httptest.NewRecorder(), r)
		if err != nil {
			return
		}
		c, err := Read(r, form)
		if err != nil && web.AsError(err).Status >= 500 {
			t.Fatalf("%q: %v", header, err)
		}
		if !plain(c.ID) && err == nil {
			t.Fatalf("%q gives id %q", header, c.ID)
		}
	})
}
