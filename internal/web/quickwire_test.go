package web

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serve runs a server until the test ends, and returns its address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l := listen(t)
	srv := NewServer(h, slog.New(slog.DiscardHandler))
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

var date = regexp.MustCompile(`Date: [^\r]*\r\n`)

// exchanged sends bytes and returns what comes back until the server closes,
// without dates.
func exchanged(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		t.Fatal(err)
	}
	return date.ReplaceAllString(string(answer), "")
}

// What clients see on the wire is the same byte for byte, whichever way a request
// takes, on a connection that stays open, too.
func TestWireIsTheSameEitherWay(t *testing.T) {
	const start = "POST " + askPath + " HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	whole, last := start+"Content-Length: 3\r\n\r\na=1", start+"Connection: close\r\nContent-Length: 3\r\n\r\na=1"
	for name, request := range map[string]string{
		"one":                 last,
		"one after the other": whole + whole + last,
		"HTTP/1.0":            strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1),
		"HTTP/1.0 kept alive": strings.Replace(strings.Replace(whole, "HTTP/1.1", "HTTP/1.0", 1), "Host", "Connection: keep-alive\r\nHost", 1),
		"body is too short":   start + "Content-Length: 30\r\n\r\na=1",
		"more than announced": start + "Content-Length: 3\r\nConnection: close\r\n\r\na=1b=2",
		"expects":             start + "Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\na=1",
		"chunked":             start + "Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n",
		"absolute":            strings.Replace(last, askPath, "http://example.com"+askPath, 1),
		"escaped":             strings.Replace(last, askPath, "/v1/%61sk", 1),
		"escaped slash":       strings.Replace(last, askPath, "/v1%2Fask", 1),
		"other host":          strings.Replace(last, "example.com", "evil.test", 1),
		"HEAD":                strings.Replace(last, "POST", "HEAD", 1),
	} {
		m := newRemembering(Config{HTTPS: true, Hosts: []string{"example.com"}})
		addr := serve(t, noIDs(m))
		quick := exchanged(t, addr, request)
		m.knows.Store(false)
		if d := cmp.Diff(exchanged(t, addr, request), quick); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if m.asked.Load()%2 != 0 {
			t.Errorf("%s: memory was asked %d times in two rounds", name, m.asked.Load())
		}
	}
}

// noIDs takes out of answers what is random.
func noIDs(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(withoutID{w}, r) })
}

type withoutID struct{ http.ResponseWriter }

func (w withoutID) WriteHeader(status int) {
	w.Header().Del("X-Request-Id")
	w.ResponseWriter.WriteHeader(status)
}

func TestHTTP2IsAnsweredFromMemory(t *testing.T) {
	m := newRemembering(Config{HTTPS: true})
	srv := httptest.NewUnstartedServer(m)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	get := func() (string, http.Header) {
		res, err := srv.Client().Post(srv.URL+askPath, "application/x-www-form-urlencoded", strings.NewReader("token=t"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.ProtoMajor != 2 {
			t.Fatal(res.Proto, err)
		}
		res.Header.Del("Date")
		return res.Status + string(body), res.Header
	}
	quick, quickHeader := get()
	m.knows.Store(false)
	usual, usualHeader := get()
	if usualHeader.Get("X-Read") != "t" || m.asked.Load() != 2 {
		t.Errorf("asked %d times, read %q", m.asked.Load(), usualHeader.Get("X-Read"))
	}
	usualHeader.Del("X-Read")
	if d := cmp.Diff(usualHeader, quickHeader); d != "" || quick != usual {
		t.Errorf("%s, usually %s: %s", quick, usual, d)
	}
}

// A client that has not sent its whole body waits for nobody else, and is asked
// for the rest in the usual way.
func TestExpectationIsMetBeforeTheBodyIsSent(t *testing.T) {
	c, err := net.Dial("tcp", serve(t, newRemembering(Config{})))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", askPath)
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 100 {
		t.Fatal(res, err)
	}
	fmt.Fprint(c, "a=1")
	if res, err = http.ReadResponse(in, nil); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	res.Body.Close()
}
