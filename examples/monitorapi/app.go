package monitorapi

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/templates"
)

// appName is what the page calls itself.
const appName = "Demo status board"

// app is the page at /: an OAuth client that happens to live beside the API. The
// tokens stay on the server; the browser has a handle.
type app struct {
	base    string
	client  *client
	memory  *memory
	tenants []string
	names   map[string]string // of tenants, by slug
	people  []templates.DemoPerson
	http    *http.Client
	now     func() time.Time
	log     *slog.Logger
}

func newApp(cfg Config) *app {
	return &app{
		base: cfg.BaseURL,
		client: &client{
			issuer: cfg.Issuer, id: cfg.ClientID, redirectURI: cfg.BaseURL + "/callback", http: cfg.HTTPClient, now: cfg.Now,
		},
		memory: newMemory(cfg.Now), tenants: cfg.Tenants, names: cfg.TenantNames, people: cfg.People, http: cfg.HTTPClient, now: cfg.Now, log: cfg.Log,
	}
}

func (a *app) mount(mux *http.ServeMux) {
	guard := http.NewCrossOriginProtection()
	mux.HandleFunc("GET /{$}", a.index)
	mux.HandleFunc("GET /start", a.start)
	mux.HandleFunc("GET /callback", a.callback)
	mux.Handle("POST /signout", guard.Handler(http.HandlerFunc(a.signOut)))
	mux.HandleFunc("/", a.nothing)
}

// index shows the invitation, or what the token opens.
func (a *app) index(w http.ResponseWriter, r *http.Request) {
	page := templates.DemoAppPage{AppName: appName, SignInURL: "/start", People: a.people}
	a.note(r, &page)
	if s := a.memory.find(a.handle(r)); s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.problem != nil {
			page.Problem, s.problem = s.problem, nil
		}
		if s.tokens.Access != "" {
			a.fill(r.Context(), &page, s)
		}
		if page.User != nil {
			page.SignedOut = nil // an old link, or somebody else's
		}
	}
	a.render(w, page)
}

func (a *app) render(w http.ResponseWriter, page templates.DemoAppPage) {
	var buf bytes.Buffer
	err := templates.DemoApp(&buf, page)
	a.write(w, http.StatusOK, &buf, err)
}

func (a *app) write(w http.ResponseWriter, status int, page *bytes.Buffer, err error) {
	if err != nil {
		a.log.Error("the page cannot be rendered", slog.Any("err", err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// The status is written: a browser that went away is nobody to tell.
	_, _ = page.WriteTo(w)
}

// start sends the browser to the authorization server. A login_hint on its own
// URL is passed on.
func (a *app) start(w http.ResponseWriter, r *http.Request) {
	browser := a.handle(r)
	s := a.memory.find(browser)
	if s == nil {
		browser, s = a.memory.open()
		a.setHandle(w, browser)
	}
	m, err := a.client.discover(r.Context())
	if err != nil {
		a.fail(w, r, s, err)
		return
	}
	state, at := a.memory.begin(browser)
	http.Redirect(w, r, a.client.authURL(m, state, at, r.URL.Query().Get("login_hint")), http.StatusSeeOther)
}

// callback takes the authorization response. What does not carry a state of this
// browser and the issuer (RFC 9207) is not acted on, errors included.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	q, browser := r.URL.Query(), a.handle(r)
	at, ok := a.memory.finish(q.Get("state"), browser)
	if !ok || repeats(q) || q.Get("iss") != a.client.issuer {
		a.reject(w, r)
		return
	}
	s := a.memory.find(browser)
	if s == nil {
		a.reject(w, r)
		return
	}
	if code := q.Get("error"); code != "" {
		a.fail(w, r, s, &oauthProblem{Code: code, Description: q.Get("error_description")})
		return
	}
	t, who, err := a.client.redeem(r.Context(), q.Get("code"), at)
	if err != nil {
		a.fail(w, r, s, err)
		return
	}
	a.signIn(w, browser, t, who)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func repeats(q url.Values) bool {
	for _, values := range q {
		if len(values) > 1 {
			return true
		}
	}
	return false
}

// signIn gives the browser a new handle: one that was known before the sign-in
// must not be worth more after it.
func (a *app) signIn(w http.ResponseWriter, browser string, t tokens, who identity) {
	a.memory.close(browser)
	handle, s := a.memory.open()
	s.mu.Lock()
	s.tokens, s.who = t, who
	s.mu.Unlock()
	a.setHandle(w, handle)
}

// reject answers a callback that is nobody's. It changes no session, and takes
// the code out of the address bar.
func (a *app) reject(w http.ResponseWriter, r *http.Request) {
	redirectToNote(w, r, noteForeignAnswer)
}

// fail shows a sign-in's error on the next page.
func (a *app) fail(w http.ResponseWriter, r *http.Request, s *session, err error) {
	p := &oauthProblem{Code: "temporarily_unavailable", Description: "The authorization server does not answer as it should. Try again in a moment."}
	if !errors.As(err, &p) {
		a.log.ErrorContext(r.Context(), "a sign-in failed", slog.Any("err", err))
	}
	s.mu.Lock()
	s.problem = &templates.DemoProblem{Title: "The sign-in did not succeed.", Code: p.Code, Description: p.Description}
	s.mu.Unlock()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// signOut forgets the session here and revokes the grant there. The session of
// the authorization server is not the app's to end: the page links to where the
// person can.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	handle, note := a.handle(r), noteSignedOut
	if s := a.memory.find(handle); s != nil {
		a.memory.close(handle)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := a.client.revoke(r.Context(), s.tokens); err != nil {
			a.log.WarnContext(r.Context(), "the grant could not be revoked", slog.Any("err", err))
			note = noteNotRevoked
		}
	}
	a.setHandle(w, "")
	redirectToNote(w, r, note)
}

// others are the tenants that the page tries beside the person's own.
func (a *app) others(own string) []string {
	return slices.DeleteFunc(slices.Clone(a.tenants), func(t string) bool { return strings.EqualFold(t, own) })
}
