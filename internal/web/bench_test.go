package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	benchForm   = "token=wgat_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJK&scope=checks%3Aread"
	benchAnswer = `{"active":true,"scope":"checks:read checks:write","client_id":"app_01hzzzzzzzzzzzzzzzzzzzzzzz","username":"alice@acme.test",` +
		`"token_type":"Bearer","exp":1800000000,"iat":1799999000,"nbf":1799999000,"sub":"usr_01hzzzzzzzzzzzzzzzzzzzzzzz","aud":"https://api.test",` +
		`"iss":"https://auth.test","jti":"tok_01hzzzzzzzzzzzzzzzzzzzzzzz","tenant_id":"ten_01hzzzzzzzzzzzzzzzzzzzzzzz","tenant":"acme"}`
)

// bare is the handler that the edge is compared with.
func bare() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/introspect", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("token") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = io.WriteString(w, benchAnswer)
	})
	return mux
}

func newBenched(logQuick bool) *Mux {
	return NewMux(Config{
		Registerer: prometheus.NewRegistry(), HTTPS: true, Hosts: []string{"auth.test"},
		LogQuick: logQuick, Log: NewLog(io.Discard, slog.LevelInfo),
	})
}

// edgeWith is an edge with one route, which is answered from memory or not.
func edgeWith(fromMemory, log bool) http.Handler {
	m, answer := newBenched(log), []byte(benchAnswer)
	m.APIQuick("POST /oauth2/introspect", func(_ *http.Request, body []byte) (QuickAnswer, bool) {
		return QuickAnswer{Body: answer, Caller: "rs_1", Tenant: "ten_1"}, fromMemory && bytes.HasPrefix(body, []byte("token="))
	}, benchHandler)
	return m
}

// plainEdge is an edge with one route that is never answered from memory.
func plainEdge() http.Handler {
	m := newBenched(false)
	m.API("POST /oauth2/introspect", benchHandler)
	return m
}

func benchHandler(w http.ResponseWriter, r *http.Request) error {
	form, err := ReadForm(w, r)
	if err != nil || form.Get("token") == "" {
		return invalid("No token.")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(benchAnswer)))
	_, _ = io.WriteString(w, benchAnswer)
	return nil
}

var benched = []struct {
	name string
	new  func() http.Handler
}{
	{"bare", bare},
	{"quick", func() http.Handler { return edgeWith(true, false) }},
	{"quick with log", func() http.Handler { return edgeWith(true, true) }},
	{"not in memory", func() http.Handler { return edgeWith(false, false) }},
	{"API", plainEdge},
}

// discarded is an answer that nobody reads.
type discarded struct{ h http.Header }

func (d *discarded) Header() http.Header         { return d.h }
func (d *discarded) WriteHeader(int)             {}
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }

// rewound is a body that can be read again.
type rewound struct{ strings.Reader }

func (r *rewound) Close() error { return nil }

// Read says with the last bytes that they are the last, as net/http's bodies do.
func (r *rewound) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == nil && r.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

// BenchmarkBelowNetHTTP is what a handler costs without the server around it.
func BenchmarkBelowNetHTTP(b *testing.B) {
	for _, c := range benched {
		b.Run(c.name, func(b *testing.B) {
			h, body := c.new(), &rewound{}
			r := post("/oauth2/introspect", benchForm)
			r.Host, r.RemoteAddr = "auth.test", "127.0.0.1:4711"
			r.Header.Set("Authorization", "Basic YXBpOnNlY3JldA==")
			w := &discarded{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(benchForm)
				one := *r
				one.Body = body
				clear(w.h)
				h.ServeHTTP(w, &one)
			}
		})
	}
}

// BenchmarkOnTheWire is what a request costs server and client together, over
// connections that stay open.
func BenchmarkOnTheWire(b *testing.B) {
	for _, c := range benched {
		b.Run(c.name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := NewServer(c.new(), slog.New(slog.DiscardHandler))
			go srv.Serve(l)
			defer srv.Close()
			request := fmt.Appendf(nil, "POST /oauth2/introspect HTTP/1.1\r\nHost: auth.test\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
				"Authorization: Basic YXBpOnNlY3JldA==\r\nContent-Length: %d\r\n\r\n%s", len(benchForm), benchForm)
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) { converse(b, l.Addr().String(), request, pb) })
		})
	}
}

// converse puts the same question as long as it is asked to.
func converse(b *testing.B, addr string, request []byte, pb *testing.PB) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for pb.Next() {
		if _, err := conn.Write(request); err != nil {
			b.Error(err)
			return
		}
		if err := skipAnswer(in); err != nil {
			b.Error(err)
			return
		}
	}
}

// skipAnswer reads a 200 that says its length.
func skipAnswer(in *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return fmt.Errorf("answer %q", line)
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			length, _ = strconv.Atoi(string(value))
		}
		if len(line) == 0 {
			_, err := in.Discard(length)
			return err
		}
	}
}
