package authz

import (
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/storage"
)

// Settle ends a sign-in at once where there is nothing to ask: the client may have its
// code by what the person approved earlier. before uses the waiting transaction up; when
// it fails no code is issued, and its error is returned. done: a response was written, or err says why
// not. Otherwise nothing has happened, and ToApprove and Approve say what comes
// next: a question, or why nobody gets a code.
func (s *Server) Settle(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, ls storage.LiveSession, before func() error) (done bool, err error) {
	ctx := r.Context()
	client, session, err := s.reread(ctx, req, ls)
	if err != nil {
		return false, err
	}
	d, refused := reprove(req, client)
	if refused != nil || recheck(s.cfg.Rules, req, client, session, s.now()) != nil || needsConsent(req, client, session.Consent) {
		return false, nil
	}
	if err := before(); err != nil {
		return true, err
	}
	code, err := s.issue(ctx, req, client, session, false)
	switch {
	case errors.Is(err, storage.ErrConflict): // something changed in between: judge again
		return true, s.Approve(w, r, req, ls, 0)
	case err != nil:
		return true, s.refuseAndRecord(ctx, w, d, session.Tenant.ID, toClient(err))
	}
	return true, s.respond(w, d, param{"code", code})
}
