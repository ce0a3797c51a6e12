package authz

import (
	"context"
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// ToApprove returns what the person has to approve before the client gets a
// code: scopes, which may be more than the request's because single claims were
// asked for, and the version of the client that they are to be shown. No scopes:
// there is nothing to ask. It reads client and remembered consent afresh. An
// error is one of package web.
func (s *Server) ToApprove(ctx context.Context, req storage.AuthorizeRequest, ls storage.LiveSession) (scopes []string, clientVersion int64, err error) {
	client, session, err := s.reread(ctx, req, ls)
	if err != nil {
		return nil, 0, err
	}
	if needsConsent(req, client, session.Consent) {
		scopes = exposed(req, client)
	}
	return scopes, client.Version, nil
}

// Approve ends a sign-in: it judges the request again, issues the code and
// writes the authorization response. approved is the version of the client that
// the person approved on the consent page just now, 0 if nobody was asked; their
// word for an app that has changed since counts for nothing. It returns an error
// only where nothing may be sent to the client; the response is a redirect by
// 303, or the form_post page.
func (s *Server) Approve(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, ls storage.LiveSession, approved int64) error {
	ctx := r.Context()
	var d destination
	for range issueAttempts {
		client, session, err := s.reread(ctx, req, ls)
		if err != nil {
			return err
		}
		var refused *web.Error
		if d, refused = reprove(req, client); refused != nil {
			return s.turnAway(ctx, req.Client, refused)
		}
		code, err := s.approve(ctx, req, client, session, approved)
		switch {
		case errors.Is(err, storage.ErrConflict):
			continue
		case err != nil:
			return s.refuseAndRecord(ctx, w, d, session.Tenant.ID, toClient(err))
		}
		return s.respond(w, d, param{"code", code})
	}
	return s.refuse(w, d, errRestless)
}

// Refuse ends a sign-in without a code: it sends the client an OAuth or OpenID
// Connect error code (access_denied, ...); one that it does not know goes out as
// server_error. Who refuses records it.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, code string) error {
	client, err := s.cfg.Store.Client(r.Context(), req.Client)
	if err != nil {
		return s.clientError(r.Context(), req.Client, err)
	}
	d, refused := reprove(req, client)
	if refused != nil {
		return s.turnAway(r.Context(), req.Client, refused)
	}
	web.Annotate(r.Context(), "error", code)
	return s.refuse(w, d, refusal(code, ""))
}

// reprove is prove for a request that has waited: the client may have changed.
func reprove(req storage.AuthorizeRequest, c storage.Client) (destination, *web.Error) {
	switch {
	case !c.DisabledAt.IsZero():
		return destination{}, errUnknownClient
	case !matchRedirect(c.RedirectURIs, req.RedirectURI):
		return destination{}, errRedirect
	case req.ResponseMode == modeFormPost && !c.FormPost:
		return destination{}, errResponseMode
	}
	return destination{client: c, redirectURI: req.RedirectURI, sent: req.RedirectSent, mode: req.ResponseMode, state: req.State}, nil
}

// reread returns client and session as they are now, with the consent for this
// request, in one round trip.
func (s *Server) reread(ctx context.Context, req storage.AuthorizeRequest, ls storage.LiveSession) (storage.Client, storage.LiveSession, error) {
	client, sessions, err := s.cfg.Store.AuthorizeView(ctx, req.Client, storage.RedirectHost(req.RedirectURI), storage.ResourceKey(req.Resource), [][]byte{ls.Handle})
	if err != nil {
		return storage.Client{}, storage.LiveSession{}, s.clientError(ctx, req.Client, err)
	}
	for _, session := range sessions {
		if session.ID == ls.ID && session.User == ls.User {
			return client, session, nil
		}
	}
	// It has gone, so nobody is signed in by it.
	ls.ExpiresAt = s.now()
	return client, ls, nil
}

// approve judges and issues. storage.ErrConflict: something changed meanwhile.
func (s *Server) approve(ctx context.Context, req storage.AuthorizeRequest, c storage.Client, ls storage.LiveSession, approved int64) (string, error) {
	now, asked := s.now(), approved != 0 && approved == c.Version
	if refused := recheck(s.cfg.Rules, req, c, ls, now); refused != nil {
		return "", refused
	}
	if !asked && needsConsent(req, c, ls.Consent) {
		return "", refusal("consent_required", "")
	}
	return s.issue(ctx, approval{req: req, client: c, session: ls, asked: asked})
}

