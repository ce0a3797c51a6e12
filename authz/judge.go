package authz

import (
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// clockSkew is how far an identity provider's clock may be behind ours when it
// says that somebody signed in just now.
const clockSkew = time.Minute

// judgement is what an authorization request comes to: a session that it can be
// answered with at once, an error, or, with neither, a page to ask the person.
type judgement struct {
	session *storage.LiveSession
	refusal *web.Error
}

// judge decides about a request by the sessions that the browser has.
func judge(req demand, c storage.Client, sessions []storage.LiveSession, now time.Time) judgement {
	fit := suitable(req, c, sessions, now)
	if slices.Contains(req.Prompt, promptNone) {
		return judgeSilently(req, c, fit, now)
	}
	mustAsk := slices.Contains(req.Prompt, promptLogin) || slices.Contains(req.Prompt, promptSelect)
	if mustAsk || len(fit) != 1 || stale(req.AuthorizeRequest, fit[0].AuthTime, now) || needsConsent(req.AuthorizeRequest, c, fit[0].Consent) {
		return judgement{}
	}
	return judgement{session: &fit[0]}
}

// judgeSilently is judge for prompt=none: never a page (AZ-21).
func judgeSilently(req demand, c storage.Client, fit []storage.LiveSession, now time.Time) judgement {
	switch {
	case len(fit) == 0:
		return judgement{refusal: refusal("login_required", "")}
	case len(fit) > 1:
		return judgement{refusal: refusal("account_selection_required", "")}
	case stale(req.AuthorizeRequest, fit[0].AuthTime, now):
		return judgement{refusal: refusal("login_required", "")}
	case needsConsent(req.AuthorizeRequest, c, fit[0].Consent):
		return judgement{refusal: refusal("consent_required", "")}
	}
	return judgement{session: &fit[0]}
}

// suitable are the sessions that may answer: live, of a tenant that lets its
// people use the client, and of the person that the request hints at.
func suitable(req demand, c storage.Client, sessions []storage.LiveSession, now time.Time) []storage.LiveSession {
	if req.StrangeHint {
		return nil
	}
	var fit []storage.LiveSession
	for _, s := range sessions {
		if s.Usable(now) && s.Tenant.MayUse(c) && hintFits(req.AuthorizeRequest, s) && reaches(s.ACR, req.EssentialACR) {
			fit = append(fit, s)
		}
	}
	return fit
}

// hintFits: an id_token_hint names a person; a login_hint does if it looks like
// an e-mail address. Neither authenticates anybody (AZ-23, AZ-24).
func hintFits(req storage.AuthorizeRequest, s storage.LiveSession) bool {
	if req.HintSubject != "" && req.HintSubject != s.User {
		return false
	}
	return !strings.Contains(req.LoginHint, "@") || strings.EqualFold(req.LoginHint, s.UserInfo.Email)
}

// reaches reports whether a session's authentication context is one of those
// that the client cannot do without.
func reaches(acr string, essential []string) bool {
	return len(essential) == 0 || slices.Contains(essential, acr)
}

// stale reports whether an authentication is older than the request allows.
func stale(req storage.AuthorizeRequest, authTime, now time.Time) bool {
	if req.MaxAge == nil {
		return false
	}
	return *req.MaxAge == 0 || now.Sub(authTime) > time.Duration(*req.MaxAge)*time.Second
}

// needsConsent is the rule of AZ-31: a public client, whose name anybody can use,
// always asks; so does prompt=consent; a confidential one asks unless the same
// person approved the same or more since it last changed.
//
// It is about all that the client would see, by scope or by single claim.
func needsConsent(req storage.AuthorizeRequest, c storage.Client, given *storage.Consent) bool {
	if c.Public() || slices.Contains(req.Prompt, promptConsent) || given == nil {
		return true
	}
	return given.ClientVersion != c.Version || !subset(exposed(req, c), given.Scopes)
}

// exposed are the scopes that a request comes to, with those that its claims
// parameter implies.
func exposed(req storage.AuthorizeRequest, c storage.Client) []string {
	return union(req.Scopes, requestedClaims(req.Claims).implied(c.Scopes))
}

// recheck judges a request again after the person signed in or approved: what
// the pages may not have enforced, and what has changed meanwhile (AZ-36). nil:
// the session answers it.
func recheck(req storage.AuthorizeRequest, c storage.Client, s storage.LiveSession, now time.Time) *web.Error {
	switch {
	case !s.Usable(now):
		return refusal("login_required", "")
	case !s.Tenant.MayUse(c):
		return refusal("access_denied", "The organization does not allow this app.")
	case !c.Allows(storage.GrantAuthorizationCode):
		return refusal("unauthorized_client", "")
	case !subset(req.Scopes, c.Scopes):
		return refusal("invalid_scope", "")
	case req.HintSubject != "" && req.HintSubject != s.User:
		return refusal("login_required", "Somebody else is signed in.")
	case !reaches(s.ACR, req.EssentialACR):
		return refusal("unmet_authentication_requirements", "")
	case !freshEnough(req, s):
		return refusal("login_required", "The sign-in is too old.")
	}
	return nil
}

// freshEnough reports whether prompt=login and max_age have been honored: by a
// session that was young enough when the request came, or by one that was made
// for it and whose identity provider says the same (AZ-22).
func freshEnough(req storage.AuthorizeRequest, s storage.LiveSession) bool {
	again := slices.Contains(req.Prompt, promptLogin)
	if !again && !stale(req, s.AuthTime, req.At) {
		return true
	}
	limit := clockSkew
	if !again {
		limit += time.Duration(*req.MaxAge) * time.Second
	}
	return !s.CreatedAt.Before(req.At) && req.At.Sub(s.AuthTime) <= limit
}
