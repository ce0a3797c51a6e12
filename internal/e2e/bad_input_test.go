package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/walk"
)

// endpoint is a well-formed request, as pairs that are already encoded. Query
// parameters for GET, a form for POST.
type endpoint struct {
	name, method, path string
	who                credentials
	header             [][2]string
	pairs              [][2]string
}

func pairsOf(values url.Values) [][2]string {
	var out [][2]string
	for name, all := range values {
		for _, v := range all {
			out = append(out, [2]string{url.QueryEscape(name), url.QueryEscape(v)})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}

// mutations are what happens to one parameter: raw text in place of name=value.
var mutations = map[string]func(name, value string) string{
	"missing":              func(_, _ string) string { return "" },
	"empty":                func(n, _ string) string { return n + "=" },
	"without equals":       func(n, _ string) string { return n },
	"twice":                func(n, v string) string { return n + "=" + v + "&" + n + "=" + v },
	"twice and different":  func(n, v string) string { return n + "=" + v + "&" + n + "=https%3A%2F%2Fevil.test%2F" },
	"twice, first empty":   func(n, v string) string { return n + "=&" + n + "=" + v },
	"a list":               func(n, v string) string { return n + "%5B%5D=" + v },
	"in capitals":          func(n, v string) string { return strings.ToUpper(n) + "=" + v },
	"NUL at the end":       func(n, v string) string { return n + "=" + v + "%00" },
	"no UTF-8":             func(n, _ string) string { return n + "=%ff%fe%c0%80" },
	"half an escape":       func(n, v string) string { return n + "=" + v + "%" },
	"a wrong escape":       func(n, v string) string { return n + "=" + v + "%zz" },
	"a line break":         func(n, v string) string { return n + "=" + v + "%0d%0aSet-Cookie:%20injected=1" },
	"a script":             func(n, _ string) string { return n + "=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E" },
	"quotes":               func(n, _ string) string { return n + "=%22%5C%27%60" },
	"SQL":                  func(n, _ string) string { return n + "=%27%20OR%201%3D1%20--%20" },
	"a template":           func(n, _ string) string { return n + "=%7B%7B.%7D%7D%24%7B7*7%7D%25s%25n" },
	"a path":               func(n, _ string) string { return n + "=..%2F..%2F..%2Fetc%2Fpasswd" },
	"a foreign URL":        func(n, _ string) string { return n + "=https%3A%2F%2Fevil.test%2Fcb" },
	"a script URL":         func(n, _ string) string { return n + "=javascript%3Aalert(1)" },
	"a negative number":    func(n, _ string) string { return n + "=-1" },
	"a huge number":        func(n, _ string) string { return n + "=999999999999999999999999999999" },
	"JSON":                 func(n, _ string) string { return n + "=%7B%22a%22%3A%5B%7B%7D%5D%7D" },
	"deep JSON":            func(n, _ string) string { return n + "=" + strings.Repeat("%7B%22a%22%3A", 500) },
	"direction characters": func(n, v string) string { return n + "=%E2%80%AE" + v + "%F0%9F%92%A9" },
	"2 KB":                 func(n, _ string) string { return n + "=" + strings.Repeat("a", 2<<10) },
	"12 KB":                func(n, _ string) string { return n + "=" + strings.Repeat("a", 12<<10) },
	"70 KB":                func(n, _ string) string { return n + "=" + strings.Repeat("a", 70<<10) },
	"100 of it":            func(n, v string) string { return strings.Repeat(n+"="+v+"&", 100) },
}

// raw is the request's parameters, with the i-th replaced.
func (e endpoint) raw(i int, replacement string) string {
	var parts []string
	for k, p := range e.pairs {
		text := p[0] + "=" + p[1]
		if k == i {
			text = replacement
		}
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "&")
}

// send sends the endpoint's request with the given raw parameters.
func (e endpoint) send(t *testing.T, f front, raw string) answer {
	t.Helper()
	target, body := f.issuer+e.path, ""
	if e.method == http.MethodPost {
		body = raw
	} else if raw != "" {
		target += "?" + raw
	}
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), e.method, target, strings.NewReader(body)))
	if e.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if e.who.secret != "" {
		req.SetBasicAuth(e.who.id, e.who.secret)
	}
	for _, h := range e.header {
		req.Header.Add(h[0], h[1])
	}
	return must[answer](t)(f.send(req))
}

