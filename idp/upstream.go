package idp

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// leeway is how far a provider's clock may be from ours.
const leeway = 60 * time.Second

// Purposes of what the upstream leg derives from the transaction.
const (
	purposeNonce = "nonce"
	purposePKCE  = "pkce"
)

// destination is the identity provider that somebody is sent to.
type destination struct {
	tenant     storage.Tenant
	connection storage.Connection
	email      string // login_hint there; may be empty
}

// closed returns the page of a tenant or a connection that signs nobody in, or
// nil.
func (d destination) closed() *web.Error {
	switch {
	case !d.tenant.SuspendedAt.IsZero():
		return suspended(d.tenant)
	case !d.connection.DisabledAt.IsZero():
		return refuse("connection_disabled", nil)
	}
	return nil
}

// leave sends the browser to an identity provider. State, nonce and PKCE
// verifier follow from the transaction's new version, so that those of an
// earlier trip are dead.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, l storage.Login, d destination) error {
	l.Step, l.Tenant, l.Connection, l.Session, l.Email = storage.StepUpstream, d.tenant.ID, d.connection.ID, "", d.email
	if page := d.closed(); page != nil {
		return s.refused(r.Context(), l, page)
	}
	connector, err := s.cfg.Connect(r.Context(), d.tenant.ID, d.connection)
	if err != nil {
		return s.refused(r.Context(), l, upstream(err))
	}
	if l, err = s.advance(r.Context(), l); err != nil {
		return err
	}
	target, err := connector.AuthURL(r.Context(), s.trip(l))
	if err != nil {
		return s.refused(r.Context(), l, upstream(err))
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// trip is what a transaction that stands at the upstream step asks for.
func (s *Server) trip(l storage.Login) UpstreamRequest {
	u := UpstreamRequest{
		State:       string(l.ID) + "." + s.cfg.Steps.Verifier(l, storage.StepUpstream),
		Nonce:       s.cfg.Steps.Derive(l, purposeNonce),
		Verifier:    s.cfg.Steps.Derive(l, purposePKCE),
		RedirectURI: s.redirectURI(l.Connection),
		LoginHint:   l.Email,
	}
	if l.Request == nil {
		return u
	}
	u.ACRValues, u.MaxAge = wantedACR(*l.Request), l.Request.MaxAge
	if slices.Contains(l.Request.Prompt, "login") {
		u.Prompt = "login"
		if u.MaxAge == nil {
			// Only max_age obliges a provider to say auth_time (OpenID Connect
			// Core section 2), without which a new authentication is a claim.
			age := int64(maxLogin / time.Second)
			u.MaxAge = &age
		}
	}
	return u
}

func (s *Server) redirectURI(c storage.ConnectionID) string {
	return s.cfg.Base + "/login/callback/" + url.PathEscape(string(c))
}

// since is the moment from which on an authentication is new enough for the
// request; false: any is, also one of which nobody knows when it was.
func since(req storage.AuthorizeRequest) (time.Time, bool) {
	switch {
	case slices.Contains(req.Prompt, "login"):
		return req.At, true
	case req.MaxAge == nil:
		return time.Time{}, false
	}
	seconds := min(*req.MaxAge, math.MaxInt32) // more than a life
	return req.At.Add(-time.Duration(seconds) * time.Second), true
}

// recent reports whether an authentication of this browser, made before the
// request came, answers it. prompt=login wants another one in any case.
func recent(req storage.AuthorizeRequest, at time.Time) bool {
	earliest, limited := since(req)
	return !slices.Contains(req.Prompt, "login") && (!limited || (!at.IsZero() && !at.Before(earliest)))
}

// proven reports whether what a provider says of its authentication satisfies
// the request: to have asked for a new one is not to have got it (FO-27).
func proven(req *storage.AuthorizeRequest, at time.Time) bool {
	if req == nil {
		return true
	}
	earliest, limited := since(*req)
	return !limited || (!at.IsZero() && !at.Before(earliest.Add(-leeway)))
}

// wantedACR is what the identity provider is asked for, the essential first.
func wantedACR(req storage.AuthorizeRequest) []string {
	wanted := slices.Clone(req.EssentialACR)
	for _, v := range req.ACRValues {
		if !slices.Contains(wanted, v) {
			wanted = append(wanted, v)
		}
	}
	return wanted
}

// reaches reports whether a session's authentication is of a context that the
// request cannot do without. What the provider answers in the end, the
// authorizer judges.
func reaches(req storage.AuthorizeRequest, acr string) bool {
	return len(req.EssentialACR) == 0 || slices.Contains(req.EssentialACR, acr)
}

// splitState takes a callback's state apart.
func splitState(state string) (login, verifier string, ok bool) {
	login, verifier, ok = strings.Cut(state, ".")
	return login, verifier, ok && login != "" && verifier != ""
}
