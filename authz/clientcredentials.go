package authz

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// machine is a client that acts for itself, in its tenant. One that got a token
// is remembered under its very credentials, so that its next token costs one
// round trip. What is remembered can only propose: the statement that stores the
// token checks that client and tenant are live and unchanged, and what would be
// refused is looked at afresh.
type machine struct {
	client storage.Client
	tenant storage.Tenant
}

// machineKey is the SHA-256 of client id and secret.
type machineKey [sha256.Size]byte

func newMachineKey(c clientauth.Credentials) machineKey {
	return sha256.Sum256([]byte(string(c.Method) + "\x00" + c.ID + "\x00" + c.Secret))
}

// clientCredentials issues a token to a client for itself (RFC 6749 section
// 4.4, TK-16): no refresh token, no ID token, in the tenant that the client was
// registered for.
func (s *Server) clientCredentials(ctx context.Context, form web.Form, creds clientauth.Credentials) (*tokenResponse, error) {
	key := newMachineKey(creds)
	if m, ok := s.machines.get(key, s.now()); ok && clientauth.Check(creds, m.client.AuthMethod, m.client.Secrets, s.now()) {
		answer, err := s.serveMachine(ctx, form, m)
		if err == nil {
			web.Annotate(ctx, "client", string(m.client.ID))
			return answer, nil
		}
		s.machines.drop(key)
	}
	for range issueAttempts {
		m, err := s.findMachine(ctx, creds)
		if err != nil {
			return nil, err
		}
		answer, err := s.serveMachine(ctx, form, m)
		if errors.Is(err, storage.ErrConflict) {
			continue // it changed between the look and the statement
		}
		if err == nil {
			s.machines.put(key, m, s.now())
		}
		return answer, err
	}
	return nil, web.Unavailable(errRestless)
}

// findMachine authenticates the client and reads its tenant.
func (s *Server) findMachine(ctx context.Context, creds clientauth.Credentials) (machine, error) {
	client, err := s.findClient(ctx, creds)
	if err := s.authenticate(ctx, creds, client, err); err != nil {
		return machine{}, err
	}
	if !client.DisabledAt.IsZero() {
		return machine{}, s.rejectClient(ctx, creds)
	}
	if client.Public() || !client.Allows(storage.GrantClientCredentials) || client.ServiceTenant == "" {
		return machine{}, refusal("unauthorized_client", "")
	}
	tenant, err := s.cfg.Store.TenantByID(ctx, client.ServiceTenant)
	if err != nil {
		return machine{}, machineError(err)
	}
	switch {
	case !tenant.SuspendedAt.IsZero():
		return machine{}, tenantClosed(reason("tenant_suspended"))
	case !tenant.MayUse(client):
		return machine{}, tenantClosed(reason("client_not_allowed"))
	}
	return machine{client: client, tenant: tenant}, nil
}

// serveMachine issues a token. storage.ErrConflict: client or tenant are no
// longer as they were looked at.
func (s *Server) serveMachine(ctx context.Context, form web.Form, m machine) (*tokenResponse, error) {
	scopes, ok := machineScopes(form.Get("scope"), m.client)
	if !ok {
		return nil, refusal("invalid_scope", "")
	}
	audience, err := s.machineAudience(ctx, form.All("resource"), m.client)
	if err != nil {
		return nil, err
	}
	now := s.now()
	u := &unit{at: now, client: m.client, scopes: scopes, accessEnds: now.Add(AccessLifetime)}
	answer, err := s.run(ctx, u, map[string]string{"grant_type": storage.GrantClientCredentials})
	if err != nil {
		return nil, err
	}
	in := storage.IssueToken{
		Token: u.accessToken(storage.Grant{}, audience), ClientVersion: m.client.Version, TenantVersion: m.tenant.Version,
	}
	err = s.cfg.Store.Tenant(m.tenant.ID).IssueToken(ctx, in, audit.TokenIssued(ctx, now, in.Token))
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		err = machineError(err)
	}
	return answer, err
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
	audience, err := s.resources.audiences(ctx, requested, s.now())
	if err != nil {
		return nil, targetError(err)
	}
	open, err := s.resources.openTo(ctx, c.ServiceTenant, audience, s.now())
	if err != nil {
		return nil, web.Unavailable(err)
	}
	if !open {
		return nil, refusal("invalid_target", "")
	}
	return audience, nil
}