// endpoints is every endpoint with a request that is well-formed, and that
// succeeds where success is harmless.
func (w *tenants) endpoints(t *testing.T) []endpoint {
	t.Helper()
	r := w.web.trip()
	query := must[*url.URL](t)(url.Parse(r.path("prompt", "login", "max_age", "60", "login_hint", "x@unknown.test", "acr_values", "a b",
		"claims", `{"id_token":{"acr":null}}`, "resource", "https://api.test/", "response_mode", "query", "id_token_hint", w.both["acme"].tokens.ID,
		"display", "page", "ui_locales", "en"))).Query()
	page := must[*walk.Page](t)(w.f.browser(w.web).Get(t.Context(), w.Issuer+w.web.trip().path()))
	form := func(more url.Values) [][2]string { return pairsOf(more) }
	acme := w.both["acme"]
	own := [][2]string{{"Origin", w.Issuer}, {"Cookie", w.f.cookies(acme.browser)}}
	bearer := [][2]string{{"Authorization", "Bearer " + acme.tokens.Access}}
	post, get := http.MethodPost, http.MethodGet
	return []endpoint{
		{"authorize by GET", get, "/oauth2/authorize", credentials{}, nil, pairsOf(query)},
		{"authorize by POST", post, "/oauth2/authorize", credentials{}, nil, pairsOf(query)},
		{"token, code", post, "/oauth2/token", w.web.credentials, nil, form(with(r.form(token.New(token.Code, farAway)), "client_id", w.web.id))},
		{"token, refresh", post, "/oauth2/token", w.web.credentials, nil, form(with(with(refreshForm(token.New(token.Refresh, farAway)), "scope", "openid"), "resource", "https://api.test/"))},
		{"token, public client", post, "/oauth2/token", credentials{}, nil, form(with(refreshForm(token.New(token.Refresh, farAway)), "client_id", "spa"))},
		{"token, machine", post, "/oauth2/token", w.machine["acme"], nil, form(with(machineForm(), "resource", "https://api.test/"))},
		{"token, secret in the body", post, "/oauth2/token", credentials{}, nil, form(with(with(machineForm(), "client_id", "machine-acme"), "client_secret", "wrong"))},
		{"introspect", post, "/oauth2/introspect", w.api, nil, form(url.Values{"token": {acme.tokens.Access}, "tenant": {"acme"}, "scope": {"monitor:read"}, "token_type_hint": {"access_token"}})},
		{"introspect, secret in the body", post, "/oauth2/introspect", credentials{}, nil, form(url.Values{"token": {acme.tokens.Access}, "client_id": {"api"}, "client_secret": {w.api.secret}})},
		{"revoke", post, "/oauth2/revoke", w.web.credentials, nil, form(url.Values{"token": {token.New(token.Access, farAway)}, "token_type_hint": {"access_token"}})},
		{"userinfo by GET", get, "/oauth2/userinfo", credentials{}, bearer, form(url.Values{"schema": {"openid"}})},
		{"userinfo by POST", post, "/oauth2/userinfo", credentials{}, nil, form(url.Values{"access_token": {acme.tokens.Access}})},
		// A hint that is believed signs its person out: that is no malformed parameter.
		{"sign-out page", get, "/oauth2/logout", credentials{}, own, form(url.Values{"id_token_hint": {acme.tokens.ID + "x"}, "post_logout_redirect_uri": {"https://evil.test/"}, "state": {"x"}})},
		{"sign-out", post, "/oauth2/logout", credentials{}, own, form(url.Values{"csrf": {"wrong"}, "id_token_hint": {acme.tokens.ID + "x"}, "post_logout_redirect_uri": {"https://evil.test/"}})},
		{"own pages", get, "/login", credentials{}, nil, form(url.Values{"return_to": {"/oauth2/logout"}})},
		{"a transaction", get, page.URL.Path, credentials{}, own, form(url.Values{"x": {"y"}})},
		{"e-mail", post, acme.waiting.URL.Path, credentials{}, own, form(url.Values{"transaction": {"x"}, "verifier": {"wrong"}, "email": {alice}})},
		{"tenant choice", post, acme.waiting.URL.Path + "/tenant", credentials{}, own, form(url.Values{"transaction": {"x"}, "verifier": {"wrong"}, "tenant": {"acme"}})},
		{"consent", post, acme.waiting.URL.Path + "/consent", credentials{}, own, form(url.Values{"transaction": {"x"}, "verifier": {"wrong"}, "decision": {"allow"}})},
		{"callback", get, "/login/callback/" + acme.connection, credentials{}, own, form(url.Values{"code": {"x"}, "state": {"log_x.y"}, "iss": {"https://evil.test"}, "error": {"access_denied"}, "error_description": {"no"}})},
		{"metadata", get, "/.well-known/openid-configuration", credentials{}, nil, form(url.Values{"x": {"y"}})},
		{"keys", get, "/.well-known/jwks.json", credentials{}, nil, form(url.Values{"x": {"y"}})},
	}
}

