package manage

import (
	"database/sql/driver"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

func TestACredentialComesInOneOfTwoHeaders(t *testing.T) {
	w := newWorld(t)
	for _, header := range []string{asAlice, "Authorization: bearer alice", "X-API-Key: alice"} {
		if r := w.ask("GET", "/v1/auth/whoami", "", header); r.StatusCode != http.StatusOK || !strings.Contains(r.body, `"user":"usr_alice"`) {
			t.Errorf("%s: %d %s", header, r.StatusCode, r.body)
		}
	}
	got := w.seen[0]
	if got.IP != "127.0.0.1" || !got.HTTPS || strings.Contains(got.String(), "alice") {
		t.Errorf("%q %t %s", got.IP, got.HTTPS, got)
	}
}

// TestAPIKeyInTheURLOrACookieOrTwice is row 107 of the attacks (AK-08): nothing is
// looked up.
func TestAPIKeyInTheURLOrACookieOrTwice(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		path, field string
		headers     []string
	}{
		{"/v1/things?access_token=alice", "query:access_token", nil},
		{"/v1/things?api_key=alice", "query:api_key", nil},
		{"/v1/things?key=alice", "query:key", nil},
		{"/v1/things?token=alice", "query:token", nil},
		{"/v1/things?Access_Token=alice", "query:access_token", []string{asAlice}},
		{"/v1/things", "header:Cookie", []string{"Cookie: api_key=alice"}},
		{"/v1/things", "header:Cookie", []string{"Cookie: theme=dark; access_token=alice", asAlice}},
		{"/v1/things", "header:Authorization", []string{asAlice, asBob}},
		{"/v1/things", "header:Authorization", []string{asAlice, asAlice}},
		{"/v1/things", "header:Authorization", []string{asAlice, "X-API-Key: alice"}},
		{"/v1/things", "header:Authorization", []string{"X-API-Key: alice", "X-API-Key: bob"}},
	} {
		w.refused(w.ask("GET", c.path, "", c.headers...), InvalidRequest, c.field)
	}
	if n := w.asked(); n != 0 {
		t.Errorf("%d credentials were looked up", n)
	}
	if strings.Contains(w.log.String(), "alice") {
		t.Error("the log holds a credential")
	}
	if r := w.ask("GET", "/v1/auth/whoami", "", asAlice, "Cookie: __Host-session=x"); r.StatusCode != http.StatusOK {
		t.Error("a browser's own cookie is none of ours", r.StatusCode)
	}
}

func TestWhoIsNotSignedInIsChallenged(t *testing.T) {
	w := newWorld(t)
	for header, challenge := range map[string]string{
		"X-Nothing: x":                  `Bearer realm="https://auth.example"`,
		"Authorization: Basic YTpi":     `Bearer realm="https://auth.example"`,
		"Authorization: Bearer mallory": `Bearer realm="https://auth.example", error="invalid_token"`,
		"Authorization: Bearer ":        `Bearer realm="https://auth.example", error="invalid_token"`,
		"Authorization: Bearer a b":     `Bearer realm="https://auth.example", error="invalid_token"`,
		"Authorization: Bearer nobody":  `Bearer realm="https://auth.example", error="invalid_token"`,
		"X-API-Key: mallory":            `Bearer realm="https://auth.example", error="invalid_token"`,
	} {
		for _, path := range []string{"/v1/auth/whoami", "/v1/things", "/v1/things/1/events", "/v1/things?limit=nonsense"} {
			r := w.ask("GET", path, "", header)
			d := w.refused(r, Unauthenticated)
			if r.Header.Get("WWW-Authenticate") != challenge || d.Code != "authentication_error" {
				t.Errorf("%s %s: %q, code %q", header, path, r.Header.Get("WWW-Authenticate"), d.Code)
			}
		}
	}
}

