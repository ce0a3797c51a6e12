package keyapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey/keyapi"
	"github.com/watchgate/watchgate/storage"
)

// line is an open stream.
type line struct {
	t      *testing.T
	pulse  pulse
	lines  *bufio.Scanner
	cancel context.CancelFunc
	res    *http.Response
}

// told is an event as it came.
type told struct {
	name, id string
	keyapi.Event
}

// listen opens a stream, which has to succeed, and returns it with its first event.
func (w *world) listen(token string, k created) (*line, told) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+k.at()+"/events", nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Last-Event-ID", "1")
	res, err := http.DefaultClient.Do(req)
	must(w.t, err)
	w.t.Cleanup(func() { cancel(); res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("a stream answered %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	l := &line{t: w.t, pulse: <-w.pulses, lines: bufio.NewScanner(res.Body), cancel: cancel, res: res}
	first, ok := l.next()
	if !ok {
		w.t.Fatal("the stream ended before it said anything")
	}
	return l, first
}

// beat lets the stream's heart beat n times, or until it has ended. When it returns,
// all but the last beat have been dealt with.
func (l *line) beat(n int) {
	l.t.Helper()
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	for range n {
		select {
		case l.pulse.beats <- time.Time{}:
		case <-l.pulse.over:
			return
		case <-patience.C:
			l.t.Fatal("the stream takes no beat")
		}
	}
}

// next reads one event; false: the stream has ended.
func (l *line) next() (told, bool) {
	l.t.Helper()
	var e told
	silent := time.AfterFunc(10*time.Second, l.cancel)
	defer func() {
		if !silent.Stop() {
			l.t.Fatal("the stream neither says anything nor ends")
		}
	}()
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			must(l.t, json.Unmarshal([]byte(value), &e.Event))
			return e, true
		}
	}
	return e, false
}

// expect reads one event.
func (l *line) expect(name string) told {
	l.t.Helper()
	e, ok := l.next()
	if !ok || e.name != name {
		l.t.Fatalf("the event is %q (%+v, %v), want %q", e.name, e, ok, name)
	}
	return e
}

// ended reads the end of the stream.
func (l *line) ended() {
	l.t.Helper()
	if e, ok := l.next(); ok {
		l.t.Fatalf("the stream has not ended: it says %+v", e)
	}
}

func TestAStreamBeginsWithTheStateOfItsKey(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"ci"}`)
	_, first := w.listen(k.Secret, k)
	if first.name != "state" || first.State != keyapi.Live || first.Key != k.ID || first.id != "1" || first.ExpiresAt == nil {
		t.Errorf("the first event is %+v", first)
	}
}

func TestARunnerLearnsThatItsKeyIsRevoked(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(k.Secret, k)
	l.beat(4)
	if r := w.ask(alice, http.MethodDelete, k.at(), ""); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	l.beat(2)
	if e := l.expect("revoked"); e.State != keyapi.Revoked || e.Reason != "revoked" {
		t.Errorf("%+v", e)
	}
	l.ended()
}

func TestARunnerLearnsThatItsKeyExpires(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner","expires_in":"1h"}`)
	l, _ := w.listen(k.Secret, k)
	w.advance(time.Hour)
	l.beat(1)
	l.expect("expired")
	l.ended()
}

func TestARunnerLearnsOfASuccessorAndOfTheEndOfTheGrace(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(k.Secret, k)
	next := secretOf(t, w.ask(alice, http.MethodPost, k.at()+"/rotate", `{"grace":"72h"}`))
	l.beat(2)
	if e := l.expect("rotated"); e.Successor != next.ID || e.State != keyapi.Live || !e.ExpiresAt.Equal(start.Add(72*time.Hour)) {
		t.Errorf("%+v", e)
	}
	w.advance(72 * time.Hour)
	l.beat(1)
	l.expect("expired")
	l.ended()
}

func TestARotationWithoutGraceEndsTheStream(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(k.Secret, k)
	if r := w.ask(alice, http.MethodPost, k.at()+"/rotate", `{"grace":"0s"}`); r.status != http.StatusCreated {
		t.Fatal(r)
	}
	l.beat(2)
	l.expect("rotated")
	if e := l.expect("revoked"); e.Reason != "rotated" {
		t.Errorf("%+v", e)
	}
	l.ended()
}

func TestAListenerLearnsOfChanges(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(alice, k)
	if r := w.ask(alice, http.MethodPatch, k.at(), `{"name":"other"}`); r.status != http.StatusOK {
		t.Fatal(r)
	}
	l.beat(2)
	if e := l.expect("changed"); e.id != "2" || e.Version != 2 {
		t.Errorf("%+v", e)
	}
}

// quarantine puts a key out of use, as a report of a leak does.
func (w *world) quarantine(k created) {
	w.t.Helper()
	acme := w.store.Tenant(w.acme.ID)
	row, err := acme.Key(context.Background(), storage.KeyID(k.ID))
	must(w.t, err)
	row.QuarantinedAt = w.clock()
	must(w.t, acme.UpdateKey(context.Background(), row, event("key.quarantined")))
}

