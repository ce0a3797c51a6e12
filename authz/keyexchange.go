package authz

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// KeyForms knows API keys by their form, and what their profiles demand.
type KeyForms interface {
	// ParseKey checks the form of a key, asking nobody, and returns the SHA-256
	// under which it is stored. False: it is no API key.
	ParseKey(s string) (hash [32]byte, ok bool)
	// Verify checks the signature of a key that has one.
	Verify(ctx context.Context, s string) bool
	// Rules returns what a profile demands of every use of its keys. Unknown: its
	// keys are not good any more.
	Rules(profile string) (httpsOnly bool, rate limit.Rate, known bool)
}

// Token types (RFC 8693 section 3); an API key is our own.
const (
	typeAPIKey      = "urn:watchgate:params:oauth:token-type:api_key"
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
)

// exchangeKey gives tokens under an API key to who holds it (RFC 8693 section
// 2): what a script needs that has a key and whose library wants tokens. They are
// good for no more than the key, and as long as the key at most.
func (s *Server) exchangeKey(ctx context.Context, form web.Form, creds clientauth.Credentials) (*tokenResponse, error) {
	client, err := s.findClient(ctx, creds)
	if err := s.authenticate(ctx, creds, client, err); err != nil {
		return nil, err
	}
	switch {
	case !client.DisabledAt.IsZero():
		return nil, s.rejectClient(ctx, creds)
	case !client.Allows(storage.GrantTokenExchange):
		return nil, refusal("unauthorized_client", "")
	}
	if wrong := checkExchange(form); wrong != nil {
		return nil, wrong
	}
	for range issueAttempts {
		answer, err := s.mintUnderKey(ctx, client, form)
		if !errors.Is(err, storage.ErrConflict) {
			return answer, err
		}
	}
	return nil, web.Unavailable(errRestless)
}

// checkExchange is what stands for itself in the request. Delegation is not
// supported: an actor that we would not look at must not be sent.
func checkExchange(form web.Form) *web.Error {
	wanted := form.Get("requested_token_type")
	switch {
	case form.Get("subject_token") == "":
		return refusal("invalid_request", "The parameter subject_token is missing.")
	case form.Get("subject_token_type") != typeAPIKey:
		return refusal("invalid_request", "subject_token_type must be "+typeAPIKey+".")
	case form.Get("actor_token") != "" || form.Get("actor_token_type") != "":
		return refusal("invalid_request", "actor_token is not supported.")
	case wanted != "" && wanted != typeAccessToken:
		return refusal("invalid_request", "requested_token_type must be "+typeAccessToken+".")
	}
	return nil
}

// mintUnderKey decides about one read of the key and, if it is good, writes what
// it gives. storage.ErrConflict: the key changed since it was read.
func (s *Server) mintUnderKey(ctx context.Context, client storage.Client, form web.Form) (*tokenResponse, error) {
	now := s.now()
	key, err := s.presentedKey(ctx, client, form.Get("subject_token"), now)
	if err != nil {
		return nil, err
	}
	scopes, ok := s.exchangedScopes(form.Get("scope"), client, key)
	if !ok {
		return nil, refusal("invalid_scope", "")
	}
	audience, err := s.exchangedAudience(ctx, form, key.Life.TenantID)
	if err != nil {
		return nil, err
	}
	u := unitOfKey(client, key, scopes, now)
	in, answer, err := u.underKey(key, audience)
	if err != nil {
		return nil, err
	}
	err = s.cfg.Store.Tenant(key.Life.TenantID).MintUnderKey(ctx, in, audit.KeyExchanged(ctx, now, in.Grant, in.Access, in.Refresh != nil))
	if err != nil && !errors.Is(err, storage.ErrConflict) {
		err = storeError(err)
	}
	return answer, err
}

// presentedKey is the key of a request, if it is one that this client may
// exchange here and now. Whatever is the matter with it, the client reads the
// same.
func (s *Server) presentedKey(ctx context.Context, client storage.Client, raw string, now time.Time) (*storage.LiveKey, error) {
	hash, ok := s.cfg.Keys.ParseKey(raw)
	if !ok || !s.cfg.Keys.Verify(ctx, raw) {
		return nil, invalidGrant("no_key")
	}
	key, err := s.cfg.Store.FindKey(ctx, hash)
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && key == nil:
		return nil, invalidGrant("unknown_key")
	case err != nil:
		return nil, web.Unavailable(err)
	}
	tenant, err := s.cfg.Store.TenantByID(ctx, key.Life.TenantID)
	if err != nil {
		return nil, storeError(err)
	}
	if foreign(client, tenant) {
		return nil, s.refuseKey(ctx, key, now, audit.CrossTenantDenied(ctx, now, string(key.ID), string(client.ID)))
	}
	if why := s.checkKey(ctx, key, now); why != "" {
		return nil, s.refuseKey(ctx, key, now, audit.KeyRefused(ctx, now, key.ID, "exchange", why, audit.KeyBy{Client: client.ID}))
	}
	return key, s.spend(ctx, key)
}

