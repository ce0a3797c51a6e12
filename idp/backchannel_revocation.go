package idp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

const (
	// useRevocation is what the jti of a revocation's bearer token is good for, once.
	useRevocation = "revocation"
	// maxRevocation bounds the body, in bytes.
	maxRevocation = 8 << 10
)

// subjectID is whom a call is about (RFC 9493 sections 3.2.2 and 3.2.3).
type subjectID struct {
	Format  string `json:"format"`
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Email   string `json:"email"`
}

// upstreamRevocation is the endpoint of Okta's Universal Logout (Global Token Revocation,
// draft-parecki-oauth-global-token-revocation-06; LO-11). It ends everything of a person
// in the tenant, sessions however they were made and offline access, and answers when no
// node takes any of it for live any more. People without an identity at the connection
// are not its provider's, whatever their address is.
func (s *Server) upstreamRevocation(w http.ResponseWriter, r *http.Request) error {
	c, t, err := s.revocationToken(r)
	if err != nil {
		refused := s.upstreamRefused(r.Context(), c, http.StatusUnauthorized, err)
		return challenged(refused)
	}
	about, err := readSubjectID(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actFor)
	defer cancel()
	users, err := s.revoked(ctx, c, about)
	if err != nil {
		return away(err)
	}
	if used := s.once(ctx, useRevocation, c, t); used != nil {
		return challenged(s.upstreamRefused(ctx, c, http.StatusUnauthorized, used))
	}
	if len(users) == 0 {
		return web.Refuse(http.StatusNotFound, "user_not_found", "Nobody here has this identity at the connection.", nil)
	}
	for _, user := range users {
		if err := s.revokeAll(ctx, c, user); err != nil {
			return s.failed(useRevocation, c, t, err)
		}
	}
	s.ended()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// challenged adds what a refused bearer token is answered with (RFC 6750 section 3).
func challenged(err error) error {
	var e *web.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		return err
	}
	out := e.With("WWW-Authenticate", `Bearer error="invalid_token"`)
	out.Code = "invalid_token"
	return out
}

// revocationToken reads who calls, and believes it.
func (s *Server) revocationToken(r *http.Request) (caller, LogoutToken, error) {
	c, err := s.caller(r)
	if err != nil {
		return c, LogoutToken{}, err
	}
	verifier, ok := c.connector.(RevocationVerifier)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(r.Header.Values("Authorization")) != 1 {
		return c, LogoutToken{}, fmt.Errorf("%w: no bearer token, or none that the connection's provider makes", ErrUpstreamInvalid)
	}
	t, err := verifier.VerifyRevocation(r.Context(), token, s.endpoint("revocation", c))
	if err == nil && t.ID == "" {
		err = fmt.Errorf("%w: it has no jti", ErrUpstreamInvalid)
	}
	return c, t, err
}

// readSubjectID reads the body: one JSON object whose sub_id says who somebody is at the
// provider, and nothing that is not of its format.
func readSubjectID(w http.ResponseWriter, r *http.Request) (subjectID, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRevocation))
	if tooMuch := (*http.MaxBytesError)(nil); errors.As(err, &tooMuch) {
		return subjectID{}, web.AsError(err)
	}
	kind, _, noKind := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err = errors.Join(err, noKind); err == nil && kind != "application/json" {
		err = errors.New("the body is no JSON")
	}
	var body struct {
		About json.RawMessage `json:"sub_id"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	id, wrong := parseSubjectID(body.About)
	if err = errors.Join(err, wrong); err != nil {
		return id, web.Refuse(http.StatusBadRequest, "invalid_request", "The body must be JSON with a sub_id of the format iss_sub or email.", err)
	}
	return id, nil
}

func parseSubjectID(raw json.RawMessage) (subjectID, error) {
	var id subjectID
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	if err := in.Decode(&id); err != nil {
		return id, fmt.Errorf("sub_id: %w", err)
	}
	byEmail := id.Format == "email" && id.Email != "" && id.Issuer == "" && id.Subject == ""
	byIdentity := id.Format == "iss_sub" && id.Issuer != "" && id.Subject != "" && id.Email == ""
	if !byEmail && !byIdentity {
		return id, fmt.Errorf("sub_id: a format that says nobody: %.20q", id.Format)
	}
	return id, nil
}

// revoked are the people whom a call is about: who has an identity at the connection.
func (s *Server) revoked(ctx context.Context, c caller, about subjectID) ([]storage.UserID, error) {
	tenant := s.cfg.Store.Tenant(c.tenant)
	if about.Format == "email" {
		return s.byAddressAt(ctx, c, about.Email)
	}
	if !speaksFor(about.Issuer, c.connection.Issuer) {
		return nil, nil
	}
	u, err := tenant.UserByIdentity(ctx, storage.Identity{Connection: c.connection.ID, Issuer: c.connection.Issuer, Subject: about.Subject})
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return []storage.UserID{u.ID}, err
}

// speaksFor reports whether an issuer is the connection's, or the organization's whose
// custom authorization server the connection uses: the people are the same.
func speaksFor(issuer, connection string) bool {
	return issuer == connection || strings.HasPrefix(connection, issuer+"/oauth2/")
}

// byAddressAt are the people with an address and an identity at the connection.
func (s *Server) byAddressAt(ctx context.Context, c caller, address string) ([]storage.UserID, error) {
	tenant := s.cfg.Store.Tenant(c.tenant)
	found, err := tenant.UsersByEmail(ctx, address)
	if err != nil {
		return nil, err
	}
	var out []storage.UserID
	for _, u := range found {
		ids, err := tenant.Identities(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(ids, func(i storage.Identity) bool { return i.Connection == c.connection.ID }) {
			out = append(out, u.ID)
		}
	}
	return out, nil
}

func (s *Server) revokeAll(ctx context.Context, c caller, user storage.UserID) error {
	now := s.now()
	_, err := s.cfg.Store.Tenant(c.tenant).EndSessions(ctx, storage.EndSessions{User: user, Grants: true}, now,
		audit.TokensRevokedUpstream(ctx, now, c.connection.ID, user))
	return err
}
