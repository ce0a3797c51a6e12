package introspect

import (
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// decide returns what the token (nil: there is none) allows at the asking
// resource server, or why it is not active.
func decide(q question, rs storage.ResourceServer, found *storage.LiveToken) (scopes []string, why string) {
	if found == nil {
		return nil, "unknown"
	}
	if why := found.Dead(q.now); why != "" {
		return nil, why
	}
	if why := elsewhere(q, rs, found); why != "" {
		return nil, why
	}
	return granted(q, rs, found)
}

// Reasons that others have to know: the first two are recorded.
const (
	otherTenant   = "other_tenant"
	foreignServer = "resource_server_of_other_tenant"
	tenantBlank   = "tenant_blank"
)

// elsewhere says why a live token is not for this API call: it is another
// tenant's, or meant for another resource server.
func elsewhere(q question, rs storage.ResourceServer, found *storage.LiveToken) string {
	life := found.Life
	switch {
	case rs.TenantID != "" && rs.TenantID != life.TenantID:
		return foreignServer
	case q.tenant != "" && q.tenant != life.TenantSlug && q.tenant != string(life.TenantID):
		return otherTenant
	case q.tenantBlank:
		// Whoever names a tenant and forgets which must not get an answer for all.
		return tenantBlank
	case len(found.Audience) > 0 && !slices.Contains(found.Audience, rs.Audience):
		return "audience"
	}
	return ""
}

// granted are those of the token that the asking resource server offers; when it
// says which it needs, all of those and no others.
func granted(q question, rs storage.ResourceServer, found *storage.LiveToken) ([]string, string) {
	own := make([]string, 0, len(found.Scopes))
	for _, s := range found.Scopes {
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

// kindOf says what a string that is no access token looks like.
func kindOf(s string) string {
	for kind, name := range map[token.Kind]string{token.Refresh: "refresh_token", token.Code: "code"} {
		if _, err := token.Parse(kind, s); err == nil {
			return name
		}
	}
	return "malformed"
}
