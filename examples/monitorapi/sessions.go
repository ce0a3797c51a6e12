package monitorapi

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/watchgate/watchgate/templates"
)

// Lifetimes and bounds of what the page keeps in memory.
const (
	attemptTTL = 15 * time.Minute
	sessionTTL = 8 * time.Hour
	maxKept    = 4096
)

// attempt is one sign-in on its way: what the callback has to match.
type attempt struct {
	browser  string // handle in the cookie of the browser that started it
	verifier string // PKCE
	nonce    string
	until    time.Time
}

// session is a browser of the app.
type session struct {
	until time.Time

	mu      sync.Mutex
	tokens  tokens // zero before the sign-in
	who     identity
	names   map[string]string      // of the tenant's monitors, by id
	problem *templates.DemoProblem // of the last sign-in; shown once
}

// memory is the app's browsers and sign-ins on their way.
type memory struct {
	now func() time.Time

	mu       sync.Mutex
	sessions map[string]*session
	attempts map[string]attempt // by state
}

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, sessions: map[string]*session{}, attempts: map[string]attempt{}}
}

// open starts a session under a fresh handle.
func (m *memory) open() (string, *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if len(m.sessions) >= maxKept {
		makeRoom(m.sessions, func(s *session) bool { return !now.Before(s.until) })
	}
	handle, s := rand.Text(), &session{until: now.Add(sessionTTL)}
	m.sessions[handle] = s
	return handle, s
}

// find returns the session of a handle, or nil.
func (m *memory) find(handle string) *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[handle]
	if s == nil || !m.now().Before(s.until) {
		return nil
	}
	return s
}

func (m *memory) close(handle string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, handle)
}

// begin keeps a sign-in under a fresh state.
func (m *memory) begin(browser string) (state string, a attempt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if len(m.attempts) >= maxKept {
		makeRoom(m.attempts, func(a attempt) bool { return !now.Before(a.until) })
	}
	a = attempt{browser: browser, verifier: rand.Text() + rand.Text(), nonce: rand.Text(), until: now.Add(attemptTTL)}
	state = rand.Text()
	m.attempts[state] = a
	return state, a
}

// finish takes the sign-in of a state, once, and only for its own browser.
func (m *memory) finish(state, browser string) (attempt, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.attempts[state]
	if !ok || a.browser != browser || !m.now().Before(a.until) {
		return attempt{}, false
	}
	delete(m.attempts, state)
	return a, true
}

// makeRoom removes what is over and, when that is not enough, anything: this is
// a demo's memory, and it must not grow without end.
func makeRoom[T any](kept map[string]T, over func(T) bool) {
	for k, v := range kept {
		if over(v) {
			delete(kept, k)
		}
	}
	for k := range kept {
		if len(kept) < maxKept {
			return
		}
		delete(kept, k)
	}
}

// cookieName: browsers send cookies to every port of a host, so that it must
// not be that of another app on the same machine.
const cookieName = "demo_monitor_app"

func (a *app) handle(r *http.Request) string {
	if c, err := r.Cookie(cookieName); err == nil {
		return c.Value
	}
	return ""
}

func (a *app) setHandle(w http.ResponseWriter, handle string) {
	c := &http.Cookie{
		Name: cookieName, Value: handle, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(a.base, "https:"),
	}
	if handle == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
