package introspect_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
)

// warmWorld remembers a token, for a few needs.
func warmWorld(t testing.TB) (w *world, s string) {
	w = newWorld(t)
	w.remember(introspect.Config{Store: w.store, Limits: introspect.DefaultLimits()})
	s = w.issueBound()
	for _, scope := range []string{"", "monitor:read", "alert:write monitor:read"} {
		if rec := w.ask(url.Values{"token": {s}, "scope": {scope}}); !strings.Contains(rec.Body.String(), isActive) {
			t.Fatal(rec.Body)
		}
	}
	return w, s
}

func formRequest(authorization, body string) *http.Request {
	r := httptest.NewRequest("POST", "/oauth2/introspect", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

// slowly takes a request the usual way: the edge asks for no quick answer when
// there is more than one wish.
func (w *world) slowly(r *http.Request) *httptest.ResponseRecorder {
	r.Header.Set("Accept", "application/json, */*;q=0.1")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

// same compares the two ways, and reports whether there was a quick answer.
func (w *world) same(authorization, body string) bool {
	w.t.Helper()
	before := w.statements.Load()
	quick, ok := w.server.Quick(formRequest(authorization, body), []byte(body))
	if w.statements.Load() != before {
		w.t.Errorf("a quick answer cost a statement: %q %q", authorization, body)
	}
	if !ok {
		if len(quick.Body) != 0 {
			w.t.Errorf("half an answer: %q %q", authorization, body)
		}
		return false
	}
	rec := w.slowly(formRequest(authorization, body))
	if rec.Code != http.StatusOK || rec.Body.String() != string(quick.Body) || !strings.HasPrefix(rec.Body.String(), `{"active":true,`) {
		w.t.Errorf("%q %q\nquick %s\nslow  %d %s", authorization, body, quick.Body, rec.Code, rec.Body)
	}
	if quick.Tenant != string(w.acme.ID) || quick.Caller != "demo-api" {
		w.t.Errorf("for the log: %q, %q", quick.Caller, quick.Tenant)
	}
	return true
}

func plainBasic(pair string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// questions are bodies, with TOKEN for the token, and whether they are answered
// from memory by the header of demo-api.
var questions = map[string]bool{
	"token=TOKEN":                                              true,
	"token=TOKEN&tenant=acme":                                  true,
	"tenant=acme&token=TOKEN":                                  true,
	"token=TOKEN&token_type_hint=access_token":                 true,
	"token=TOKEN&token_type_hint=x":                            true,
	"token=TOKEN&scope=monitor:read":                           true,
	"token=TOKEN&scope=monitor%3Aread":                         true,
	"token=TOKEN&scope=monitor%3aread":                         true,
	"token=TOKEN&scope=alert%3Awrite+monitor%3Aread":           true,
	"token=TOKEN&scope=alert:write%20monitor:read":             true,
	"token=TOKEN&scope=monitor:read+alert:write":               false, // a spelling of its own
	"token=TOKEN&scope=+":                                      false,
	"token=TOKEN&scope=openid":                                 false,
	"token=TOKEN&scope=monitor:rea":                            false,
	"token=TOKEN&scope=monitor:read%00":                        false,
	"token=TOKEN&scope=monitor:read%":                          false,
	"token=TOKEN&scope=monitor:read%3":                         false,
	"token=TOKEN&scope=monitor:read%zz":                        false,
	"token=TOKEN&scope=monitor:read%ff":                        false,
	"token=TOKEN&scope=":                                       false,
	"token=TOKEN&scope=monitor:read&scope=monitor:read":        false,
	"token=TOKEN&tenant=":                                      false,
	"token=TOKEN&tenant":                                       false,
	"token=TOKEN&tenant=globex":                                false,
	"token=TOKEN&tenant=ACME":                                  false,
	"token=TOKEN&tenant=ac%6De":                                false,
	"token=TOKEN&tenant=acme&tenant=acme":                      false,
	"token=TOKEN&tenant=acme&tenant=globex":                    false,
	"token=TOKEN&token=TOKEN":                                  false,
	"token=TOKEN&Tenant=globex":                                false,
	"token=TOKEN&%74enant=globex":                              false,
	"token=TOKEN&tenant%00=globex":                             false,
	"token=TOKEN&":                                             false,
	"&token=TOKEN":                                             false,
	"token=TOKEN&&tenant=acme":                                 false,
	"token=TOKEN&token_type_hint=x;tenant=globex":              false,
	"token=TOKEN;tenant=globex":                                false,
	"token=TOKEN&scope=monitor:read;tenant=globex":             false,
	"token=TOKEN&resource=x":                                   false,
	"token=TOKEN&client_id=demo-api":                           false,
	"token=TOKEN&client_id=demo-api&client_secret=SECRET":      false,
	"token=TOKEN&client_assertion=x":                           false,
	"token=TOKEN%0A":                                           false,
	"token=+TOKEN":                                             false,
	"token=TOKEN&scope=" + strings.Repeat("monitor:read+", 50): false,
	"token=":                                false,
	"token":                                 false,
	"":                                      false,
	"tenant=acme":                           false,
	"token=TOKEN=":                          false,
	"token=TOKEN&ip=192.0.2.1&proto=https":  true,
	"token=TOKEN&ip=2001%3Adb8%3A%3A1":      true,
	"token=TOKEN&ip=2001:db8::1&proto=http": true,
	"token=TOKEN&ip=nowhere":                true,
	"token=TOKEN&ip=":                       false,
	"token=TOKEN&ip=192.0.2.1&ip=192.0.2.1": false,
	"token=TOKEN&ip=192.0.2.1%00":           false,
	"token=TOKEN&proto=http%73":             false,
	"token=TOKEN&proto=https&proto=http":    false,
}

// spell writes a question.
func spell(question, s string) string {
	return strings.NewReplacer("TOKEN", s, "SECRET", secret).Replace(question)
}

func TestQuickAnswersAreThoseOfTheUsualWay(t *testing.T) {
	w, s := warmWorld(t)
	for question, want := range questions {
		if got := w.same(plainBasic("demo-api:"+secret), spell(question, s)); got != want {
			t.Errorf("%s: from memory: %v, want %v", question, got, want)
		}
	}
}

func TestQuickCredentials(t *testing.T) {
	w, s := warmWorld(t)
	for _, c := range []struct {
		header, body string
		want         bool
	}{
		{"", "client_id=demo-api&client_secret=SECRET", true},
		{"", "client_id=demo-api", false},
		{"", "client_secret=SECRET", false},
		{"", "client_id=demo-api&client_secret=wrong", false},
		{"", "", false},
		{plainBasic("demo-api:" + secret), "client_id=demo-api", false},
		{plainBasic("demo-api:wrong"), "", false},
		{plainBasic("demo-api:"), "", false},
		{plainBasic("demo-api"), "", false},
		{plainBasic(":" + secret), "", false},
		{plainBasic("demo%2Dapi:" + secret), "", false},
		{plainBasic("demo-api:" + secret + " "), "", false},
		{plainBasic("demo-api:" + secret + "\x00"), "", false},
		{plainBasic("nobody:" + secret), "", false},
		{plainBasic("demo-api:" + strings.Repeat("x", 400)), "", false},
		{"basic " + plainBasic("demo-api:" + secret)[6:], "", false},
		{"Basic  " + plainBasic("demo-api:" + secret)[6:], "", false},
		{plainBasic("demo-api:"+secret) + "=", "", false},
		{plainBasic("demo-api:"+secret) + ",", "", false},
		{"Bearer " + s, "", false},
		{"Basic", "", false},
		{"Basic ", "", false},
	} {
		body := strings.TrimSuffix("token=TOKEN&"+c.body, "&")
		if got := w.same(c.header, spell(body, s)); got != c.want {
			t.Errorf("%q %q: from memory: %v, want %v", c.header, body, got, c.want)
		}
	}
	two := formRequest(plainBasic("demo-api:"+secret), "token="+s)
	two.Header.Add("Authorization", plainBasic("demo-api:"+secret))
	if _, ok := w.server.Quick(two, []byte("token="+s)); ok {
		t.Error("two Authorization headers")
	}
}

// Keys, with rules and without, are answered the quick way as tokens are.
func TestQuickAnswersAboutKeysAreThoseOfTheUsualWay(t *testing.T) {
	w := keyWorld(t)
	for _, s := range []string{w.key(), w.key(profiled("huge"))} {
		for _, scope := range []string{"", "monitor:read", "alert:write monitor:read"} {
			w.ask(url.Values{"token": {s}, "scope": {scope}})
		}
		for question, want := range questions {
			if got := w.same(plainBasic("demo-api:"+secret), spell(question, s)); got != want {
				t.Errorf("%s: from memory: %v, want %v", question, got, want)
			}
		}
	}
	s := w.key(profiled("https"), listed("192.0.2.0/24"))
	w.ask(url.Values{"token": {s}, "ip": {"192.0.2.1"}, "proto": {"https"}})
	for question, want := range map[string]bool{
		"token=TOKEN&ip=192.0.2.9&proto=https":                  true,
		"token=TOKEN&ip=192.0.2.9&proto=http":                   false,
		"token=TOKEN&ip=192.0.2.9":                              false,
		"token=TOKEN&proto=https":                               false,
		"token=TOKEN&ip=192.0.3.9&proto=https":                  false,
		"token=TOKEN&ip=192.0.2.9&proto=https&tenant=globex":    false,
		"token=TOKEN&ip=192.0.2.9&proto=https&tenant=acme":      true,
		"token=TOKEN&ip=%3A%3Affff%3A192.0.2.9&proto=https":     true,
		"token=TOKEN&ip=192.0.2.9&ip=192.0.3.9&proto=https":     false,
		"token=TOKEN&ip=192.0.2.9&proto=https&scope=never:seen": false,
	} {
		if got := w.same(plainBasic("demo-api:"+secret), spell(question, s)); got != want {
			t.Errorf("%s: from memory: %v, want %v", question, got, want)
		}
	}
}

// FuzzQuick: there is no question that memory and store answer differently.
func FuzzQuick(f *testing.F) {
	w, s := warmWorld(f)
	for question := range questions {
		f.Add(plainBasic("demo-api:"+secret), question)
		f.Add("", question+"&client_id=demo-api&client_secret=SECRET")
		f.Add(plainBasic("demo-api:wrong"), question)
	}
	f.Fuzz(func(t *testing.T, authorization, question string) {
		w.t = t
		if authorization == "" || !strings.ContainsFunc(authorization, func(c rune) bool { return c < ' ' }) {
			w.same(authorization, spell(question, s))
		}
	})
}

// A quick answer has the bytes, the headers and the place in the log that the
// usual way has.
func TestQuickAnswersOnTheWire(t *testing.T) {
	w, s := warmWorld(t)
	usual := w.slowly(formRequest(plainBasic("demo-api:"+secret), "token="+s))
	before := w.statements.Load()
	quick := w.ask(tok(s))
	if d := cmp.Diff(usual.Header(), quick.Header()); d != "" || quick.Code != 200 || quick.Body.String() != usual.Body.String() || w.statements.Load() != before {
		t.Errorf("%d %s %s", quick.Code, quick.Body, d)
	}
}

// Whoever is near the end of its quota goes the way on which that is said.
func TestQuickAnswersEndWithTheQuota(t *testing.T) {
	w := newWorld(t)
	w.remember(introspect.Config{Store: w.store, Limits: introspect.Limits{PerSecond: 10}})
	s := w.issueBound()
	codes := map[int]int{}
	for range 20 {
		codes[w.ask(tok(s)).Code]++
	}
	if codes[200] != 10 || codes[429] != 10 {
		t.Errorf("%v, want 10 answers and 10 refusals", codes)
	}
}

// reusable is a request and a ResponseWriter that cost nothing to use again, as in
// a server whose net/http has them anyway.
type reusable struct {
	header  http.Header
	request *http.Request
	body    *bytes.Reader
	text    []byte
	status  int
	n       int
}

func newReusable(authorization, body string) *reusable {
	u := &reusable{header: http.Header{}, text: []byte(body), body: bytes.NewReader(nil)}
	u.request = formRequest(authorization, body)
	u.request.Body = io.NopCloser(u.body)
	return u
}

func (u *reusable) Header() http.Header { return u.header }

func (u *reusable) WriteHeader(status int) { u.status = status }

func (u *reusable) Write(p []byte) (int, error) {
	u.n = len(p)
	return len(p), nil
}

func (u *reusable) serve(h http.Handler) {
	clear(u.header)
	u.body.Reset(u.text)
	u.n = 0
	h.ServeHTTP(u, u.request)
}

// busyEdge is a deployment with everything on that a production server has on:
// metrics, limits, clocks, API keys. issue makes what is asked about.
func busyEdge(t testing.TB, issue func(*world) string, more string) (*world, *reusable) {
	w := newWorld(t)
	reg := prometheus.NewRegistry()
	cfg, _ := w.withKeys(nil)
	cfg.Limits, cfg.Registerer = introspect.DefaultLimits(), reg
	cfg.Limits.PerSecond = 100_000_000 // one that a benchmark does not reach
	w.remember(cfg)
	w.mux = web.NewMux(web.Config{Log: w.logger(), Registerer: reg, Hosts: []string{"example.com"}})
	w.server.Mount(w.mux)
	u := newReusable(plainBasic("demo-api:"+secret), "token="+issue(w)+"&tenant=acme&scope=monitor%3Aread"+more)
	u.serve(w.mux)
	return w, u
}

const fromHere = "&ip=192.0.2.1&proto=https"

// aToken hangs on all that a token can hang on.
func aToken(w *world) string { return w.issueBound() }

func aKey(w *world) string { return w.key() }

// aBoundKey has every rule that a key can have.
func aBoundKey(w *world) string {
	return w.key(profiled("huge"), listed("198.51.100.0/24", "192.0.2.0/24"))
}

func TestWarmIntrospectionAllocatesLittle(t *testing.T) {
	warm := func(issue func(*world) string, more string) float64 {
		w, u := busyEdge(t, issue, more)
		before := w.statements.Load()
		n := testing.AllocsPerRun(1000, func() { u.serve(w.mux) })
		if w.statements.Load() != before || u.n < 300 {
			t.Fatalf("not from memory: %d bytes", u.n)
		}
		return n
	}
	n := warm(aToken, "")
	t.Logf("%v allocations", n)
	if n > 10 {
		t.Errorf("%v allocations, want 10 at most", n)
	}
	for name, k := range map[string]float64{"key": warm(aKey, ""), "key, from an address": warm(aKey, fromHere), "bound key": warm(aBoundKey, fromHere)} {
		if k > n {
			t.Errorf("%s: %v allocations, and %v for a token", name, k, n)
		}
	}
}

// BenchmarkWarmIntrospection is all that is ours of an answer from memory: the
// edge, the caller's authentication, the cells, limits and metrics.
func BenchmarkWarmIntrospection(b *testing.B) { benchmarkWarm(b, aToken, "") }

// BenchmarkWarmKey is the same about an API key.
func BenchmarkWarmKey(b *testing.B) { benchmarkWarm(b, aKey, "") }

// BenchmarkWarmBoundKey is the same about one that has a rate and an allow-list.
func BenchmarkWarmBoundKey(b *testing.B) { benchmarkWarm(b, aBoundKey, fromHere) }

func benchmarkWarm(b *testing.B, issue func(*world) string, more string) {
	w, u := busyEdge(b, issue, more)
	b.ReportAllocs()
	for b.Loop() {
		u.serve(w.mux)
	}
}

// BenchmarkUsualIntrospection is the same by the usual way of the edge.
func BenchmarkUsualIntrospection(b *testing.B) {
	w, u := busyEdge(b, aToken, "")
	u.request.Header.Set("Accept", "application/json, */*;q=0.1")
	b.ReportAllocs()
	for b.Loop() {
		u.serve(w.mux)
	}
}
