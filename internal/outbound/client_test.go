package outbound

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

var dev = Config{AllowLoopbackHTTP: true}

// site serves h on 127.0.0.1 and counts the requests.
type site struct {
	*httptest.Server
	hits atomic.Int64
	last http.Header
}

func serve(t *testing.T, h http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		s.last = r.Header.Clone()
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

func TestURLsThatAreRefusedWithoutAConnection(t *testing.T) {
	s := serve(t, say("{}"))
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, url := range []string{
		"http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1/", "https://user:pw@example.com/",
		"https://user@127.0.0.1/", "https://example.com:8443/", "https://example.com:22/", "https:///x", "https:example.com", "//example.com/", "",
		"http://localhost" + port, "https://localhost" + port, "http://127.0.0.1.example.com" + port, "http://0.0.0.0" + port,
		"http://2130706433" + port, "http://0x7f.1" + port, "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/",
		"http://[::ffff:10.0.0.1]/", "http://[fe80::1%25lo]/",
	} {
		for name, c := range map[string]*Client{"production": New(Config{}), "development": New(dev)} {
			if _, err := c.Get(context.Background(), url, 100); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %s: %v, want ErrRefused", name, url, err)
			}
		}
	}
	if n := s.hits.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

func TestLoopbackOnlyInDevelopment(t *testing.T) {
	s := serve(t, say(`{"ok":true}`))
	if _, err := New(Config{}).Get(context.Background(), s.URL, 100); !errors.Is(err, ErrRefused) {
		t.Errorf("production: %v, want ErrRefused", err)
	}
	body, err := New(dev).Get(context.Background(), s.URL, 100, "application/json")
	if err != nil || string(body) != `{"ok":true}` {
		t.Errorf("development: %s, %v", body, err)
	}
}

func TestLiteralInternalAddressIsRefusedByTheDialer(t *testing.T) {
	for _, host := range []string{"10.0.0.1", "169.254.169.254", "127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "[fd00::1]", "0.0.0.0", "[::]"} {
		if _, err := New(Config{}).Get(context.Background(), "https://"+host+"/", 100); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", host, err)
		}
	}
}

func TestOwnPublicAddressesCanBeDenied(t *testing.T) {
	c := New(Config{Deny: []netip.Prefix{netip.MustParsePrefix("1.1.1.0/24")}})
	for address, want := range map[string]bool{"1.1.1.1:443": false, "[::ffff:1.1.1.1]:443": false, "1.1.2.1:443": true, "nonsense": false} {
		if err := c.public(context.Background(), "tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// names is a name server that gives a name another address each time.
func names(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 512)
		for turn := 0; ; {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				ip := netip.MustParseAddr(answers[turn%len(answers)]).As4()
				turn++
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: ip},
				}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func TestNameThatResolvesToAnInternalAddress(t *testing.T) {
	s := serve(t, say("{}"))
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for name, cfg := range map[string]Config{"production": {}, "development": dev} {
		for _, ip := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1"} {
			c := New(cfg)
			c.ports[port] = true
			c.dialer.Resolver = names(t, ip)
			_, err := c.Get(context.Background(), "https://rebind.test:"+port+"/", 100)
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%s, %s: %v, want ErrRefused", name, ip, err)
			}
		}
	}
	if s.hits.Load() != 0 {
		t.Error("a request came through")
	}
}

