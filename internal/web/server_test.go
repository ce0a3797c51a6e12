package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestShutdownFinishesWhatItBegan(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	begun, finish := make(chan struct{}), make(chan struct{})
	l := listen(t)
	srv := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "whole")
	}), slog.New(slog.DiscardHandler))
	stopping := make(chan struct{})
	srv.RegisterOnShutdown(func() { close(stopping) })
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, time.Minute, Listening{srv, l}) }()
	body := make(chan string, 1)
	go func() { body <- fetch("http://" + l.Addr().String()) }()
	<-begun
	stop()
	<-stopping
	close(finish)
	if got := <-body; got != "whole" {
		t.Errorf("the answer that was on its way: %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

func fetch(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestShutdownIsBounded(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	begun := make(chan struct{})
	l := listen(t)
	srv := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done() // ends only when the connection is cut
	}), slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, time.Millisecond, Listening{srv, l}) }()
	go fetch("http://" + l.Addr().String())
	<-begun
	stop()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v, want DeadlineExceeded", err)
	}
}

func TestOneFailingServerEndsAll(t *testing.T) {
	broken, fine := listen(t), listen(t)
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	err := Run(context.Background(), time.Minute,
		Listening{NewServer(http.NotFoundHandler(), log), fine}, Listening{NewServer(http.NotFoundHandler(), log), broken})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run: %v, want net.ErrClosed", err)
	}
	if _, err := net.Dial("tcp", fine.Addr().String()); err == nil {
		t.Error("the other listener is still open")
	}
}

func TestServerLimitsWhatItReadsBeforeTheEdge(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.MaxHeaderBytes+goSlack != 16<<10 {
		t.Errorf("headers of %d bytes are read", s.MaxHeaderBytes+goSlack)
	}
	for name, d := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout,
	} {
		if d <= 0 {
			t.Errorf("no %s", name)
		}
	}
}

func TestHugeHeaderAndSmugglingOnTheWire(t *testing.T) {
	l := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	e := newEdge(Config{})
	go func() { ended <- Run(ctx, time.Minute, Listening{NewServer(e, slog.New(slog.DiscardHandler)), l}) }()
	const start = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
	for name, c := range map[string]struct{ request, want string }{
		"header over 16 KB":          {start + "X: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", "431"},
		"both lengths":               {start + "Content-Length: 3\r\nContent-Length: 4\r\n\r\na=1", "400"},
		"unknown transfer encoding":  {start + "Transfer-Encoding: xchunked\r\n\r\na=1", "501"},
		"bare LF in a header name":   {start + "X\n: y\r\n\r\n", "400"},
		"NUL in a header":            {start + "X: a\x00b\r\n\r\n", "400"},
		"two Host":                   {start + "Host: y\r\n\r\n", "400"},
		"length beside the encoding": {start + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", "200"}, // RFC 9112 6.3: chunked wins, the connection closes
	} {
		if got := raw(t, l.Addr().String(), c.request); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// raw sends bytes and returns the status of the one answer.
func raw(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) < 12 {
		t.Fatal(err)
	}
	if n := strings.Count(string(answer), "HTTP/1.1 "); n != 1 {
		t.Errorf("%d answers", n)
	}
	return string(answer)[9:12]
}

func TestOperatorsPort(t *testing.T) {
	reg := prometheus.NewRegistry()
	newMetrics(reg).observe("/r", "GET", 200, time.Second)
	var storeError error
	h := Operator(OperatorConfig{Gatherer: reg, Ready: map[string]func(context.Context) error{
		"store": func(context.Context) error { return storeError },
		"keys":  func(context.Context) error { return nil },
	}})
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/readyz"); code != 200 || body != `{"status":"ok"}` {
		t.Errorf("/readyz: %d %s", code, body)
	}
	storeError = errors.New("password=SECRET is wrong")
	if code, body := get("/readyz"); code != 503 || body != `{"status":"unavailable","failing":["store"]}` {
		t.Errorf("/readyz without a store: %d %s", code, body)
	}
	if code, body := get("/healthz"); code != 200 || body != `{"status":"ok"}` {
		t.Errorf("/healthz without a store: %d %s", code, body)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, `watchgate_http_requests_total{method="GET",route="/r",status="2xx"} 1`) {
		t.Errorf("/metrics: %d %s", code, body)
	}
}
