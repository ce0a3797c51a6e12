package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const askPath = "/v1/ask"

// remembering is an edge with a route that is answered from memory while knows is
// true, and how often memory was asked.
type remembering struct {
	edge
	knows  atomic.Bool
	asked  atomic.Int32
	answer string
}

func newRemembering(cfg Config) *remembering {
	m := &remembering{edge: newEdge(cfg), answer: `{"active":true}`}
	m.knows.Store(true)
	m.APIQuick("POST "+askPath, func(_ *http.Request, body []byte) (QuickAnswer, bool) {
		m.asked.Add(1)
		return QuickAnswer{Body: []byte(m.answer), Caller: "rs_1", Tenant: "ten_1"}, m.knows.Load() && string(body) != "a=%"
	}, m.usual)
	return m
}

// usual gives the same answer, as a handler does. What it read is in the log.
func (m *remembering) usual(w http.ResponseWriter, r *http.Request) error {
	f, err := ReadForm(w, r)
	if err != nil {
		return err
	}
	Annotate(r.Context(), "resource_server", "rs_1")
	Annotate(r.Context(), "tenant_id", "ten_1")
	w.Header().Set("X-Read", f.Get("token"))
	if f.Get("token") == "" {
		w.Header().Del("X-Read")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", fmt.Sprint(len(m.answer)))
	_, _ = io.WriteString(w, m.answer)
	return nil
}

func TestAnswerFromMemoryIsThatOfTheUsualWay(t *testing.T) {
	for _, cfg := range []Config{{}, {HTTPS: true, Hosts: []string{"example.com"}}} {
		for _, answer := range []string{"{}", `{"active":true}`, strings.Repeat("x", 2047), strings.Repeat("x", 5000)} {
			m := newRemembering(cfg)
			m.answer = answer
			quick := m.do(post(askPath, "a=1"))
			if m.asked.Load() != 1 || m.log.Len() > 0 {
				t.Fatalf("asked %d times, log %s", m.asked.Load(), m.log)
			}
			m.knows.Store(false)
			usual := m.do(post(askPath, "a=1"))
			if quick.Code != usual.Code || quick.Body.String() != usual.Body.String() {
				t.Errorf("%d %s, usually %d %s", quick.Code, quick.Body, usual.Code, usual.Body)
			}
			if d := cmp.Diff(usual.Header(), quick.Header()); d != "" {
				t.Error(d)
			}
		}
	}
}

// Nothing that the edge looks at is passed by: what is unusual takes the usual
// way, with the outcome that it has there.
func TestAttackPastTheEdgeThroughMemory(t *testing.T) {
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s))
		}
	}
	const form = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   int
	}{
		"usual":                       {func(*http.Request) {}, 0},
		"wants JSON":                  {set("Accept", "application/json"), 0},
		"wants anything":              {set("Accept", "*/*"), 0},
		"4 KB":                        {body("a=" + strings.Repeat("x", 4094)), 0},
		"foreign host":                {func(r *http.Request) { r.Host = "evil.com" }, 421},
		"no host":                     {func(r *http.Request) { r.Host = "" }, 421},
		"host in another spelling":    {func(r *http.Request) { r.Host = "EXAMPLE.com:443" }, 200},
		"header over 16 KB":           {set("X", strings.Repeat("x", 16<<10)), 431},
		"many headers over 16 KB":     {set("X", strings.Split(strings.Repeat("12345678 ", 2000), " ")...), 431},
		"long names over 16 KB":       {set("X"+strings.Repeat("x", 1000), make([]string, 20)...), 431},
		"over 4 KB":                   {body("a=" + strings.Repeat("x", 4095)), 200},
		"over the edge's limit":       {body("a=" + strings.Repeat("x", 5000)), 413},
		"over a small limit":          {body("a=" + strings.Repeat("x", 300)), 413},
		"no body":                     {body(""), 200},
		"length unknown":              {func(r *http.Request) { r.ContentLength = -1 }, 200},
		"length understated":          {func(r *http.Request) { r.ContentLength = 2 }, 200},
		"length overstated":           {func(r *http.Request) { r.ContentLength = 200 }, 200},
		"chunked":                     {func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, 200},
		"query":                       {func(r *http.Request) { r.URL.RawQuery = "a=1" }, 400},
		"empty query":                 {func(r *http.Request) { r.URL.ForceQuery = true }, 400},
		"65 parameters in the query":  {func(r *http.Request) { r.URL.RawQuery = parameters(65) }, 400},
		"path escaped":                {func(r *http.Request) { r.URL.RawPath = "/v1/%61sk" }, 200},
		"slash escaped":               {func(r *http.Request) { r.URL.RawPath = "/v1%2fask" }, 404},
		"other path":                  {func(r *http.Request) { r.URL.Path = askPath + "/" }, 404},
		"GET":                         {func(r *http.Request) { r.Method = "GET" }, 405},
		"TRACE":                       {func(r *http.Request) { r.Method = "TRACE" }, 405},
		"no type":                     {func(r *http.Request) { r.Header.Del("Content-Type") }, 400},
		"JSON":                        {set("Content-Type", "application/json"), 400},
		"type with a charset":         {set("Content-Type", form+"; charset=utf-8"), 200},
		"two types":                   {set("Content-Type", form, form), 400},
		"two types, different":        {set("Content-Type", form, "application/json"), 400},
		"compressed":                  {set("Content-Encoding", "gzip"), 400},
		"expects":                     {set("Expect", "100-continue"), 200},
		"wants a JWT":                 {set("Accept", "application/token-introspection+jwt"), 200},
		"wants JSON or a JWT":         {set("Accept", "application/json, application/token-introspection+jwt"), 200},
		"wants JSON and then a JWT":   {set("Accept", "application/json", "application/token-introspection+jwt"), 200},
		"form that nobody can decode": {body("a=%"), 400},
	} {
		m := newRemembering(Config{Hosts: []string{"example.com"}})
		switch name {
		case "over the edge's limit", "4 KB":
			m.cfg.MaxBody = 4096
		case "over a small limit":
			m.cfg.MaxBody = 300
		}
		r := post(askPath, "a=1")
		r.Host = "example.com"
		c.change(r)
		w := m.do(r)
		if c.want == 0 && (w.Code != 200 || m.asked.Load() != 1 || m.log.Len() > 0) {
			t.Errorf("%s: %d, asked %d times, want an answer from memory", name, w.Code, m.asked.Load())
		}
		if known := m.asked.Load() > 0 && name != "form that nobody can decode"; c.want != 0 && (w.Code != c.want || known) {
			t.Errorf("%s: %d, asked %d times, want %d and no question", name, w.Code, m.asked.Load(), c.want)
		}
	}
}

