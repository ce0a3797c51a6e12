package idp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// consent is the step of a person who is signed in: it asks them about the app,
// or approves what needs no question.
func (s *Server) consent(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	v, live, err := s.signedIn(r, l)
	if err != nil {
		return err
	}
	req := *l.Request
	if !named(req, live.Session) {
		return s.wrongPerson(w, r, l, live)
	}
	scopes, version, err := s.authorizer.ToApprove(r.Context(), req, live)
	if err != nil {
		return away(err)
	}
	if len(scopes) == 0 {
		return s.approve(w, r, l, live, 0)
	}
	p, err := s.consentPage(r.Context(), l, v, live, scopes)
	if err != nil {
		return err
	}
	// Whichever was read first: if the app changed in between, the person is
	// asked once more.
	p.State.Verifier = s.cfg.Steps.Shows(l, storage.StepConsent, min(version, v.client.Version))
	web.AllowFormAction(w, web.FormTarget(req.RedirectURI))
	html(w)
	return templates.Consent(w, p)
}

// named reports whether a session is of the person whom the app named, if it named
// anybody.
func named(req storage.AuthorizeRequest, session storage.Session) bool {
	return req.HintSubject == "" || req.HintSubject == session.User
}

// wrongPerson tells the app, which named somebody, that somebody else signed in
// (AZ-24).
func (s *Server) wrongPerson(w http.ResponseWriter, r *http.Request, l storage.Login, live storage.LiveSession) error {
	ev := audit.SignInRefused(r.Context(), s.now(), live.Connection, "login_required")
	if err := s.cfg.Store.Tenant(live.Tenant.ID).AppendEvent(r.Context(), ev); err != nil {
		return away(err)
	}
	return s.deny(w, r, l, "login_required")
}

// signedIn returns the session that the transaction is about, as it is now.
func (s *Server) signedIn(r *http.Request, l storage.Login) (view, storage.LiveSession, error) {
	v, err := s.view(r, l)
	if err != nil {
		return view{}, storage.LiveSession{}, err
	}
	live, ok := v.find(func(live storage.LiveSession) bool { return live.ID == l.Session })
	if ok {
		return v, live, nil
	}
	all, err := s.sessions(r)
	if err != nil {
		return view{}, storage.LiveSession{}, away(err)
	}
	return view{}, storage.LiveSession{}, s.gone(all, l)
}

// gone says why the transaction's session cannot go on.
func (s *Server) gone(all []storage.LiveSession, l storage.Login) *web.Error {
	i := slices.IndexFunc(all, func(live storage.LiveSession) bool { return live.ID == l.Session })
	if i < 0 || all[i].Expired(s.now()) {
		return refuse("session_expired", nil)
	}
	switch live := all[i]; {
	case !live.Tenant.SuspendedAt.IsZero():
		return s.suspended(live.Tenant)
	case !live.UserInfo.DisabledAt.IsZero():
		return s.refuseIn(live.Tenant, "user_suspended", "")
	case !live.ConnectionDisabledAt.IsZero():
		return s.refuseIn(live.Tenant, "connection_disabled", "")
	case live.Pending:
		return refuse("session_expired", nil)
	default:
		return s.refuseIn(live.Tenant, "client_not_allowed", "")
	}
}

// postConsent takes the decision. Everything that it is about comes from the
// stored transaction; of the form only the decision counts, and which version of
// the app the page was about: one that has changed since is asked about again
// (AZ-31).
func (s *Server) postConsent(w http.ResponseWriter, r *http.Request) error {
	l, fields, err := s.form(w, r)
	if err != nil {
		return err
	}
	shown, ok := s.cfg.Steps.Shown(l, storage.StepConsent, s.browser(r, l.ID), fields.Get("verifier"))
	if l.Step != storage.StepConsent || !ok {
		return s.stray(r.Context(), l, refuse("already_used", nil))
	}
	v, live, err := s.signedIn(r, l)
	if err != nil {
		return err
	}
	switch decision := fields.Get(templates.FieldDecision); {
	case decision == templates.DecisionDeny:
		return s.decline(w, r, l, live)
	case decision != templates.DecisionAllow:
		return refuse("bad_request", nil)
	case v.client.Version != shown:
		return s.consent(w, r, l)
	}
	return s.approve(w, r, l, live, shown)
}

