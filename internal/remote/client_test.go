package remote

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// withKey serves one key.
func (f *far) withKey() *far {
	f.handle("GET /v1/auth/keys/key_1", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, map[string]any{"id": "key_1", "name": "ci", "future": true})
	})
	return f
}

func TestSignInIsKeptAndUsed(t *testing.T) {
	f, dir := newFar(t).withKey(), folder(t)
	var page *url.URL
	first := f.client(dir, func(c *Config) {
		show := c.Show
		c.Show = func(p string) {
			page, _ = url.Parse(p)
			show(p)
		}
	})
	k, err := first.Key(t.Context(), "key_1")
	if err != nil || k.Name != "ci" || !strings.Contains(string(k.JSON), "future") {
		t.Fatalf("%+v, %v", k, err)
	}
	q := page.Query()
	if q.Get("client_id") != ClientID || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || len(q.Get("state")) < 20 ||
		q.Get("scope") != "openid offline_access api-keys:read api-keys:write" || !strings.HasPrefix(q.Get("redirect_uri"), "http://127.0.0.1:") || !strings.HasSuffix(q.Get("redirect_uri"), "/callback") {
		t.Errorf("the person is sent with %v", q)
	}
	// Another command, with nobody there.
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err != nil {
		t.Error(err)
	}
	f.pass(time.Hour)
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	f.pass(time.Hour)
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err != nil {
		t.Errorf("and with the token of that: %v", err)
	}
	if f.issued != 3 || !slices.Contains(f.requests, "GET /v1/auth/keys/key_1 access3") {
		t.Errorf("%d tokens, requests %v", f.issued, f.requests)
	}
}

func TestTokenThatIsNoLongerGoodIsRenewedOnce(t *testing.T) {
	f, dir := newFar(t).withKey(), folder(t)
	if _, err := f.client(dir).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.spoil("access1")
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err != nil || f.issued != 2 {
		t.Errorf("%v, %d tokens", err, f.issued)
	}
	f.spoil("access2")
	f.spoil("access3")
	var p *Problem
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); !errors.As(err, &p) || p.Status != 401 || f.issued != 3 {
		t.Errorf("%v, %d tokens", err, f.issued)
	}
}

// A refresh token that was revoked or reused is forgotten, and the person asked.
func TestDeadSignInIsForgotten(t *testing.T) {
	f, dir := newFar(t).withKey(), folder(t)
	if _, err := f.client(dir).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.live = map[string]bool{}
	f.pass(time.Hour)
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); !errors.Is(err, ErrNotSignedIn) {
		t.Errorf("error %v", err)
	}
	if w, err := load(dir); err != nil || len(w.Entries) != 0 {
		t.Errorf("kept: %v, %v", w.Entries, err)
	}
	if _, err := f.client(dir).Key(t.Context(), "key_1"); err != nil {
		t.Error(err)
	}
}

// An outage forgets nothing.
func TestOutageKeepsTheSignIn(t *testing.T) {
	f, dir := newFar(t).withKey(), folder(t)
	if _, err := f.client(dir).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour)
	meta := f.meta
	f.meta = map[string]any{"issuer": f.URL}
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err == nil || errors.Is(err, ErrNotSignedIn) {
		t.Errorf("error %v", err)
	}
	f.meta = meta
	if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err != nil {
		t.Error(err)
	}
}

// Refresh tokens are good once: commands that run at once use one after another.
func TestRefreshOfCommandsAtOnce(t *testing.T) {
	f, dir := newFar(t).withKey(), folder(t)
	if _, err := f.client(dir).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := f.client(dir, nobody).Key(t.Context(), "key_1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.issued != 2 {
		t.Errorf("%d tokens, want one refresh for all", f.issued)
	}
}

func TestSecondSignInToATenantEndsTheFirst(t *testing.T) {
	f, dir := newFar(t), folder(t)
	for _, tenant := range []string{"acme", "globex", "acme"} {
		f.tenant = tenant
		if who, err := f.client(dir).SignIn(t.Context()); err != nil || who.Tenant != tenant {
			t.Fatal(who, err)
		}
	}
	w, err := load(dir)
	must(t, err)
	if len(w.Entries) != 2 || !slices.Equal(f.revoked, []string{"refresh1"}) {
		t.Errorf("%d entries, revoked %v", len(w.Entries), f.revoked)
	}
	f.withKey()
	globex := f.client(dir, nobody, func(c *Config) { c.Tenant = "globex" })
	if _, err := globex.Key(t.Context(), "key_1"); err != nil || !strings.HasSuffix(f.requests[len(f.requests)-1], " access2") {
		t.Errorf("%v, %v", err, f.requests)
	}
	other := f.client(dir, func(c *Config) { c.Tenant = "initech" })
	if _, err := other.Key(t.Context(), "key_1"); !errors.Is(err, errOtherTenant) {
		t.Errorf("error %v", err)
	}
}

