package remote

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const asked = "https://auth.example.com"

func arrive(c *callback, method, host, target string) *httptest.ResponseRecorder {
	rec, r := httptest.NewRecorder(), httptest.NewRequest(method, "http://"+host+target, nil)
	r.Host = host
	c.ServeHTTP(rec, r)
	return rec
}

func good(pairs ...string) string {
	q := url.Values{"state": {"s"}, "iss": {asked}, "code": {"c"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return "/callback?" + q.Encode()
}

const here = "127.0.0.1:4711"

func TestCallbackTakesTheAnswerOnce(t *testing.T) {
	c := newCallback(here, "s", asked)
	rec := arrive(c, "GET", here, good())
	if code, err := c.answer(t.Context()); code != "c" || err != nil || rec.Code != 200 || !strings.Contains(rec.Body.String(), "signed in") {
		t.Errorf("%q, %v; the page %d %s", code, err, rec.Code, rec.Body)
	}
	if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v", rec.Header())
	}
	if again := arrive(c, "GET", here, good("code", "other")); again.Code != http.StatusConflict {
		t.Errorf("a second answer: %d", again.Code)
	}
}

// What any page in the browser can send changes nothing: the command goes on
// waiting for the answer to its own question.
func TestAttackStrangersAtTheLoopbackPort(t *testing.T) {
	for name, send := range map[string]func(c *callback) *httptest.ResponseRecorder{
		"guessed state": func(c *callback) *httptest.ResponseRecorder { return arrive(c, "GET", here, good("state", "x")) },
		"no state":      func(c *callback) *httptest.ResponseRecorder { return arrive(c, "GET", here, good("state", "")) },
		"state twice":   func(c *callback) *httptest.ResponseRecorder { return arrive(c, "GET", here, good()+"&state=s") },
		"an error without state": func(c *callback) *httptest.ResponseRecorder {
			return arrive(c, "GET", here, "/callback?error=access_denied")
		},
		"DNS rebinding": func(c *callback) *httptest.ResponseRecorder { return arrive(c, "GET", "evil.example:4711", good()) },
		"another path": func(c *callback) *httptest.ResponseRecorder {
			return arrive(c, "GET", here, strings.Replace(good(), "/callback", "/", 1))
		},
		"a form":                  func(c *callback) *httptest.ResponseRecorder { return arrive(c, "POST", here, good()) },
		"a query that is no good": func(c *callback) *httptest.ResponseRecorder { return arrive(c, "GET", here, good()+"&%zz") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCallback(here, "s", asked)
			if rec := send(c); rec.Code < 400 {
				t.Errorf("answered %d", rec.Code)
			}
			arrive(c, "GET", here, good())
			if code, err := c.answer(t.Context()); code != "c" || err != nil {
				t.Errorf("the real answer: %q, %v", code, err)
			}
		})
	}
}

// RFC 9207: a code of another server is sent to nobody.
func TestAttackMixUp(t *testing.T) {
	for name, target := range map[string]string{
		"another issuer": good("iss", "https://evil.example"), "no issuer": good("iss", ""), "two issuers": good() + "&iss=https://evil.example",
		"an error of another": good("iss", "https://evil.example", "code", "", "error", "access_denied"),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCallback(here, "s", asked)
			arrive(c, "GET", here, target)
			if code, err := c.answer(t.Context()); code != "" || err == nil || !strings.Contains(err.Error(), "issuer") {
				t.Errorf("%q, %v", code, err)
			}
		})
	}
}

func TestRefusedSignInIsSaid(t *testing.T) {
	for target, word := range map[string]string{
		good("code", "", "error", "access_denied"):                                      "denied",
		good("code", "", "error", "invalid_scope", "error_description", "No such one."): "No such one. (invalid_scope)",
		good("code", ""): "without a code",
	} {
		c := newCallback(here, "s", asked)
		arrive(c, "GET", here, target)
		if _, err := c.answer(t.Context()); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want %q", target, err, word)
		}
	}
}

func TestNobodySignsIn(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := newCallback(here, "s", asked).answer(ctx); err == nil {
		t.Error("no answer, and no error")
	}
}

func TestBrowserIsOpenedWhereThereIsAScreen(t *testing.T) {
	none := func(string) string { return "" }
	screen := func(name string) string { return map[string]string{"DISPLAY": ":0"}[name] }
	for _, c := range []struct {
		system string
		env    func(string) string
		want   string
	}{{"linux", none, ""}, {"linux", screen, "xdg-open"}, {"freebsd", none, ""}, {"darwin", none, "open"}, {"windows", none, "rundll32"}} {
		if name, _ := opener(c.system, c.env); name != c.want {
			t.Errorf("%s: %q, want %q", c.system, name, c.want)
		}
	}
	if OpenBrowser(none, "https://auth.example.com") == nil {
		t.Error("a browser was opened without a screen")
	}
}
