package apikey_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/storage"
)

// hook is a receiver of webhooks, by https.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(http.ResponseWriter)
}

type received struct {
	header http.Header
	body   []byte
}

func newHook(w *world) *hook {
	h := &hook{answer: func(rw http.ResponseWriter) { rw.WriteHeader(http.StatusNoContent) }}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.got = append(h.got, received{r.Header, body})
		answer := h.answer
		h.mu.Unlock()
		answer(rw)
	}))
	w.Cleanup(h.Close)
	w.poster, w.local = h.Client(), true
	w.restart()
	return h
}

func (h *hook) answers(f func(http.ResponseWriter)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

func (h *hook) says(status int) { h.answers(func(rw http.ResponseWriter) { rw.WriteHeader(status) }) }

func (h *hook) calls() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.got)
}

func (w *world) tick() {
	w.Helper()
	w.must(w.keys.Tick(w.Context()))
}

// rotated is a key whose successor has just been made by the schedule.
func (w *world) rotated(url string) (old apikey.Issued, next storage.APIKey) {
	w.Helper()
	old = w.create(w.as(w.bob), apikey.NewKey{WebhookURL: url})
	w.pass(90 * day)
	w.tick()
	k, err := w.keys.Get(w.Context(), w.as(w.bob), old.Key.ID)
	w.must(err)
	if k.Successor == "" {
		w.Fatal("there is no successor")
	}
	next, err = w.keys.Get(w.Context(), w.as(w.bob), k.Successor)
	w.must(err)
	return old, next
}

type event struct {
	Type string
	Data struct {
		ID, Secret, Predecessor string
		OldEnds                 time.Time `json:"predecessor_ends_at"`
	}
}

func TestScheduledSuccessorIsSentToTheWebhookOnce(t *testing.T) {
	w := newWorld(t)
	h := newHook(w)
	old, next := w.rotated(h.URL + "/keys")
	w.tick()
	calls := h.calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	receiver, err := standardwebhooks.NewWebhook(old.WebhookSecret)
	w.must(err)
	if err := receiver.VerifyIgnoringTimestamp(calls[0].body, calls[0].header); err != nil {
		t.Errorf("signature: %v", err)
	}
	if err := receiver.VerifyIgnoringTimestamp(append(calls[0].body, ' '), calls[0].header); err == nil {
		t.Error("another body verifies, too")
	}
	var ev event
	w.must(json.Unmarshal(calls[0].body, &ev))
	if ev.Type != "key.rotated" || ev.Data.ID != string(next.ID) || ev.Data.Predecessor != string(old.Key.ID) || !ev.Data.OldEnds.Equal(w.now().Add(72*time.Hour)) {
		t.Errorf("sent %+v", ev.Type)
	}
	if a, b := w.dead(old.Secret), w.dead(ev.Data.Secret); a != "" || b != "" {
		t.Errorf("in the grace: old %q, new %q", a, b)
	}
	d, err := w.store.Tenant(w.acme.ID).Delivery(t.Context(), old.Key.ID)
	if err != nil || d.DoneAt.IsZero() || d.Sealed != nil {
		t.Errorf("the secret is still kept: %v", err)
	}
	_, err = w.keys.Successor(t.Context(), w.with(old))
	w.refused(err, apikey.Gone)
	if strings.Contains(w.log.String(), ev.Data.Secret) {
		t.Error("the secret is in the log")
	}
	w.pass(72 * time.Hour)
	w.tick()
	if why := w.dead(old.Secret); why != "expired" || w.signalled("key_pickup_missed") != 0 {
		t.Errorf("after the grace: %q, %v signals", why, w.signalled("key_pickup_missed"))
	}
	if next.RotateAt.IsZero() || next.WebhookURL == "" || next.ExpiresAt != old.Key.ExpiresAt {
		t.Errorf("the successor has no successor: %+v", next)
	}
}

// TestWebhookThroughTheDeploymentsClient: what is signed arrives, by the client that
// everything goes out with.
func TestWebhookThroughTheDeploymentsClient(t *testing.T) {
	w := newWorld(t)
	h := newHook(w)
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	w.poster = outbound.New(outbound.Config{AllowLoopbackHTTP: true, RootCAs: roots}).HTTP(1<<10, 0)
	w.restart()
	old, _ := w.rotated(h.URL)
	calls := h.calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	receiver, err := standardwebhooks.NewWebhook(old.WebhookSecret)
	w.must(err)
	if err := receiver.VerifyIgnoringTimestamp(calls[0].body, calls[0].header); err != nil {
		t.Errorf("signature: %v", err)
	}
}