// TestNoOperationCanBeReachedWithoutACredential asks every operation that the
// description knows, and so those that are added later.
func TestNoOperationCanBeReachedWithoutACredential(t *testing.T) {
	w := newWorld(t)
	n := 0
	for path, item := range w.api.huma.OpenAPI().Paths {
		for _, method := range methods {
			if w.api.documented(Operation{Path: path, Method: method}) == nil || item == nil {
				continue
			}
			n++
			w.refused(w.ask(method, strings.ReplaceAll(path, "{id}", "1"), ""), Unauthenticated)
		}
	}
	if n != 8 {
		t.Errorf("%d operations", n)
	}
}

func TestAMissingScopeIsNamed(t *testing.T) {
	w := newWorld(t)
	r := w.ask("POST", "/v1/things", `{"name":"x"}`, asReader, sendJSON)
	d := w.refused(r, InsufficientScope)
	if !slices.Equal(d.Scopes, []string{"things:write"}) || d.Code != "permission_error" {
		t.Errorf("%+v", d)
	}
	if got := r.Header.Get("WWW-Authenticate"); got != `Bearer realm="https://auth.example", error="insufficient_scope", scope="things:write"` {
		t.Error(got)
	}
	if w.things.made() != 0 {
		t.Error("it was done nevertheless")
	}
}

func TestAKeyNeedsNoScopeForItself(t *testing.T) {
	w := newWorld(t)
	if r := w.ask("GET", "/v1/things/key_7", "", "X-API-Key: key7"); r.StatusCode != http.StatusOK {
		t.Error(r.StatusCode, r.body)
	}
	w.refused(w.ask("GET", "/v1/things/key_8", "", "X-API-Key: key7"), InsufficientScope)
	w.refused(w.ask("PATCH", "/v1/things/key_7", "{}", "X-API-Key: key7", "Content-Type: "+mediaPatch), InsufficientScope)
	// A token that was minted under a key is not the key.
	w.set(func() { w.who["minted"] = Principal{Tenant: acme, Client: "app_2", Key: "key_7"} })
	w.refused(w.ask("GET", "/v1/things/key_7", "", "Authorization: Bearer minted"), InsufficientScope)
	// Whoever has no key is not "" itself.
	w.set(func() { w.who["machine"] = Principal{Tenant: acme, Client: "app_2"} })
	w.refused(w.ask("GET", "/v1/things/key_7", "", "Authorization: Bearer machine"), InsufficientScope)
}

func TestWhatCannotBeAnsweredNowIsNotARefusal(t *testing.T) {
	w := newWorld(t)
	w.set(func() { w.fail = driver.ErrBadConn })
	r := w.ask("GET", "/v1/things", "", asAlice)
	w.refused(r, Unavailable)
	if r.Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	w.set(func() { w.fail = nil })
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	r = w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, sendJSON, "Idempotency-Key: 1")
	if d := w.problem(r); r.StatusCode < 500 || strings.Contains(r.body, "sql") || d.Type == "" {
		t.Error(r.StatusCode, r.body)
	}
}

// TestNobodyReadsAnInternalError: neither a failure of an operation nor a panic says
// what went wrong.
func TestNobodyReadsAnInternalError(t *testing.T) {
	w := newWorld(t)
	w.things.err = errors.New("secret detail of row 7")
	for _, r := range []reply{
		w.ask("GET", "/v1/things/1", "", asAlice), w.ask("POST", "/v1/things", `{"name":"x"}`, asAlice, sendJSON), w.ask("GET", "/v1/things", "", asAlice),
		w.ask("DELETE", "/v1/things/1", "", asAlice), w.ask("GET", "/v1/things/panic", "", asAlice),
	} {
		w.refused(r, Internal)
		if strings.Contains(r.body, "detail of") || strings.Contains(r.body, "bug") {
			t.Error(r.body)
		}
	}
	if log := w.log.String(); !strings.Contains(log, "secret detail of row 7") || !strings.Contains(log, "a bug with panic") {
		t.Error("the operator cannot read it either", log)
	}
}

