package guard_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

const issuer = "https://auth.example.com"

// endpoint is an introspection endpoint that does what a test tells it: the ways in
// which a network and a server fail. What Watchgate itself answers is tested with
// Watchgate, see world.
type endpoint struct {
	*httptest.Server
	asked  atomic.Int64
	handle atomic.Pointer[http.HandlerFunc]
}

func newEndpoint(t testing.TB, handle http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.does(handle)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		(*e.handle.Load())(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) does(handle http.HandlerFunc) { e.handle.Store(&handle) }

// config is a guard's of this endpoint.
func (e *endpoint) config() guard.Config {
	return guard.Config{Issuer: issuer, Endpoint: e.URL + "/oauth2/introspect", ClientID: "api", Secret: "secret"}
}

// members of an answer.
type members map[string]any

// active is what Watchgate says about alice's token, with changes; a nil takes a
// member out.
func active(changes members) string {
	m := members{
		"active": true, "scope": "monitor:read alert:write", "client_id": "status-board", "username": "alice@acme.test", "token_type": "Bearer",
		"sub": "usr_1", "tenant_id": "ten_1", "tenant": "acme", "exp": time.Now().Add(time.Hour).Unix(), "iss": issuer, "jti": "tok_1",
		"auth_time": time.Now().Add(-time.Minute).Unix(), "acr": "mfa", "amr": []string{"pwd", "otp"},
	}
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const inactive = `{"active":false}`

// says answers every question with the same JSON.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
}

// fails answers with a status and no JSON.
func fails(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

func newGuard(t testing.TB, cfg guard.Config) *guard.Guard {
	t.Helper()
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// reply is what a caller of the API got.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) challenge() string { return r.header.Get("WWW-Authenticate") }

// code is the body's error.
func (r reply) code(t *testing.T) string {
	t.Helper()
	var body struct{ Error string }
	if err := json.Unmarshal([]byte(r.body), &body); err != nil {
		t.Fatalf("%d %q: %v", r.status, r.body, err)
	}
	return body.Error
}

// api is an API behind one middleware, whose handler answers with who called.
func api(protect func(http.Handler) http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/t/{tenant}/monitors", protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := guard.PrincipalFrom(r.Context())
		if !ok {
			http.Error(w, "no principal", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s of %s by %s with %s", p.Subject, p.Tenant, p.ClientID, strings.Join(p.Scopes, " "))
	})))
	return mux
}

// call calls an API; header is names and values in turn.
func call(h http.Handler, method, target string, header ...string) reply {
	r := httptest.NewRequest(method, target, strings.NewReader("access_token=inthebody"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

var tenantFromPath = guard.PathValue("tenant")