// TestWebhookIsTriedAgain is WH-05: the same id and body, another time and signature.
func TestWebhookIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	h := newHook(w)
	h.says(http.StatusInternalServerError)
	old, _ := w.rotated(h.URL)
	waits := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	for i, wait := range waits {
		w.pass(wait - time.Millisecond)
		w.tick()
		if n := len(h.calls()); n != i+1 {
			t.Fatalf("%s after attempt %d there were %d", wait-time.Millisecond, i+1, n)
		}
		w.pass(wait/10 + time.Millisecond)
		w.tick()
		if n := len(h.calls()); n != i+2 {
			t.Fatalf("%s after attempt %d there were %d", wait+wait/10, i+1, n)
		}
	}
	w.pass(100 * day)
	w.tick()
	calls := h.calls()
	if len(calls) < 10 {
		t.Fatalf("%d attempts, want 10", len(calls))
	}
	receiver, err := standardwebhooks.NewWebhook(old.WebhookSecret)
	w.must(err)
	for i, c := range calls[1:10] {
		if c.header.Get("webhook-id") != calls[0].header.Get("webhook-id") || !bytes.Equal(c.body, calls[0].body) {
			t.Errorf("attempt %d is another message", i+2)
		}
		if c.header.Get("webhook-timestamp") == calls[i].header.Get("webhook-timestamp") || receiver.VerifyIgnoringTimestamp(c.body, c.header) != nil {
			t.Errorf("attempt %d has the time of another, or a wrong signature", i+2)
		}
	}
	if strings.Contains(calls[0].header.Get("webhook-id"), ".") {
		t.Error("the id has a dot")
	}
}

func TestReceiverSaysWhen(t *testing.T) {
	w := newWorld(t)
	h := newHook(w)
	h.answers(func(rw http.ResponseWriter) {
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusTooManyRequests)
	})
	w.rotated(h.URL)
	w.pass(59 * time.Minute)
	w.tick()
	h.says(http.StatusGone)
	if n := len(h.calls()); n != 1 {
		t.Fatalf("%d calls within the hour that was asked for", n)
	}
	w.pass(time.Minute)
	w.tick()
	w.pass(40 * time.Hour)
	w.tick()
	if n := len(h.calls()); n != 2 {
		t.Errorf("%d calls; a receiver that is gone is called no more", n)
	}
}

// TestWebhookThatRedirectsInside is attack 110: a secret is not sent on.
func TestWebhookThatRedirectsInside(t *testing.T) {
	w := newWorld(t)
	inside := newHook(w)
	h := newHook(w)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		h.answers(func(rw http.ResponseWriter) {
			rw.Header().Set("Location", inside.URL)
			rw.WriteHeader(status)
		})
		old, _ := w.rotated(h.URL)
		d, err := w.store.Tenant(w.acme.ID).Delivery(t.Context(), old.Key.ID)
		if err != nil || !d.DoneAt.IsZero() {
			t.Errorf("%d counts as taken (%v)", status, err)
		}
	}
	if len(h.calls()) < 3 || len(inside.calls()) != 0 {
		t.Errorf("%d calls, %d inside", len(h.calls()), len(inside.calls()))
	}
}

func TestOldKeyFetchesItsSuccessorOnce(t *testing.T) {
	w := newWorld(t)
	fresh := w.create(w.as(w.bob), apikey.NewKey{})
	_, err := w.keys.Successor(t.Context(), w.with(fresh))
	w.refused(err, apikey.NotFound)
	old, next := w.rotated("")
	person, thief := w.as(w.bob), w.with(old)
	thief.Secret = fresh.Secret
	for _, a := range []apikey.Actor{person, thief} {
		_, err := w.keys.Successor(t.Context(), a)
		w.refused(err, apikey.Forbidden)
	}
	got, err := w.keys.Successor(t.Context(), w.with(old))
	w.must(err)
	if got.Key.ID != next.ID || w.dead(got.Secret) != "" || w.dead(old.Secret) != "" || !got.OldEnds.Equal(w.now().Add(72*time.Hour)) {
		t.Errorf("fetched %s, old ends %s", got.Key.ID, got.OldEnds)
	}
	_, err = w.keys.Successor(t.Context(), w.with(old))
	w.refused(err, apikey.Gone)
	if kinds := w.kinds(w.acme); !slices.Contains(kinds, "key.delivered") {
		t.Errorf("events %v", kinds)
	}
}

func TestSuccessorIsFetchedByOneOfMany(t *testing.T) {
	onBoth(t, func(w *world) {
		old, _ := w.rotated("")
		a := w.with(old)
		results := make(chan error, 6)
		for range cap(results) {
			go func() {
				_, err := w.keys.Successor(w.Context(), a)
				results <- err
			}()
		}
		won := 0
		for range cap(results) {
			if err := <-results; err == nil {
				won++
			} else {
				w.refused(err, apikey.Gone)
			}
		}
		if won != 1 {
			w.Errorf("%d were told the secret, want 1", won)
		}
	})
}

