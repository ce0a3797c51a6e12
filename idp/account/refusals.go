package account

import (
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// refuse is an error page; package templates has the code's sentences.
func refuse(status int, code, public string, cause error) *web.Error {
	return web.Refuse(status, code, public, cause)
}

// closed says why a session that goes on opens nothing: its tenant is suspended, the
// person or the connection is disabled.
func (p *Pages) closed(l storage.LiveSession) error {
	code, public, reason := "connection_disabled", "The identity provider is disabled.", ""
	switch {
	case !l.Tenant.SuspendedAt.IsZero():
		code, public, reason = "tenant_suspended", "The organization is suspended.", l.Tenant.SuspendReason
	case !l.UserInfo.DisabledAt.IsZero():
		code, public = "user_suspended", "The account is disabled."
	}
	contact := l.Tenant.Policy.Contact
	if contact == "" {
		contact = p.cfg.Support
	}
	e := refuse(http.StatusForbidden, code, public, nil)
	e.Note = templates.Remark(reason, contact)
	return e
}

// away is for errors that no rule of ours expects: the store could not answer.
func away(err error) error {
	var e *web.Error
	if errors.As(err, &e) {
		return e
	}
	return web.Unavailable(err)
}
