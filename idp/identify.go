package idp

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// identify is the first step: it goes on with a session of this browser, or
// straight to the identity provider that login_hint names, or asks.
func (s *Server) identify(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	v, err := s.view(r, l)
	if err != nil {
		return err
	}
	if l.Session != "" { // begun for a session that needs more
		if live, ok := v.find(func(live storage.LiveSession) bool { return live.ID == l.Session }); ok {
			return s.goOn(w, r, l, live)
		}
	}
	// Who comes back from a provider without a session chooses by themselves:
	// to send them there again would be a loop. And where the app holds an
	// id_token_hint that is none of ours, nobody knows whom it means (AZ-24).
	if l.Request == nil || l.Connection != "" || l.Request.StrangeHint {
		return s.ask(w, l, v)
	}
	// The hint selects a provider and never authenticates (AZ-23).
	hinted, err := s.discover(r.Context(), l.Request.LoginHint, discovery{})
	if err != nil {
		return err
	}
	if chosen, ok := v.choose(*l.Request, hinted.owner); ok {
		return s.goOn(w, r, l, chosen)
	}
	if o := hinted.owner; o != nil && !(v.selecting(*l.Request) && len(v.sessions) > 0) {
		return s.leave(w, r, l, destination{tenant: o.Tenant, connection: o.Connection, email: l.Request.LoginHint})
	}
	return s.ask(w, l, v)
}

func (view) selecting(req storage.AuthorizeRequest) bool {
	return slices.Contains(req.Prompt, "select_account")
}

// choose returns the one session that the request is surely about. False: the
// person has to say.
func (v view) choose(req storage.AuthorizeRequest, hinted *storage.DomainOwner) (storage.LiveSession, bool) {
	switch {
	case v.selecting(req):
		return storage.LiveSession{}, false
	case req.HintSubject != "":
		return v.find(func(l storage.LiveSession) bool { return l.User == req.HintSubject })
	case req.LoginHint != "":
		return v.find(func(l storage.LiveSession) bool {
			return strings.EqualFold(l.UserInfo.Email, req.LoginHint) && (hinted == nil || hinted.Tenant.ID == l.Tenant.ID)
		})
	case len(v.sessions) == 1:
		return v.sessions[0], true
	}
	return storage.LiveSession{}, false
}

// goOn continues with a session, or has it renewed when the transaction needs a newer
// authentication, or one of another context, than its own (AZ-22, SE-07).
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, l storage.Login, chosen storage.LiveSession) error {
	need := s.needOf(l, chosen.Tenant.Policy, chosen.Session)
	if !answers(l, need, chosen.Session) {
		con, err := s.cfg.Store.Tenant(chosen.Tenant.ID).Connection(r.Context(), chosen.Connection)
		if err != nil {
			return away(err)
		}
		return s.leave(w, r, l, destination{tenant: chosen.Tenant, connection: con, email: chosen.UserInfo.Email})
	}
	if err := s.touch(r, chosen); err != nil {
		return away(err)
	}
	l.Tenant, l.Connection, l.Need = chosen.Tenant.ID, chosen.Connection, need
	return s.onward(w, r, l, chosen.Session)
}

// ask shows the sessions to choose from, or the e-mail page when there is none.
func (s *Server) ask(w http.ResponseWriter, l storage.Login, v view) error {
	if len(v.sessions) == 0 {
		return s.emailPage(w, l, v, "")
	}
	p := templates.TenantChoicePage{Action: s.url(l, "tenant"), State: s.state(l), AppName: v.appName()}
	for _, live := range v.sessions {
		p.Choices = append(p.Choices, templates.TenantChoiceItem{
			Slug: live.Tenant.Slug, Name: live.Tenant.Name, User: live.UserInfo.Email, SignedIn: true,
		})
	}
	s.mayLeave(w, l)
	html(w)
	return templates.TenantChoice(w, p)
}

func (s *Server) askTenant(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	v, err := s.view(r, l)
	if err != nil {
		return err
	}
	return s.ask(w, l, v)
}

// postTenant takes the choice among sessions.
func (s *Server) postTenant(w http.ResponseWriter, r *http.Request) error {
	l, fields, err := s.submitted(w, r)
	if err != nil {
		return err
	}
	if fields.Get(templates.FieldAnotherAccount) != "" {
		s.to(w, r, l, "email")
		return nil
	}
	v, err := s.view(r, l)
	if err != nil {
		return err
	}
	chosen, ok := v.find(func(live storage.LiveSession) bool { return live.Tenant.Slug == fields.Get(templates.FieldTenant) })
	if !ok { // it ended meanwhile
		s.to(w, r, l, "tenant")
		return nil
	}
	return s.goOn(w, r, l, chosen)
}

func (s *Server) askEmail(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	v, err := s.view(r, l)
	if err != nil {
		return err
	}
	return s.emailPage(w, l, v, "")
}

// emailPage asks for the address; problem is the sentence beside the field.
func (s *Server) emailPage(w http.ResponseWriter, l storage.Login, v view, problem string) error {
	p := templates.SignInPage{
		Action: s.url(l, ""), State: s.state(l), AppName: v.appName(), Email: l.Email, Error: problem,
	}
	if p.Email == "" && l.Request != nil {
		p.Email = l.Request.LoginHint
	}
	s.mayLeave(w, l)
	html(w)
	return templates.SignIn(w, p)
}

// postEmail finds the tenant by the domain of the address (FO-25). It looks up
// no person: known and unknown ones take the same way.
func (s *Server) postEmail(w http.ResponseWriter, r *http.Request) error {
	l, fields, err := s.submitted(w, r)
	if err != nil {
		return err
	}
	l.Email = strings.TrimSpace(fields.Get(templates.FieldEmail))
	domain, ok := domainOf(l.Email)
	if !ok {
		return s.emailProblem(w, r, l)
	}
	owner, err := s.cfg.Store.DomainOwner(r.Context(), domain)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		l.Tenant, l.Connection, l.Session = "", "", ""
		return s.byLink(w, r, l)
	case err != nil:
		return away(err)
	}
	return s.leave(w, r, l, destination{tenant: owner.Tenant, connection: owner.Connection, email: l.Email})
}

func (s *Server) emailProblem(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	v, err := s.view(r, l)
	if err != nil {
		return err
	}
	problem := templates.EmailMalformed
	if l.Email == "" {
		problem = templates.EmailMissing
	}
	return s.emailPage(w, l, v, problem)
}
