package mail_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

func envelope(id, to string) mail.Envelope {
	return mail.Envelope{
		ID: storage.MailID(id), Kind: mail.SignInLink, To: to, Date: start, Subject: "Your link of " + id,
		Text: "Go on: " + secretLink + "\n", HTML: `<!doctype html><p style="color:red">Go on: <a href="` + secretLink + `">here</a></p>`,
	}
}

// pages are those of a mailbox with some mails.
func pages(t *testing.T, most int, mails ...mail.Envelope) func(path string) *httptest.ResponseRecorder {
	t.Helper()
	box := mail.NewMailbox(most)
	for _, e := range mails {
		if err := box.Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	mux := web.NewMux(web.Config{})
	box.Mount(mux)
	return func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
}

func TestMailboxListsTheNewestFirst(t *testing.T) {
	get := pages(t, 2, envelope("eml_1", "one@acme.test"), envelope("eml_2", "two@acme.test"), envelope("eml_3", "three@acme.test"))
	w := get("/dev/mail")
	body := w.Body.String()
	third, second := strings.Index(body, `href="/dev/mail/eml_3"`), strings.Index(body, `href="/dev/mail/eml_2"`)
	if w.Code != http.StatusOK || third < 0 || second < third || strings.Contains(body, "eml_1") || !strings.Contains(body, "two@acme.test") {
		t.Errorf("%d\n%s", w.Code, body)
	}
	if w := pages(t, 2)("/dev/mail"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "No mail was sent") {
		t.Errorf("empty: %d\n%s", w.Code, w.Body)
	}
}

func TestMailboxShowsAMailAsTextAndAsHTML(t *testing.T) {
	get := pages(t, 10, envelope("eml_1", "one@acme.test"))
	w := get("/dev/mail/eml_1")
	for _, part := range []string{`<a href="` + secretLink + `">`, "Go on: " + secretLink, "one@acme.test", `href="/dev/mail/eml_1/html"`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("the page has no %s\n%s", part, w.Body)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	w = get("/dev/mail/eml_1/html")
	if w.Body.String() != envelope("eml_1", "").HTML || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%v\n%s", w.Header(), w.Body)
	}
	for _, path := range []string{"/dev/mail/eml_2", "/dev/mail/eml_2/html", "/dev/mail/"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestMailAsAPageRunsAndLoadsNothing(t *testing.T) {
	e := envelope("eml_1", "one@acme.test")
	e.HTML = `<script>alert(1)</script><img src="https://evil.example/pixel">`
	h := pages(t, 10, e)("/dev/mail/eml_1/html").Header()
	policy := h.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'unsafe-inline';") || strings.Contains(policy, "script-src") || strings.Contains(policy, "img-src") {
		t.Errorf("policy %q", policy)
	}
	if h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers %v", h)
	}
}
