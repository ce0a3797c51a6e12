package e2e

import (
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// hook is a receiver of webhooks, by https. It has no time for the first call.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	calls []hookCall
}

type hookCall struct {
	header http.Header
	body   []byte
}

// newHook starts a receiver that programs trust which are started after it.
func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(h.receive))
	t.Cleanup(h.Close)
	_, err := x509.SystemCertPool() // this process keeps its own
	noError(t, err)
	file := filepath.Join(t.TempDir(), "authority.pem")
	noError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}), 0o600))
	t.Setenv("SSL_CERT_FILE", file)
	return h
}

func (h *hook) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, hookCall{r.Header, body})
	if err != nil || len(h.calls) == 1 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (h *hook) received() []hookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

// after is the product when time has gone by: a server that was away meanwhile, and
// whose API keys were made that much earlier.
func (p *product) after(t *testing.T, name string, gone time.Duration) *product {
	t.Helper()
	p.stop(t)
	db := must[*sql.DB](t)(sql.Open("sqlite", filepath.Join(p.dev.Dir, "watchgate.db")))
	for table, columns := range map[string][]string{
		"api_keys":       {"created_at", "expires_at", "revoked_at", "rotate_at", "last_used_at"},
		"key_deliveries": {"created_at", "expires_at", "next_at", "warn_at", "warned_at", "done_at"},
		"key_executions": {"started_at", "ended_at"},
	} {
		for _, c := range columns {
			_, err := db.ExecContext(t.Context(), "UPDATE "+table+" SET "+c+" = "+c+" - ?", gone.Milliseconds())
			noError(t, err)
		}
	}
	noError(t, db.Close())
	return startProductIn(t, p.dev.Dir, p.dev.Base, name)
}

// rotation is the product with keys that differ in who fetches their successors.
type rotation struct {
	*pulse
	hook *hook

	fetched, sent, missed, worked madeKey
	sign                          string // the secret of sent's webhook
	next                          map[string]madeKey
	runner                        *checks
}

// TestProductUptimepulseRotates lets 90 days and then 72 hours go by.
func TestProductUptimepulseRotates(t *testing.T) {
	r := &rotation{hook: newHook(t), next: map[string]madeKey{}}
	r.pulse = &pulse{product: startProduct(t, "uptimepulse")}
	r.owner = r.person(t, alice)
	r.make(t)
	r.product = r.after(t, "uptimepulse", 90*oneDay-time.Hour)
	r.quiet(t)
	r.product = r.after(t, "uptimepulse", time.Hour)
	r.rotated(t)
	r.fetchedOnce(t)
	r.wasSent(t)
	r.runnerGoesOn(t)
	r.bothWork(t)
	if n := r.signals(t); n != "" && n != "0" {
		t.Errorf("%s signals before anything was missed", n)
	}
	r.product = r.after(t, "uptimepulse", 48*time.Hour)
	await(t, "the signal", func() bool { return r.signals(t) == "1" })
	r.bothWork(t)
	r.product = r.after(t, "uptimepulse", 24*time.Hour-10*time.Second)
	r.oldOnesDie(t)
	r.trailOfRotation(t)
}

// make makes the keys, and has a runner work with one of them.
func (r *rotation) make(t *testing.T) {
	t.Helper()
	plain := r.v1(t, r.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"monitor:read"}, "webhook_url": "http://hooks.acme.test/keys"})
	if wantProblem(t, "a webhook by http", plain, http.StatusUnprocessableEntity, "invalid"); plain.wrongs() != "webhook_url" {
		t.Errorf("a webhook by http: %s", plain)
	}
	r.fetched, r.missed = r.reads(t, "name", "fetched"), r.reads(t, "name", "missed")
	r.worked = r.reads(t, "name", "a runner's")
	made := r.v1(t, r.owner, http.MethodPost, "/keys", fields{"name": "sent", "scopes": []string{"monitor:read"}, "webhook_url": r.hook.URL + "/keys"})
	r.sent, r.sign = keyOf(t, made), made.text("webhook_secret")
	r.runner = r.run(t, r.worked.Secret)
}