// A script's key is used as it is: nothing is asked, read or kept.
func TestAPIKeyInsteadOfASignIn(t *testing.T) {
	f, dir := newFar(t).withKey(), folder(t)
	c := f.client(dir, func(c *Config) { c.APIKey, c.Dir = "up_live_x", dir })
	if _, err := c.Key(t.Context(), "key_1"); err != nil || !slices.Equal(f.requests, []string{"GET /v1/auth/keys/key_1 up_live_x"}) {
		t.Errorf("%v, %v", err, f.requests)
	}
	f.spoil("up_live_x")
	if _, err := c.Key(t.Context(), "key_1"); err == nil || f.issued != 0 {
		t.Errorf("%v, %d tokens", err, f.issued)
	}
	if _, err := os.Stat(filepath.Join(dir, credentialsFile)); !os.IsNotExist(err) {
		t.Errorf("something is kept: %v", err)
	}
}

func TestForgetEndsTheSignIn(t *testing.T) {
	f, dir := newFar(t), folder(t)
	for _, tenant := range []string{"acme", "globex"} {
		f.tenant = tenant
		if _, err := f.client(dir).SignIn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := f.client(dir, func(c *Config) { c.Tenant = "acme" }).Forget(t.Context())
	if err != nil || !slices.Equal(gone, []string{"acme"}) || !slices.Equal(f.revoked, []string{"refresh1"}) {
		t.Errorf("%v, %v; revoked %v", gone, err, f.revoked)
	}
	f.Server.Close()
	gone, err = f.client(dir).Forget(t.Context())
	if err == nil || !strings.Contains(err.Error(), "could not be told") || !slices.Equal(gone, []string{"globex"}) {
		t.Errorf("without the server: %v, %v", gone, err)
	}
	if w, err := load(dir); err != nil || len(w.Entries) != 0 {
		t.Errorf("kept: %v, %v", w.Entries, err)
	}
}

// RFC 9470: what wants a fresh sign-in gets one, and is asked again.
func TestStepUp(t *testing.T) {
	f, dir := newFar(t), folder(t)
	f.handle("POST /v1/auth/keys/key_1/reveal", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer access1" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="x", error="insufficient_user_authentication", max_age="300", acr_values="urn:mfa"`)
			answerProblem(w, map[string]any{"type": "https://x/reauthenticate.md", "title": "A fresh sign-in is required", "status": 401, "max_age": 300})
			return
		}
		answerJSON(w, 200, map[string]any{"secret": "up_live_x"})
	})
	if _, err := f.client(dir).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	var p *Problem
	if _, err := f.client(dir, nobody).Reveal(t.Context(), "key_1"); !errors.As(err, &p) || p.Kind() != "reauthenticate" {
		t.Errorf("with nobody there: %v", err)
	}
	var asked url.Values
	c := f.client(dir, func(c *Config) {
		show := c.Show
		c.Show = func(p string) {
			u, _ := url.Parse(p)
			asked = u.Query()
			show(p)
		}
	})
	if secret, err := c.Reveal(t.Context(), "key_1"); err != nil || secret != "up_live_x" || asked.Get("max_age") != "300" || asked.Get("acr_values") != "urn:mfa" {
		t.Errorf("%q, %v, with %v", secret, err, asked)
	}
}

// An answer that is lost is asked for again, by the same Idempotency-Key.
func TestLostAnswerIsFetched(t *testing.T) {
	f := newFar(t)
	var keys []string
	f.handle("POST /v1/auth/keys", func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		switch len(keys) {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			answerProblem(w, map[string]any{"type": "https://x/unavailable.md", "title": "Cannot answer right now", "status": 503})
		default:
			answerJSON(w, 201, map[string]any{"id": "key_1", "secret": "up_live_x"})
		}
	})
	c := f.client(folder(t), func(c *Config) { c.APIKey = "k" })
	made, err := c.Create(t.Context(), NewKey{Name: "ci"})
	if err != nil || made.Secret != "up_live_x" || len(keys) != 3 || keys[0] == "" || keys[0] != keys[1] || keys[1] != keys[2] {
		t.Errorf("%v, %v, keys %v", made, err, keys)
	}
	if _, err := c.Create(t.Context(), NewKey{Name: "ci"}); err != nil || keys[3] == keys[0] {
		t.Errorf("another request with the same key: %v, %v", err, keys)
	}
}

func TestPagesAreReadToTheLimit(t *testing.T) {
	f := newFar(t)
	f.handle("GET /v1/auth/keys", func(w http.ResponseWriter, r *http.Request) {
		page := map[string]any{"items": []map[string]any{{"id": "key_3"}, {"id": "key_2"}}, "next_cursor": "c"}
		if r.FormValue("cursor") == "c" {
			page = map[string]any{"items": []map[string]any{{"id": "key_1"}}}
		}
		answerJSON(w, 200, page)
	})
	c := f.client(folder(t), func(c *Config) { c.APIKey = "k" })
	for most, want := range map[int]struct {
		n    int
		more bool
	}{1: {1, true}, 2: {2, true}, 3: {3, false}, 100: {3, false}} {
		keys, more, err := c.Keys(t.Context(), Filter{Owner: "me", State: "live"}, most)
		if err != nil || len(keys) != want.n || more != want.more {
			t.Errorf("at most %d: %d keys, more %v, %v", most, len(keys), more, err)
		}
	}
	if !strings.Contains(f.requests[0], "owner=me") || !strings.Contains(f.requests[0], "state=live") {
		t.Errorf("asked %v", f.requests)
	}
}

