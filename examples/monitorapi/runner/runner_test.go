package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server speaks what the runner needs of the management API and the monitoring API.
type server struct {
	*httptest.Server
	events chan string // what the stream sends; closed: it ends

	mu        sync.Mutex
	keys      map[string]string // ids, by the keys that are good
	successor func() (status int, body string)
	running   map[string]string // keys' ids, by execution
	checks    map[string]int    // by key
	streams   int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{
		events: make(chan string), keys: map[string]string{"first": "key_1"}, running: map[string]string{}, checks: map[string]int{},
		successor: func() (int, string) { return http.StatusGone, `{"title":"Gone"}` },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/auth/whoami", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"key_id":%q,"tenant":"acme"}`, s.id(r))
	})
	mux.HandleFunc("POST /v1/auth/keys/{id}/executions", s.begin)
	mux.HandleFunc("DELETE /v1/auth/keys/{id}/executions/{execution}", s.end)
	mux.HandleFunc("POST /v1/auth/keys/{id}/successor", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		status, body := s.successor()
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
	mux.HandleFunc("GET /v1/auth/keys/{id}/events", s.stream)
	mux.HandleFunc("GET /t/acme/monitors", func(_ http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.checks[key(r)]++
	})
	s.Server = httptest.NewServer(s.known(mux))
	t.Cleanup(s.Close)
	return s
}

func key(r *http.Request) string { return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") }

func (s *server) id(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[key(r)]
}

// known refuses keys that are not good, and a key that asks about another.
func (s *server) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := s.id(r)
		switch {
		case id == "":
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(r.URL.Path, "/v1/auth/keys/") && !strings.HasPrefix(r.URL.Path, "/v1/auth/keys/"+id+"/"):
			w.WriteHeader(http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *server) begin(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("exe_%d", len(s.running)+1)
	s.running[id] = r.PathValue("id")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":%q}`, id)
}

func (s *server) end(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[r.PathValue("execution")] = ""
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.streams++
	s.mu.Unlock()
	fmt.Fprint(w, ": hello\n\n")
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-s.events:
			if e == "" {
				return
			}
			fmt.Fprint(w, e)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// send sends an event, when somebody listens.
func (s *server) send(name, data string) { s.events <- "event: " + name + "\ndata: " + data + "\n\n" }

func (s *server) checked(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checks[key]
}

// journal is what a runner says.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) says(words string) func() bool {
	return func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return strings.Contains(j.text.String(), words)
	}
}

// started is a runner at work.
type started struct {
	journal
	ended chan error
	stop  context.CancelFunc
}

func start(t *testing.T, s *server, save func(string) error) *started {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	r := &started{ended: make(chan error, 1), stop: stop}
	cfg := Config{Server: s.URL, API: s.URL, Key: "first", Name: "checks", Every: time.Millisecond, Out: r, Save: save}
	go func() { r.ended <- New(cfg).Run(ctx) }()
	return r
}

// end waits for the end.
func (r *started) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(30 * time.Second):
		t.Fatalf("the runner goes on; it said:\n%s", &r.text)
		return nil
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestRunnerSaysOnceWhyItStopped(t *testing.T) {
	for want, e := range map[string]event{
		"revoked": {name: "revoked", Reason: "revoked"}, "expired": {name: "expired"}, "revoked (leaked)": {name: "revoked", Reason: "leaked"},
	} {
		if got := why(e); got != want {
			t.Errorf("%+v: %q", e, got)
		}
	}
}

func TestRunnerChecksUntilItsKeyIsDead(t *testing.T) {
	for name, data := range map[string]string{"revoked": `{"state":"revoked","reason":"leaked"}`, "expired": `{"state":"expired"}`} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			r := start(t, s, nil)
			s.send("state", `{"state":"live"}`)
			await(t, "checks", func() bool { return s.checked("first") > 2 })
			s.send(name, data)
			if err := r.end(t); !errors.Is(err, ErrDead) || !r.says("stopped: the API key works no more: "+name)() {
				t.Errorf("ended with %v; said:\n%s", err, &r.text)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.running["exe_1"] != "" {
				t.Error("its execution goes on")
			}
		})
	}
}

func TestRunnerWithAKeyThatIsRefusedStops(t *testing.T) {
	s := newServer(t)
	s.keys = nil
	if err := start(t, s, nil).end(t); !errors.Is(err, ErrDead) {
		t.Errorf("ended with %v", err)
	}
	if s.checked("first") > 0 {
		t.Error("it made checks")
	}
}

func TestRunnerThatIsToldToStopEndsItsExecution(t *testing.T) {
	s := newServer(t)
	r := start(t, s, nil)
	await(t, "checks", func() bool { return s.checked("first") > 0 })
	r.stop()
	if err := r.end(t); err != nil || s.running["exe_1"] != "" {
		t.Errorf("ended with %v, its execution with %q", err, s.running["exe_1"])
	}
}