// A body that was read for memory is still there for the handler, whatever other
// requests do in the meantime.
func TestBodyIsWholeOnTheUsualWay(t *testing.T) {
	m := NewMux(Config{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	m.APIQuick("POST "+askPath, func(_ *http.Request, body []byte) (QuickAnswer, bool) {
		return QuickAnswer{Body: []byte("{}")}, bytes.HasPrefix(body, []byte("token=known"))
	}, func(w http.ResponseWriter, r *http.Request) error {
		begun <- struct{}{}
		<-goOn
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		return WriteJSON(w, 200, string(body))
	})
	var clients sync.WaitGroup
	const slow = 8
	for i := range slow {
		clients.Go(func() {
			body := fmt.Sprintf("token=%d&%s", i, strings.Repeat("x", 4000))
			w := httptest.NewRecorder()
			m.ServeHTTP(w, post(askPath, body))
			if w.Code != 200 || w.Body.String() != `"`+body+`"` {
				t.Errorf("%d: %d %.40s", i, w.Code, w.Body)
			}
		})
	}
	for range slow {
		<-begun
	}
	for range 100 {
		m.ServeHTTP(httptest.NewRecorder(), post(askPath, "token=known"+strings.Repeat("y", 4000)))
	}
	close(goOn)
	clients.Wait()
}

// The paths are such that people would read the errors, were there no handler.
func TestPanicInMemoryIsAnsweredAsAHandlersIs(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := newEdge(Config{Registerer: reg, HTTPS: true})
	boom := func() { panic("INTERNAL text") }
	e.APIQuick("POST /ask", func(*http.Request, []byte) (QuickAnswer, bool) { boom(); return QuickAnswer{}, true }, readAll)
	e.API("POST /panics", func(http.ResponseWriter, *http.Request) error { boom(); return nil })
	quick := e.do(post("/ask", "a=1"))
	line := e.line(t)
	if stack, _ := line["stack"].(string); !strings.Contains(stack, "quick_test.go") || line["cause"] != "panic: INTERNAL text" ||
		line["level"] != "ERROR" || line["route"] != "/ask" || line["request_id"] != quick.Header().Get("X-Request-Id") {
		t.Errorf("log line = %v", line)
	}
	usual := e.do(post("/panics", "a=1"))
	quick.Header().Del("X-Request-Id")
	usual.Header().Del("X-Request-Id")
	if d := cmp.Diff(usual.Header(), quick.Header()); d != "" || quick.Code != 500 || quick.Body.String() != usual.Body.String() {
		t.Errorf("%d %s %s", quick.Code, quick.Body, d)
	}
	if got, want := counted(t, reg), `{method="POST",route="/ask",status="5xx"} 1`; !strings.Contains(got, want) {
		t.Errorf("metrics:\n%s", got)
	}
}

func TestMemoryThatAbortsCutsTheConnection(t *testing.T) {
	e := newEdge(Config{})
	e.APIQuick("POST "+askPath, func(*http.Request, []byte) (QuickAnswer, bool) { panic(http.ErrAbortHandler) }, readAll)
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v, want ErrAbortHandler", v)
		}
		e.line(t)
	}()
	e.do(post(askPath, "a=1"))
}