func TestMalformedParametersNeverBreakAnything(t *testing.T) {
	w := newTenants(t)
	for _, e := range w.endpoints(t) {
		t.Run(e.name, func(t *testing.T) {
			for i, p := range e.pairs {
				for what, mutate := range mutations {
					w.checkBad(t, fmt.Sprintf("%s %s", p[0], what), func() answer { return e.send(t, w.f, e.raw(i, mutate(p[0], p[1]))) })
				}
			}
			for what, raw := range map[string]string{
				"nothing": "", "no parameters": "&&&", "semicolons": strings.ReplaceAll(e.raw(-1, ""), "&", ";"), "only escapes": "%00%ff%zz",
				"JSON": `{"grant_type":"client_credentials"}`, "65 more": e.raw(-1, "") + strings.Repeat("&x=y", 65), "a megabyte": "x=" + strings.Repeat("y", 1<<20),
			} {
				if e.method == http.MethodGet && (what == "only escapes" || what == "a megabyte") {
					continue // what net/http itself refuses is in the raw requests below
				}
				w.checkBad(t, what, func() answer { return e.send(t, w.f, raw) })
			}
			for what, h := range badHeaders {
				bad := e
				bad.header = append(slices.Clone(e.header), h...)
				w.checkBad(t, what, func() answer { return bad.send(t, w.f, e.raw(-1, "")) })
			}
			for _, method := range []string{"PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "get"} {
				bad := e
				bad.method = method
				w.checkBad(t, method, func() answer { return bad.send(t, w.f, e.raw(-1, "")) })
			}
		})
	}
	for _, p := range w.both {
		w.stillWhole(t, p)
	}
	keepsQuiet(t, w.node, w.web.secret, w.api.secret)
}

