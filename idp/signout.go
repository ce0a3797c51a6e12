package idp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// fieldCSRF is the sign-out form's synchronizer token.
const fieldCSRF = "csrf"

// own is the page of people who come by themselves: they sign in, and go on to
// a path of this server. With nowhere to go they see where they are signed in.
func (s *Server) own(w http.ResponseWriter, r *http.Request) error {
	fields, err := web.ReadQueryOrForm(w, r)
	if err != nil {
		return err
	}
	target, given := s.path+"/login", ownPath(fields.Get("return_to"))
	if given {
		target = fields.Get("return_to")
	}
	all, err := s.sessions(r)
	switch {
	case err != nil:
		return away(err)
	case len(usable(all, s.now())) == 0:
		return s.begin(w, r, storage.Login{ReturnTo: target})
	case !given:
		html(w)
		return templates.SignedIn(w, templates.SignedInPage{
			Sessions: sessionItems(usable(all, s.now())), SignOutURL: s.path + "/oauth2/logout",
		})
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// ownPath reports whether a path leads nowhere but to this server: browsers
// read "//host" and "/\host" as another one, and drop control characters first
// (SE-16).
func ownPath(p string) bool {
	if !strings.HasPrefix(p, "/") || len(p) > 2048 || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return false
	}
	return !strings.HasPrefix(p, "//")
}

// askSignOut asks before sessions end: a GET changes nothing, whoever made the
// browser send it (LO-06).
func (s *Server) askSignOut(w http.ResponseWriter, r *http.Request) error {
	all, err := s.sessions(r)
	if err != nil {
		return away(err)
	}
	live := usable(all, s.now())
	html(w)
	if len(live) == 0 {
		return templates.SignedOut(w, templates.SignedOutPage{})
	}
	p := templates.SignOutPage{
		Action: s.path + "/oauth2/logout",
		Hidden: []templates.Field{{Name: fieldCSRF, Value: s.signOutToken(r)}},
	}
	p.Sessions = sessionItems(live)
	return templates.SignOut(w, p)
}

// sessionItems are a browser's sessions as its person reads them.
func sessionItems(live []storage.LiveSession) []templates.SessionItem {
	items := make([]templates.SessionItem, 0, len(live))
	for _, l := range live {
		items = append(items, templates.SessionItem{TenantName: l.Tenant.Name, User: l.UserInfo.Email})
	}
	return items
}

// postSignOut takes our own form. Apps may post here too (RP-Initiated Logout
// section 2), from their own site and without our cookies: they get the page
// that asks.
func (s *Server) postSignOut(w http.ResponseWriter, r *http.Request) error {
	fields, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	if fields.Get(fieldCSRF) == "" {
		http.Redirect(w, r, s.path+"/oauth2/logout", http.StatusSeeOther)
		return nil
	}
	return web.SameOrigin(func(w http.ResponseWriter, r *http.Request) error {
		return s.signOut(w, r, fields.Get(fieldCSRF))
	}, s.origin)(w, r)
}

// signOut ends every session of this browser and takes its cookies away.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, presented string) error {
	if !hmac.Equal([]byte(presented), []byte(s.signOutToken(r))) {
		// The sessions changed since the page was shown: show it again.
		http.Redirect(w, r, s.path+"/oauth2/logout", http.StatusSeeOther)
		return nil
	}
	all, err := s.sessions(r)
	if err != nil {
		return away(err)
	}
	for _, l := range all {
		if err := s.end(r.Context(), l, "user"); err != nil {
			return away(err)
		}
	}
	for _, seat := range s.cookies.seats(r) {
		if err := s.cookies.drop(w, r, sessionCookie+string(seat.tenant)); err != nil {
			return err
		}
	}
	// Whoever sits down next goes on with nobody's sign-in.
	if err := s.release(w, r, s.cookies.logins(r)...); err != nil {
		return err
	}
	html(w)
	return templates.SignedOut(w, templates.SignedOutPage{})
}

// signOutToken is bound to the sessions of this browser: whoever does not have
// their handles cannot make it (SE-10).
func (s *Server) signOutToken(r *http.Request) string {
	handles := s.Handles(r)
	slices.SortFunc(handles, bytes.Compare)
	mac := hmac.New(sha256.New, s.cfg.CookieKey)
	mac.Write([]byte("sign-out\x00"))
	for _, h := range handles {
		mac.Write(h)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