// counted are the request metrics.
func counted(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	Operator(OperatorConfig{Gatherer: reg}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return strings.Join(regexp.MustCompile(`(?m)^watchgate_http_request(s_total|_seconds_count).*$`).FindAllString(w.Body.String(), -1), "\n")
}

func TestAnswersFromMemoryAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newRemembering(Config{Registerer: reg})
	for range 3 {
		m.do(post(askPath, "a=1"))
	}
	m.knows.Store(false)
	m.do(post(askPath, "a=1"))
	m.do(post(askPath, "a=%"))
	want := `watchgate_http_request_seconds_count{route="/v1/ask"} 5
watchgate_http_requests_total{method="POST",route="/v1/ask",status="2xx"} 4
watchgate_http_requests_total{method="POST",route="/v1/ask",status="4xx"} 1`
	if d := cmp.Diff(want, counted(t, reg)); d != "" {
		t.Error(d)
	}
}

func TestLogQuickWritesTheUsualLine(t *testing.T) {
	m := newRemembering(Config{LogQuick: true, TrustedProxies: 1})
	line := func() map[string]any {
		m.log.Reset()
		r := post(askPath, "a=1&token=SECRET")
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		m.do(r)
		got := m.line(t)
		if id, _ := got["request_id"].(string); len(id) != 16 {
			t.Errorf("request_id = %q", id)
		}
		for _, k := range []string{"time", "request_id", "duration_ms"} {
			if got[k] == nil {
				t.Errorf("no %s: %v", k, got)
			}
			delete(got, k)
		}
		return got
	}
	quick := line()
	m.knows.Store(false)
	if d := cmp.Diff(line(), quick); d != "" || quick["ip"] != "203.0.113.9" || quick["tenant_id"] != "ten_1" {
		t.Errorf("%v: %s", quick, d)
	}
}

func TestLineSaysOnlyWhatIsKnown(t *testing.T) {
	e := newEdge(Config{LogQuick: true})
	e.APIQuick("POST "+askPath, func(*http.Request, []byte) (QuickAnswer, bool) { return QuickAnswer{Body: []byte("{}")}, true }, readAll)
	e.do(post(askPath, "a=1"))
	line := e.line(t)
	if _, ok := line["resource_server"]; ok || len(line) != 10 {
		t.Errorf("%v", line)
	}
}

func TestQuickRouteIsAPlainPost(t *testing.T) {
	for _, pattern := range []string{"GET /x", "/x", "POST /x/{id}", "POST /x/", "POST /x//y", "POST example.com/x"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is taken", pattern)
				}
			}()
			NewMux(Config{}).APIQuick(pattern, nil, readAll)
		}()
	}
}

func TestAnswerFromMemoryCostsFewAllocations(t *testing.T) {
	m := NewMux(Config{Registerer: prometheus.NewRegistry(), HTTPS: true})
	answer := QuickAnswer{Body: []byte(`{"active":true}`)}
	m.APIQuick("POST "+askPath, func(*http.Request, []byte) (QuickAnswer, bool) { return answer, true }, readAll)
	r, body, w := post(askPath, benchForm), &rewound{}, &discarded{http.Header{}}
	r.Body = body
	if n := testing.AllocsPerRun(100, func() {
		body.Reset(benchForm)
		m.ServeHTTP(w, r)
	}); n > 3 {
		t.Errorf("%v allocations", n)
	}
}

// What memory left of a body is read by whoever reads next, errors included.
func TestReadAgainEndsAsTheBodyDid(t *testing.T) {
	r := post(askPath, "")
	r.ContentLength = 10
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("a=1"), broken{}))
	m := newRemembering(Config{})
	w := m.do(r)
	var said struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 400 || said.Error != "invalid_request" {
		t.Errorf("%d %s %v", w.Code, w.Body, err)
	}
	if m.asked.Load() != 0 || m.line(t)["cause"] != context.DeadlineExceeded.Error() {
		t.Errorf("asked %d times: %v", m.asked.Load(), m.log)
	}
}

// broken is a connection that ended in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, context.DeadlineExceeded }

func TestBodyThatIsLongerThanAnnouncedIsReadToItsEnd(t *testing.T) {
	m := newRemembering(Config{})
	r := post(askPath, "a=1&token="+strings.Repeat("x", 9000))
	r.ContentLength = 2
	if w := m.do(r); w.Code != 200 || len(w.Header().Get("X-Read")) != 9000 || m.asked.Load() != 0 {
		t.Errorf("%d, %d bytes read, asked %d times", w.Code, len(w.Header().Get("X-Read")), m.asked.Load())
	}
}