// TestPickUpDuringAWebhookCall: while a message is on its way, the old key is told
// nothing; the one who got it first stays the only one.
func TestPickUpDuringAWebhookCall(t *testing.T) {
	onBoth(t, func(w *world) {
		h := newHook(w)
		var old apikey.Issued
		during := make(chan error, 1)
		h.answers(func(rw http.ResponseWriter) {
			_, err := w.keys.Successor(w.Context(), w.with(old))
			during <- err
			rw.WriteHeader(http.StatusOK)
		})
		old = w.create(w.as(w.bob), apikey.NewKey{WebhookURL: h.URL})
		w.pass(90 * day)
		w.tick()
		w.refused(<-during, apikey.Conflict)
		_, err := w.keys.Successor(w.Context(), w.with(old))
		w.refused(err, apikey.Gone)

		h.says(http.StatusServiceUnavailable)
		again, _ := w.rotated(h.URL)
		got, err := w.keys.Successor(w.Context(), w.with(again))
		w.must(err)
		w.pass(time.Hour)
		w.tick()
		about := func(r received) bool { return r.header.Get("webhook-id") == "msg_"+string(got.Key.ID) }
		calls := slices.DeleteFunc(h.calls(), func(r received) bool { return !about(r) })
		if len(calls) != 1 || w.dead(got.Secret) != "" {
			w.Error("the webhook was called after the successor was fetched")
		}
	})
}

// TestNodeThatDiesOverAWebhook leaves a claim, which is over after a minute.
func TestNodeThatDiesOverAWebhook(t *testing.T) {
	w := newWorld(t)
	h := newHook(w)
	h.says(http.StatusInternalServerError)
	old, _ := w.rotated(h.URL)
	d, err := w.store.Tenant(w.acme.ID).Delivery(t.Context(), old.Key.ID)
	w.must(err)
	w.must(w.store.Tenant(w.acme.ID).TryDelivery(t.Context(), d, w.now().Add(time.Minute)))
	_, err = w.keys.Successor(t.Context(), w.with(old))
	w.refused(err, apikey.Conflict)
	h.says(http.StatusOK)
	w.pass(time.Minute)
	w.tick()
	if n := len(h.calls()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	_, err = w.keys.Successor(t.Context(), w.with(old))
	w.refused(err, apikey.Gone)
}

func TestSuccessorThatNobodyFetchesIsSignalledBeforeTheEnd(t *testing.T) {
	w := newWorld(t)
	old, next := w.rotated("")
	w.pass(48*time.Hour - time.Millisecond)
	w.tick()
	if n := w.signalled("key_pickup_missed"); n != 0 {
		t.Errorf("%v signals a day and more before", n)
	}
	w.pass(time.Millisecond)
	w.tick()
	w.tick()
	if n := w.signalled("key_pickup_missed"); n != 1 || w.dead(old.Secret) != "" {
		t.Errorf("%v signals, old key %q", n, w.dead(old.Secret))
	}
	if kinds := w.kinds(w.acme); kinds[0] != "key.pickup_missed" || !strings.Contains(w.log.String(), string(next.ID)) {
		t.Errorf("events %v", kinds)
	}
	_, err := w.keys.Successor(t.Context(), w.with(old))
	w.must(err)
}

func TestManyNodesRotateOnce(t *testing.T) {
	onBoth(t, func(w *world) {
		h := newHook(w)
		old := w.create(w.as(w.bob), apikey.NewKey{WebhookURL: h.URL})
		w.pass(90 * day)
		var done sync.WaitGroup
		for range 4 {
			done.Go(func() {
				if err := w.keys.Tick(w.Context()); err != nil {
					w.Error(err)
				}
			})
		}
		done.Wait()
		w.tick()
		if n := len(h.calls()); n != 1 {
			w.Errorf("%d messages, want 1", n)
		}
		all, err := w.keys.List(w.Context(), w.as(w.bob), storage.KeyFilter{Limit: 10})
		if err != nil || len(all) != 2 {
			w.Errorf("%d keys, want %s and one successor (%v)", len(all), old.Key.ID, err)
		}
	})
}

func TestKeyInQuarantineOrRevokedIsNotRotated(t *testing.T) {
	w := newWorld(t)
	dead := w.create(w.as(w.bob), apikey.NewKey{})
	w.must(w.keys.Revoke(t.Context(), w.as(w.bob), dead.Key.ID))
	w.pass(91 * day)
	w.tick()
	all, err := w.keys.List(t.Context(), w.as(w.alice), storage.KeyFilter{Limit: 10})
	if err != nil || len(all) != 1 {
		t.Errorf("%d keys, %v", len(all), err)
	}
}
