package keyapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/apikey/keyapi"
	"github.com/watchgate/watchgate/storage"
)

// tries asks for a stream, and hangs up.
func (w *world) tries(token string, k created) (status int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+k.at()+"/events", nil)
	must(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	must(w.t, err)
	res.Body.Close()
	return res.StatusCode
}

// noSeat asks for a stream, which has to be refused for that policy.
func (w *world) noSeat(token string, k created, policy string) {
	w.t.Helper()
	if status := w.tries(token, k); status == http.StatusOK {
		w.t.Fatal("one stream too many is served")
	}
	r := w.ask(token, http.MethodGet, k.at()+"/events", "")
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" || !strings.HasPrefix(r.header.Get("RateLimit-Policy"), `"`+policy+`";q=`) {
		w.t.Errorf("one stream too many is answered %d %v %s", r.status, r.header, r.body)
	}
}

func TestATenantHasSoManyStreamsAndNoMore(t *testing.T) {
	w := newWorld(t, func(c *keyapi.Config) { c.Streams = 2 })
	k, his := w.create(alice, `{"name":"runner"}`), w.create(bob, `{"name":"his"}`)
	w.listen(alice, k)
	first, _ := w.listen(bob, his)
	w.person("token-of-another", w.acme, storage.RoleAdmin)
	w.noSeat("token-of-another", k, "tenant-streams")
	other := w.create(carol, `{"name":"elsewhere"}`)
	w.listen(carol, other) // another tenant's are its own

	if r := w.ask(bob, http.MethodDelete, his.at(), ""); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	first.beat(2)
	first.expect("revoked")
	first.ended()
	// The seat is free when the server has seen the end of the request.
	for range 1000 {
		if r := w.ask(bob, http.MethodGet, his.at()+"/events", "", "Accept", "text/event-stream"); r.status == http.StatusOK {
			return
		}
	}
	t.Error("the seat of a stream that has ended is taken for ever")
}

// TestOnePersonTakesAllStreamsOfTheTenant: with tokens, and with keys without end.
func TestOnePersonTakesAllStreamsOfTheTenant(t *testing.T) {
	w := newWorld(t, func(c *keyapi.Config) { c.Streams = 8 })
	his := []created{w.create(bob, `{"name":"1"}`), w.create(bob, `{"name":"2"}`), w.create(bob, `{"name":"3"}`)}
	for range 2 {
		w.listen(bob, his[0])
	}
	w.noSeat(bob, his[0], "person-streams")
	w.listen(his[0].Secret, his[0])
	w.listen(his[1].Secret, his[1])
	w.noSeat(his[2].Secret, his[2], "person-streams")
	hers := w.create(alice, `{"name":"hers"}`)
	w.listen(alice, hers)
	w.listen(hers.Secret, hers)
}

// TestOthersKeepARunnerFromItsEvents: they have every seat that anybody may have.
func TestOthersKeepARunnerFromItsEvents(t *testing.T) {
	w := newWorld(t, func(c *keyapi.Config) { c.Streams = 1 })
	k, service := w.create(alice, `{"name":"runner"}`), w.create(alice, `{"name":"service","service":true}`)
	w.listen(alice, k)
	w.noSeat(bob, w.create(bob, `{"name":"his"}`), "tenant-streams")
	l, _ := w.listen(service.Secret, service)
	w.noSeat(service.Secret, service, "tenant-streams") // its first is all that is kept for it
	if r := w.ask(alice, http.MethodDelete, service.at(), ""); r.status != http.StatusNoContent {
		t.Fatal(r)
	}
	l.beat(2)
	l.expect("revoked")
	l.ended()
	// The kept seat is free when the server has seen the end of the request.
	for range 1000 {
		if w.tries(k.Secret, k) == http.StatusOK {
			return
		}
	}
	t.Error("the kept seat of a stream that has ended is taken for ever")
}

func TestANodeHasSoManyStreamsAndNoMore(t *testing.T) {
	w := newWorld(t, func(c *keyapi.Config) { c.NodeStreams = 2 })
	k := w.create(alice, `{"name":"runner"}`)
	w.listen(alice, k)
	w.listen(carol, w.create(carol, `{"name":"elsewhere"}`))
	w.noSeat(k.Secret, k, "node-streams")
}

// limit sets whether tokens are over their rate.
func (w *world) limit(over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = over
}

// TestAStreamSaysNothingFalseOverARate: that a token is used too often says nothing of
// the key that is listened to.
func TestAStreamSaysNothingFalseOverARate(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(alice, k)
	w.limit(true)
	l.beat(3)
	w.quarantine(k)
	l.beat(2)
	if e := l.expect("quarantined"); e.State != keyapi.Quarantined {
		t.Errorf("%+v", e)
	}
	w.advance(6 * time.Second)
	l.beat(4)
	l.ended() // and says neither unknown nor revoked
}

func TestAStreamThatIsLookedAtAgainInTimeGoesOn(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	l, _ := w.listen(alice, k)
	for range 3 {
		w.limit(true)
		w.advance(4 * time.Second)
		l.beat(3)
		w.limit(false)
		l.beat(3)
	}
	w.quarantine(k)
	l.beat(2)
	l.expect("quarantined")
}

// TestAStreamUsesUpTheRateOfItsToken: its looks are none of the token's uses.
func TestAStreamUsesUpTheRateOfItsToken(t *testing.T) {
	w := newWorld(t)
	k := w.create(alice, `{"name":"runner"}`)
	w.mu.Lock()
	w.again = nil
	w.mu.Unlock()
	l, _ := w.listen(alice, k)
	l.beat(9)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.again) < 4 || w.again[0] {
		t.Fatalf("%v", w.again)
	}
	for i, again := range w.again[1:] {
		if !again {
			t.Errorf("look %d is counted", i+1)
		}
	}
}