func (r *rotation) all() []madeKey { return []madeKey{r.fetched, r.sent, r.missed, r.worked} }

// quiet is an hour before the 90 days are over: nothing happens.
func (r *rotation) quiet(t *testing.T) {
	t.Helper()
	await(t, "the runner to be back", func() bool { return strings.Count(r.runner.text(), "checking acme") >= 2 })
	for _, k := range r.all() {
		if got := r.key(t, k.ID); got.RotateAt == nil || got.Successor != "" {
			t.Errorf("an hour early %s has the successor %q", k.Name, got.Successor)
		}
	}
}

// rotated waits for the successors and looks at them.
func (r *rotation) rotated(t *testing.T) {
	t.Helper()
	for _, k := range r.all() {
		var old seenKey
		await(t, "the successor of "+k.Name, func() bool {
			old = r.key(t, k.ID)
			return old.Successor != ""
		})
		next := r.key(t, old.Successor)
		if old.ExpiresAt == nil || old.ExpiresAt.Sub(next.CreatedAt) != 72*time.Hour {
			t.Errorf("%s ends at %v; it was rotated at %s", k.Name, old.ExpiresAt, next.CreatedAt)
		}
		if next.Name != k.Name || next.Predecessor != k.ID || next.Profile != "live" || strings.Join(next.Scopes, " ") != "monitor:read" || next.State != "live" {
			t.Errorf("the successor of %s is %+v", k.Name, next)
		}
		if next.RotateAt == nil || next.RotateAt.Sub(next.CreatedAt) != 90*oneDay {
			t.Errorf("the successor of %s is rotated at %v, made at %s", k.Name, next.RotateAt, next.CreatedAt)
		}
	}
}

// fetchedOnce fetches a successor with the old key: the key alone can, and once.
func (r *rotation) fetchedOnce(t *testing.T) {
	t.Helper()
	path := r.fetched.path() + "/successor"
	stranger := r.reads(t)
	for who, credential := range map[string]string{"the owner": r.owner, "another key": stranger.Secret, "nobody": ""} {
		if a := r.v1(t, credential, http.MethodPost, path, nil); a.status/100 != 4 || strings.Contains(a.body, "up_live_") {
			t.Errorf("fetched by %s: %s", who, a)
		}
	}
	next := keyOf(t, r.v1(t, r.fetched.Secret, http.MethodPost, path, nil))
	if next.Predecessor != r.fetched.ID {
		t.Errorf("fetched the successor of %s", next.Predecessor)
	}
	wantProblem(t, "fetching again", r.v1(t, r.fetched.Secret, http.MethodPost, path, nil), http.StatusGone, "gone")
	r.next["fetched"] = next
}

// wasSent waits for the webhook, which has to call twice.
func (r *rotation) wasSent(t *testing.T) {
	t.Helper()
	await(t, "two calls of the webhook", func() bool { return len(r.hook.received()) >= 2 })
	await(t, "the end of the delivery", func() bool {
		a := r.v1(t, r.sent.Secret, http.MethodPost, r.sent.path()+"/successor", nil)
		return a.status == http.StatusGone
	})
	old := r.key(t, r.sent.ID)
	receiver := must[*standardwebhooks.Webhook](t)(standardwebhooks.NewWebhook(r.sign))
	stranger := must[*standardwebhooks.Webhook](t)(standardwebhooks.NewWebhook("whsec_c2VjcmV0LW9mLXNvbWVib2R5LWVsc2UtZW50aXJlbHk="))
	calls := r.hook.received()
	for _, c := range calls {
		noError(t, receiver.Verify(c.body, c.header))
		if stranger.Verify(c.body, c.header) == nil || receiver.Verify(append(c.body, ' '), c.header) == nil {
			t.Error("any signature is good")
		}
		if c.header.Get("Webhook-Id") != calls[0].header.Get("Webhook-Id") || string(c.body) != string(calls[0].body) {
			t.Error("the second call is another message")
		}
	}
	var message struct {
		Type string
		Data struct {
			ID, Secret, Name, Predecessor string
			Ends                          time.Time `json:"predecessor_ends_at"`
		}
	}
	noError(t, json.Unmarshal(calls[0].body, &message))
	if d := message.Data; len(calls) != 2 || message.Type != "key.rotated" || d.Predecessor != r.sent.ID || d.ID != old.Successor || d.Name != "sent" || !d.Ends.Equal(*old.ExpiresAt) {
		t.Errorf("%d calls, with %s of %s (%s)", len(calls), message.Type, d.ID, d.Name)
	}
	r.next["sent"] = madeKey{ID: message.Data.ID, Secret: message.Data.Secret}
}

