package idp

import (
	"context"
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

// browser is the SHA-256 of the cookie that binds the transaction, nil without
// one.
func (s *Server) browser(r *http.Request, id storage.LoginID) []byte {
	v := s.cookies.value(r, loginCookie+string(id))
	if v == "" {
		return nil
	}
	return hashOf(v)
}

// bind binds a transaction to the browser, by a new secret each time: what
// somebody may have planted before the sign-in is worth nothing after it
// (SE-11). Each transaction has a cookie of its own, so that two tabs do not get
// in each other's way, and a request that another site makes the browser send,
// which comes without cookies, takes no binding away.
func (s *Server) bind(w http.ResponseWriter, r *http.Request, id storage.LoginID) ([]byte, error) {
	handle := token.NewSecret()
	return hashOf(handle), s.cookies.put(w, r, loginCookie+string(id), handle)
}

// release takes the bindings of transactions from the browser.
func (s *Server) release(w http.ResponseWriter, r *http.Request, ids ...storage.LoginID) error {
	for _, id := range ids {
		if err := s.cookies.drop(w, r, loginCookie+string(id)); err != nil {
			return err
		}
	}
	return nil
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

// standing keeps the sessions that usable keeps, and those that still wait for a
// factor, in the same order.
func standing(all []storage.LiveSession, now time.Time) []storage.LiveSession {
	live := slices.DeleteFunc(slices.Clone(all), func(l storage.LiveSession) bool { return !l.Standing(now) })
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

// Current returns the sessions by which this browser is signed in, the oldest first:
// at most one in each tenant.
func (s *Server) Current(r *http.Request) ([]storage.LiveSession, error) {
	all, err := s.sessions(r)
	if err != nil {
		return nil, away(err)
	}
	return usable(all, s.now()), nil
}

// End ends a session, and what hangs on it; by says who did, for the record. One
// that has ended already is no error. The browser keeps a cookie that is worth
// nothing.
func (s *Server) End(ctx context.Context, l storage.LiveSession, by string) error {
	if err := s.end(ctx, l, by); err != nil {
		return away(err)
	}
	return nil
}
