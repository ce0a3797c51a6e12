package idp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// useLogout is what a logout token's jti is good for, once.
const useLogout = "logout"

// actFor is how long an effect may take once a token is used up, however long the
// provider waits for the answer.
const actFor = 30 * time.Second

// upstreamLogout takes a provider's logout token (OpenID Connect Back-Channel Logout
// sections 2.5 to 2.8). It ends sessions that this connection made and no other's
// (LO-09), and answers when no node takes them for live any more. Of somebody who has
// signed out, or never signed in, there is nothing to end, which is no error.
func (s *Server) upstreamLogout(w http.ResponseWriter, r *http.Request) error {
	c, t, err := s.logoutToken(w, r)
	if err != nil {
		return s.upstreamRefused(r.Context(), c, http.StatusBadRequest, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actFor)
	defer cancel()
	user, err := s.signedOutThere(ctx, c, t)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return away(err)
	}
	if used := s.once(ctx, useLogout, c, t); used != nil {
		return s.upstreamRefused(ctx, c, http.StatusBadRequest, used)
	}
	if user != "" {
		if err := s.endUpstream(ctx, c, user, t); err != nil {
			return s.failed(useLogout, c, t, err)
		}
		s.ended()
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// logoutToken reads the token and believes it.
func (s *Server) logoutToken(w http.ResponseWriter, r *http.Request) (caller, LogoutToken, error) {
	fields, err := web.ReadForm(w, r)
	if err != nil {
		return caller{}, LogoutToken{}, err
	}
	c, err := s.caller(r)
	if err != nil {
		return c, LogoutToken{}, err
	}
	verifier, ok := c.connector.(LogoutVerifier)
	if !ok {
		return c, LogoutToken{}, fmt.Errorf("%w: the connection's kind has no logout tokens", ErrUpstreamInvalid)
	}
	t, err := verifier.VerifyLogout(r.Context(), fields.Get("logout_token"))
	if err == nil && (t.ID == "" || t.Subject == "" && t.SID == "") {
		err = fmt.Errorf("%w: it names nobody, or itself not", ErrUpstreamInvalid)
	}
	return c, t, err
}

// signedOutThere is whom a logout token is about. ErrNotFound: nobody here.
func (s *Server) signedOutThere(ctx context.Context, c caller, t LogoutToken) (storage.UserID, error) {
	tenant := s.cfg.Store.Tenant(c.tenant)
	if t.Subject == "" {
		return tenant.UserByUpstreamSID(ctx, c.connection.ID, t.SID)
	}
	u, err := tenant.UserByIdentity(ctx, storage.Identity{Connection: c.connection.ID, Issuer: t.Issuer, Subject: t.Subject})
	return u.ID, err
}

// endUpstream ends what a logout token is about: the session that it names, or all that
// the connection made for the person when it names none. A session of the person of
// which the provider said no sid could be the one, and ends with it.
func (s *Server) endUpstream(ctx context.Context, c caller, user storage.UserID, t LogoutToken) error {
	tenant, now := s.cfg.Store.Tenant(c.tenant), s.now()
	which := storage.EndSessions{User: user, Connection: c.connection.ID, UpstreamSID: t.SID}
	if _, err := tenant.EndSessions(ctx, which, now, audit.UpstreamSignedOut(ctx, now, c.connection.ID, user)); err != nil {
		return err
	}
	if t.SID == "" || t.Subject == "" {
		return nil
	}
	all, err := tenant.ListSessions(ctx, user, now)
	if err != nil {
		return err
	}
	for _, session := range all {
		if session.Connection != c.connection.ID || session.UpstreamSID != "" {
			continue
		}
		err := tenant.EndSession(ctx, session.ID, now, audit.SignedOut(ctx, now, user, session.ID, "upstream"))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
	}
	return nil
}