// TestDNSRebinding: the name is public when first asked and internal when it is
// asked again. The dialer judges the address that it connects to, so that no
// earlier answer counts.
func TestDNSRebinding(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan struct{}, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
			accepted <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c := New(Config{})
	c.ports[port] = true
	resolver := names(t, "1.1.1.1", "127.0.0.1")
	first, err := resolver.LookupNetIP(context.Background(), "ip4", "rebind.test")
	if err != nil || !Public(first[0]) {
		t.Fatalf("the first answer: %v, %v", first, err)
	}
	c.dialer.Resolver = resolver
	if _, err := c.Get(context.Background(), "https://rebind.test:"+port+"/", 100); !errors.Is(err, ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
	select {
	case <-accepted:
		t.Error("a connection was made")
	default:
	}
}

func TestRedirects(t *testing.T) {
	target := serve(t, say("there"))
	to := ""
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) })
	get := func(redirects int) (string, error) {
		req, _ := http.NewRequest("GET", s.URL, nil)
		req.Header.Set("Authorization", "Bearer MARKER")
		resp, err := New(dev).HTTP(100, redirects).Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	to = target.URL
	if _, err := get(0); !errors.Is(err, ErrRefused) || target.hits.Load() != 0 {
		t.Errorf("a redirect is followed by default: %v", err)
	}
	if body, err := get(1); err != nil || body != "there" {
		t.Errorf("an allowed redirect: %q, %v", body, err)
	}
	if target.last.Get("Authorization") != "" || target.last.Get("Referer") != "" {
		t.Errorf("credentials are sent again: %v", target.last)
	}
	for _, bad := range []string{"http://10.0.0.1/", "http://169.254.169.254/", "https://10.0.0.1/", "http://localhost" + target.URL[16:], "file:///etc/passwd", s.URL} {
		before := target.hits.Load()
		to = bad
		if _, err := get(3); !errors.Is(err, ErrRefused) || target.hits.Load() != before {
			t.Errorf("redirect to %s: %v, want ErrRefused", bad, err)
		}
	}
}

func TestRedirectFromHTTPSToHTTP(t *testing.T) {
	plain := serve(t, say("{}"))
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	resp, err := New(Config{AllowLoopbackHTTP: true, RootCAs: pool}).HTTP(100, 3).Get(s.URL)
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, ErrRefused) || plain.hits.Load() != 0 {
		t.Errorf("%v, want ErrRefused", err)
	}
}

func TestRedirectOfACredentialsBody(t *testing.T) {
	thief := serve(t, say("{}"))
	s := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	resp, err := New(dev).HTTP(100, 3).Post(s.URL, "application/x-www-form-urlencoded", strings.NewReader("client_secret=MARKER"))
	if err == nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, ErrRefused) || thief.hits.Load() != 0 {
		t.Errorf("%v, want ErrRefused", err)
	}
}

func TestHugeAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"one byte more": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1001)) },
		"declared": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000000000")
			_, _ = io.WriteString(w, "x")
		},
		"without end": func(w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(w, strings.Repeat("x", 1<<10))
			}
		},
		"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			block := make([]byte, 1<<20)
			for range 64 {
				if _, err := z.Write(block); err != nil {
					return
				}
			}
			_ = z.Close()
		},
	} {
		s := serve(t, h)
		if _, err := New(dev).Get(context.Background(), s.URL, 1000); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	s := serve(t, say(strings.Repeat("x", 1000)))
	if b, err := New(dev).Get(context.Background(), s.URL, 1000); len(b) != 1000 || err != nil {
		t.Errorf("exactly the limit: %d bytes, %v", len(b), err)
	}
}

func TestAnswersThatAreNoDocument(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
		"HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(200)
		},
		"no type": func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil; w.WriteHeader(200) },
		"brotli": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			say("{}")(w, nil)
		},
		"huge header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 17<<10))
			say("{}")(w, nil)
		},
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			say("{}")(w, nil)
		},
	} {
		s := serve(t, h)
		if _, err := New(dev).Get(context.Background(), s.URL, 1000, "application/json"); !errors.Is(err, ErrFetch) {
			t.Errorf("%s: %v, want ErrFetch", name, err)
		}
	}
}

func TestSlowServerIsGivenUp(t *testing.T) {
	stop := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-stop
	})
	defer close(stop)
	c := New(Config{AllowLoopbackHTTP: true, Timeout: 50 * time.Millisecond})
	if _, err := c.Get(context.Background(), s.URL, 1000); !errors.Is(err, ErrFetch) {
		t.Errorf("%v, want ErrFetch", err)
	}
}

