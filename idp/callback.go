package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// errStale: the provider did not prove the new authentication that was asked
// for.
var errStale = fmt.Errorf("%w: auth_time is missing or too old", ErrUpstreamInvalid)

// callback takes what the browser brought back from an identity provider. Its
// checks run in this order, and nothing is asked of the provider before the
// fifth:
//
//  1. the state is one, and its transaction is alive (FO-02);
//  2. it was begun in this browser (AZ-34);
//  3. it stands at this very trip;
//  4. the path is that of the connection which the transaction names (FO-04);
//  5. the trip is over: it is used up before the code is;
//  6. tenant and connection still sign people in;
//  7. the connector believes the answer;
//  8. the authentication is as new as the request wants (FO-27).
func (s *Server) callback(w http.ResponseWriter, r *http.Request) error {
	l, params, err := s.returning(r)
	if err != nil {
		return err
	}
	if l.Purpose == storage.PurposeTest {
		return s.tried(w, r, l, params)
	}
	trip := s.trip(l)
	l.Step = storage.StepIdentify // where a sign-in that fails goes on
	if l, err = s.advance(r.Context(), l); err != nil {
		return err
	}
	d, err := s.destination(r.Context(), l)
	if err != nil {
		return err
	}
	if page := s.closed(d); page != nil {
		return s.refused(r.Context(), l, page)
	}
	subject, err := s.finish(r.Context(), d, UpstreamCallback{
		Params: params, Nonce: trip.Nonce, Verifier: trip.Verifier, RedirectURI: trip.RedirectURI,
	})
	if err == nil && !proven(l, subject.AuthTime) {
		err = errStale
	}
	if err != nil {
		return s.unfinished(w, r, l, err)
	}
	return s.arrive(w, r, l, arrival{tenant: d.tenant, connection: d.connection, subject: subject, discovery: d.discovery})
}

// returning makes the checks 1 to 4.
func (s *Server) returning(r *http.Request) (storage.Login, url.Values, error) {
	none := storage.Login{}
	fields, err := web.ReadQueryOrForm(nil, r)
	if err != nil || len(fields.Repeated) > 0 {
		return none, nil, s.stray(r.Context(), none, refuse("bad_request", err))
	}
	id, verifier, ok := splitState(fields.Get("state"))
	if !ok {
		return none, nil, s.stray(r.Context(), none, refuse("bad_request", errors.New("no state")))
	}
	l, err := s.begun(r, id)
	switch {
	case err != nil:
		return none, nil, err
	case l.Step != storage.StepUpstream || !s.cfg.Steps.Verify(l, storage.StepUpstream, s.browser(r, l.ID), verifier):
		return none, nil, s.stray(r.Context(), l, refuse("already_used", errors.New("the state is not that of the present trip")))
	case string(l.Connection) != r.PathValue("connection"):
		return none, nil, s.stray(r.Context(), l, refuse("upstream_invalid", errors.New("the path is another connection's")))
	}
	params := url.Values{}
	for name, v := range fields.Values {
		params.Set(name, v)
	}
	return l, params, nil
}

// destination reads again what the transaction was sent to. Mostly it is the
// connection of the domain that the person typed, and then one statement says all.
func (s *Server) destination(ctx context.Context, l storage.Login) (destination, error) {
	found, err := s.discover(ctx, l.Email, discovery{})
	if err != nil {
		return destination{}, err
	}
	if o := found.owner; o != nil && o.Tenant.ID == l.Tenant && o.Connection.ID == l.Connection {
		return destination{tenant: o.Tenant, connection: o.Connection, discovery: found}, nil
	}
	tenant, err := s.cfg.Store.TenantByID(ctx, l.Tenant)
	if err != nil {
		return destination{}, away(err)
	}
	con, err := s.cfg.Store.Tenant(l.Tenant).Connection(ctx, l.Connection)
	if err != nil {
		return destination{}, away(err)
	}
	return destination{tenant: tenant, connection: con, discovery: found}, nil
}

func (s *Server) finish(ctx context.Context, d destination, cb UpstreamCallback) (Subject, error) {
	connector, err := s.cfg.Connect(ctx, d.tenant.ID, d.connection)
	if err != nil {
		return Subject{}, err
	}
	subject, err := connector.Finish(ctx, cb)
	if err != nil {
		return Subject{}, err
	}
	if subject.Issuer == "" || subject.Subject == "" {
		return Subject{}, fmt.Errorf("%w: no subject", ErrUpstreamInvalid)
	}
	return subject, nil
}

// unfinished answers a sign-in that did not succeed upstream. A person who said
// no there has answered the app's question: it is told. Everything else is a
// page, and the transaction waits for another attempt.
func (s *Server) unfinished(w http.ResponseWriter, r *http.Request, l storage.Login, cause error) error {
	page := upstream(cause)
	if err := s.refused(r.Context(), l, page); err != error(page) || l.Request == nil || !errors.Is(cause, ErrUpstreamDenied) {
		return err
	}
	return s.deny(w, r, l, "access_denied")
}

// deny ends the transaction with an error response to the app.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, l storage.Login, code string) error {
	if err := s.done(w, r, l); err != nil {
		return err
	}
	return s.authorizer.Refuse(w, r, *l.Request, code)
}
