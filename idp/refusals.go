package idp

import (
	"context"
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// refusals are the pages' codes, whose sentences package templates has, with
// their status and what a program reads.
var refusals = map[string]struct {
	status int
	public string
}{
	"session_expired":        {http.StatusBadRequest, "The sign-in has expired."},
	"already_used":           {http.StatusBadRequest, "This step of the sign-in was already used."},
	"other_browser":          {http.StatusBadRequest, "The sign-in was started in another browser."},
	"bad_request":            {http.StatusBadRequest, "The request could not be read."},
	"not_found":              {http.StatusNotFound, "There is nothing here."},
	"unknown_organization":   {http.StatusNotFound, "No organization uses this e-mail domain."},
	"tenant_suspended":       {http.StatusForbidden, "The organization is suspended."},
	"connection_disabled":    {http.StatusForbidden, "The identity provider is disabled."},
	"user_suspended":         {http.StatusForbidden, "The account is disabled."},
	"no_account":             {http.StatusForbidden, "There is no account for this person."},
	"no_role":                {http.StatusForbidden, "The identity provider gives this person no role."},
	"sso_required":           {http.StatusForbidden, "The organization requires its single sign-on for this address."},
	"other_person":           {http.StatusForbidden, "Somebody else is signed in."},
	"link_expired":           {http.StatusBadRequest, "The link was used, or is too old."},
	"break_glass_closed":     {http.StatusForbidden, "The emergency sign-in is closed."},
	"break_glass_not_set_up": {http.StatusForbidden, "The emergency sign-in is not set up."},
	"client_disabled":        {http.StatusForbidden, "The app is disabled."},
	"client_not_allowed":     {http.StatusForbidden, "The organization does not allow this app."},
	"access_denied":          {http.StatusForbidden, "The request was denied."},
	"upstream_denied":        {http.StatusForbidden, "The sign-in was refused at the identity provider."},
	"upstream_error":         {http.StatusBadGateway, "The identity provider reported an error."},
	"upstream_stale":         {http.StatusBadRequest, "The identity provider does not prove that the sign-in is new."},
	"upstream_invalid":       {http.StatusBadRequest, "The answer of the identity provider is not valid."},
	"upstream_unavailable":   {http.StatusServiceUnavailable, "The identity provider does not answer."},
}

// refuse is the error page of a code; the cause is for the log.
func refuse(code string, cause error) *web.Error {
	r, known := refusals[code]
	if !known {
		return web.Refuse(http.StatusInternalServerError, "server_error", "Something went wrong on our side.", cause)
	}
	e := web.Refuse(r.status, code, r.public, cause)
	if r.status == http.StatusServiceUnavailable {
		return e.With("Retry-After", "5")
	}
	return e
}

// refuseIn is refuse for somebody of a tenant: the page also gives a reason, "" for
// none, and says whom to ask.
func (s *Server) refuseIn(t storage.Tenant, code, reason string) *web.Error {
	e := refuse(code, nil)
	e.Note = templates.Remark(reason, s.contact(t))
	return e
}

// contact is whom a tenant's people ask: whom the tenant says, or else the deployment.
func (s *Server) contact(t storage.Tenant) string {
	if t.Policy.Contact != "" {
		return t.Policy.Contact
	}
	return s.cfg.Support
}

// suspended is the page of a suspended tenant, with the reason that the operator
// gave for its people to read.
func (s *Server) suspended(t storage.Tenant) *web.Error {
	return s.refuseIn(t, "tenant_suspended", t.SuspendReason)
}

// away is for errors that no rule of ours expects: the store could not answer.
func away(err error) error {
	var e *web.Error
	if errors.As(err, &e) {
		return e
	}
	return web.Unavailable(err)
}

// upstream is the page for what a connector failed with. What is none of its
// sentinels is a defect of ours.
func upstream(err error) *web.Error {
	if errors.Is(err, errStale) {
		return refuse("upstream_stale", err)
	}
	for sentinel, code := range map[error]string{
		ErrUpstreamDenied: "upstream_denied", ErrUpstreamFailed: "upstream_error",
		ErrUpstreamInvalid: "upstream_invalid", ErrUpstreamUnavailable: "upstream_unavailable",
	} {
		if errors.Is(err, sentinel) {
			return refuse(code, err)
		}
	}
	return web.AsError(err)
}

// refused records that a sign-in through the transaction's connection failed,
// and returns the page. A store that is away comes first: what is refused is on
// record.
func (s *Server) refused(ctx context.Context, l storage.Login, page *web.Error) error {
	ev := audit.SignInRefused(ctx, s.now(), l.Connection, page.Code)
	if err := s.cfg.Store.Tenant(l.Tenant).AppendEvent(ctx, ev); err != nil {
		return web.Unavailable(err)
	}
	return page
}

// stray records a step that nobody may take: of another browser, another
// connection, a transaction that is over. It returns the page. Whoever sends such
// things can send many, so that one a minute of each kind and address is
// recorded, in the trail of the tenant that the transaction names.
func (s *Server) stray(ctx context.Context, l storage.Login, page *web.Error) error {
	if !s.strays.Allow(ctx, s.now(), string(l.Tenant), page.Code) {
		return page
	}
	record := s.cfg.Store.AppendPlatformEvent
	if l.Tenant != "" {
		record = s.cfg.Store.Tenant(l.Tenant).AppendEvent
	}
	if err := record(ctx, audit.SignInRefused(ctx, s.now(), l.Connection, page.Code)); err != nil {
		return web.Unavailable(err)
	}
	return page
}