func TestErrorsSayNothingAboutTheTarget(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "INTERNAL", http.StatusTeapot) })
	_, err := New(dev).Get(context.Background(), s.URL+"/path?code=MARKER", 1000)
	if err == nil || err.Error() != ErrFetch.Error() {
		t.Errorf("error = %v", err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "err", err)
	if !strings.Contains(log.String(), "status 418") || strings.Contains(log.String(), "MARKER") {
		t.Errorf("the log = %s", log.String())
	}
	_, err = New(Config{}).Get(context.Background(), "https://10.0.0.1/?code=MARKER", 1000)
	if s := fmt.Sprint(err); s != ErrRefused.Error() {
		t.Errorf("error = %s", s)
	}
}

func TestOnlyExpectedHeadersAndMethodsGoOut(t *testing.T) {
	s := serve(t, say("{}"))
	c := New(Config{AllowLoopbackHTTP: true, UserAgent: "watchgate/1"})
	req, _ := http.NewRequest("POST", s.URL, strings.NewReader("a=b"))
	for _, name := range []string{"Cookie", "X-Forwarded-For", "Metadata-Flavor", "Referer", "User-Agent", "Proxy-Authorization", "Accept-Encoding"} {
		req.Header.Set(name, "MARKER")
	}
	req.Header.Set("Authorization", "Basic x")
	req.Header.Set("Content-Type", "text/plain")
	resp, err := c.HTTP(100, 0).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	want := http.Header{
		"Authorization": {"Basic x"}, "Content-Type": {"text/plain"}, "User-Agent": {"watchgate/1"}, "Accept-Encoding": {"gzip"},
		"Content-Length": {"3"}, "Connection": {"close"},
	}
	if d := cmp.Diff(want, s.last); d != "" {
		t.Error(d)
	}
	for _, method := range []string{"PUT", "DELETE", "TRACE", "CONNECT"} {
		req, _ := http.NewRequest(method, s.URL, nil)
		if _, err := c.HTTP(100, 0).Do(req); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", method, err)
		}
	}
	req, _ = http.NewRequest("GET", s.URL, nil)
	req.Host = "internal.example.com"
	if _, err := c.HTTP(100, 0).Do(req); !errors.Is(err, ErrRefused) {
		t.Errorf("foreign Host: %v, want ErrRefused", err)
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	proxy := serve(t, say("proxied"))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	// The standard transport reads the environment once; ours has no proxy at all.
	if New(Config{}).transport.Proxy != nil {
		t.Error("a proxy function is set")
	}
	if _, err := New(Config{}).Get(context.Background(), "https://10.0.0.1/", 100); !errors.Is(err, ErrRefused) || proxy.hits.Load() != 0 {
		t.Errorf("%v, %d requests at the proxy", err, proxy.hits.Load())
	}
}

func TestUnknownCertificateIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(say("{}"))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	defer s.Close()
	if _, err := New(dev).Get(context.Background(), s.URL, 100); !errors.Is(err, ErrFetch) {
		t.Errorf("%v, want ErrFetch", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	if _, err := New(Config{AllowLoopbackHTTP: true, RootCAs: pool}).Get(context.Background(), s.URL, 100); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
}

func TestConcurrentFetchesOfOneDocumentAreOne(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{}, 64)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		say("{}")(w, r)
	})
	c := New(dev)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() {
		_, err := c.Get(ctx, s.URL, 100)
		first <- err
	}()
	<-arrived
	cancel() // whoever asked first goes away; the others still get their answer
	if err := <-first; !errors.Is(err, ErrFetch) {
		t.Errorf("the first: %v", err)
	}
	another := c.flights.DoChan(flightKey(s.URL, 100, nil), func() (any, error) { return nil, errors.New("a request of its own") })
	close(release)
	if r := <-another; r.Err != nil || string(r.Val.([]byte)) != "{}" {
		t.Errorf("another: %v", r.Err)
	}
	if n := s.hits.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}