// spend takes one from the key's rate, as any use of it does. Its error is 429.
func (s *Server) spend(ctx context.Context, key *storage.LiveKey) error {
	_, rate, _ := s.cfg.Keys.Rules(key.Profile)
	left := s.cfg.KeyLimits.Take(ctx, string(key.ID), rate)
	if !left.Over {
		return nil
	}
	e := web.Refuse(http.StatusTooManyRequests, "slow_down", "This API key is used too often. Try again in a moment.", nil)
	e.Header = http.Header{}
	left.Headers(e.Header, "key", rate)
	return e
}

// foreign reports whether a client may not act for a tenant: it is another
// tenant's, or the tenant's policy does not list it.
func foreign(c storage.Client, t storage.Tenant) bool {
	return !t.MayUse(c) || (c.ServiceTenant != "" && c.ServiceTenant != t.ID)
}

// checkKey returns why a key is refused, "" when it is good.
func (s *Server) checkKey(ctx context.Context, key *storage.LiveKey, now time.Time) string {
	if why := key.Dead(now); why != "" {
		return why
	}
	return s.checkUse(ctx, key.APIKey)
}

// checkUse returns why a key must not be used in this request, "" when it may.
func (s *Server) checkUse(ctx context.Context, key storage.APIKey) string {
	httpsOnly, _, known := s.cfg.Keys.Rules(key.Profile)
	switch {
	case !known:
		return "unknown_profile"
	case httpsOnly && !strings.HasPrefix(s.cfg.Issuer, "https:"):
		return "https_required"
	case !allowedFrom(key.AllowedIPs, origin.From(ctx).IP):
		return "address_not_allowed"
	}
	return ""
}

// allowedFrom reports whether an address is on an allow-list; an empty one allows
// all, and any other no address that is not known.
func allowedFrom(cidrs []string, ip string) bool {
	if len(cidrs) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(ip)
	return err == nil && slices.ContainsFunc(cidrs, func(cidr string) bool {
		p, err := netip.ParsePrefix(cidr)
		return err == nil && p.Contains(addr.Unmap().WithZone(""))
	})
}

// refuseKey records a refused exchange in the tenant's trail, as far as one
// address may fill it.
func (s *Server) refuseKey(ctx context.Context, key *storage.LiveKey, now time.Time, ev storage.Event) error {
	tenant := key.Life.TenantID
	if s.limiter.Allow(ctx, now, string(tenant), ev.Kind+" "+ev.Reason+" "+string(key.ID)) {
		if err := s.cfg.Store.Tenant(tenant).AppendEvent(ctx, ev); err != nil {
			return web.Unavailable(err)
		}
	}
	return invalidGrant(ev.Reason)
}

// keyScopes are what a key can give tokens now: what its owner's role permits of its
// scopes. The scopes that are about a signed-in person are none of it, nor is what
// lets make keys, by whatever name: what a key may hand on is decided where it is
// presented itself (AK-09).
func (s *Server) keyScopes(key storage.APIKey, role storage.Role) []string {
	all := s.cfg.Catalogue.Effective(key.Scopes, role)
	return slices.DeleteFunc(without(all, ownScopes...), func(scope string) bool {
		return slices.ContainsFunc(s.cfg.Catalogue.Expand([]string{scope}), func(implied string) bool {
			return slices.Contains(catalogue.IssueCredentials(), implied)
		})
	})
}

// exchangedScopes are what the request asks for, or all that both the key and the
// client may have.
func (s *Server) exchangedScopes(param string, c storage.Client, key *storage.LiveKey) ([]string, bool) {
	requested, ok := parseScope(param)
	allowed := common(s.keyScopes(key.APIKey, key.UserInfo.Role), c.Scopes)
	if !ok || !subset(requested, allowed) {
		return nil, false
	}
	if len(requested) > 0 {
		return requested, true
	}
	return allowed, len(allowed) > 0
}

// exchangedAudience reads resource (RFC 8707) and audience, which names the same
// things here (RFC 8693 section 2.1).
func (s *Server) exchangedAudience(ctx context.Context, form web.Form, tenant storage.TenantID) ([]string, error) {
	requested := append(slices.Clone(form.All("resource")), form.All("audience")...)
	audience, err := s.resources.audiences(ctx, requested, s.now())
	if err != nil {
		return nil, targetError(err)
	}
	open, err := s.resources.openTo(ctx, tenant, audience, s.now())
	switch {
	case err != nil:
		return nil, web.Unavailable(err)
	case !open:
		return nil, refusal("invalid_target", "")
	}
	return audience, nil
}
