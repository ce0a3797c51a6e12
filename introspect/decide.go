package introspect

import (
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// decide returns what a credential (nil: there is none) allows at the asking
// resource server, or why it is not active. It is the one decision, about tokens
// and about keys.
func (s *Server) decide(q question, rs storage.ResourceServer, found *credential) (scopes []string, why string) {
	if why := barred(q, rs, found); why != "" {
		return nil, why
	}
	return granted(q, rs, s.effective(found))
}

// barred says why a credential is not active, whatever its scopes, or "".
func barred(q question, rs storage.ResourceServer, found *credential) string {
	if found == nil {
		return "unknown"
	}
	if why := found.dead(q.now); why != "" {
		return why
	}
	if why := elsewhere(q, rs, found); why != "" {
		return why
	}
	return found.rules.refuse(q)
}

// Reasons that others have to know: the first two are recorded.
const (
	otherTenant   = "other_tenant"
	foreignServer = "resource_server_of_other_tenant"
	tenantBlank   = "tenant_blank"
)

// elsewhere says why a live credential is not for this API call: it is another
// tenant's, or meant for another resource server.
func elsewhere(q question, rs storage.ResourceServer, found *credential) string {
	life := found.life
	switch {
	case rs.TenantID != "" && rs.TenantID != life.TenantID:
		return foreignServer
	case q.tenant != "" && q.tenant != life.TenantSlug && q.tenant != string(life.TenantID):
		return otherTenant
	case q.tenantBlank:
		// Whoever names a tenant and forgets which must not get an answer for all.
		return tenantBlank
	case len(found.audience) > 0 && !slices.Contains(found.audience, rs.Audience):
		return "audience"
	}
	return ""
}

// granted are those of a credential's scopes that the asking resource server offers;
// when it says which it needs, all of those and no others.
func granted(q question, rs storage.ResourceServer, scopes []string) ([]string, string) {
	own := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if slices.ContainsFunc(rs.Scopes, func(o storage.Scope) bool { return o.Name == s }) {
			own = append(own, s)
		}
	}
	needed := strings.Fields(q.scope)
	if len(needed) == 0 {
		return own, ""
	}
	for _, s := range needed {
		if !slices.Contains(own, s) {
			return nil, "scope"
		}
	}
	return slices.DeleteFunc(own, func(s string) bool { return !slices.Contains(needed, s) }), ""
}
