package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/walk"
)

// witness is a transport that remembers every secret which passes by.
type witness struct {
	next   http.RoundTripper
	issuer string

	mu       sync.Mutex
	secrets  map[string]string // what it is, by its value
	kinds    map[string]bool   // first words of what has been seen
	requests int               // to the issuer
}

func newWitness(f front) *witness {
	return &witness{next: f.transport, issuer: f.issuer, secrets: map[string]string{}, kinds: map[string]bool{}}
}

// secretNames are the parameters and members that hold a secret, wherever they
// are: queries, forms, JSON and hidden fields.
var secretNames = []string{
	"code", "code_verifier", "access_token", "refresh_token", "id_token", "token", "client_secret", "verifier", "csrf", "state", "nonce", "id_token_hint",
}

func (w *witness) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := w.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(got))
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(req.URL.String(), w.issuer) {
		w.requests++
	}
	w.request(req, sent)
	w.response(res, got)
	return res, err
}

func (w *witness) request(req *http.Request, body []byte) {
	w.values("query of the request", req.URL.Query())
	if form, err := url.ParseQuery(string(body)); err == nil {
		w.values("form", form)
	}
	if scheme, value, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		w.note(scheme+" credentials", value)
	}
	if _, secret, ok := req.BasicAuth(); ok {
		w.note("client secret", secret)
	}
	for _, c := range req.Cookies() {
		w.note("cookie "+c.Name, c.Value)
	}
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

func (w *witness) response(res *http.Response, body []byte) {
	if to, err := res.Location(); err == nil {
		w.values("query of the redirect", to.Query())
	}
	for _, c := range res.Cookies() {
		w.note("cookie "+c.Name, c.Value)
	}
	for _, field := range hiddenField.FindAllStringSubmatch(string(body), -1) {
		w.values("hidden field", url.Values{field[1]: {field[2]}})
	}
	var members map[string]any
	if json.Unmarshal(body, &members) == nil {
		for name, v := range members {
			if s, ok := v.(string); ok {
				w.values("answer", url.Values{name: {s}})
			}
		}
	}
}

// values notes those that are secrets. Our state upstream is the transaction's
// id, which the log may have, and a verifier.
func (w *witness) values(where string, values url.Values) {
	for _, name := range secretNames {
		for _, v := range values[name] {
			if id, verifier, ok := strings.Cut(v, "."); ok && strings.HasPrefix(id, "log_") {
				v = verifier
			}
			w.note(name+" in a "+where, v)
		}
	}
}

// note remembers a secret; what is short is in any log by chance.
func (w *witness) note(what, value string) {
	if len(value) < 12 {
		return
	}
	w.secrets[value] = what
	kind, _, _ := strings.Cut(what, " ")
	w.kinds[kind] = true
}

// leaks returns what of the secrets is in a text.
func (w *witness) leaks(text string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for value, what := range w.secrets {
		for spelling, s := range map[string]string{
			"": value, " url-escaped": url.QueryEscape(value), " in hex": hex.EncodeToString([]byte(value)),
			" in base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "="),
		} {
			if strings.Contains(text, s) {
				out = append(out, what+spelling)
				break
			}
		}
	}
	return out
}

func TestLogsHoldNoSecretAndOneLinePerRequest(t *testing.T) {
	s := newSite(t, onSQLite(t))
	direct, node := s.only(t)
	w := newWitness(direct)
	for _, secret := range []string{s.web.secret, s.api.secret, s.machine["acme"].secret, upstreamSecret} {
		w.note("secret of the site", secret)
	}
	f := front{issuer: s.Issuer, transport: w}
	everything(t, s, f)
	mistakes(t, s, f)
	noError(t, node.Stop())
	for _, kind := range append([]string{"cookie", "client", "Basic", "Bearer"}, secretNames...) {
		if !w.kinds[kind] && kind != "client_secret" {
			t.Errorf("the run showed no %s", kind)
		}
	}
	if leaks := w.leaks(node.Output()); len(leaks) > 0 {
		t.Errorf("the log has %q:\n%s", leaks, node.Output())
	}
	checkLines(t, node.Output(), w.requests)
	if w.leaks(node.Output()+url.QueryEscape(s.web.secret)) == nil {
		t.Error("a leak is not found")
	}
}

