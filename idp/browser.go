package idp

import (
	"net/http"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// touchEvery is how often activity is written down.
const touchEvery = time.Minute

// Handles returns the SHA-256 of the session handles in this browser's cookies,
// at most 16.
func (s *Server) Handles(r *http.Request) [][]byte {
	var handles [][]byte
	for _, seat := range s.cookies.seats(r) {
		handles = append(handles, seat.hash)
	}
	return handles
}

// browser is the SHA-256 of the binding cookie, nil without one.
func (s *Server) browser(r *http.Request) []byte {
	v := s.cookies.value(r, browserCookie)
	if v == "" {
		return nil
	}
	return hashOf(v)
}

// bind returns the browser's binding, making one for a browser without.
func (s *Server) bind(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if known := s.browser(r); known != nil {
		return known, nil
	}
	return s.rebind(w, r)
}

// rebind gives the browser a new binding: what somebody may have planted before
// the sign-in is worth nothing after it (SE-11).
func (s *Server) rebind(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	handle := token.NewSecret()
	return hashOf(handle), s.cookies.put(w, r, browserCookie, handle)
}

// sessions returns the rows of this browser's session cookies, whatever their
// state.
func (s *Server) sessions(r *http.Request) ([]storage.LiveSession, error) {
	handles := s.Handles(r)
	if len(handles) == 0 {
		return nil, nil
	}
	return s.cfg.Store.SessionsByHandle(r.Context(), handles)
}

// usable keeps the sessions by which somebody is signed in at now, the oldest
// first.
func usable(all []storage.LiveSession, now time.Time) []storage.LiveSession {
	live := slices.DeleteFunc(slices.Clone(all), func(l storage.LiveSession) bool { return !l.Usable(now) })
	slices.SortFunc(live, func(a, b storage.LiveSession) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return live
}

// touch notes that somebody was there, at most once a minute.
func (s *Server) touch(r *http.Request, l storage.LiveSession) error {
	now := s.now()
	if now.Sub(l.LastSeenAt) < touchEvery {
		return nil
	}
	return s.cfg.Store.Tenant(l.Tenant.ID).TouchSession(r.Context(), l.ID, now)
}
