package idp

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/sessions"

	"github.com/watchgate/watchgate/storage"
)

// Names of the cookies; on https they have the prefix __Host-, which keeps other
// hosts of the domain from setting them (SE-03).
const (
	loginCookie   = "wg_login_"   // and the transaction's id: one binding per transaction
	sessionCookie = "wg_session_" // and the tenant's id: one session per tenant (SE-04)
	hostPrefix    = "__Host-"
)

const (
	handleLen = 43 // characters: 256 bits, base 62
	// maxSeats is how many tenants one browser may be signed in to; the oldest
	// session makes room.
	maxSeats = 8
	// maxHandles is how many session cookies are looked at.
	maxHandles = 16
	// maxLogins is how many sign-ins one browser can have under way; the oldest
	// makes room.
	maxLogins = 8
)

// cookieStore is gorilla's Store over storage: a cookie holds a random handle
// (the session's ID) and nothing else. What the handle stands for is a row keyed
// by its SHA-256; all rows of a browser are read in one statement
// ([storage.SessionLookups]), and written by [storage.Sessions].SignIn.
type cookieStore struct{ secure bool }

var _ sessions.Store = cookieStore{}

// Get returns the session of a cookie, the same one within a request.
func (c cookieStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(c, name)
}

// New reads a cookie. A value that is no handle counts as none.
func (c cookieStore) New(r *http.Request, name string) (*sessions.Session, error) {
	s := sessions.NewSession(c, name)
	s.IsNew = true
	// No Max-Age: the browser forgets it when it is closed. What counts is the
	// server's clock.
	s.Options = &sessions.Options{Path: "/", Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if cookie, err := r.Cookie(name); err == nil && isHandle(cookie.Value) {
		s.ID, s.IsNew = cookie.Value, false
	}
	return s, nil
}

// Save sends the cookie, or, with a negative MaxAge, its removal.
func (c cookieStore) Save(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	if s.Options.MaxAge < 0 {
		s.ID = ""
	}
	http.SetCookie(w, sessions.NewCookie(s.Name(), s.ID, s.Options))
	return nil
}

func (c cookieStore) name(name string) string {
	if c.secure {
		return hostPrefix + name
	}
	return name
}

// value returns the handle in a cookie, or "".
func (c cookieStore) value(r *http.Request, name string) string {
	s, err := c.Get(r, c.name(name))
	if err != nil {
		return ""
	}
	return s.ID
}

// put gives the browser a handle under a name.
func (c cookieStore) put(w http.ResponseWriter, r *http.Request, name, handle string) error {
	s, err := c.Get(r, c.name(name))
	if err != nil {
		return err
	}
	s.ID, s.IsNew = handle, false
	return s.Save(r, w)
}

// drop takes a cookie from the browser.
func (c cookieStore) drop(w http.ResponseWriter, r *http.Request, name string) error {
	s, err := c.Get(r, c.name(name))
	if err != nil {
		return err
	}
	s.Options.MaxAge = -1
	return s.Save(r, w)
}

// seat is a session cookie of this browser.
type seat struct {
	tenant storage.TenantID
	hash   []byte
}

// seats returns the session cookies that hold a handle.
func (c cookieStore) seats(r *http.Request) []seat {
	var all []seat
	for _, cookie := range r.Cookies() {
		tenant, ok := strings.CutPrefix(cookie.Name, c.name(sessionCookie))
		if ok && tenant != "" && isHandle(cookie.Value) && len(all) < maxHandles {
			all = append(all, seat{tenant: storage.TenantID(tenant), hash: hashOf(cookie.Value)})
		}
	}
	return all
}

// logins returns the transactions that this browser is bound to, the oldest
// first.
func (c cookieStore) logins(r *http.Request) []storage.LoginID {
	var ids []storage.LoginID
	for _, cookie := range r.Cookies() {
		if id, ok := strings.CutPrefix(cookie.Name, c.name(loginCookie)); ok && id != "" {
			ids = append(ids, storage.LoginID(id))
		}
	}
	slices.Sort(ids) // ids are ordered by time
	return ids
}

func isHandle(v string) bool {
	return len(v) == handleLen && !strings.ContainsFunc(v, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
	})
}

func hashOf(handle string) []byte {
	h := sha256.Sum256([]byte(handle))
	return h[:]
}
