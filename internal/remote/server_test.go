package remote

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// far is the other side: a server that does what a test tells it to, in ways that no
// real one would, and notes what it is sent.
type far struct {
	*testing.T
	*httptest.Server
	mux *http.ServeMux

	mu       sync.Mutex
	now      time.Time
	live     map[string]bool   // refresh tokens
	codes    map[string]string // challenge of each
	issued   int
	refused  map[string]bool // access tokens that are not good any more
	revoked  []string
	requests []string // what came to /v1, with what
	meta     map[string]any
	tenant   string
}

func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{
		T: t, mux: http.NewServeMux(), live: map[string]bool{}, codes: map[string]string{}, refused: map[string]bool{},
		now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), tenant: "acme",
	}
	f.Server = httptest.NewServer(f.mux)
	t.Cleanup(f.Server.Close)
	f.meta = map[string]any{
		"issuer": f.URL, "authorization_endpoint": f.URL + "/oauth2/authorize", "token_endpoint": f.URL + "/oauth2/token",
		"revocation_endpoint": f.URL + "/oauth2/revoke", "authorization_response_iss_parameter_supported": true,
	}
	f.mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, 200, f.meta) })
	f.mux.HandleFunc("POST /oauth2/token", f.token)
	f.mux.HandleFunc("POST /oauth2/revoke", func(_ http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.revoked = append(f.revoked, r.PostFormValue("token"))
	})
	f.handle("GET /v1/auth/whoami", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, map[string]any{"tenant": f.tenant, "tenant_id": "ten_" + f.tenant})
	})
	return f
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func answerProblem(w http.ResponseWriter, p map[string]any) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p["status"].(int))
	_ = json.NewEncoder(w).Encode(p)
}

// handle answers a path of the API for whoever has a credential that is good.
func (f *far) handle(pattern string, h http.HandlerFunc) {
	f.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		credential := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		f.mu.Lock()
		f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI()+" "+credential)
		bad := f.refused[credential] || credential == ""
		f.mu.Unlock()
		if bad {
			answerProblem(w, map[string]any{"type": "https://x/unauthenticated.md", "title": "No live credential", "status": 401})
			return
		}
		h(w, r)
	})
}

// code is what the person's approval gives to who sent that request.
func (f *far) code(request url.Values) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	code := fmt.Sprintf("code%d", len(f.codes))
	f.codes[code] = request.Get("code_challenge")
	return code
}

func (f *far) token(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	good := r.PostFormValue("client_id") == ClientID && r.Header.Get("Authorization") == ""
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		challenge, known := f.codes[r.PostFormValue("code")]
		good = good && known && challenge == base64.RawURLEncoding.EncodeToString(sum[:])
	case "refresh_token":
		old := r.PostFormValue("refresh_token")
		good = good && f.live[old]
		delete(f.live, old)
	}
	if !good {
		answerJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "The grant is not valid."})
		return
	}
	f.issued++
	refresh := fmt.Sprintf("refresh%d", f.issued)
	f.live[refresh] = true
	answerJSON(w, 200, map[string]any{"access_token": fmt.Sprintf("access%d", f.issued), "token_type": "Bearer", "expires_in": 3600, "refresh_token": refresh})
}

// person is somebody who signs in and approves at once; edit changes what the browser
// brings back.
func (f *far) person(edit func(url.Values)) func(string) {
	return func(page string) {
		u, err := url.Parse(page)
		if err != nil {
			f.Error(err)
			return
		}
		q := u.Query()
		back := url.Values{"code": {f.code(q)}, "state": {q.Get("state")}, "iss": {f.URL}}
		if edit != nil {
			edit(back)
		}
		res, err := http.Get(q.Get("redirect_uri") + "?" + back.Encode())
		if err != nil {
			f.Error(err)
			return
		}
		res.Body.Close()
	}
}

// client is a client of the server, with a person at hand.
func (f *far) client(dir string, edit ...func(*Config)) *Client {
	f.Helper()
	cfg := Config{Server: f.URL, Dir: dir, Now: f.clock, Show: f.person(nil)}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := New(cfg)
	must(f.T, err)
	c.retryWait = time.Microsecond
	return c
}

func (f *far) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *far) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *far) spoil(access string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused[access] = true
}

func nobody(c *Config) { c.Show = nil }
