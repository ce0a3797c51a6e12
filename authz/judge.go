package authz

import (
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/assurance"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// judgement is what an authorization request comes to: a session that it can be
// answered with at once, an error, or, with neither, a page to ask the person.
type judgement struct {
	session *storage.LiveSession
	refusal *web.Error
}

// judge decides about a request by the sessions that the browser has.
func judge(rules assurance.Rules, req demand, c storage.Client, sessions []storage.LiveSession, now time.Time) judgement {
	fit := suitable(req, c, sessions, now)
	if slices.Contains(req.Prompt, promptNone) {
		return judgeSilently(rules, req, c, fit, now)
	}
	fit = reaching(fit, req.EssentialACR)
	mustAsk := slices.Contains(req.Prompt, promptLogin) || slices.Contains(req.Prompt, promptSelect)
	if mustAsk || len(fit) != 1 || lacking(rules, req.AuthorizeRequest, fit[0], now) || needsConsent(req.AuthorizeRequest, c, fit[0].Consent) {
		return judgement{}
	}
	return judgement{session: &fit[0]}
}

// judgeSilently is judge for prompt=none: never a page (AZ-21). That an essential
// context is not reached has a code of its own (OpenID Connect Core Error Code
// unmet_authentication_requirements section 1), and whatever else is lacking is
// for the person to prove.
func judgeSilently(rules assurance.Rules, req demand, c storage.Client, known []storage.LiveSession, now time.Time) judgement {
	fit := reaching(known, req.EssentialACR)
	switch {
	case len(known) == 0:
		return judgement{refusal: refusal("login_required", "")}
	case len(fit) == 0:
		return judgement{refusal: refusal("unmet_authentication_requirements", "")}
	case len(fit) > 1:
		return judgement{refusal: refusal("account_selection_required", "")}
	case lacking(rules, req.AuthorizeRequest, fit[0], now):
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
		if s.Usable(now) && s.Tenant.MayUse(c) && hintFits(req.AuthorizeRequest, s) {
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
func recheck(rules assurance.Rules, req storage.AuthorizeRequest, c storage.Client, s storage.LiveSession, now time.Time) *web.Error {
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
	}
	return unproven(rules, req, s)
}
