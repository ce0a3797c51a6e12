package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/origin"
)

// edge is a Mux with one route of each kind, and its log.
type edge struct {
	*Mux
	log *bytes.Buffer
}

func newEdge(cfg Config) edge {
	log := &bytes.Buffer{}
	cfg.Log = NewLog(log, slog.LevelInfo)
	cfg.ErrorPage = func(w http.ResponseWriter, r *http.Request, e *Error) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(e.Status)
		_, _ = io.WriteString(w, "<p>"+e.Code+" "+origin.From(r.Context()).RequestID)
	}
	m := NewMux(cfg)
	m.API("POST /oauth2/introspect", readAll)
	m.Browser("POST /oauth2/token", readAll)
	m.Page("GET /oauth2/authorize", readQuery)
	m.Page("GET /login/{login}", readQuery)
	m.Page("POST /login/{login}", readAll)
	m.Handle("GET /assets/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "css") }))
	return edge{m, log}
}

func readAll(w http.ResponseWriter, r *http.Request) error {
	if _, err := ReadForm(w, r); err != nil {
		return err
	}
	return WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

func readQuery(w http.ResponseWriter, r *http.Request) error {
	_, err := ReadQueryOrForm(w, r)
	if err == nil {
		_, _ = io.WriteString(w, "<p>page")
	}
	return err
}

func (e edge) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

// line is the one line that the request left in the log.
func (e edge) line(t *testing.T) map[string]any {
	t.Helper()
	var line map[string]any
	if n := bytes.Count(e.log.Bytes(), []byte("\n")); n != 1 {
		t.Fatalf("%d log lines, want 1:\n%s", n, e.log)
	}
	if err := json.Unmarshal(e.log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func post(path, body string) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestOneLogLinePerRequestWithoutSecrets(t *testing.T) {
	e := newEdge(Config{})
	e.Page("GET /cb/{x}", func(w http.ResponseWriter, r *http.Request) error {
		Annotate(r.Context(), "tenant_id", "ten_1")
		_, err := io.WriteString(w, "12345")
		return err
	})
	r := httptest.NewRequest("GET", "/cb/SECRETpath?code=SECRETquery", nil)
	r.Header.Set("Cookie", "s=SECRETcookie")
	r.Header.Set("Authorization", "Bearer SECRETheader")
	e.do(r)
	line := e.line(t)
	if strings.Contains(e.log.String(), "SECRET") {
		t.Errorf("the log line has a secret: %s", e.log)
	}
	if at, _ := line["time"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(at) {
		t.Errorf("time = %q, want ISO 8601, UTC, milliseconds", at)
	}
	if id, _ := line["request_id"].(string); len(id) != 16 {
		t.Errorf("request_id = %q", id)
	}
	for _, k := range []string{"time", "request_id", "duration_ms"} {
		delete(line, k)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "/cb/{x}", "status": 200.0, "bytes": 5.0,
		"ip": "192.0.2.1", "tenant_id": "ten_1",
	}
	if d := cmp.Diff(want, line); d != "" {
		t.Error(d)
	}
}

func TestLogTimesAreUTCWhereverTheServerStands(t *testing.T) {
	tokyo := time.Date(2026, 11, 22, 19, 30, 0, 1_999_999, time.FixedZone("", 9*3600))
	if got := utcTime(nil, slog.Time(slog.TimeKey, tokyo)).Value.String(); got != "2026-11-22T10:30:00.001Z" {
		t.Error(got)
	}
	if got := utcTime([]string{"group"}, slog.Time(slog.TimeKey, tokyo)).Value.Time(); !got.Equal(tokyo) {
		t.Errorf("a handler's own field is changed: %v", got)
	}
}

func TestCausesAreLoggedWithoutTokensAndQueries(t *testing.T) {
	e := newEdge(Config{})
	e.API("GET /x", func(http.ResponseWriter, *http.Request) error {
		return Refuse(400, "invalid_grant", "No.", errors.New(
			`Get "https://user:SECRET1@idp.test/a?code=SECRET2": token wgat_SECRET3 is bad, see http://h/#SECRET4`))
	})
	w := e.do(httptest.NewRequest("GET", "/x", nil))
	cause, _ := e.line(t)["cause"].(string)
	if strings.Contains(cause, "SECRET") || !strings.Contains(cause, "idp.test/a[removed]") {
		t.Errorf("cause = %q", cause)
	}
	if strings.Contains(w.Body.String(), "idp.test") {
		t.Errorf("the client reads the cause: %s", w.Body)
	}
}

func TestPanicIsA500WithItsStackInTheLogOnly(t *testing.T) {
	e := newEdge(Config{})
	e.API("GET /boom", func(http.ResponseWriter, *http.Request) error { panic("INTERNAL text") })
	w := e.do(httptest.NewRequest("GET", "/boom", nil))
	if w.Code != 500 || w.Body.String() != `{"error":"server_error","error_description":"Something went wrong on our side."}` {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
	line := e.line(t)
	if stack, _ := line["stack"].(string); !strings.Contains(stack, "edge_test.go") || line["cause"] != "panic: INTERNAL text" || line["level"] != "ERROR" {
		t.Errorf("log line = %v", line)
	}
}

func TestAbortedHandlerCutsTheConnection(t *testing.T) {
	e := newEdge(Config{})
	e.API("GET /abort", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) })
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v, want ErrAbortHandler", v)
		}
		e.line(t)
	}()
	e.do(httptest.NewRequest("GET", "/abort", nil))
}

func TestErrorAfterTheAnswerBeganIsOnlyLogged(t *testing.T) {
	e := newEdge(Config{})
	e.API("GET /late", func(w http.ResponseWriter, r *http.Request) error {
		_ = WriteJSON(w, 200, "done")
		return errors.New("too late")
	})
	if w := e.do(httptest.NewRequest("GET", "/late", nil)); w.Code != 200 || w.Body.String() != `"done"` {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
	if line := e.line(t); line["cause"] != "too late" {
		t.Errorf("log line = %v", line)
	}
}

func TestSpoofedForwardedHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		proxies int
		forward []string
		want    string
	}{
		"no proxy trusted":         {0, []string{"203.0.113.9"}, "192.0.2.1"},
		"one proxy":                {1, []string{"203.0.113.9"}, "203.0.113.9"},
		"one proxy, spoofed left":  {1, []string{"8.8.8.8, 203.0.113.9"}, "203.0.113.9"},
		"one proxy, spoofed line":  {1, []string{"8.8.8.8", "203.0.113.9"}, "203.0.113.9"},
		"two proxies":              {2, []string{"8.8.8.8, 203.0.113.9, 10.0.0.1"}, "203.0.113.9"},
		"one of two was skipped":   {2, []string{"203.0.113.9"}, "203.0.113.9"},
		"header missing":           {1, nil, "192.0.2.1"},
		"not an address":           {1, []string{"evil\"]"}, "192.0.2.1"},
		"with port and zone":       {1, []string{"[fe80::1%eth0]:99"}, "fe80::1"},
		"IPv4 in IPv6":             {1, []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"other headers are no use": {0, nil, "192.0.2.1"},
	} {
		e := newEdge(Config{TrustedProxies: c.proxies})
		r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
		r.Header["X-Forwarded-For"] = c.forward
		r.Header.Set("X-Real-Ip", "8.8.8.8")
		r.Header.Set("Forwarded", "for=8.8.8.8")
		e.do(r)
		if got := e.line(t)["ip"]; got != c.want {
			t.Errorf("%s: ip = %v, want %s", name, got, c.want)
		}
	}
}

func TestHostThatIsNotOursIsMisdirected(t *testing.T) {
	e := newEdge(Config{Hosts: []string{"auth.example.com"}})
	for host, want := range map[string]int{
		"auth.example.com": 200, "AUTH.example.com:443": 200, "evil.com": 421, "auth.example.com.evil.com": 421,
		"": 421, "auth.example.com:8443": 421, "evil.com#auth.example.com": 421,
	} {
		r := httptest.NewRequest("GET", "/oauth2/authorize", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "auth.example.com")
		if w := e.do(r); w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestUnroutedRequestsGetTheErrorOfTheirPath(t *testing.T) {
	for name, c := range map[string]struct {
		method, target string
		status         int
		kind, allow    string
	}{
		"HEAD of a page":            {"HEAD", "/login/x", 405, "text/html; charset=utf-8", "GET, POST"},
		"PUT of a page":             {"PUT", "/login/x", 405, "text/html; charset=utf-8", "GET, POST"},
		"unknown page":              {"GET", "/nothing", 404, "text/html; charset=utf-8", ""},
		"unknown endpoint":          {"GET", "/oauth2/nothing", 404, "application/json", ""},
		"unknown metadata":          {"GET", "/.well-known/nothing", 404, "application/json", ""},
		"GET of an API":             {"GET", "/oauth2/introspect", 405, "application/json", "POST"},
		"PUT of a Browser route":    {"PUT", "/oauth2/token", 405, "application/json", "OPTIONS, POST"},
		"DELETE of a page":          {"DELETE", "/oauth2/authorize", 405, "text/html; charset=utf-8", "GET"},
		"TRACE":                     {"TRACE", "/oauth2/authorize", 405, "text/html; charset=utf-8", "GET, POST"},
		"foreign OPTIONS of a page": {"OPTIONS", "/oauth2/authorize", 405, "text/html; charset=utf-8", "GET"},
		"two slashes":               {"POST", "/oauth2//token", 404, "application/json", ""},
		"dots":                      {"POST", "/oauth2/x/../token", 404, "application/json", ""},
		"slash at the end":          {"POST", "/oauth2/token/", 404, "application/json", ""},
		"no slash at the end":       {"GET", "/assets", 404, "text/html; charset=utf-8", ""},
		"protocol-relative":         {"GET", "//evil.com/login/x", 404, "text/html; charset=utf-8", ""},
	} {
		e := newEdge(Config{})
		r := httptest.NewRequest(c.method, "/", nil)
		r.URL.Path, r.RequestURI = c.target, c.target
		r.Header.Set("Origin", "https://evil.com")
		w := e.do(r)
		h := w.Header()
		if w.Code != c.status || h.Get("Content-Type") != c.kind || h.Get("Allow") != c.allow || h.Get("Location") != "" {
			t.Errorf("%s: %d %v", name, w.Code, h)
		}
		if open := c.target == "/oauth2/token" && c.status == 405; open != (h.Get("Access-Control-Allow-Origin") == "*") {
			t.Errorf("%s: scripts of other origins may read the errors of Browser routes and no others: %v", name, h)
		}
		e.line(t)
	}
}

func TestAttackHeadThatChangesSomething(t *testing.T) {
	e := newEdge(Config{})
	reached := false
	e.Page("GET /start", func(http.ResponseWriter, *http.Request) error { reached = true; return nil })
	if w := e.do(httptest.NewRequest("HEAD", "/start", nil)); w.Code != 405 || w.Header().Get("Allow") != "GET" || reached {
		t.Errorf("HEAD: %d %v, handler reached %v", w.Code, w.Header(), reached)
	}
	if w := e.do(httptest.NewRequest("HEAD", "/assets/a.css", nil)); w.Code != 200 {
		t.Errorf("HEAD of a file: %d", w.Code)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		r    *http.Request
		want int
	}{
		"64 parameters":         {post("/oauth2/token", parameters(64)), 200},
		"65 parameters":         {post("/oauth2/token", parameters(65)), 413},
		"65 in the query":       {httptest.NewRequest("GET", "/oauth2/authorize?"+parameters(65), nil), 400},
		"64 KB":                 {post("/oauth2/token", "a="+strings.Repeat("x", 64<<10-2)), 200},
		"64 KB and a byte":      {post("/oauth2/token", "a="+strings.Repeat("x", 64<<10-1)), 413},
		"1 MB":                  {post("/oauth2/introspect", "token="+strings.Repeat("x", 1<<20)), 413},
		"1 MB of unknown size":  {chunked(post("/oauth2/token", "token="+strings.Repeat("x", 1<<20))), 413},
		"header over 16 KB":     {withHeader(post("/oauth2/token", ""), "X", strings.Repeat("x", 16<<10)), 431},
		"URL over 16 KB":        {httptest.NewRequest("GET", "/oauth2/authorize?state="+strings.Repeat("x", 16<<10), nil), 431},
		"many headers in all":   {withHeaders(post("/oauth2/token", ""), 2000), 431},
		"1 MB where none reads": {httptest.NewRequest("POST", "/nothing", strings.NewReader(strings.Repeat("x", 1<<20))), 413},
	} {
		if w := newEdge(Config{}).do(c.r); w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

// parameters is a form of n different parameters.
func parameters(n int) string {
	v := url.Values{}
	for i := range n {
		v.Set("p"+strconv.Itoa(i), "1")
	}
	return v.Encode()
}

func chunked(r *http.Request) *http.Request {
	r.ContentLength = -1
	return r
}

func withHeader(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

func withHeaders(r *http.Request, n int) *http.Request {
	for range n {
		r.Header.Add("X", "12345678")
	}
	return r
}

func TestRequestMetricsHaveBoundedLabels(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := newEdge(Config{Registerer: reg})
	e.do(httptest.NewRequest("GET", "/login/log_1?x=y", nil))
	e.do(httptest.NewRequest("GET", "/login/log_2", nil))
	e.do(httptest.NewRequest("HACK", "/some/path", nil))
	w := httptest.NewRecorder()
	Operator(OperatorConfig{Gatherer: reg}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	got := regexp.MustCompile(`(?m)^watchgate_http_requests_total.*$`).FindAllString(w.Body.String(), -1)
	want := []string{
		`watchgate_http_requests_total{method="GET",route="/login/{login}",status="2xx"} 2`,
		`watchgate_http_requests_total{method="other",route="unmatched",status="4xx"} 1`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestOriginIsInTheContext(t *testing.T) {
	e := newEdge(Config{})
	var got origin.Origin
	e.API("GET /o", func(_ http.ResponseWriter, r *http.Request) error {
		got = origin.From(r.Context())
		return Refuse(400, "x", "", nil)
	})
	r := httptest.NewRequest("GET", "/o", nil)
	r.Header.Set("User-Agent", "a\x1b[31mb\u202ec"+strings.Repeat("é", 200))
	w := e.do(r)
	if got.RequestID == "" || got.RequestID != w.Header().Get("X-Request-Id") || got.RequestID != e.line(t)["request_id"] {
		t.Errorf("request id: context %q, header %q", got.RequestID, w.Header().Get("X-Request-Id"))
	}
	if !strings.HasPrefix(got.UserAgent, "a[31mbcéé") || len(got.UserAgent) > maxUserAgent {
		t.Errorf("user agent = %q", got.UserAgent)
	}
}

func TestUserAgentHasNoControlCharacters(t *testing.T) {
	for sent, want := range map[string]string{
		"curl/8.5 (x; y) ~": "curl/8.5 (x; y) ~", "a\x1b[31mb": "a[31mb", "a\tb\nc": "abc", "a\x7fb": "ab", "a\u202eb": "ab", "a\xffb": "ab",
		"é": "é", strings.Repeat("x", 300): strings.Repeat("x", 256), "": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", sent)
		if got := userAgent(r); got != want {
			t.Errorf("%q: %q, want %q", sent, got, want)
		}
	}
}
