package idp

import (
	"errors"
	"net/http"
	"slices"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// view is what a step is decided on: the app, and this browser's sessions that
// are good for it.
type view struct {
	client   storage.Client // zero for a sign-in to our own pages
	sessions []storage.LiveSession
}

// view reads, in one statement, what the transaction's request is about.
func (s *Server) view(r *http.Request, l storage.Login) (view, error) {
	if l.Request == nil {
		all, err := s.sessions(r)
		if err != nil {
			return view{}, away(err)
		}
		return view{sessions: usable(all, s.now())}, nil
	}
	req := l.Request
	client, all, err := s.cfg.Store.AuthorizeView(r.Context(), req.Client, storage.RedirectHost(req.RedirectURI), storage.ResourceKey(req.Resource), s.Handles(r))
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return view{}, refuse("client_disabled", err)
	case err != nil:
		return view{}, away(err)
	case !client.DisabledAt.IsZero():
		return view{}, refuse("client_disabled", nil)
	}
	live := slices.DeleteFunc(usable(all, s.now()), func(l storage.LiveSession) bool { return !l.Tenant.MayUse(client) })
	return view{client: client, sessions: live}, nil
}

// appName is what people read.
func (v view) appName() string {
	if v.client.Name == "" {
		return string(v.client.ID)
	}
	return v.client.Name
}

// find returns the session for which ok holds.
func (v view) find(ok func(storage.LiveSession) bool) (storage.LiveSession, bool) {
	if i := slices.IndexFunc(v.sessions, ok); i >= 0 {
		return v.sessions[i], true
	}
	return storage.LiveSession{}, false
}

// mayLeave lets the forms of a page lead to an identity provider, and from
// there, by redirects alone, on to the app. Which provider follows from what is
// typed, so any https one is allowed; plain http only where we are on it
// ourselves, and then on this machine.
func (s *Server) mayLeave(w http.ResponseWriter, l storage.Login) {
	web.AllowFormAction(w, "https:")
	if !s.cookies.secure {
		web.AllowFormAction(w, "http://127.0.0.1:*")
		web.AllowFormAction(w, "http://localhost:*")
	}
	if l.Request != nil {
		web.AllowFormAction(w, web.FormTarget(l.Request.RedirectURI))
	}
}
