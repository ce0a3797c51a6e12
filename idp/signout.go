package idp

import (
	"bytes"
	"context"
	"crypto/hmac"
	"net/http"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// The sign-out form: its synchronizer token, and what it is about.
const (
	fieldCSRF    = "csrf"
	fieldRequest = "request"
)

// another is the parameter by which somebody who is signed in asks to sign in at one
// more organization.
const another = "another"

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
	case fields.Get(another) != "":
		return s.beginAt(w, r, storage.Login{ReturnTo: target}, "email")
	case !given:
		html(w)
		return templates.SignedIn(w, templates.SignedInPage{
			Sessions: sessionItems(usable(all, s.now())), SignOutURL: s.path + "/oauth2/logout",
			AccountURL: s.path + "/account", SignInURL: s.path + "/login?" + another + "=1",
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

// getSignOut is where apps send people who want to be signed out, and where people come
// by themselves (OpenID Connect RP-Initiated Logout 1.0 section 2).
func (s *Server) getSignOut(w http.ResponseWriter, r *http.Request) error {
	fields, err := web.ReadQueryOrForm(w, r)
	if err != nil {
		return err
	}
	req, err := s.carried(w, r)
	if err != nil {
		return err
	}
	if r.URL.RawQuery != "" {
		if req, err = s.readSignOut(r.Context(), fields); err != nil {
			return err
		}
	}
	o, err := s.lookUp(r, req)
	switch {
	case err != nil:
		return err
	case o.atOnce(r):
		session, _ := o.named()
		return s.signOut(w, r, o, session)
	case len(o.live) > 0:
		return s.askSignOut(w, r, o)
	case o.Hint.User != "" && !o.Hint.Expired && o.back() != "":
		http.Redirect(w, r, o.back(), http.StatusSeeOther) // there is nothing to end
		return nil
	}
	return s.signedOut(w, o, nil)
}

// askSignOut asks before sessions end: without an ID token of the session a GET changes
// nothing, whoever made the browser send it (LO-06).
func (s *Server) askSignOut(w http.ResponseWriter, r *http.Request, o signingOut) error {
	request := s.sealed(o.signOutRequest)
	p := templates.SignOutPage{
		Action: s.path + "/oauth2/logout", AppName: o.app.Name, Unproved: o.Refused, CancelURL: s.path + "/login",
		Hidden:   []templates.Field{{Name: fieldRequest, Value: request}, {Name: fieldCSRF, Value: s.signOutToken(r, request)}},
		Sessions: sessionItems(o.ends()),
	}
	for i, l := range o.ends() {
		p.Sessions[i].Everywhere = l.Tenant.Policy.SignOutEverything
	}
	if back := o.back(); back != "" {
		web.AllowFormAction(w, web.FormTarget(back))
	}
	html(w)
	return templates.SignOut(w, p)
}

// signedOut is the page at the end. left are the sessions that go on.
func (s *Server) signedOut(w http.ResponseWriter, o signingOut, left []storage.LiveSession) error {
	html(w)
	return templates.SignedOut(w, templates.SignedOutPage{AppName: o.app.Name, ReturnURL: o.back(), Left: sessionItems(left)})
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
// section 2), from their own site and without our cookies: they are led to the page that
// comes with them.
func (s *Server) postSignOut(w http.ResponseWriter, r *http.Request) error {
	fields, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	if fields.Get(fieldCSRF) == "" {
		return s.carry(w, r, fields)
	}
	return web.SameOrigin(func(w http.ResponseWriter, r *http.Request) error {
		return s.confirmed(w, r, fields)
	}, s.origin)(w, r)
}

// confirmed ends what the page named.
func (s *Server) confirmed(w http.ResponseWriter, r *http.Request, fields web.Form) error {
	request := fields.Get(fieldRequest)
	req, ok := s.opened(request)
	if !ok || !hmac.Equal([]byte(fields.Get(fieldCSRF)), []byte(s.signOutToken(r, request))) {
		// The sessions changed since the page was shown, or it was shown long ago: show
		// it again.
		http.Redirect(w, r, s.path+"/oauth2/logout", http.StatusSeeOther)
		return nil
	}
	o, err := s.lookUp(r, req)
	if err != nil {
		return err
	}
	if ends := o.ends(); len(ends) == 1 && len(o.live) > 1 {
		return s.signOut(w, r, o, ends[0])
	}
	return s.signOut(w, r, o, o.all...)
}

// signOut ends sessions of this browser and takes their cookies away. The person goes
// back to the app where it is known that it wants that, and sees what is left otherwise.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request, o signingOut, sessions ...storage.LiveSession) error {
	for _, l := range sessions {
		if err := s.endOwn(r.Context(), l); err != nil {
			return away(err)
		}
	}
	s.ended()
	over := func(t storage.TenantID) bool {
		return len(sessions) == len(o.all) || slices.ContainsFunc(sessions, func(l storage.LiveSession) bool { return l.Tenant.ID == t })
	}
	for _, seat := range s.cookies.seats(r) {
		if !over(seat.tenant) {
			continue
		}
		if err := s.cookies.drop(w, r, sessionCookie+string(seat.tenant)); err != nil {
			return err
		}
	}
	// Whoever sits down next goes on with nobody's sign-in.
	if err := s.release(w, r, s.cookies.logins(r)...); err != nil {
		return err
	}
	if back := o.back(); back != "" {
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	left := slices.DeleteFunc(o.live, func(l storage.LiveSession) bool { return over(l.Tenant.ID) })
	return s.signedOut(w, o, left)
}

// endOwn ends a session because its person said so. Where the tenant's policy says that
// signing out ends everything, it ends the person's other sessions and every app's
// access, offline access included, too (C8). Whoever only has the cookie of a session
// that is over is not that person.
func (s *Server) endOwn(ctx context.Context, l storage.LiveSession) error {
	if !l.Tenant.Policy.SignOutEverything || !l.Usable(s.now()) {
		return s.end(ctx, l, audit.ActorUser)
	}
	now := s.now()
	_, err := s.cfg.Store.Tenant(l.Tenant.ID).EndSessions(ctx, storage.EndSessions{User: l.User, Grants: true}, now,
		audit.SessionsEnded(ctx, now, l.User, audit.ActorUser, ""))
	return err
}

// signOutToken is bound to the sessions of this browser, and to what the page asked:
// whoever does not have their handles cannot make it (SE-10).
func (s *Server) signOutToken(r *http.Request, request string) string {
	handles := s.Handles(r)
	slices.SortFunc(handles, bytes.Compare)
	return s.signOutMAC("sign-out", request, string(bytes.Join(handles, nil)))
}
