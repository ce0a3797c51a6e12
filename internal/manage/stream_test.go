package manage

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// watching is an open stream.
type watching struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
	stop context.CancelFunc
}

func (w *world) watch(url, as string) *watching {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	w.t.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/things/1/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	name, value, _ := strings.Cut(as, ": ")
	req.Header.Set(name, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	return &watching{t: w.t, resp: resp, in: bufio.NewReader(resp.Body), stop: stop}
}

// block reads until an empty line.
func (s *watching) block() string {
	s.t.Helper()
	var out string
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("after %q: %v", out, err)
		}
		if line == "\n" {
			return out
		}
		out += line
	}
}

func (s *watching) ended() error {
	_, err := io.Copy(io.Discard, s.in)
	return err
}

func TestAStreamTellsEventsAndThatItLives(t *testing.T) {
	w := newWorld(t)
	s := w.watch(w.url, asAlice)
	if s.resp.StatusCode != 200 || s.resp.Header.Get("Content-Type") != "text/event-stream" || s.resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatal(s.resp.StatusCode, s.resp.Header)
	}
	if got := s.block(); got != ":\n" {
		t.Errorf("%q", got)
	}
	w.things.event <- Event{ID: "7", Name: "revoked", Data: map[string]string{"reason": "a\nb"}}
	if got := s.block(); got != "id: 7\nevent: revoked\ndata: {\"reason\":\"a\\nb\"}\n" {
		t.Errorf("%q", got)
	}
	w.ticks <- time.Time{}
	if got := s.block(); got != ":\n" {
		t.Errorf("%q", got)
	}
	close(w.things.event)
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

func TestAStreamEndsWithTheCredential(t *testing.T) {
	w := newWorld(t)
	s := w.watch(w.url, asAlice)
	s.block()
	w.set(func() { w.fail = io.ErrUnexpectedEOF }) // no answer is no end
	w.ticks <- time.Time{}
	s.block()
	w.set(func() { w.fail = ErrInactive })
	w.ticks <- time.Time{}
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

// TestAStreamCostsItsCredentialNothing: what a stream asks about its credential is not
// a use of it.
func TestAStreamCostsItsCredentialNothing(t *testing.T) {
	w := newWorld(t)
	s := w.watch(w.url, asAlice)
	s.block()
	for range 2 {
		w.ticks <- time.Time{}
		s.block()
	}
	w.set(func() {
		for i, c := range w.seen {
			if c.Token != "alice" || c.Again != (i > 0) {
				t.Errorf("%d: %s is looked at again: %t", i, c, c.Again)
			}
		}
	})
}

func TestAStreamEndsWithTheServer(t *testing.T) {
	w := newWorld(t)
	s := w.watch(w.url, asAlice)
	s.block()
	close(w.done)
	if err := s.ended(); err != nil {
		t.Error(err)
	}
}

func TestAStreamEndsWithItsClient(t *testing.T) {
	w := newWorld(t)
	s := w.watch(w.url, asAlice)
	s.block()
	s.stop()
	<-w.things.ended
}

// TestAStreamOutlivesTheServersTimeouts runs behind a server whose limits are over
// before the stream says its second thing.
func TestAStreamOutlivesTheServersTimeouts(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(w.api.mux)
	server.Config.ReadTimeout, server.Config.WriteTimeout = 20*time.Millisecond, 20*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	s := w.watch(server.URL, asAlice)
	s.block()
	// A plain connection to the same server that says nothing is cut when those
	// limits are over: that is how this test knows.
	silent, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := io.Copy(io.Discard, silent); err != nil {
		t.Log(err)
	}
	for range 3 {
		w.ticks <- time.Time{}
		if got := s.block(); got != ":\n" {
			t.Errorf("%q", got)
		}
	}
}

func TestARefusalBeforeAStreamIsAProblem(t *testing.T) {
	w := newWorld(t)
	w.refused(w.ask("GET", "/v1/things/missing/events", "", asAlice), NotFound)
	w.refused(w.ask("GET", "/v1/things/1/events", "", asAlice, "Accept: application/json"), NotAcceptable, "header:Accept")
	w.refused(w.ask("GET", "/v1/things/1/events", "", "X-API-Key: key7"), InsufficientScope)
}

func TestOneCallerHasSoManyStreams(t *testing.T) {
	w := newWorld(t)
	for range maxStreams {
		w.watch(w.url, asAlice).block()
	}
	r := w.ask("GET", "/v1/things/1/events", "", asAlice)
	w.refused(r, QuotaExceeded)
	if r.Header.Get("Retry-After") != "15" {
		t.Error(r.Header)
	}
	w.watch(w.url, asBob).block()
}