var badHeaders = map[string][][2]string{
	"two Authorization headers": {{"Authorization", "Basic eDp5"}, {"Authorization", "Basic eDp5"}},
	"garbage after Basic":       {{"Authorization", "Basic %%%"}},
	"Basic without a colon":     {{"Authorization", "Basic eHl6"}},
	"Basic with no UTF-8":       {{"Authorization", "Basic //79Ov8="}},
	"Basic with a bad escape":   {{"Authorization", "Basic JXp6OiV6eg=="}},
	"Bearer without a token":    {{"Authorization", "Bearer"}},
	"Bearer garbage":            {{"Authorization", "Bearer \"';--"}},
	"an unknown scheme":         {{"Authorization", "Negotiate abc"}},
	"a long Authorization":      {{"Authorization", "Bearer " + strings.Repeat("a", 8<<10)}},
	"multipart":                 {{"Content-Type", "multipart/form-data; boundary=x"}},
	"a charset":                 {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-16"}},
	"compression":               {{"Content-Encoding", "gzip"}},
	"broken cookies":            {{"Cookie", "wg_login_log_1=\"; wg_session_=x; wg_session_ten_1=" + strings.Repeat("%", 43) + "; ;=;"}},
	"500 cookies":               {{"Cookie", strings.Repeat("wg_session_ten_x=0123456789012345678901234567890123456789012; ", 200)}},
	"method override":           {{"X-HTTP-Method-Override", "DELETE"}},
	"a foreign host":            {{"X-Forwarded-Host", "evil.test"}, {"Forwarded", "host=evil.test"}},
	"a foreign origin":          {{"Origin", "https://evil.test"}, {"Sec-Fetch-Site", "cross-site"}},
	"a DPoP proof":              {{"DPoP", "x.y.z"}, {"DPoP", "x.y.z"}},
	"an Accept that nobody has": {{"Accept", "application/pdf"}},
	"a range":                   {{"Range", "bytes=0-18446744073709551616"}},
	"a long User-Agent":         {{"User-Agent", strings.Repeat("wörd \"] ", 100)}},
}

// internalText is what answers must not say: names of our rooms and libraries,
// Go's own errors, SQL, paths.
var internalText = regexp.MustCompile(`(?i)\b(sqlstore|sqlite|postgres|postgresql|pgx|fosite|goroutine|panic|runtime error|nil pointer|unmarshal|strconv|` +
	`invalid url escape|unexpected eof|sqlstate|insert into|constraint failed|context canceled|deadline exceeded|illegal base64|github\.com|golang)\b|` +
	`\b(storage|hex|base64|json|mime): |\.go:\d|/(home|root|tmp|work|usr)/`)

// tells returns internal text that an answer shows, if any. A reference is random.
func (a answer) tells() string {
	return internalText.FindString(reference.ReplaceAllString(a.body, "") + fmt.Sprint(a.header))
}

// checkBad sends a request that is bad, or at least odd, and checks what must
// hold for all of them.
func (w *tenants) checkBad(t *testing.T, what string, send func() answer) {
	t.Helper()
	const begun = "logins" // to begin a sign-in is no success yet
	if w.before == nil {
		w.before = w.state(t, begun)
	}
	a := send()
	if a.status >= 500 {
		t.Errorf("%s: %s", what, a)
	}
	if found := a.tells(); found != "" {
		t.Errorf("%s: the answer says %q: %s %v", what, found, a, a.header)
	}
	if strings.Contains(a.body, "<script>alert") || strings.Contains(fmt.Sprint(a.header), "injected=1") && len(a.header["Set-Cookie"]) > 0 {
		t.Errorf("%s: input became markup or a header: %s %v", what, a, a.header)
	}
	to := a.location(t)
	if to != nil && !ours(w.Issuer, w.provider.URL, to) {
		t.Errorf("%s: redirected to %s", what, to)
	}
	if a.status < 400 && (to == nil || to.Query().Get("error") == "") {
		w.before = nil // it succeeded, and may have changed something
		return
	}
	if d := cmp.Diff(w.before, w.state(t, begun)); d != "" {
		t.Errorf("%s: refused with %d, and changed something:\n%s", what, a.status, d)
		w.before = nil
	}
}

// ours reports whether a redirect stays here, goes to the app where it is
// registered, or to the tenant's own identity provider.
func ours(issuer, provider string, to *url.URL) bool {
	app := *to
	app.RawQuery = ""
	switch {
	case !to.IsAbs():
		return to.Host == "" && strings.HasPrefix(to.Path, "/") && !strings.HasPrefix(to.Path, "//")
	case app.String() == appURI:
		return true
	}
	return strings.HasPrefix(to.String(), issuer+"/") || strings.HasPrefix(to.String(), provider+"/authorize?")
}
