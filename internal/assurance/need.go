package assurance

import (
	"math"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Rules are the deployment's.
type Rules struct {
	// CredentialScopes are those whose holder can issue credentials.
	CredentialScopes []string
}

// Need is what a request asks of a session of a tenant: the tenant's policy, what
// its scopes can do, and the contexts and the age that the app wants (OpenID Connect
// Core section 3.1.2.1, RFC 9470 section 4). s is the session there is; the zero
// value where nobody is signed in yet.
func (r Rules) Need(req storage.AuthorizeRequest, p storage.TenantPolicy, s storage.Session) storage.Need {
	need := storage.Need{Level: p.RequireLevel}
	if fresh, limited := Since(req); limited {
		need.Fresh = fresh
	}
	if level := named(req, s); level != storage.LevelNone {
		// A factor is part of the authentication whose age is asked about.
		need = stricter(need, storage.Need{Level: level, Since: need.Fresh})
	}
	if r.issuesCredentials(req.Scopes) {
		need = stricter(need, p.CredentialNeed(req.At))
	}
	return need
}

func (r Rules) issuesCredentials(scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(r.CredentialScopes, s) })
}

// named is the weakest level that the app names. Where some contexts are essential,
// they alone count. A provider's own context that the session has makes a level
// needless.
func named(req storage.AuthorizeRequest, s storage.Session) storage.Level {
	wanted := req.EssentialACR
	if len(wanted) == 0 {
		wanted = req.ACRValues
	}
	if provider := s.ACR; provider != "" && slices.Contains(wanted, provider) && slices.Contains(s.Contexts(), provider) {
		return storage.LevelNone
	}
	for _, l := range []storage.Level{storage.LevelMFA, storage.LevelPHR} {
		if slices.Contains(wanted, string(l)) {
			return l
		}
	}
	return storage.LevelNone
}

func stricter(a, b storage.Need) storage.Need {
	if !a.Level.AtLeast(b.Level) {
		a.Level = b.Level
	}
	a.Since, a.Fresh = later(a.Since, b.Since), later(a.Fresh, b.Fresh)
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Since is the moment from which on an authentication is new enough for the
// request; false: any is, also one of which nobody knows when it was.
func Since(req storage.AuthorizeRequest) (time.Time, bool) {
	switch {
	case slices.Contains(req.Prompt, "login"):
		return req.At, true
	case req.MaxAge == nil:
		return time.Time{}, false
	}
	seconds := min(*req.MaxAge, math.MaxInt32) // more than a life
	return req.At.Add(-time.Duration(seconds) * time.Second), true
}