func TestAQuarantineCanEnd(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(alice, k)
	w.quarantine(k)
	l.beat(2)
	if e := l.expect("quarantined"); e.State != keyapi.Quarantined {
		t.Errorf("%+v", e)
	}
	if r := w.ask(alice, http.MethodPatch, k.at(), `{"state":"live"}`); r.status != http.StatusOK {
		t.Fatal(r)
	}
	l.beat(2)
	if e := l.expect("changed"); e.State != keyapi.Live {
		t.Errorf("%+v", e)
	}
}

func TestAKeyInQuarantineHearsItselfNoLonger(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(k.Secret, k)
	w.quarantine(k)
	l.beat(2)
	l.expect("quarantined")
	l.ended()
}

func TestTheEndOfItsOwnerIsTheEndOfAKey(t *testing.T) {
	w := newWorld(t)
	k := w.create(bob, `{"name":"runner"}`)
	itself, _ := w.listen(k.Secret, k)
	board, _ := w.listen(alice, k)
	w.disable(bob)
	for _, l := range []*line{itself, board} {
		l.beat(2)
		if e := l.expect("revoked"); e.Reason != "owner" {
			t.Errorf("%+v", e)
		}
		l.ended()
	}
}

func TestTheSuspensionOfItsTenantIsTheEndOfAKey(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(k.Secret, k)
	w.suspend(w.acme.ID)
	l.beat(2)
	if e := l.expect("revoked"); e.Reason != "tenant" {
		t.Errorf("%+v", e)
	}
	l.ended()
}

func TestAStreamEndsWithTheTokenThatOpenedIt(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner","service":true}`)
	w.person("token-of-another", w.acme, storage.RoleAdmin)
	l, _ := w.listen("token-of-another", k)
	w.disable("token-of-another")
	l.beat(2)
	l.ended()
}

func TestAStreamEndsWithTheKeyThatOpenedIt(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	other := w.create(alice, `{"name":"board","scopes":["api-keys:read"]}`)
	l, _ := w.listen(other.Secret, k)
	l.beat(4)
	if r := w.ask(alice, http.MethodDelete, other.at(), ""); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	l.beat(2)
	l.ended()
}

func TestAStreamEndsWithTheRoleThatOpenedIt(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	w.person("token-of-another", w.acme, storage.RoleAdmin)
	l, _ := w.listen("token-of-another", k)
	w.role("token-of-another", storage.RoleMember)
	l.beat(2)
	l.ended()
}

func TestAStreamSaysNothingFalseWhileTheStoreIsAway(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(k.Secret, k)
	w.cut(true)
	l.beat(3) // it has noticed at the second
	w.advance(4 * time.Second)
	l.beat(2) // not yet
	w.advance(2 * time.Second)
	l.beat(3)
	if e := l.expect("unknown"); e.State != "" || e.Key != k.ID || e.At.Before(start.Add(5*time.Second)) {
		t.Errorf("%+v", e)
	}
	if r := w.ask(alice, http.MethodDelete, k.at(), ""); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	l.beat(2) // it is said once
	w.cut(false)
	l.beat(1)
	if e := l.expect("state"); e.State != keyapi.Revoked {
		t.Errorf("%+v", e)
	}
	l.expect("revoked")
	l.ended()
}

func TestAStreamOfADeadKeySaysSoAndEnds(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner","expires_in":"1h"}`)
	w.advance(time.Hour)
	l, first := w.listen(alice, k)
	if first.name != "state" || first.State != keyapi.Expired {
		t.Errorf("%+v", first)
	}
	l.expect("expired")
	l.ended()
}

// watch says that something changed when the test says so.
type watch struct{ news atomic.Bool }

func (w *watch) Changed(storage.TenantID, storage.KeyID) func() bool {
	return func() bool { return w.news.Swap(false) }
}

func TestAWatchedKeyIsReadWhenItChanges(t *testing.T) {
	news := &watch{}
	w := newWorld(t, func(c *keyapi.Config) { c.Watch = news })
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(alice, k)
	if r := w.ask(alice, http.MethodPatch, k.at(), `{"name":"other"}`); r.status != http.StatusOK {
		t.Fatal(r)
	}
	news.news.Store(true)
	l.beat(1)
	l.expect("changed")
}

func TestAWatchThatMissesSomethingCostsLessThanASecond(t *testing.T) {
	w := newWorld(t, func(c *keyapi.Config) { c.Watch = &watch{} })
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(alice, k)
	if r := w.ask(alice, http.MethodDelete, k.at(), ""); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	l.beat(4) // of 200 ms
	l.expect("revoked")
}

func TestNobodyListensToWhatTheyMayNotSee(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	without := w.create(alice, `{"name":"without the scope","scopes":["monitor:read"]}`)
	for token, want := range map[string]int{carol: 404, bob: 404, victor: 404, without.Secret: 403, "nothing": 401} {
		if r := w.ask(token, http.MethodGet, k.at()+"/events", ""); r.status != want {
			t.Errorf("%s is answered %d %s, want %d", token, r.status, r.body, want)
		}
	}
}