func TestOverTheRate(t *testing.T) {
	w := newWorld(t)
	refusal := web.Refuse(http.StatusTooManyRequests, "slow_down", "Too many requests.", nil).
		With("Retry-After", "7").With("RateLimit-Policy", `"key";q=600;w=60`).With("RateLimit", `"key";r=0;t=7`)
	w.set(func() { w.fail = refusal })
	r := w.ask("GET", "/v1/things", "", asAlice)
	d := w.refused(r, QuotaExceeded)
	if d.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || !slices.Equal(d.Violated, []string{"key"}) {
		t.Errorf("%+v", d)
	}
	if r.Header.Get("Retry-After") != "7" || r.Header.Get("RateLimit") == "" || r.Header.Get("RateLimit-Policy") == "" {
		t.Errorf("%v", r.Header)
	}
}

func TestStepUpIsAChallenge(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		problem   *Problem
		challenge string
	}{
		{&Problem{Kind: MFARequired}, `Bearer realm="https://auth.example", error="insufficient_user_authentication", acr_values="mfa"`},
		{&Problem{Kind: MFARequired, Level: storage.LevelPHR, MaxAge: time.Hour}, `Bearer realm="https://auth.example", error="insufficient_user_authentication", acr_values="phr", max_age="3600"`},
		{&Problem{Kind: Reauthenticate, MaxAge: 5 * time.Minute}, `Bearer realm="https://auth.example", error="insufficient_user_authentication", max_age="300"`},
	} {
		w.things.err = c.problem
		r := w.ask("GET", "/v1/things/1", "", asAlice)
		d := w.refused(r, c.problem.Kind)
		if r.Header.Get("WWW-Authenticate") != c.challenge || d.Code != "authentication_error" || d.MaxAge != int(c.problem.MaxAge.Seconds()) {
			t.Errorf("%s, %+v", r.Header.Get("WWW-Authenticate"), d)
		}
	}
}

func TestWhoAmI(t *testing.T) {
	w := newWorld(t)
	w.set(func() {
		p := w.who["alice"]
		p.Secret, p.Expires, p.AuthTime, p.AMR = "alice", w.now.Add(time.Hour), w.now, []string{"mfa"}
		w.who["alice"] = p
	})
	r := w.ask("GET", "/v1/auth/whoami", "", asAlice)
	want := `{"kind":"user","tenant_id":"ten_acme","tenant":"acme","user":"usr_alice","role":"owner","client_id":"app_1",` +
		`"scopes":["things:read","things:write"],"expires_at":"2027-01-01T13:00:00Z","auth_time":"2027-01-01T12:00:00Z","amr":["mfa"]}` + "\n"
	if r.body != want {
		t.Errorf("got  %s\nwant %s", r.body, want)
	}
	if r.Header.Get("Cache-Control") != "no-store" || !strings.Contains(r.Header.Get("Vary"), "Authorization") {
		t.Errorf("%v", r.Header)
	}
	if r := w.ask("GET", "/v1/auth/whoami", "", "X-API-Key: key7"); !strings.Contains(r.body, `"kind":"api_key"`) || !strings.Contains(r.body, `"scopes":[]`) {
		t.Error(r.body)
	}
}

func TestAnOperationDecidesWhoMayCallIt(t *testing.T) {
	w := newWorld(t)
	good := Operation{ID: "x", Summary: "X", Method: http.MethodGet, Path: "/v1/x/{id}", Tag: "X", AnyCredential: true}
	for name, change := range map[string]func(*Operation){
		"no decision":        func(o *Operation) { o.AnyCredential = false },
		"two decisions":      func(o *Operation) { o.Scopes = []string{"a"} },
		"elsewhere":          func(o *Operation) { o.Path = "/oauth2/x" },
		"self without id":    func(o *Operation) { o.Path, o.Self = "/v1/x", true },
		"idempotent GET":     func(o *Operation) { o.Idempotent = true },
		"stream of a DELETE": func(o *Operation) { o.Method, o.Stream = http.MethodDelete, true },
		"unknown problem":    func(o *Operation) { o.Problems = []Kind{"odd"} },
		"no summary":         func(o *Operation) { o.Summary = "" },
	} {
		op := good
		change(&op)
		if !panics(func() { Register(w.api, op, w.things.get) }) {
			t.Errorf("%s: it was registered", name)
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