// everything goes through what people and programs do.
func everything(t *testing.T, s *site, f front) {
	t.Helper()
	for _, a := range []app{s.web, s.spa} {
		b := f.browser(a)
		tok := f.signIn(t, b, a, alice)
		next := tokensOf(t, f.refresh(t, a.credentials, tok.Refresh))
		f.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+next.Access)
		f.isActive(t, s.api, next.Access)
		f.walkTo(t, b, a.trip().path("prompt", "none", "id_token_hint", tok.ID), alice)
		f.revoke(t, a.credentials, tok.Access)
		f.revoke(t, a.credentials, next.Refresh)
		page := must[*walk.Page](t)(b.Get(t.Context(), s.Issuer+"/oauth2/logout"))
		must[*walk.Page](t)(page.Press(t.Context(), "logout-confirm", nil))
	}
	f.isActive(t, s.api, f.machineToken(t, s.machine["acme"]))
	f.get(t, "/.well-known/jwks.json")
}

// mistakes goes through what goes wrong, where logs are apt to say too much.
func mistakes(t *testing.T, s *site, f front) {
	t.Helper()
	b := f.browser(s.web)
	r := s.web.trip()
	code := f.code(t, b, r, alice)
	guess := s.web.trip()
	f.post(t, "/oauth2/token", s.web.credentials, guess.form(code))
	tok := f.redeem(t, r, code)
	f.post(t, "/oauth2/token", s.web.credentials, r.form(code)) // a replay: the family dies
	f.refresh(t, s.web.credentials, tok.Refresh)
	f.refresh(t, credentials{s.web.id, "a-wrong-client-secret"}, tok.Refresh)
	f.introspect(t, credentials{s.api.id, "another-wrong-secret"}, tok.Access)
	f.introspect(t, s.api, tok.Refresh)
	f.introspect(t, s.api, token.New(token.Access, farAway)+"x")
	f.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+tok.Access)
	f.get(t, "/oauth2/userinfo?access_token="+tok.Access)
	f.get(t, "/oauth2/token?client_secret="+s.web.secret)
	f.get(t, "/nothing/"+tok.Access+"?code="+code)
	f.get(t, s.web.trip().path("redirect_uri", "https://evil.test/?token="+tok.Access))
	f.get(t, "/login/callback/"+s.connections["acme"]+"?code=a-code-of-nobody&state=log_none.verifier-of-nobody")
	f.get(t, "/oauth2/userinfo", "Authorization", "Bearer "+tok.Access, "Referer", s.Issuer+"/?code="+code, "User-Agent", "agent of "+s.spa.id)
	providerGoesAway(t, s, f)
}

// providerGoesAway comes back from an identity provider that cannot be asked.
func providerGoesAway(t *testing.T, s *site, f front) {
	t.Helper()
	b := walk.New(f.transport, func(u *url.URL) bool { return strings.HasPrefix(u.String(), s.provider.URL) })
	page := must[*walk.Page](t)(b.Get(t.Context(), s.Issuer+s.web.trip().path("login_hint", alice)))
	s.provider.Close()
	back := url.Values{"code": {"code-from-the-provider"}, "state": {page.URL.Query().Get("state")}, "iss": {s.provider.URL}}
	page = must[*walk.Page](t)(b.Get(t.Context(), s.callback(s.connections["acme"])+"?"+back.Encode()))
	if page.Status != http.StatusServiceUnavailable {
		t.Errorf("without its provider a sign-in ends with %d: %s", page.Status, page.Text())
	}
}

var iso8601 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// checkLines reads the log: JSON lines, with one for each request.
func checkLines(t *testing.T, log string, requests int) {
	t.Helper()
	var lines int
	ids := map[string]bool{}
	for line := range strings.Lines(log) {
		var entry struct {
			Time, Msg, Method, Route string
			RequestID                string `json:"request_id"`
			Status                   int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || !iso8601.MatchString(entry.Time) {
			t.Errorf("no structured line: %s", line)
		}
		if entry.Msg != "request" {
			continue
		}
		lines++
		ids[entry.RequestID] = true
		if entry.Method == "" || entry.Route == "" || entry.Status == 0 || entry.RequestID == "" {
			t.Errorf("an incomplete line: %s", line)
		}
	}
	if lines != requests || len(ids) != requests {
		t.Errorf("%d lines with %d ids for %d requests", lines, len(ids), requests)
	}
}

// A token of ours, or a JWT.
var tokenLike = regexp.MustCompile(`wg(at|rt|ac)_[0-9A-Za-z]{20,}|eyJ[0-9A-Za-z_-]{20,}`)

// keepsQuiet checks that what a node said has no token, none of the secrets, and
// no panic.
func keepsQuiet(t *testing.T, n *process.Node, secrets ...string) {
	t.Helper()
	said := n.Output()
	if found := tokenLike.FindAllString(said, -1); len(found) > 0 {
		t.Errorf("%d tokens are in the log", len(found))
	}
	for _, secret := range append(secrets, "panic") {
		if secret != "" && strings.Contains(said, secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}
