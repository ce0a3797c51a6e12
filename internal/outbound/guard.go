package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// passed are the request headers that may go out (NW-08). The last three are those
// of Standard Webhooks.
var passed = []string{
	"Accept", "Authorization", "Content-Type", "If-None-Match", "If-Modified-Since",
	"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature",
}

// guard is the RoundTripper that applies the policy to every hop.
type guard struct {
	client *Client
	limit  int64
}

// RoundTrip checks the request, waits for its turn at the destination, and
// limits the answer.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.client.admit(req); err != nil {
		return nil, failure(ErrRefused, err)
	}
	leave, err := g.client.lanes.enter(req.Context(), destination(req.URL))
	if err != nil {
		return nil, failure(ErrFetch, err)
	}
	resp, err := g.client.transport.RoundTrip(g.outgoing(req))
	if err != nil {
		leave()
		return nil, failure(ErrFetch, err)
	}
	resp.Body = &limited{body: resp.Body, left: g.limit, leave: leave}
	if err := g.acceptable(resp); err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	return resp, nil
}

// admit is the policy on URLs and methods (NW-01).
func (c *Client) admit(req *http.Request) error {
	u := req.URL
	switch {
	case req.Method != http.MethodGet && req.Method != http.MethodPost:
		return errors.New("method")
	case u.User != nil || u.Opaque != "" || u.Hostname() == "":
		return errors.New("URL with user information or without a host")
	case req.Host != "" && req.Host != u.Host:
		return errors.New("another Host than the URL's")
	case c.cfg.AllowLoopbackHTTP && literalLoopback(u.Hostname()) && (u.Scheme == "http" || u.Scheme == "https"):
		return nil
	case u.Scheme != "https":
		return errors.New("scheme is not https")
	case !c.ports[u.Port()]:
		return errors.New("port")
	}
	return nil
}

// destination is the host and port that a URL leads to, in one spelling: each
// destination has its limits once, however it is written.
func destination(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	port := u.Port()
	if n, err := strconv.Atoi(port); err == nil {
		port = portName(n)
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(host, port)
}

// Check applies the policy to a URL without connecting: scheme, user
// information, port, and the address where the host is one. What a name leads to
// is judged when it is connected to. ErrRefused; the cause is its log value.
func (c *Client) Check(raw string) error {
	req, err := http.NewRequest(http.MethodGet, raw, nil)
	if err != nil {
		return failure(ErrRefused, errors.New("not a URL"))
	}
	if err := c.admit(req); err != nil {
		return failure(ErrRefused, err)
	}
	host := req.URL.Hostname()
	if _, err := netip.ParseAddr(host); err != nil || c.cfg.AllowLoopbackHTTP && literalLoopback(host) {
		return nil
	}
	return c.public(context.Background(), "tcp", destination(req.URL), nil)
}

// outgoing is the request with only the headers that may go out.
func (g *guard) outgoing(req *http.Request) *http.Request {
	out := req.Clone(req.Context())
	out.Header = http.Header{"User-Agent": {g.client.cfg.UserAgent}}
	for _, name := range passed {
		if v, ok := req.Header[name]; ok {
			out.Header[name] = v
		}
	}
	return out
}

// acceptable refuses what is known to be too large, and an encoding that the
// transport did not ask for and so would not undo under the limit.
func (g *guard) acceptable(resp *http.Response) error {
	switch {
	case resp.ContentLength > g.limit:
		return failure(ErrTooLarge, errors.New("Content-Length over the limit"))
	case resp.Header.Get("Content-Encoding") != "":
		return failure(ErrFetch, errors.New("unexpected Content-Encoding"))
	}
	return nil
}

// limited is a body that fails after left bytes. The transport decompresses
// before it, a little at a time, so that a gzip bomb costs no more than the
// limit.
type limited struct {
	body  io.ReadCloser
	left  int64
	leave func()
}

// Read fails with ErrTooLarge when there is a byte more than the limit.
func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.body.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n - 1, failure(ErrTooLarge, errors.New("body over the limit"))
	}
	if err != nil && err != io.EOF {
		err = failure(ErrFetch, err)
	}
	return n, err
}

// Close ends the request's turn at its destination.
func (l *limited) Close() error {
	l.leave()
	return l.body.Close()
}
