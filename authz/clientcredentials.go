package authz

import (
	"context"
	"slices"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// clientCredentials issues a token to a client for itself (RFC 6749 section
// 4.4, TK-16): no refresh token, no ID token, in the tenant that the client was
// registered for.
func (s *Server) clientCredentials(ctx context.Context, form web.Form, creds clientauth.Credentials) (*tokenResponse, error) {
	client, err := s.findClient(ctx, creds)
	if err := s.authenticate(ctx, creds, client, err); err != nil {
		return nil, err
	}
	if !client.DisabledAt.IsZero() {
		return nil, clientauth.Invalid(creds)
	}
	if client.Public() || !client.Allows(storage.GrantClientCredentials) || client.ServiceTenant == "" {
		return nil, refusal("unauthorized_client", "")
	}
	scopes, ok := machineScopes(form.Get("scope"), client)
	if !ok {
		return nil, refusal("invalid_scope", "")
	}
	audience, err := s.machineAudience(ctx, form.All("resource"), client)
	if err != nil {
		return nil, err
	}
	return s.issueToMachine(ctx, client, scopes, audience)
}

// machineScopes are what the request asks for, or all that the client is
// registered for. The scopes that are about a person are none of it.
func machineScopes(param string, c storage.Client) ([]string, bool) {
	scopes, ok := parseScope(param)
	allowed := without(c.Scopes, ownScopes...)
	if !ok || !subset(scopes, allowed) {
		return nil, false
	}
	if len(scopes) == 0 {
		scopes = slices.Clone(allowed)
	}
	return scopes, len(scopes) > 0
}

func (s *Server) machineAudience(ctx context.Context, requested []string, c storage.Client) ([]string, error) {
	audience, err := s.catalogue.audiences(ctx, requested, s.now())
	if err != nil {
		return nil, targetError(err)
	}
	open, err := s.catalogue.openTo(ctx, c.ServiceTenant, audience, s.now())
	if err != nil {
		return nil, web.Unavailable(err)
	}
	if !open {
		return nil, refusal("invalid_target", "")
	}
	return audience, nil
}

func (s *Server) issueToMachine(ctx context.Context, client storage.Client, scopes, audience []string) (*tokenResponse, error) {
	now := s.now()
	u := &unit{at: now, client: client, scopes: scopes, accessEnds: now.Add(AccessLifetime)}
	answer, err := s.run(ctx, u, map[string]string{"grant_type": storage.GrantClientCredentials})
	if err != nil {
		return nil, err
	}
	access := u.accessToken(storage.Grant{}, audience)
	if err := s.cfg.Store.Tenant(client.ServiceTenant).IssueToken(ctx, access, audit.TokenIssued(ctx, now, access)); err != nil {
		return nil, machineError(err)
	}
	return answer, nil
}
