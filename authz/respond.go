package authz

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// param is one parameter of an authorization response.
type param struct{ name, value string }

// respond sends an authorization response to a proven redirect URI. Every one of
// them, errors too, says who answers (RFC 9207, AZ-18), and gives the state back
// as it came.
func (s *Server) respond(w http.ResponseWriter, d destination, params ...param) error {
	if d.state != "" {
		params = append(params, param{"state", d.state})
	}
	params = append(params, param{"iss", s.cfg.Issuer})
	if d.mode == modeFormPost {
		return formPost(w, d, params)
	}
	w.Header().Set("Location", withParams(d.redirectURI, params))
	// Always 303: a 307 would send a form on to the client (AZ-27).
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// withParams appends the response to the URI as it was registered: its query
// stays what it is (AZ-11).
func withParams(uri string, params []param) string {
	var b strings.Builder
	b.WriteString(uri)
	next := byte('?')
	switch {
	case strings.HasSuffix(uri, "?") || strings.HasSuffix(uri, "&"):
		next = 0
	case strings.Contains(uri, "?"):
		next = '&'
	}
	for _, p := range params {
		if next != 0 {
			b.WriteByte(next)
		}
		b.WriteString(p.name + "=" + url.QueryEscape(p.value))
		next = '&'
	}
	return b.String()
}

// formPost answers by OAuth 2.0 Form Post Response Mode.
func formPost(w http.ResponseWriter, d destination, params []param) error {
	fields := make([]templates.Field, len(params))
	for i, p := range params {
		fields[i] = templates.Field{Name: p.name, Value: p.value}
	}
	web.AllowFormAction(w, web.FormTarget(d.redirectURI))
	web.AllowScript(w, templates.FormPostScriptHash)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return templates.FormPost(w, templates.FormPostPage{Action: d.redirectURI, Fields: fields, AppName: d.client.Name})
}

// refuse tells the client why there is no code.
func (s *Server) refuse(w http.ResponseWriter, d destination, e *web.Error) error {
	return s.respond(w, d, param{"error", e.Code}, param{"error_description", e.Public})
}

// refuseAndRecord records a refusal, in the tenant's trail where there is one,
// and tells the client. A store that is away is said instead.
func (s *Server) refuseAndRecord(ctx context.Context, w http.ResponseWriter, d destination, tenant storage.TenantID, e *web.Error) error {
	web.Annotate(ctx, "error", e.Code)
	if e.Status != http.StatusServiceUnavailable {
		if err := s.record(ctx, tenant, d.client.ID, e.Code); err != nil {
			e = web.Unavailable(err)
		}
	}
	return s.refuse(w, d, e)
}

// record appends what was refused to an audit trail; to the platform's, as far as
// one address may fill it.
func (s *Server) record(ctx context.Context, tenant storage.TenantID, client storage.ClientID, code string) error {
	ev := audit.AuthorizeRefused(ctx, s.now(), client, code)
	switch {
	case tenant != "":
		return s.cfg.Store.Tenant(tenant).AppendEvent(ctx, ev)
	case !s.limiter.Allow(ctx, s.now(), "", ev.Kind+" "+code):
		return nil
	}
	return s.cfg.Store.AppendPlatformEvent(ctx, ev)
}

// turnAway refuses a request that cannot be answered to a client: an error page,
// recorded on the platform's trail.
func (s *Server) turnAway(ctx context.Context, client storage.ClientID, e *web.Error) error {
	if err := s.record(ctx, "", client, e.Code); err != nil {
		return web.Unavailable(err)
	}
	return e
}
