package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// credentials are those of a client or a resource server. One without a secret
// is public.
type credentials struct{ id, secret string }

// front is a node as its callers see it: under the issuer's name.
type front struct {
	issuer    string
	transport http.RoundTripper
}

// frontOf leads requests for the issuer to a node, whatever its port is. It
// closes its connections at the test's end.
func frontOf(t *testing.T, issuer string, n *process.Node) front {
	t.Helper()
	host, node := strings.TrimPrefix(issuer, "http://"), strings.TrimPrefix(n.URL, "http://")
	var d net.Dialer
	tr := &http.Transport{
		MaxIdleConnsPerHost: 32,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == host {
				addr = node
			}
			return d.DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return front{issuer: issuer, transport: tr}
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// json reads the body.
func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("no JSON: %s", a)
	}
	return out
}

// text is a member of the JSON body, "" when there is none.
func (a answer) text(name string) string {
	var out map[string]any
	if json.Unmarshal([]byte(a.body), &out) != nil {
		return ""
	}
	s, _ := out[name].(string)
	return s
}

// location is where a redirect leads; nil when it is none.
func (a answer) location(t *testing.T) *url.URL {
	t.Helper()
	to := a.header.Get("Location")
	if to == "" {
		return nil
	}
	return must[*url.URL](t)(url.Parse(to))
}

// send makes one request and follows no redirect.
func (f front) send(req *http.Request) (answer, error) {
	res, err := f.transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}

// request builds a request to a path; a form makes it a POST.
func (f front) request(ctx context.Context, path string, who credentials, form url.Values) (*http.Request, error) {
	if form == nil {
		return http.NewRequestWithContext(ctx, http.MethodGet, f.issuer+path, nil)
	}
	if who.id != "" && who.secret == "" {
		form = with(form, "client_id", who.id)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if who.secret != "" {
		req.SetBasicAuth(url.QueryEscape(who.id), url.QueryEscape(who.secret))
	}
	return req, nil
}

// with returns a copy of values with one more.
func with(values url.Values, name, value string) url.Values {
	out := url.Values{}
	for k, v := range values {
		out[k] = v
	}
	out.Set(name, value)
	return out
}

// ask posts a form; for goroutines, which must not end the test.
func (f front) ask(ctx context.Context, path string, who credentials, form url.Values) (answer, error) {
	req, err := f.request(ctx, path, who, form)
	if err != nil {
		return answer{}, err
	}
	return f.send(req)
}

// post posts a form.
func (f front) post(t *testing.T, path string, who credentials, form url.Values) answer {
	t.Helper()
	return must[answer](t)(f.ask(t.Context(), path, who, form))
}

// get fetches a path with headers, given as name and value in turn.
func (f front) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	req := must[*http.Request](t)(f.request(t.Context(), path, credentials{}, nil))
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return must[answer](t)(f.send(req))
}

// browser is a fresh browser that reaches this node, and stops where the app
// lives.
func (f front) browser(a app) *walk.Browser {
	return walk.New(f.transport, func(u *url.URL) bool { return strings.HasPrefix(u.String(), a.redirect) })
}

// introspect asks about a token as a resource server does.
func (f front) introspect(t *testing.T, rs credentials, token string, more ...string) answer {
	t.Helper()
	form := url.Values{"token": {token}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return f.post(t, "/oauth2/introspect", rs, form)
}

// inactive is the whole answer about everything that is not active.
const inactive = `{"active":false}`

// isActive asks about a token, and fails the test when the answer is neither
// yes nor no.
func (f front) isActive(t *testing.T, rs credentials, token string) bool {
	t.Helper()
	a := f.introspect(t, rs, token)
	switch {
	case a.status == http.StatusOK && a.json(t)["active"] == true:
		return true
	case a.status == http.StatusOK && a.body == inactive:
		return false
	}
	t.Fatalf("introspection answered %s", a)
	return false
}