// runnerGoesOn waits until the runner works with the successor that it fetched.
func (r *rotation) runnerGoesOn(t *testing.T) {
	t.Helper()
	next := r.key(t, r.worked.ID).Successor
	await(t, "the runner to go on", func() bool {
		_, then, ok := strings.Cut(r.runner.text(), "checking acme as "+next)
		return ok && strings.Contains(then, "the monitoring API says 200")
	})
	if a := r.v1(t, r.worked.Secret, http.MethodPost, r.worked.path()+"/successor", nil); a.status != http.StatusGone {
		t.Errorf("what the runner fetched is there for others: %s", a)
	}
}

func (r *rotation) bothWork(t *testing.T) {
	t.Helper()
	for _, k := range r.all() {
		r.wantWorks(t, "the old key "+k.Name, k.Secret)
	}
	for name, k := range r.next {
		r.wantWorks(t, "the successor of "+name, k.Secret)
	}
}

// signals is how often a missed pick-up was signalled since the server started; "":
// there is no such signal.
func (r *rotation) signals(t *testing.T) string {
	t.Helper()
	metrics := front{issuer: r.dev.OperatorURL, transport: r.server.transport}.get(t, "/metrics")
	_, after, _ := strings.Cut(metrics.body, `watchgate_signals_total{signal="key_pickup_missed"} `)
	n, _, _ := strings.Cut(after, "\n")
	return n
}

// oldOnesDie is the end of the 72 hours.
func (r *rotation) oldOnesDie(t *testing.T) {
	t.Helper()
	for _, k := range r.all() {
		await(t, "the end of "+k.Name, func() bool { return r.opens(t, k.Secret) == http.StatusUnauthorized })
		r.wantDead(t, k.Name+" after its grace", k.Secret)
		if got := r.key(t, k.ID); got.State != "expired" {
			t.Errorf("%s is %s", k.Name, got.State)
		}
	}
	for name, k := range r.next {
		r.wantWorks(t, "the successor of "+name, k.Secret)
	}
	before := strings.Count(r.runner.text(), "the monitoring API says 200")
	await(t, "the runner to go on", func() bool { return strings.Count(r.runner.text(), "the monitoring API says 200") > before })
	wantStatus(t, "revocation of the runner's key", r.v1(t, r.owner, http.MethodDelete, "/keys/"+r.key(t, r.worked.ID).Successor, nil), http.StatusNoContent)
	r.runner.wantStopped(t, "revoked")
}

// trailOfRotation counts what was recorded, and looks for what must not be.
func (r *rotation) trailOfRotation(t *testing.T) {
	t.Helper()
	counts := map[string]int{}
	for _, e := range r.trail(t, "acme") {
		counts[e.Kind]++
	}
	for kind, want := range map[string]int{"key.rotated": 4, "key.delivered": 3, "key.pickup_missed": 1} {
		if counts[kind] != want {
			t.Errorf("%d events %s, want %d", counts[kind], kind, want)
		}
	}
	stored := string(r.stored(t))
	for name, k := range r.next {
		if strings.Contains(stored, k.Secret) {
			t.Errorf("the successor of %s is on the disk", name)
		}
	}
	if !strings.Contains(stored, "was not picked up") || strings.Contains(stored, r.sign) {
		t.Error("the log says nothing of the missed pick-up, or the disk has the webhook's secret")
	}
}