// approval is what a code is issued on.
type approval struct {
	req     storage.AuthorizeRequest
	client  storage.Client
	session storage.LiveSession
	// asked: the person has just approved the client as it is.
	asked bool
	// arrival is the sign-in that is stored together with the code, if one is.
	arrival *storage.Arrival
}

// issue lets fosite make the code and stores it, in one statement that checks
// once more that everything it rests on is live. storage.ErrConflict: it is not.
func (s *Server) issue(ctx context.Context, a approval) (string, error) {
	tenant := a.session.Tenant.ID
	open, err := s.resources.openTo(ctx, tenant, a.req.Resource, s.now())
	if err != nil {
		return "", web.Unavailable(err)
	}
	if !open {
		return "", refusal("invalid_target", "")
	}
	u := &unit{at: s.now(), client: a.client, redirectURI: a.req.RedirectURI}
	raw, err := s.mintCode(withUnit(ctx, u), a.req, a.session)
	if err != nil {
		return "", engineError(err)
	}
	in := u.issuance(a.req, a.session, a.asked)
	in.Arrival = a.arrival
	events := []storage.Event{}
	if a.asked {
		events = append(events, audit.ConsentGiven(ctx, u.at, in.Code))
	}
	err = s.cfg.Store.Tenant(tenant).IssueCode(ctx, in, audit.CodeIssued(ctx, u.at, in.Code), events...)
	return raw, err
}

// mintCode runs the request through fosite, which notes the code in the unit.
func (s *Server) mintCode(ctx context.Context, req storage.AuthorizeRequest, ls storage.LiveSession) (string, error) {
	params := map[string]string{
		"client_id": string(req.Client), "response_type": "code", "redirect_uri": req.RedirectURI,
		"scope": joined(req.Scopes), "state": sentinelState, "code_challenge": req.Challenge,
	}
	if req.Challenge != "" {
		params["code_challenge_method"] = "S256"
	}
	ar, err := s.engine.NewAuthorizeRequest(ctx, engineRequest(params))
	if err != nil {
		return "", err
	}
	for _, scope := range req.Scopes {
		ar.GrantScope(scope)
	}
	resp, err := s.engine.NewAuthorizeResponse(ctx, ar, newSession(string(ls.User)))
	if err != nil {
		return "", err
	}
	if resp.GetCode() == "" || unitFrom(ctx).newCode == nil {
		return "", fosite.ErrServerError
	}
	return resp.GetCode(), nil
}

// issuance is the one write of an authorization.
func (u *unit) issuance(req storage.AuthorizeRequest, ls storage.LiveSession, asked bool) storage.IssueCode {
	in := storage.IssueCode{ClientVersion: u.client.Version, TenantVersion: ls.Tenant.Version, Handle: ls.Handle, Code: storage.Code{
		Ref: u.newCode.ref, Grant: storage.NewGrantID(u.at), User: ls.User, Client: u.client.ID,
		Session: ls.ID, Connection: ls.Connection, RedirectURI: req.RedirectURI, RedirectSent: req.RedirectSent,
		Challenge: req.Challenge, Nonce: req.Nonce, Scopes: u.newCode.scopes, Resource: req.Resource,
		Claims:           requestedClaims(req.Claims).releasedTo(u.client.Scopes),
		Auth:             authentication(req, ls.Session),
		AuthTimeRequired: req.MaxAge != nil, CreatedAt: u.at, ExpiresAt: u.at.Add(CodeLifetime),
	}}
	switch {
	case u.client.Public():
	case asked:
		in.Remember = u.remembered(req, ls)
	default:
		in.RequireConsent = ls.Consent
	}
	return in
}

// remembered is the consent that was just given, with what the person approved
// before for the same client at the same version.
func (u *unit) remembered(req storage.AuthorizeRequest, ls storage.LiveSession) *storage.Consent {
	scopes := exposed(req, u.client)
	if ls.Consent != nil && ls.Consent.ClientVersion == u.client.Version {
		scopes = union(ls.Consent.Scopes, scopes)
	}
	return &storage.Consent{
		User: ls.User, Client: u.client.ID, RedirectHost: storage.RedirectHost(req.RedirectURI), Resource: storage.ResourceKey(req.Resource),
		Scopes: scopes, ClientVersion: u.client.Version, At: u.at,
	}
}
