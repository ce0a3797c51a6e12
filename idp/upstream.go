package idp

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/assurance"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

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
	// contexts are acr_values to ask for before those of the request.
	contexts  []string
	discovery // of the email, where it was looked for
}

// closed returns the page of a tenant or a connection that signs nobody in, or
// nil.
func (s *Server) closed(d destination) *web.Error {
	switch {
	case !d.tenant.SuspendedAt.IsZero():
		return s.suspended(d.tenant)
	case !d.connection.DisabledAt.IsZero():
		return s.refuseIn(d.tenant, "connection_disabled", "")
	}
	return nil
}

// leave sends the browser to an identity provider, or to this server's own way to sign
// in where the connection is that. State, nonce and PKCE verifier follow from the
// transaction's new version, so that those of an earlier trip are dead.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, l storage.Login, d destination) error {
	l.Step, l.Tenant, l.Connection, l.Session, l.Email = storage.StepUpstream, d.tenant.ID, d.connection.ID, "", d.email
	if page := s.closed(d); page != nil {
		return s.refused(r.Context(), l, page)
	}
	if d.connection.Kind == storage.Passkey {
		return s.byLink(w, r, l)
	}
	l, err := s.advance(r.Context(), l)
	if err != nil {
		return err
	}
	return s.depart(w, r, l, d)
}

// depart sends the browser of a transaction at the upstream step on its trip.
func (s *Server) depart(w http.ResponseWriter, r *http.Request, l storage.Login, d destination) error {
	target, err := s.outward(r.Context(), l, d)
	if err != nil {
		return s.refused(r.Context(), l, upstream(err))
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// outward is where the browser of a transaction at the upstream step goes.
func (s *Server) outward(ctx context.Context, l storage.Login, d destination) (string, error) {
	connector, err := s.cfg.Connect(ctx, d.tenant.ID, d.connection)
	if err != nil {
		return "", err
	}
	return connector.AuthURL(ctx, s.asked(l, d))
}

// asked is the trip of a transaction with what its destination can be asked for: where a
// second factor will be missing, and the connection says how its provider is asked for
// one, it is asked at once.
func (s *Server) asked(l storage.Login, d destination) UpstreamRequest {
	u := s.trip(l)
	mfa := d.connection.Settings.MFA
	first := d.contexts
	if len(first) == 0 && !mfa.Ignore && s.needOf(l, d.tenant.Policy, storage.Session{}).Level != storage.LevelNone {
		first = mfa.AskFor
	}
	u.ACRValues = union(first, u.ACRValues)
	return u
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
	again := !l.Need.Fresh.IsZero()
	if l.Request != nil {
		u.ACRValues, u.MaxAge = wantedACR(*l.Request), l.Request.MaxAge
		again = again || slices.Contains(l.Request.Prompt, "login")
	}
	if again {
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
	return provider.Addresses{Issuer: s.cfg.Base, Connection: c}.RedirectURI()
}

// needOf is what a transaction needs of a session of a tenant with that policy: what
// its request asks for, or the page of ours that began it, and the policy. It goes into
// Login.Need before onward, and what comes after goes by that.
func (s *Server) needOf(l storage.Login, p storage.TenantPolicy, session storage.Session) storage.Need {
	if l.Request != nil {
		need := s.cfg.Rules.Need(*l.Request, p, session)
		need.First = l.Need.First
		return need
	}
	need := l.Need
	if !need.Level.AtLeast(p.RequireLevel) {
		need.Level = p.RequireLevel
	}
	return need
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// answers reports whether a session of this browser, made before the request came, is
// as new as the transaction needs, and of a context that its request cannot do without.
// A level that is missing is proved here; everything else only the provider can say.
// Its clock gets no leeway: it is not asked about just now. prompt=login wants another
// authentication in any case.
func answers(l storage.Login, n storage.Need, session storage.Session) bool {
	fresh := n.Fresh.IsZero() || (!session.AuthTime.IsZero() && !session.AuthTime.Before(n.Fresh))
	if l.Request == nil {
		return fresh
	}
	return fresh && !slices.Contains(l.Request.Prompt, "login") && reaches(*l.Request, session)
}

// proven reports whether what a provider says of its authentication satisfies
// the transaction: to have asked for a new one is not to have got it (FO-27). One that
// says nothing at all can still sign in somebody who has no factor yet.
func proven(l storage.Login, at time.Time) bool {
	if l.Need.First && at.IsZero() {
		return true
	}
	earliest := l.Need.Fresh
	if l.Request != nil {
		since, _ := assurance.Since(*l.Request)
		earliest = later(earliest, since)
	}
	return storage.Need{Fresh: earliest}.Met(storage.Session{AuthTime: at})
}

// wantedACR is what the identity provider is asked for, the essential first. The names
// of levels are this server's words, and say nothing to a provider.
func wantedACR(req storage.AuthorizeRequest) []string {
	return slices.DeleteFunc(union(req.EssentialACR, req.ACRValues), isLevel)
}

func isLevel(acr string) bool {
	return acr == string(storage.LevelMFA) || acr == string(storage.LevelPHR)
}

// union joins lists without repeating anything.
func union(lists ...[]string) []string {
	var all []string
	for _, v := range slices.Concat(lists...) {
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// reaches reports whether a session's authentication is of a context that the
// request cannot do without, or can become so by a factor that is proved here. What
// comes of it in the end, the authorizer judges.
func reaches(req storage.AuthorizeRequest, session storage.Session) bool {
	return len(req.EssentialACR) == 0 || slices.ContainsFunc(req.EssentialACR, func(acr string) bool {
		return isLevel(acr) || slices.Contains(session.Contexts(), acr)
	})
}

// splitState takes a callback's state apart.
func splitState(state string) (login, verifier string, ok bool) {
	login, verifier, ok = strings.Cut(state, ".")
	return login, verifier, ok && login != "" && verifier != ""
}