// A credential follows no redirect, and goes to no server that is another.
func TestAttackCredentialIsLedElsewhere(t *testing.T) {
	thief := 0
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { thief++ }))
	defer evil.Close()
	f, dir := newFar(t), folder(t)
	f.handle("GET /v1/auth/keys/key_1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, evil.URL, http.StatusTemporaryRedirect)
	})
	if _, err := f.client(dir).Key(t.Context(), "key_1"); !errors.Is(err, errRedirected) {
		t.Errorf("error %v", err)
	}
	f.handle("GET /v1/auth/keys/{id}", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, 200, map[string]any{"id": r.PathValue("id")})
	})
	if k, err := f.client(dir, nobody).Key(t.Context(), "../whoami?x"); err != nil || k.ID != "../whoami?x" {
		t.Errorf("an id is a path: %v, %v", k.ID, err)
	}
	f.meta["issuer"] = evil.URL
	if _, err := f.client(folder(t)).SignIn(t.Context()); err == nil || !strings.Contains(err.Error(), "calls itself") {
		t.Errorf("another's metadata: %v", err)
	}
	f.meta["issuer"], f.meta["token_endpoint"] = f.URL, "http://auth.example.com/token"
	if _, err := f.client(folder(t)).SignIn(t.Context()); err == nil || !strings.Contains(err.Error(), "endpoint") {
		t.Errorf("a token endpoint in the clear: %v", err)
	}
	f.meta["token_endpoint"] = f.URL + "/oauth2/token"
	delete(f.meta, "authorization_response_iss_parameter_supported")
	if _, err := f.client(folder(t)).SignIn(t.Context()); err == nil {
		t.Error("a server that does not name itself")
	}
	if thief > 0 {
		t.Errorf("%d requests reached somebody else", thief)
	}
}

// The code is worth nothing without what only this process knows.
func TestAttackCodeOfAnotherSignIn(t *testing.T) {
	f := newFar(t)
	injected := f.code(url.Values{"code_challenge": {"of-the-attacker"}})
	_, err := f.client(folder(t), func(c *Config) {
		c.Show = f.person(func(back url.Values) { back.Set("code", injected) })
	}).SignIn(t.Context())
	if err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("error %v", err)
	}
}

// A sign-in of which nothing can be kept is ended at once.
func TestSignInThatCannotBeKeptIsEnded(t *testing.T) {
	f, dir := newFar(t), folder(t)
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Chmod(dir, 0o755))
	if _, err := f.client(dir).SignIn(t.Context()); err == nil || !slices.Equal(f.revoked, []string{"refresh1"}) {
		t.Errorf("%v, revoked %v", err, f.revoked)
	}
}

func TestServerAddress(t *testing.T) {
	for raw, want := range map[string]string{
		"https://auth.example.com": "https://auth.example.com", "https://auth.example.com/": "https://auth.example.com", "https://a.example/auth": "https://a.example/auth",
		"http://127.0.0.1:8080": "http://127.0.0.1:8080", "http://localhost:8080/": "http://localhost:8080", "http://[::1]:8080": "http://[::1]:8080",
		"http://auth.example.com": "", "http://127.0.0.1.evil.example": "", "ftp://127.0.0.1": "", "auth.example.com": "", "": "", "https://u:p@auth.example.com": "",
		"https://auth.example.com?x": "", "https://auth.example.com#x": "", "http://localhost.evil.example": "",
	} {
		if got, err := ParseServer(raw); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	}
}

func TestProblemIsSaidInSentences(t *testing.T) {
	f := newFar(t)
	f.handle("POST /v1/auth/keys", func(w http.ResponseWriter, _ *http.Request) {
		answerProblem(w, map[string]any{
			"type": "https://x/invalid.md", "title": "A field is not valid", "status": 422, "detail": "Two fields are not valid.",
			"errors": []map[string]string{{"field": "scopes[1]", "in": "body", "detail": "There is no such scope."}, {"field": "since", "in": "query", "detail": "This is not a day."}},
		})
	})
	f.handle("GET /v1/auth/keys/html", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) })
	c := f.client(folder(t), func(c *Config) { c.APIKey = "k" })
	_, err := c.Create(t.Context(), NewKey{Name: "ci"})
	want := "A field is not valid: Two fields are not valid.\n  - scopes[1]: There is no such scope.\n  - since (query): This is not a day."
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if _, err := c.Key(t.Context(), "html"); err == nil || !strings.Contains(err.Error(), "502 Bad Gateway") || strings.Contains(err.Error(), "<html>") {
		t.Errorf("what is no problem document: %v", err)
	}
}
