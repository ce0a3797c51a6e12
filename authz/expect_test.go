package authz_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/watchgate/watchgate/internal/token"
)

// granted is the token response to a good code flow of the web app.
func (w *world) granted(pairs ...string) tokens {
	w.Helper()
	got := w.tokens(w.post("/oauth2/token", redemption(w.code(request(pairs...))), as("web")))
	if got.Error != "" {
		w.Fatalf("token endpoint: %s %s", got.Error, got.Text)
	}
	return got
}

func (w *world) refresh(refresh, client string, pairs ...string) tokens {
	w.Helper()
	return w.tokens(w.post("/oauth2/token", form(append([]string{"grant_type", "refresh_token", "refresh_token", refresh}, pairs...)...), as(client)))
}

// alive reports whether an access token is live, as a resource server would see
// it.
func (w *world) alive(access string) bool {
	w.Helper()
	ref, err := token.Parse(token.Access, access)
	w.must(err)
	_, live, err := w.store.FindAccess(context.Background(), "", ref)
	w.must(err)
	return live != nil && live.Dead(w.now()) == ""
}

// claims are those of an ID token, whose signature is checked.
func (w *world) claims(id string) map[string]any {
	w.Helper()
	payload, err := keys.Verify(context.Background(), id)
	w.must(err)
	var c map[string]any
	w.must(json.Unmarshal(payload, &c))
	return c
}

// recorded counts the events of a kind in acme's and the platform's trail.
func (w *world) recorded(kind string) int {
	w.Helper()
	ctx := context.Background()
	events, err := w.store.Tenant(w.acme.ID).Events(ctx, "", 1000)
	w.must(err)
	platform, err := w.store.PlatformEvents(ctx, "", 1000)
	w.must(err)
	n := 0
	for _, ev := range append(events, platform...) {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

// refused checks a token endpoint's refusal.
func (w *world) refused(rec *httptest.ResponseRecorder, status int, code string) {
	w.Helper()
	got := w.tokens(rec)
	if rec.Code != status || got.Error != code {
		w.Errorf("got %d %q (%s), want %d %q", rec.Code, got.Error, got.Text, status, code)
	}
	if c := rec.Header().Get("Cache-Control"); c != "no-store" {
		w.Errorf("Cache-Control = %q, want no-store", c)
	}
}

// page checks that a request ended on an error page, at nobody's address.
func (w *world) page(rec *httptest.ResponseRecorder) {
	w.Helper()
	if rec.Code != http.StatusBadRequest || rec.Header().Get("Location") != "" || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
		w.Errorf("status %d, Location %q, type %q; want an error page", rec.Code, rec.Header().Get("Location"), rec.Header().Get("Content-Type"))
	}
}

// sentBack checks that a request was refused at the client's address.
func (w *world) sentBack(rec *httptest.ResponseRecorder, code string) {
	w.Helper()
	got := w.response(rec, callback)
	if got.Get("error") != code || got.Has("code") || got.Get("iss") != issuer {
		w.Errorf("response %v, want error=%s with iss", got, code)
	}
}
