package introspect

import (
	"encoding/hex"
	"math"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// credential is an access token or an API key as the store has it, live or dead.
// What is decided, said and remembered about the two is in terms of what both have.
type credential struct {
	token *storage.LiveToken // nil: it is a key
	key   *storage.LiveKey   // nil: it is a token

	life     storage.Life
	owner    storage.User // whose it is; zero for a machine's, and for a tenant's own key
	owned    bool
	scopes   []string  // as they were granted
	audience []string  // the only APIs that it is for; empty: for any
	ends     time.Time // by itself; zero: never
	// under is the key itself, or the one that a token was minted under; "": neither.
	under storage.KeyID
	rules rules
	// profileless: the profile of a key is not configured any more.
	profileless bool
}

func (s *Server) ofToken(t *storage.LiveToken) *credential {
	c := &credential{
		token: t, life: t.Life, owner: t.UserInfo, owned: t.User != "",
		scopes: t.Scopes, audience: t.Audience, ends: t.ExpiresAt,
	}
	if t.Life.Key != "" {
		c.under = t.Life.Key
		s.hold(c, t.Life.KeyProfile, t.Life.KeyAllowedIPs)
	}
	return c
}

func (s *Server) ofKey(k *storage.LiveKey) *credential {
	c := &credential{key: k, under: k.ID, life: k.Life, owner: k.UserInfo, owned: k.Owner != "", scopes: k.Scopes, ends: k.ExpiresAt}
	s.hold(c, k.Profile, k.AllowedIPs)
	return c
}

// hold holds a credential to the rules of a key: the key, or a token that was minted
// under it.
func (s *Server) hold(c *credential, profile string, allowed []string) {
	if s.cfg.Keys == nil {
		c.profileless = true
		return
	}
	https, rate, known := s.cfg.Keys.Rules(profile)
	c.rules, c.profileless = rulesOf(allowed, https, rate), !known
}

// credential is what a reading found; nil: nothing.
func (s *Server) credential(r reading) *credential {
	switch {
	case r.found != nil:
		return s.ofToken(r.found)
	case r.key != nil:
		return s.ofKey(r.key)
	}
	return nil
}

// dead returns why it is not live at now, or "".
func (c *credential) dead(now time.Time) string {
	switch {
	case c.profileless:
		return "profile_unknown"
	case c.token != nil:
		return c.token.Dead(now)
	}
	return c.key.Dead(now)
}

// effective are the scopes that a credential is good for: what its own imply is
// among them, and what the present role of whose it is does not permit is not.
// A token that was minted under a key is good for no more than the key is now.
func (s *Server) effective(c *credential) []string {
	var scopes []string
	switch {
	case !c.owned:
		scopes = s.cfg.Catalogue.Effective(c.scopes, "")
	case c.owner.Role == "" && s.cfg.Catalogue != nil:
		return nil // a person without a role may nothing, and is no machine
	default:
		scopes = s.cfg.Catalogue.Effective(c.scopes, c.owner.Role)
	}
	if c.token == nil || c.under == "" {
		return scopes
	}
	now := s.cfg.Catalogue.Expand(c.life.KeyScopes)
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !slices.Contains(now, scope) })
}

// until is when the answer about what is live now stops being true by itself, in
// milliseconds since 1970: the end of the credential, of its grant, of its session
// or of the key that it was made under.
func (c *credential) until() int64 {
	e := int64(math.MaxInt64)
	for _, end := range []time.Time{c.ends, c.life.GrantExpiresAt, c.life.SessionExpiresAt, c.life.KeyExpiresAt} {
		if !end.IsZero() {
			e = min(e, end.UnixMilli())
		}
	}
	return e
}

// hangsOn are all things that its life, or what is said about it, hangs on; see
// [storage.ChangeKind]. The tenant is the first.
func (c *credential) hangsOn() []storage.Change {
	on := make([]storage.Change, 0, things+1)
	on = append(on, storage.Change{Kind: storage.ChangeTenant, ID: string(c.life.TenantID)})
	own := func(kind storage.ChangeKind, id string) {
		if id != "" {
			on = append(on, storage.Change{Kind: kind, Tenant: c.life.TenantID, ID: id})
		}
	}
	var client storage.ClientID
	if t := c.token; t != nil {
		client = t.Client
		own(storage.ChangeToken, hex.EncodeToString(t.Ref.Hash[:]))
		own(storage.ChangeUser, string(t.User))
		own(storage.ChangeConnection, string(t.Connection))
		own(storage.ChangeSession, string(t.Session))
		own(storage.ChangeGrant, string(t.Grant))
		own(storage.ChangeKey, string(t.Life.Key))
		if t.User != "" {
			own(storage.ChangeConsent, storage.ConsentChange(t.User, t.Client))
		}
	} else {
		client = c.key.Client
		own(storage.ChangeKey, string(c.key.ID))
		own(storage.ChangeUser, string(c.key.Owner))
	}
	for _, app := range []storage.ClientID{client, c.life.KeyClient} {
		if app != "" {
			on = append(on, storage.Change{Kind: storage.ChangeClient, ID: string(app)})
		}
	}
	return on
}
