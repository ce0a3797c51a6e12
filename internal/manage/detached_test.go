package manage

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/web"
)

// abandon sends a request, goes away in the middle of its operation, and returns when
// the server is done with it. The operation goes on when the server knows that the
// caller is gone; abandon returns what became of the operation's context by then.
func (w *world) abandon(method, path, body string, headers ...string) error {
	w.t.Helper()
	ctx, leave := context.WithCancel(w.t.Context())
	defer leave()
	gone, over := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(over)
		context.AfterFunc(r.Context(), func() { close(gone) })
		w.api.mux.ServeHTTP(rw, r)
	}))
	defer server.Close()
	var saw error
	w.things.during = func(ctx context.Context) {
		leave()
		<-gone
		saw = ctx.Err()
	}
	defer func() { w.things.during = nil }()
	req, err := http.NewRequestWithContext(ctx, method, server.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		w.t.Fatalf("who went away was answered %d", resp.StatusCode)
	}
	<-over
	return saw
}

// TestALostConnectionMakesTwo: the caller goes away after the write was sent, and
// sends the request again.
func TestALostConnectionMakesTwo(t *testing.T) {
	w := newWorld(t)
	if err := w.abandon("POST", "/v1/things", lamp, asAlice, sendJSON, "Idempotency-Key: 1"); err != nil {
		t.Errorf("the operation was told: %v", err)
	}
	r := w.create(lamp, "1", asAlice)
	if r.StatusCode != http.StatusCreated || !strings.Contains(r.body, `"thing_1"`) || r.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the retry is answered %d %s", r.StatusCode, r.body)
	}
	if n := w.things.made(); n != 1 {
		t.Errorf("%d made", n)
	}
}

func TestWhatChangesSomethingOutlivesItsCaller(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		method, path, body, media string
		want                      error
	}{
		{"POST", "/v1/things", lamp, mediaJSON, nil},
		{"PATCH", "/v1/things/1", "{}", mediaPatch, nil},
		{"DELETE", "/v1/things/1", "", "", nil},
		{"GET", "/v1/things/1", "", "", context.Canceled}, // nobody reads it
	} {
		headers := []string{asAlice}
		if c.media != "" {
			headers = append(headers, "Content-Type: "+c.media)
		}
		if err := w.abandon(c.method, c.path, c.body, headers...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.method, err, c.want)
		}
	}
}

func TestWhatChangesSomethingEndsBeforeItsLease(t *testing.T) {
	if workTimeout+noteTimeout > answerLease/2 {
		t.Errorf("%v and %v are too near to %v", workTimeout, noteTimeout, answerLease)
	}
	w := newWorld(t)
	bounded := false
	w.things.during = func(ctx context.Context) { _, bounded = ctx.Deadline() }
	if r := w.create(lamp, "1", asAlice); r.StatusCode != http.StatusCreated || !bounded {
		t.Errorf("%d, with a deadline: %t", r.StatusCode, bounded)
	}
}

// TestAFailureIsNotTakenForARefusal: what failed may have been done, so that it is
// not done again before its lease is over.
func TestAFailureIsNotTakenForARefusal(t *testing.T) {
	for name, err := range map[string]error{
		"timeout": context.DeadlineExceeded, "gone": context.Canceled, "unknown": errors.New("the disk is full"),
		"problem": Refuse(Internal, ""), "unavailable": web.Unavailable(errors.New("no answer")),
	} {
		w := newWorld(t)
		w.things.err = err
		if r := w.create(lamp, "1", asAlice); r.StatusCode < 500 {
			t.Fatal(name, r.StatusCode)
		}
		w.things.err = nil
		r := w.create(lamp, "1", asAlice)
		w.refused(r, IdempotencyInFlight)
		w.set(func() { w.now = w.now.Add(answerLease) })
		if r := w.create(lamp, "1", asAlice); r.StatusCode != http.StatusCreated {
			t.Error(name, r.StatusCode, r.body)
		}
	}
}

// TestAPanicIsNotTakenForARefusal is the same of a bug.
func TestAPanicIsNotTakenForARefusal(t *testing.T) {
	w := newWorld(t)
	w.things.during = func(context.Context) { panic("a bug") }
	w.refused(w.create(lamp, "1", asAlice), Internal)
	w.things.during = nil
	w.refused(w.create(lamp, "1", asAlice), IdempotencyInFlight)
}
