package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// Begin stores the request as a transaction of this browser and answers with a
// redirect to its first page.
func (s *Server) Begin(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest) error {
	return s.begin(w, r, storage.Login{Request: &req})
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	browser, err := s.bind(w, r)
	if err != nil {
		return err
	}
	now := s.now()
	l.ID, l.Step, l.Browser, l.Version = storage.NewLoginID(now), storage.StepIdentify, browser, 1
	l.CreatedAt, l.ExpiresAt = now, now.Add(s.cfg.Lifetimes.Login)
	if err := s.cfg.Store.BeginLogin(r.Context(), l); err != nil {
		return away(err)
	}
	s.to(w, r, l, "")
	return nil
}

// dispatch shows the page of the step at which the transaction stands. It is
// the only place that decides what comes next.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) error {
	l, err := s.transaction(r, r.PathValue("login"))
	if err != nil {
		return err
	}
	switch l.Step {
	case storage.StepIdentify:
		return s.identify(w, r, l)
	case storage.StepUpstream: // back from the identity provider, without an answer
		return s.askEmail(w, r, l)
	case storage.StepConsent:
		return s.consent(w, r, l)
	}
	return refuse("already_used", nil)
}

// choosePage shows a page that was asked for by name: to choose another account
// is possible until the transaction is done, and changes nothing by itself.
func (s *Server) choosePage(w http.ResponseWriter, r *http.Request) error {
	pages := map[string]func(http.ResponseWriter, *http.Request, storage.Login) error{
		"tenant": s.askTenant, "email": s.askEmail,
	}
	show, ok := pages[r.PathValue("page")]
	if !ok {
		return refuse("not_found", nil)
	}
	l, err := s.transaction(r, r.PathValue("login"))
	if err != nil {
		return err
	}
	return show(w, r, l)
}

// postPage takes the forms that have a path of their own.
func (s *Server) postPage(w http.ResponseWriter, r *http.Request) error {
	switch r.PathValue("page") {
	case "tenant":
		return s.postTenant(w, r)
	case "consent":
		return s.postConsent(w, r)
	}
	return refuse("not_found", nil)
}

// transaction returns a transaction that is not over, if it was begun in this
// browser (AZ-34).
func (s *Server) transaction(r *http.Request, id string) (storage.Login, error) {
	l, err := s.cfg.Store.Login(r.Context(), storage.LoginID(id), s.now())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return storage.Login{}, refuse("session_expired", err)
	case err != nil:
		return storage.Login{}, away(err)
	case len(l.Browser) == 0 || subtle.ConstantTimeCompare(l.Browser, s.browser(r)) != 1:
		return storage.Login{}, refuse("other_browser", nil)
	case l.Step == storage.StepDone:
		return storage.Login{}, refuse("already_used", nil)
	}
	web.Annotate(r.Context(), "login", string(l.ID))
	web.Annotate(r.Context(), "login_step", string(l.Step))
	return l, nil
}

// submitted is a form of one step: the transaction, which stands at one of the
// steps at which that form may be sent, and the fields. The verifier proves
// that this browser was shown the form at the transaction's present version.
func (s *Server) submitted(w http.ResponseWriter, r *http.Request, form storage.LoginStep, at ...storage.LoginStep) (storage.Login, web.Form, error) {
	l, err := s.transaction(r, r.PathValue("login"))
	if err != nil {
		return storage.Login{}, web.Form{}, err
	}
	fields, err := web.ReadForm(w, r)
	if err != nil {
		return storage.Login{}, web.Form{}, err
	}
	if !slices.Contains(at, l.Step) || !s.cfg.Steps.Verify(l, form, s.browser(r), fields.Get("verifier")) {
		return storage.Login{}, web.Form{}, refuse("already_used", nil)
	}
	return l, fields, nil
}

// advance stores the next state of a transaction and returns it with its new
// version. Of two that try, one gets the page that says so.
func (s *Server) advance(ctx context.Context, l storage.Login) (storage.Login, error) {
	err := s.cfg.Store.AdvanceLogin(ctx, l, s.now())
	switch {
	case errors.Is(err, storage.ErrConsumed), errors.Is(err, storage.ErrNotFound):
		return storage.Login{}, refuse("already_used", err)
	case err != nil:
		return storage.Login{}, away(err)
	}
	l.Version++
	return l, nil
}

// to redirects to a page of the transaction; "" is the dispatcher. 303: what
// follows a form is a GET (AZ-27).
func (s *Server) to(w http.ResponseWriter, r *http.Request, l storage.Login, page string) {
	http.Redirect(w, r, s.url(l, page), http.StatusSeeOther)
}

func (s *Server) url(l storage.Login, page string) string {
	u := s.path + "/login/" + url.PathEscape(string(l.ID))
	if page != "" {
		u += "/" + page
	}
	return u
}

// state ties a form to its step.
func (s *Server) state(l storage.Login, step storage.LoginStep) templates.State {
	return templates.State{Transaction: string(l.ID), Verifier: s.cfg.Steps.Verifier(l, step)}
}

// html announces a page.
func html(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html; charset=utf-8") }
