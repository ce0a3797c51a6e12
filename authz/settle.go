package authz

import (
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Settle ends a sign-in at once where there is nothing to ask: the client may have its
// code by what the person approved earlier. The session begins, and the waiting
// transaction ends, with the code, or none of it happens. entered is called when it
// has, before the response; its error is returned. done: a response was written, or err says why
// not. Otherwise nothing has happened, and ToApprove and Approve say what comes next,
// after the session has been stored: a question, or why nobody gets a code.
func (s *Server) Settle(w http.ResponseWriter, r *http.Request, c storage.Client, live storage.LiveSession, a storage.Arrival, entered func() error) (done bool, err error) {
	req := *a.Login.Request
	d, refused := reprove(req, c)
	if refused != nil || recheck(s.cfg.Rules, req, c, live, s.now()) != nil || needsConsent(req, c, live.Consent) {
		return false, nil
	}
	code, err := s.issue(r.Context(), approval{req: req, client: c, session: live, arrival: &a})
	var own *web.Error
	switch {
	case errors.Is(err, storage.ErrConflict), errors.As(err, &own) && own.Status < http.StatusInternalServerError:
		return false, nil
	case err != nil:
		return true, toClient(err)
	}
	if err := entered(); err != nil {
		return true, err
	}
	return true, s.respond(w, d, param{"code", code})
}
