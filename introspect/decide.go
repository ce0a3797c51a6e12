package introspect

import (
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// question is one introspection request of an authenticated resource server.
type question struct {
	form  web.Form
	now   time.Time
	ref   storage.TokenRef // zero: the token is malformed
	rs    storage.ResourceServer
	token *storage.LiveToken // nil: there is none
}

// decide returns what the token allows at the asking resource server, or why it
// is not active: a short code for the log, which nobody else reads.
func (q question) decide() (scopes []string, why string) {
	switch {
	case q.ref == storage.TokenRef{}:
		return nil, kindOf(q.form.Get("token"))
	case q.token == nil:
		return nil, "unknown"
	}
	if why := q.token.Dead(q.now); why != "" {
		return nil, why
	}
	if why := q.elsewhere(); why != "" {
		return nil, why
	}
	return q.scopes()
}

// Reasons that are recorded.
const (
	otherTenant   = "other_tenant"
	foreignServer = "resource_server_of_other_tenant"
)

// elsewhere says why a live token is not for this API call: it is another
// tenant's, or meant for another resource server.
func (q question) elsewhere() string {
	tenant, life := q.form.Get("tenant"), q.token.Life
	switch {
	case q.rs.TenantID != "" && q.rs.TenantID != life.TenantID:
		return foreignServer
	case tenant != "" && tenant != life.TenantSlug && tenant != string(life.TenantID):
		return otherTenant
	case q.form.Blank["tenant"]:
		// Whoever names a tenant and forgets which must not get an answer for all.
		return "tenant_blank"
	case len(q.token.Audience) > 0 && !slices.Contains(q.token.Audience, q.rs.Audience):
		return "audience"
	}
	return ""
}

// scopes are those of the token that the asking resource server offers; when it
// says which it needs, all of those and no others.
func (q question) scopes() ([]string, string) {
	own := make([]string, 0, len(q.token.Scopes))
	for _, s := range q.token.Scopes {
		if slices.ContainsFunc(q.rs.Scopes, func(o storage.Scope) bool { return o.Name == s }) {
			own = append(own, s)
		}
	}
	needed := strings.Fields(q.form.Get("scope"))
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
