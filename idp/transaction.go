package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// Begin stores the request as a transaction of this browser and answers with a
// redirect to its first page, or at once to the identity provider where there is nothing
// to choose.
func (s *Server) Begin(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest) error {
	d, straight, err := s.straight(r, req)
	switch {
	case err != nil:
		return err
	case !straight:
		return s.begin(w, r, storage.Login{Request: &req})
	}
	l := storage.Login{Request: &req, Step: storage.StepUpstream, Tenant: d.tenant.ID, Connection: d.connection.ID, Email: d.email}
	if l, err = s.start(w, r, l); err != nil {
		return err
	}
	return s.depart(w, r, l, d)
}

// straight finds the provider of somebody who is signed in nowhere, and whose address
// the app knows: the first page would send them there anyway. A form that another site
// posted comes without cookies, and says nothing of who is signed in.
func (s *Server) straight(r *http.Request, req storage.AuthorizeRequest) (destination, bool, error) {
	if r.Method != http.MethodGet || req.StrangeHint || len(s.Handles(r)) > 0 {
		return destination{}, false, nil
	}
	found, err := s.discover(r.Context(), req.LoginHint, discovery{})
	if err != nil || found.owner == nil {
		return destination{}, false, err
	}
	d := destination{tenant: found.owner.Tenant, connection: found.owner.Connection, email: req.LoginHint, discovery: found}
	return d, s.closed(d) == nil && d.connection.Kind != storage.Passkey, nil
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	return s.beginAt(w, r, l, "")
}

// beginAt begins a transaction at one of the pages of its first step.
func (s *Server) beginAt(w http.ResponseWriter, r *http.Request, l storage.Login, page string) error {
	l.Step = storage.StepIdentify
	l, err := s.start(w, r, l)
	if err != nil {
		return err
	}
	s.to(w, r, l, page)
	return nil
}

// start stores a new transaction of this browser, at the step that it has.
func (s *Server) start(w http.ResponseWriter, r *http.Request, l storage.Login) (storage.Login, error) {
	now := s.now()
	l.ID, l.Version = storage.NewLoginID(now), 1
	l.CreatedAt, l.ExpiresAt = now, now.Add(s.cfg.Lifetimes.Login)
	under := s.cookies.logins(r)
	if err := s.release(w, r, under[:max(0, len(under)-(maxLogins-1))]...); err != nil {
		return storage.Login{}, err
	}
	var err error
	if l.Browser, err = s.bind(w, r, l.ID); err != nil {
		return storage.Login{}, err
	}
	if err := s.cfg.Store.BeginLogin(r.Context(), l); err != nil {
		return storage.Login{}, away(err)
	}
	return l, nil
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
	case storage.StepLink:
		return s.linkStep(w, r, l)
	case storage.StepFactor:
		return s.factorStep(w, r, l)
	}
	return s.consent(w, r, l)
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
	case "factor":
		return s.postFactor(w, r)
	case "enrol":
		return s.postEnrol(w, r)
	}
	return refuse("not_found", nil)
}

// transaction returns somebody's sign-in that is not over, if it was begun in this
// browser (AZ-34). A trial of a connection is none: only its callback knows it.
func (s *Server) transaction(r *http.Request, id string) (storage.Login, error) {
	l, err := s.begun(r, id)
	if err == nil && l.Purpose == storage.PurposeTest {
		return storage.Login{}, s.stray(r.Context(), l, refuse("not_found", errors.New("a trial of a connection is no sign-in")))
	}
	return l, err
}

// begun returns a transaction of any kind. One that is done is nobody's any more: its
// cookie is gone.
func (s *Server) begun(r *http.Request, id string) (storage.Login, error) {
	ctx := r.Context()
	l, err := s.cfg.Store.Login(ctx, storage.LoginID(id), s.now())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return storage.Login{}, s.stray(ctx, l, refuse("session_expired", err))
	case err != nil:
		return storage.Login{}, away(err)
	case l.Step == storage.StepDone:
		return storage.Login{}, s.stray(ctx, l, refuse("already_used", nil))
	case len(l.Browser) == 0 || subtle.ConstantTimeCompare(l.Browser, s.browser(r, l.ID)) != 1:
		return storage.Login{}, s.stray(ctx, l, refuse("other_browser", nil))
	}
	web.Annotate(r.Context(), "login", string(l.ID))
	web.Annotate(r.Context(), "login_step", string(l.Step))
	return l, nil
}

// submitted is a form that says who somebody is: the transaction, and the
// fields. It may be sent until the transaction is done. The verifier proves that
// this browser was shown the form at the transaction's present version.
func (s *Server) submitted(w http.ResponseWriter, r *http.Request) (storage.Login, web.Form, error) {
	l, fields, err := s.form(w, r)
	if err != nil {
		return storage.Login{}, web.Form{}, err
	}
	if !s.cfg.Steps.Verify(l, storage.StepIdentify, s.browser(r, l.ID), fields.Get("verifier")) {
		return storage.Login{}, web.Form{}, s.stray(r.Context(), l, refuse("already_used", nil))
	}
	return l, fields, nil
}

// form is what was posted to a transaction. Whether the browser was shown the
// form is not yet known.
func (s *Server) form(w http.ResponseWriter, r *http.Request) (storage.Login, web.Form, error) {
	l, err := s.transaction(r, r.PathValue("login"))
	if err != nil {
		return storage.Login{}, web.Form{}, err
	}
	fields, err := web.ReadForm(w, r)
	return l, fields, err
}

// sameOrigin is web.SameOrigin for the forms of a transaction, whose refusals
// are recorded.
func (s *Server) sameOrigin(next web.Handler) web.Handler {
	var passed web.Handler = func(w http.ResponseWriter, r *http.Request) error { return nil }
	check := web.SameOrigin(passed, s.origin)
	return func(w http.ResponseWriter, r *http.Request) error {
		refused := check(w, r)
		if refused == nil {
			return next(w, r)
		}
		l, err := s.cfg.Store.Login(r.Context(), storage.LoginID(r.PathValue("login")), s.now())
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return away(err)
		}
		return s.stray(r.Context(), l, web.AsError(refused))
	}
}

// advance stores the next state of a transaction and returns it with its new
// version. Of two that try, one gets the page that says so.
func (s *Server) advance(ctx context.Context, l storage.Login) (storage.Login, error) {
	err := s.cfg.Store.AdvanceLogin(ctx, l, s.now())
	switch {
	case errors.Is(err, storage.ErrConsumed), errors.Is(err, storage.ErrNotFound):
		return storage.Login{}, s.stray(ctx, l, refuse("already_used", err))
	case err != nil:
		return storage.Login{}, away(err)
	}
	l.Version++
	return l, nil
}

// done uses a transaction up: nobody gets two answers out of one.
func (s *Server) done(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	l.Step = storage.StepDone
	if _, err := s.advance(r.Context(), l); err != nil {
		return err
	}
	return s.release(w, r, l.ID)
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

// state ties a form that says who somebody is to the transaction.
func (s *Server) state(l storage.Login) templates.State {
	return templates.State{Transaction: string(l.ID), Verifier: s.cfg.Steps.Verifier(l, storage.StepIdentify)}
}

// html announces a page.
func html(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html; charset=utf-8") }
