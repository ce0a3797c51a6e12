package keyapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// abandon sends a request, goes away when the key is about to be stored, and returns
// when the server is done with it. The key is stored when the server knows that the
// caller is gone.
func (w *world) abandon(token, path, body string, headers ...string) {
	w.t.Helper()
	ctx, leave := context.WithCancel(w.t.Context())
	defer leave()
	gone, over := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(over)
		context.AfterFunc(r.Context(), func() { close(gone) })
		w.mux.ServeHTTP(rw, r)
	}))
	defer server.Close()
	w.worst = func() { leave(); <-gone }
	defer func() { w.worst = nil }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader(body))
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		res.Body.Close()
		w.t.Fatalf("who went away was answered %d", res.StatusCode)
	}
	<-over
}

// items are the keys that a person sees.
func (w *world) items(token string) []any {
	w.t.Helper()
	items, _ := w.ask(token, http.MethodGet, "/v1/auth/keys", "").object(w.t)["items"].([]any)
	return items
}

// TestALostConnectionLeavesAKeyThatNobodyHas: who asks for a key goes away while it is
// stored, and asks again.
func TestALostConnectionLeavesAKeyThatNobodyHas(t *testing.T) {
	w := newWorld(t)
	const body = `{"name":"ci","scopes":["api-keys:read"]}`
	w.abandon(alice, "/v1/auth/keys", body, "Idempotency-Key", "once")
	r := w.ask(alice, http.MethodPost, "/v1/auth/keys", body, "Idempotency-Key", "once")
	if r.status != http.StatusCreated || r.header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("the retry is answered %d %s", r.status, r.body)
	}
	k := secretOf(t, r)
	if got := w.items(alice); len(got) != 1 || got[0].(map[string]any)["id"] != k.ID {
		t.Errorf("the keys are %v", got)
	}
	if r := w.ask(k.Secret, http.MethodGet, k.at(), ""); r.status != http.StatusOK {
		t.Errorf("the key is good for %d", r.status)
	}
}

// TestALostConnectionLosesTheSuccessor: the old key ends at once, and the new one is
// in an answer that nobody read.
func TestALostConnectionLosesTheSuccessor(t *testing.T) {
	w := newWorld(t)
	old := w.create(alice, `{"name":"ci","scopes":["api-keys:read"]}`)
	w.abandon(alice, old.at()+"/rotate", `{"grace":"0s"}`, "Idempotency-Key", "once")
	r := w.ask(alice, http.MethodPost, old.at()+"/rotate", `{"grace":"0s"}`, "Idempotency-Key", "once")
	if r.status != http.StatusCreated || r.header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("the retry is answered %d %s", r.status, r.body)
	}
	next := secretOf(t, r)
	if r := w.ask(next.Secret, http.MethodGet, next.at(), ""); r.status != http.StatusOK {
		t.Errorf("the successor is good for %d", r.status)
	}
	if r := w.ask(old.Secret, http.MethodGet, old.at(), ""); r.status != http.StatusUnauthorized {
		t.Errorf("the old key is good for %d", r.status)
	}
}

// TestAnAnswerThatWasNotReadIsGivenToItsCallerOnly: another person of the tenant with
// the same Idempotency-Key asks for a key of their own.
func TestAnAnswerThatWasNotReadIsGivenToItsCallerOnly(t *testing.T) {
	w := newWorld(t)
	const body = `{"name":"ci"}`
	w.abandon(alice, "/v1/auth/keys", body, "Idempotency-Key", "once")
	r := w.ask(bob, http.MethodPost, "/v1/auth/keys", body, "Idempotency-Key", "once")
	if r.status != http.StatusCreated || r.header.Get("Idempotency-Replayed") != "" || len(w.items(alice)) != 2 {
		t.Errorf("%d %s", r.status, r.body)
	}
}
