package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
)

// raw sends bytes that no client library would, and returns the answers up to the
// server's end of the connection.
func raw(t *testing.T, address, request string) []answer {
	t.Helper()
	conn := must[net.Conn](t)(net.Dial("tcp", address))
	defer conn.Close()
	noError(t, conn.SetDeadline(time.Now().Add(patience)))
	// A server that has seen enough may close before the last byte.
	_, _ = io.WriteString(conn, request)
	var out []answer
	for read := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(read, nil)
		if err != nil {
			return out
		}
		body, err := io.ReadAll(res.Body)
		out = append(out, answer{res.StatusCode, res.Header, string(body)})
		if err != nil || res.Close {
			return out
		}
	}
}

// TestMalformedHTTPIsRefused is request smuggling and what else clients of the
// kind do not send. Each is refused, once, and nothing that was smuggled is
// answered.
func TestMalformedHTTPIsRefused(t *testing.T) {
	for engine, database := range map[string]string{"SQLite": onSQLite(t), "PostgreSQL": pgtest.Database(t)} {
		t.Run(engine, func(t *testing.T) { checkMalformedHTTP(t, newSite(t, database)) })
	}
}

func checkMalformedHTTP(t *testing.T, s *site) {
	t.Helper()
	f, node := s.only(t)
	host := strings.TrimPrefix(s.Issuer, "http://")
	form := "Content-Type: application/x-www-form-urlencoded\r\n"
	post := func(headers, body string) string {
		return fmt.Sprintf("POST /oauth2/token HTTP/1.1\r\nHost: %s\r\n%s%s\r\n%s", host, form, headers, body)
	}
	get := func(target, headers string) string {
		return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", target, host, headers)
	}
	smuggled := get("/.well-known/jwks.json", "")
	for name, request := range map[string]string{
		"both lengths":             post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled),
		"two lengths":              post("Content-Length: 3\r\nContent-Length: 30\r\n", "a=b"+smuggled),
		"a negative length":        post("Content-Length: -1\r\n", smuggled),
		"a length that is none":    post("Content-Length: 3x\r\n", "a=b"+smuggled),
		"an unknown encoding":      post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+smuggled),
		"two encodings":            post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"+smuggled),
		"a chunk without a size":   post("Transfer-Encoding: chunked\r\n", "zz\r\n\r\n"+smuggled),
		"a space before the colon": post("Content-Length : 3\r\n", "a=b"+smuggled),
		"a bare CR in a header":    get("/.well-known/jwks.json", "X: a\rY: b\r\n"),
		"a NUL in a header":        get("/.well-known/jwks.json", "X: a\x00b\r\n"),
		"a header without a name":  get("/.well-known/jwks.json", ": b\r\n"),
		"no host":                  "GET /oauth2/authorize HTTP/1.1\r\n\r\n",
		"two hosts":                fmt.Sprintf("GET /oauth2/authorize HTTP/1.1\r\nHost: %s\r\nHost: evil.test\r\n\r\n", host),
		"a foreign host":           "GET /oauth2/authorize HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
		"a foreign absolute URL":   "GET http://evil.test/oauth2/authorize HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n",
		"a tunnel":                 "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\nConnection: close\r\n\r\n",
		"TRACE":                    "TRACE / HTTP/1.1\r\nHost: " + host + "\r\nCookie: secret=trace\r\nConnection: close\r\n\r\n",
		"a method that is none":    "G\x01T / HTTP/1.1\r\nHost: " + host + "\r\n\r\n",
		"another protocol":         "SSH-2.0-OpenSSH_9.9\r\n\r\n",
		"a bad escape in the path": get("/login/%zz", ""),
		"a NUL in the path":        get("/login/%00", ""),
		"no UTF-8 in the path":     get("/login/%ff%fe", ""),
		"a path out":               get("/assets/../../../../etc/passwd", ""),
		"an escaped path out":      get("/assets/..%2f..%2f..%2fetc%2fpasswd", ""),
		"a NUL in a connection":    get("/login/callback/%00?state=log_x.y", ""),
		"no UTF-8 in a page":       get("/login/x/%ff", ""),
		"two slashes":              get("//evil.test/login", ""),
		"a backslash":              get(`/\evil.test`, ""),
		"a long target":            get("/oauth2/authorize?x="+strings.Repeat("y", 20<<10), ""),
		"a long header":            get("/oauth2/authorize", "X: "+strings.Repeat("y", 20<<10)+"\r\n"),
		"a megabyte of headers":    get("/oauth2/authorize", strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 1000)),
		"bad escapes in the query": get("/oauth2/authorize?client_id=%zz&%ff=%00", ""),
		"ANSI and quotes":          get("/nothing", "User-Agent: \x1b[31m\"]\\n{\"level\":\"ERROR\"}\r\nReferer: \x1b]0;x\x07\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			answers := raw(t, host, request)
			if len(answers) != 1 {
				t.Fatalf("%d answers: %v", len(answers), answers)
			}
			a := answers[0]
			if a.status < 400 || a.status >= 500 && a.status != http.StatusNotImplemented && a.status != http.StatusHTTPVersionNotSupported {
				t.Errorf("answer = %s", a)
			}
			if a.tells() != "" || strings.Contains(a.body, "secret=trace") || strings.Contains(a.body, "\x1b") || a.header.Get("Location") != "" {
				t.Errorf("answer = %s %v", a, a.header)
			}
		})
	}
	if !f.isActive(t, s.api, f.machineToken(t, s.machine["acme"])) {
		t.Error("no service after all that")
	}
	if strings.Contains(node.Output(), "panic") || strings.Contains(node.Output(), "\x1b") {
		t.Errorf("the log has a panic, or what controls terminals:\n%s", node.Output())
	}
}

// TestSlowRequestsDoNotHoldTheServer opens connections that never finish their
// request: others are served meanwhile.
func TestSlowRequestsDoNotHoldTheServer(t *testing.T) {
	s := newSite(t, onSQLite(t))
	f, _ := s.only(t)
	for range 200 {
		conn := must[net.Conn](t)(net.Dial("tcp", strings.TrimPrefix(s.Issuer, "http://")))
		defer conn.Close()
		must[int](t)(io.WriteString(conn, "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Le"))
	}
	if !f.isActive(t, s.api, f.machineToken(t, s.machine["acme"])) {
		t.Error("not served")
	}
}
