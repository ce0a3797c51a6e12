package manage

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const lamp = `{"name":"lamp"}`

func (w *world) create(body, key, as string, more ...string) reply {
	w.t.Helper()
	return w.ask("POST", "/v1/things", body, append([]string{as, sendJSON, "Idempotency-Key: " + key}, more...)...)
}

func TestTheSameRequestIsDoneOnce(t *testing.T) {
	w := newWorld(t)
	first, second := w.create(lamp, "1", asAlice), w.create(lamp, "1", asAlice)
	if first.StatusCode != http.StatusCreated || second.StatusCode != http.StatusCreated || first.body != second.body || w.things.made() != 1 {
		t.Fatalf("%d %s, %d %s, %d made", first.StatusCode, first.body, second.StatusCode, second.body, w.things.made())
	}
	if first.Header.Get("Idempotency-Replayed") != "" || second.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("a replay is not marked, or what is none is")
	}
	if second.Header.Get("ETag") != `"1"` || second.Header.Get("Content-Type") != mediaJSON {
		t.Errorf("%v", second.Header)
	}
	if r := w.create(lamp, "2", asAlice); r.Header.Get("Idempotency-Replayed") != "" || w.things.made() != 2 {
		t.Error("another key is another request")
	}
}

func TestAnotherRequestWithTheSameKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	w.create(lamp, "1", asAlice)
	w.refused(w.create(`{"name":"chair"}`, "1", asAlice), IdempotencyMismatch, "header:Idempotency-Key")
	if w.things.made() != 1 {
		t.Error("it was done")
	}
}

// TestReplayOfSomebodyElsesAnswer: an answer may hold a secret. Only who got it can
// ask for it again.
func TestReplayOfSomebodyElsesAnswer(t *testing.T) {
	w := newWorld(t)
	w.create(lamp, "1", asAlice)
	for _, as := range []string{asBob, asCarol} {
		if r := w.create(lamp, "1", as); r.Header.Get("Idempotency-Replayed") != "" || strings.Contains(r.body, `"thing_1"`) {
			t.Errorf("%s got alice's answer: %s", as, r.body)
		}
	}
	if w.things.made() != 3 {
		t.Error(w.things.made(), "made")
	}
	w.refused(w.create(lamp, "1", "Authorization: Bearer mallory"), Unauthenticated)
	w.set(func() { p := w.who["alice"]; p.Scopes = []string{"things:read"}; w.who["alice"] = p })
	w.refused(w.create(lamp, "1", asAlice), InsufficientScope)
}

// TestKeptAnswersAreSealed reads the store as somebody with a copy of it would.
func TestKeptAnswersAreSealed(t *testing.T) {
	w := newWorld(t)
	w.create(`{"name":"verysecret"}`, "1", asAlice)
	c := &call{api: w.api, op: Operation{Method: "POST"}, who: w.who["alice"], path: "/v1/things", body: []byte(`{"name":"verysecret"}`)}
	stored, err := w.store.Tenant(acme).BeginRequest(t.Context(), c.idempotent("1"))
	if err != nil || stored == nil || stored.Status != http.StatusCreated {
		t.Fatalf("%+v %v", stored, err)
	}
	if bytes.Contains(stored.Answer, []byte("verysecret")) {
		t.Error("the answer can be read")
	}
	// What is moved to another caller's row does not open.
	other := &call{api: w.api, op: c.op, who: w.who["bob"], path: c.path, body: c.body}
	moved := other.idempotent("1")
	store := w.store.Tenant(acme)
	if before, err := store.BeginRequest(t.Context(), moved); before != nil || err != nil {
		t.Fatal(before, err)
	}
	moved.Status, moved.Answer = stored.Status, stored.Answer
	if err := store.FinishRequest(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	w.refused(w.create(`{"name":"verysecret"}`, "1", asBob), Internal)
}

func TestARefusalIsNotKept(t *testing.T) {
	w := newWorld(t)
	for _, err := range []error{Refuse(MFARequired, ""), Refuse(Conflict, "")} {
		w.things.err = err
		if r := w.create(lamp, "1", asAlice); r.StatusCode < 400 {
			t.Fatal(r.StatusCode)
		}
	}
	w.refused(w.create(`{"nam":"lamp"}`, "1", asAlice), Invalid, "body:nam", "body:name")
	w.things.err = nil
	if r := w.create(lamp, "1", asAlice); r.StatusCode != http.StatusCreated || r.Header.Get("Idempotency-Replayed") != "" {
		t.Error(r.StatusCode, r.body)
	}
}

func TestTwoAtOnceAreDoneOnce(t *testing.T) {
	w := newWorld(t)
	w.things.block = make(chan struct{})
	var slow reply
	var done sync.WaitGroup
	done.Go(func() { slow = w.create(lamp, "1", asAlice) })
	<-w.things.began
	r := w.create(lamp, "1", asAlice)
	w.refused(r, IdempotencyInFlight)
	if r.Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	close(w.things.block)
	done.Wait()
	if slow.StatusCode != http.StatusCreated || w.things.made() != 1 {
		t.Error(slow.StatusCode, w.things.made())
	}
	if r := w.create(lamp, "1", asAlice); r.body != slow.body {
		t.Error(r.body)
	}
}

func TestAnAnswerThatNeverCameIsMadeAgainAfterItsLease(t *testing.T) {
	w := newWorld(t)
	c := &call{api: w.api, op: Operation{Method: "POST"}, who: w.who["alice"], path: "/v1/things", body: []byte(lamp)}
	if before, err := storage.Idempotency(w.store.Tenant(acme)).BeginRequest(t.Context(), c.idempotent("1")); before != nil || err != nil {
		t.Fatal(before, err)
	}
	w.refused(w.create(lamp, "1", asAlice), IdempotencyInFlight)
	w.set(func() { w.now = w.now.Add(answerLease) })
	if r := w.create(lamp, "1", asAlice); r.StatusCode != http.StatusCreated {
		t.Error(r.StatusCode, r.body)
	}
	w.set(func() { w.now = w.now.Add(24*time.Hour - time.Second) })
	if r := w.create(lamp, "1", asAlice); r.Header.Get("Idempotency-Replayed") != "true" {
		t.Error("it was forgotten too early")
	}
	w.set(func() { w.now = w.now.Add(time.Second) })
	if r := w.create(lamp, "1", asAlice); r.Header.Get("Idempotency-Replayed") != "" || w.things.made() != 2 {
		t.Error("it was kept too long")
	}
}

func TestBadIdempotencyKeys(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"a b", "\u00e9", strings.Repeat("x", 256)} {
		w.refused(w.create(lamp, key, asAlice), InvalidRequest, "header:Idempotency-Key")
	}
	w.refused(w.create(lamp, "1", asAlice, "Idempotency-Key: 2"), InvalidRequest, "header:Idempotency-Key")
}