// approve uses the transaction up, and then has the code issued: nobody gets
// two codes out of one transaction. What fails after that is a page, and the
// app starts again.
func (s *Server) approve(w http.ResponseWriter, r *http.Request, l storage.Login, live storage.LiveSession, approved int64) error {
	if err := s.done(w, r, l); err != nil {
		return err
	}
	err := s.authorizer.Approve(w, r, *l.Request, live, approved)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrNotFound) {
		return refuse("access_denied", err) // app, person, session or tenant is no longer live (AZ-36)
	}
	return err
}

func (s *Server) decline(w http.ResponseWriter, r *http.Request, l storage.Login, live storage.LiveSession) error {
	if err := s.done(w, r, l); err != nil {
		return err
	}
	ev := audit.ConsentDenied(r.Context(), s.now(), *l.Request, live.Session)
	if err := s.cfg.Store.Tenant(live.Tenant.ID).AppendEvent(r.Context(), ev); err != nil {
		return away(err)
	}
	return s.authorizer.Refuse(w, r, *l.Request, "access_denied")
}

// consentPage collects what a person has to know (AZ-30). What ties it to the
// step, the caller adds.
func (s *Server) consentPage(ctx context.Context, l storage.Login, v view, live storage.LiveSession, scopes []string) (templates.ConsentPage, error) {
	req := *l.Request
	items, err := s.inWords(ctx, scopes, req.Resource, live.Tenant.ID)
	if err != nil {
		return templates.ConsentPage{}, away(err)
	}
	p := templates.ConsentPage{
		Action: s.url(l, "consent"), State: templates.State{Transaction: string(l.ID)},
		AppName: v.appName(), ClientID: string(v.client.ID), RedirectHost: shownHost(req.RedirectURI),
		TenantName: live.Tenant.Name, UserName: personName(live.UserInfo), UserEmail: live.UserInfo.Email,
		SwitchURL: s.url(l, "tenant"), Scopes: items, Resources: req.Resource,
		Lifetime:     s.cfg.Lifetimes.Access,
		LoopbackOnly: loopbackOnly(v.client), Unverified: !v.client.Verified,
	}
	if slices.Contains(scopes, "offline_access") && v.client.Allows(storage.GrantRefreshToken) {
		p.Offline, p.Lifetime = true, s.cfg.Lifetimes.Offline
	}
	return p, nil
}

// inWords describes scopes: those of OpenID Connect by their own sentences,
// others by the words of a resource server that the request names, or else of
// any that this tenant can have tokens for.
func (s *Server) inWords(ctx context.Context, scopes, resource []string, tenant storage.TenantID) ([]templates.ScopeItem, error) {
	all, err := s.cfg.Store.ListResourceServers(ctx)
	if err != nil {
		return nil, err
	}
	named := func(rs storage.ResourceServer) bool { return slices.Contains(resource, rs.Audience) }
	slices.SortStableFunc(all, func(a, b storage.ResourceServer) int { return rank(named(b)) - rank(named(a)) })
	items := make([]templates.ScopeItem, 0, len(scopes))
	for _, name := range scopes {
		items = append(items, describe(name, all, tenant))
	}
	return items, nil
}

func rank(first bool) int {
	if first {
		return 1
	}
	return 0
}

func describe(name string, all []storage.ResourceServer, tenant storage.TenantID) templates.ScopeItem {
	if sentence, ok := templates.ScopeSentence(name); ok {
		return templates.ScopeItem{Name: name, Sentence: sentence}
	}
	for _, rs := range all {
		if !rs.DisabledAt.IsZero() || (rs.TenantID != "" && rs.TenantID != tenant) {
			continue
		}
		if i := slices.IndexFunc(rs.Scopes, func(sc storage.Scope) bool { return sc.Name == name }); i >= 0 {
			return templates.ScopeItem{Name: name, Sentence: rs.Scopes[i].Description, Sensitive: rs.Scopes[i].Sensitive}
		}
	}
	return templates.ScopeItem{Name: name, Sentence: name}
}

// shownHost is where the app is answered, in the words of an address bar.
func shownHost(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host == "":
		return u.Scheme + ":"
	}
	return u.Host
}

// loopbackOnly reports whether the app runs on the person's own machine and
// nowhere else, so that any program there could be the one that asks.
func loopbackOnly(c storage.Client) bool {
	elsewhere := func(uri string) bool {
		u, err := url.Parse(uri)
		return err != nil || (u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback())
	}
	return len(c.RedirectURIs) > 0 && !slices.ContainsFunc(c.RedirectURIs, elsewhere)
}

func personName(u storage.User) string {
	if name, _ := u.Claims["name"].(string); strings.TrimSpace(name) != "" {
		return name
	}
	return u.Email
}