// While nobody can say how the key is, and while it is in quarantine, no checks are
// made.
func TestRunnerMakesNoChecksWhenItIsNotToldThatItMay(t *testing.T) {
	for event, words := range map[string]string{"unknown": "cannot tell", "quarantined": "quarantine"} {
		t.Run(event, func(t *testing.T) {
			s := newServer(t)
			r := start(t, s, nil)
			await(t, "checks", func() bool { return s.checked("first") > 0 })
			s.send(event, `{"state":"`+strings.Replace(event, "unknown", "", 1)+`"}`)
			await(t, "the pause", r.says(words))
			before := s.checked("first")
			for range 200 { // it goes through its loop for each
				s.send("ping", `{}`)
			}
			if after := s.checked("first"); after > before+1 {
				t.Errorf("%d checks in the pause", after-before)
			}
			s.send("state", `{"state":"live"}`)
			await(t, "checks again", func() bool { return s.checked("first") > before+1 })
		})
	}
}

func TestRunnerListensAgainWhenTheStreamEnds(t *testing.T) {
	s := newServer(t)
	r := start(t, s, nil)
	await(t, "checks", func() bool { return s.checked("first") > 0 })
	s.events <- ""
	await(t, "another stream", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.streams == 2
	})
	if !r.says("no checks: the stream of events ended; trying again")() {
		t.Errorf("it said:\n%s", &r.text)
	}
	s.send("revoked", `{"state":"revoked"}`)
	if err := r.end(t); !errors.Is(err, ErrDead) {
		t.Errorf("ended with %v", err)
	}
}

func TestRunnerGoesOnWithTheSuccessor(t *testing.T) {
	for _, event := range []string{"rotated", "state"} { // it happened now, or while nobody listened
		t.Run(event, func(t *testing.T) {
			s := newServer(t)
			tries := 0
			s.successor = func() (int, string) {
				if tries++; tries < 3 {
					return http.StatusConflict, `{"title":"Conflict"}`
				}
				s.keys["second"] = "key_2"
				return http.StatusCreated, `{"id":"key_2","secret":"second"}`
			}
			file := filepath.Join(t.TempDir(), "key")
			r := start(t, s, func(next string) error { return os.WriteFile(file, []byte(next), 0o600) })
			s.send(event, `{"state":"live","successor":"key_2"}`)
			await(t, "checks with the successor", func() bool { return s.checked("second") > 1 })
			if kept, err := os.ReadFile(file); string(kept) != "second" {
				t.Errorf("kept %q, %v", kept, err)
			}
			s.mu.Lock()
			if s.running["exe_1"] != "" || s.running["exe_2"] != "key_2" {
				t.Errorf("running: %v", s.running)
			}
			s.mu.Unlock()
			s.send("revoked", `{"state":"revoked"}`)
			if err := r.end(t); !errors.Is(err, ErrDead) || r.says("second")() {
				t.Errorf("ended with %v; said:\n%s", err, &r.text)
			}
		})
	}
}

func TestRunnerUsesTheSuccessorThatItCannotKeep(t *testing.T) {
	s := newServer(t)
	s.successor = func() (int, string) {
		s.keys["second"] = "key_2"
		return http.StatusCreated, `{"id":"key_2","secret":"second"}`
	}
	r := start(t, s, func(string) error { return errors.New("the disk is full") })
	s.send("rotated", `{"state":"live","successor":"key_2"}`)
	await(t, "checks with the successor", func() bool { return s.checked("second") > 0 })
	if !r.says("not kept: the disk is full")() {
		t.Errorf("it said:\n%s", &r.text)
	}
}

// Somebody rotated by hand, and has the successor: the old key is good for its grace.
func TestRunnerUsesAKeyToItsEndWhenOthersHaveTheSuccessor(t *testing.T) {
	s := newServer(t)
	r := start(t, s, nil)
	s.send("rotated", `{"state":"live","successor":"key_2"}`)
	await(t, "the news", r.says("handed to somebody else"))
	before := s.checked("first")
	await(t, "checks", func() bool { return s.checked("first") > before+2 })
	s.events <- ""
	s.send("state", `{"state":"live","successor":"key_2"}`)
	s.send("expired", `{"state":"expired","successor":"key_2"}`)
	if err := r.end(t); !errors.Is(err, ErrDead) || strings.Count(r.text.String(), "handed") != 1 {
		t.Errorf("ended with %v; said:\n%s", err, &r.text)
	}
}

func TestEventsAreReadAsTheStandardSays(t *testing.T) {
	stream := ": a comment\n\nid: 7\nevent: state\ndata:{\"state\":\"live\"}\n\nevent: revoked\ndata: {\"state\":\"revoked\",\"reason\":\"leaked\"}\nretry: 10\n\ndata: {}\n\nevent: cut off\ndata: {}\n"
	got := make(chan event, 9)
	read(t.Context(), strings.NewReader(stream), got)
	close(got)
	var all []event
	for e := range got {
		all = append(all, e)
	}
	want := []event{{name: "state", State: "live"}, {name: "revoked", State: "revoked", Reason: "leaked"}}
	if len(all) != 2 || all[0] != want[0] || all[1] != want[1] {
		t.Errorf("got %+v, want %+v", all, want)
	}
}
