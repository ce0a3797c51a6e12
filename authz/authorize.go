package authz

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// issueAttempts is how often a code is decided on afresh when something changed
// between decision and statement.
const issueAttempts = 3

// authorize is the authorization endpoint (RFC 6749 section 3.1, OIDC Core 1.0
// section 3.1.2), by GET and by POST.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	form, err := web.ReadQueryOrForm(w, r)
	if err != nil {
		return err
	}
	client, refused := identified(form)
	if refused != nil {
		return s.turnAway(ctx, "", refused)
	}
	web.Annotate(ctx, "client", string(client))
	in, err := s.arrived(ctx, r, form, client)
	if err != nil {
		return err
	}
	if done, err := s.fromMemory(w, r, in); done {
		return err
	}
	return s.afresh(w, r, in)
}

// arrival is an authorization request on its way to a decision: its parameters,
// the sessions of its browser, and the view that it is decided on.
type arrival struct {
	form    web.Form
	handles [][]byte
	key     viewKey
}

// arrived says which view a request is decided on. One without redirect URI
// means the client's only one, which takes a look at the client.
func (s *Server) arrived(ctx context.Context, r *http.Request, form web.Form, client storage.ClientID) (arrival, error) {
	uri := form.Get("redirect_uri")
	if uri == "" {
		c, err := s.cfg.Store.Client(ctx, client)
		if err != nil {
			return arrival{}, s.clientError(ctx, client, err)
		}
		if len(c.RedirectURIs) == 1 {
			uri = c.RedirectURIs[0]
		}
	}
	audiences, err := s.resources.audiences(ctx, form.All("resource"), s.now())
	if err != nil && !errors.Is(err, errInvalidTarget) {
		return arrival{}, web.Unavailable(err)
	}
	handles := s.cfg.SignIn.Handles(r)
	return arrival{form: form, handles: handles, key: newViewKey(client, storage.RedirectHost(uri), storage.ResourceKey(audiences), handles)}, nil
}

// clientError is the page for a client that was not found, or could not be
// looked for.
func (s *Server) clientError(ctx context.Context, client storage.ClientID, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return s.turnAway(ctx, client, errUnknownClient)
	}
	return web.Unavailable(err)
}

// fromMemory answers with a code if a remembered view says so and the statement
// that issues it agrees. Otherwise nothing has happened, and done is false.
func (s *Server) fromMemory(w http.ResponseWriter, r *http.Request, in arrival) (done bool, err error) {
	now := s.now()
	v, ok := s.views.get(in.key, now)
	if !ok {
		return false, nil
	}
	d, refused := prove(in.form, v.client)
	if refused != nil {
		return false, nil
	}
	req, refused := s.parse(r.Context(), in.form, d, now)
	if refused != nil {
		return false, nil
	}
	j := judge(s.cfg.Rules, req, v.client, v.sessions, now)
	if j.session == nil {
		return false, nil
	}
	code, err := s.issue(r.Context(), approval{req: req.AuthorizeRequest, client: v.client, session: *j.session})
	if err != nil {
		s.views.drop(in.key)
		return false, nil
	}
	return true, s.respond(w, d, param{"code", code})
}

// afresh decides on what the store says now.
func (s *Server) afresh(w http.ResponseWriter, r *http.Request, in arrival) error {
	ctx := r.Context()
	var d destination
	for range issueAttempts {
		client, sessions, err := s.cfg.Store.AuthorizeView(ctx, in.key.client, in.key.host, in.key.resource, in.handles)
		if err != nil {
			return s.clientError(ctx, in.key.client, err)
		}
		var refused *web.Error
		if d, refused = prove(in.form, client); refused != nil {
			return s.turnAway(ctx, client.ID, refused)
		}
		again, err := s.answer(w, r, in, d, sessions)
		if !again {
			return err
		}
	}
	return s.refuse(w, d, errRestless)
}

// errRestless: whatever was decided on had changed by the time the code was to
// be stored, every time.
var errRestless = refusal("temporarily_unavailable", "")

// answer decides about a request with a proven destination. again: something
// changed before the code was issued.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, in arrival, d destination, sessions []storage.LiveSession) (again bool, err error) {
	now := s.now()
	ctx := r.Context()
	req, refused := s.parse(ctx, in.form, d, now)
	if refused != nil {
		return false, s.refuseAndRecord(ctx, w, d, "", refused)
	}
	j := judge(s.cfg.Rules, req, d.client, sessions, now)
	switch {
	case j.refusal != nil && slices.Contains(req.Prompt, promptNone):
		// A silent question that has no answer is no event: apps ask all the time.
		web.Annotate(ctx, "error", j.refusal.Code)
		return false, s.refuse(w, d, j.refusal)
	case j.session == nil:
		return false, s.cfg.SignIn.Begin(w, r, req.AuthorizeRequest)
	}
	code, err := s.issue(ctx, approval{req: req.AuthorizeRequest, client: d.client, session: *j.session})
	switch {
	case errors.Is(err, storage.ErrConflict):
		return true, nil
	case err != nil:
		return false, s.refuseAndRecord(ctx, w, d, j.session.Tenant.ID, toClient(err))
	}
	s.views.put(in.key, view{client: d.client, sessions: sessions}, now)
	return false, s.respond(w, d, param{"code", code})
}

// toClient is an error as the client may read it: ours, or an outage.
func toClient(err error) *web.Error {
	var own *web.Error
	if errors.As(err, &own) {
		return own
	}
	return web.Unavailable(err)
}
