package oidcconn

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/idp"
	presets "github.com/watchgate/watchgate/idp/provider"
)

const (
	maxClaim = 2 << 10 // bytes of one claim's JSON; longer ones are dropped
	maxACR   = 255     // bytes of acr and of each amr
	maxAMR   = 16      // values of amr
	maxEmail = 254     // bytes; RFC 5321 section 4.5.3.1.3
	maxSID   = 255     // bytes
)

// standard are the claims that are taken over (OpenID Connect Core section
// 5.1), with the JSON type that each must have.
var standard = map[string]string{
	"name": "string", "given_name": "string", "family_name": "string", "middle_name": "string", "nickname": "string",
	"preferred_username": "string", "profile": "string", "picture": "string", "website": "string", "gender": "string",
	"birthdate": "string", "zoneinfo": "string", "locale": "string", "phone_number": "string",
	"phone_number_verified": "bool", "email": "string", "email_verified": "bool", "address": "object", "updated_at": "number",
}

// subject describes the person of a verified ID token. What the token leaves
// out is asked of the userinfo endpoint, whose sub must be the same (Core
// section 5.3.2).
func (c *connector) subject(ctx context.Context, p *provider, t idToken, tokens upstreamTokens) (idp.Subject, error) {
	claims := t.all
	if p.meta.UserinfoEndpoint != "" && !c.quirks.noUserinfo && c.lacks(claims) {
		more, err := c.userinfo(ctx, p, t, tokens)
		if err != nil {
			return idp.Subject{}, err
		}
		claims = merge(more, claims)
	}
	s := idp.Subject{Issuer: c.con.Issuer, Subject: c.personOf(t.all), Claims: takeOver(claims), Raw: claims}
	takeRole(s.Claims, claims, c.con.RoleClaim)
	c.takeEmail(&s, claims)
	c.takeAuthentication(&s, t.all)
	roles, err := c.roles(ctx, claims, tokens)
	if err != nil {
		return idp.Subject{}, err
	}
	s.Roles = roles
	return s, nil
}

// takeEmail notes the address, and whether the provider vouches for it.
func (c *connector) takeEmail(s *idp.Subject, claims map[string]any) {
	delete(s.Claims, "email_verified")
	s.Email, _ = s.Claims["email"].(string)
	if s.Email != "" {
		s.EmailVerified = c.vouches(claims)
		s.Claims["email_verified"] = s.EmailVerified
	}
}

// takeAuthentication notes what the ID token, which alone is about this sign-in, says of
// it.
func (c *connector) takeAuthentication(s *idp.Subject, claims map[string]any) {
	s.AuthTime, _ = numericDate(claims["auth_time"])
	s.ACR, s.AMR = assurance(claims)
	s.Level = c.level(claims)
	if sid := text(claims, "sid"); len(sid) <= maxSID {
		s.SID = sid
	}
}

// roles are the values of the connection's role claim.
func (c *connector) roles(ctx context.Context, claims map[string]any, tokens upstreamTokens) (idp.RoleValues, error) {
	if presets.LeftOut(c.con, claims) {
		return c.overage(ctx, tokens.access)
	}
	return idp.RoleValuesOf(c.con, claims), nil
}

// lacks reports whether an ID token leaves out what is asked for elsewhere.
func (c *connector) lacks(claims map[string]any) bool {
	return claims["email"] == nil || claims["name"] == nil || c.con.RoleClaim != "" && !idp.RoleValuesOf(c.con, claims).Present
}

func (c *connector) userinfo(ctx context.Context, p *provider, t idToken, tokens upstreamTokens) (map[string]any, error) {
	info, err := p.oidc.UserInfo(oidc.ClientContext(ctx, c.cfg.Client), oauth2.StaticTokenSource(tokens.access))
	switch {
	case err != nil && !reached(err):
		return nil, unavailable("userinfo", brief(err))
	case err != nil:
		return nil, invalid("userinfo: %w", brief(err))
	case info.Subject != t.Subject:
		return nil, invalid("userinfo is about somebody else")
	}
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		return nil, invalid("userinfo: not a JSON object")
	}
	return claims, nil
}

// merge adds to the ID token's claims those that only userinfo has. That an
// address is verified is taken from whoever named the address.
func merge(userinfo, idToken map[string]any) map[string]any {
	all := maps.Clone(userinfo)
	if idToken["email"] != nil && idToken["email"] != userinfo["email"] {
		delete(all, "email_verified")
	}
	for name, v := range idToken {
		if name != "email_verified" || idToken["email"] != nil {
			all[name] = v
		}
	}
	return all
}

// takeOver keeps the standard claims of the right type and of sane size.
func takeOver(claims map[string]any) map[string]any {
	kept := map[string]any{}
	for name, kind := range standard {
		v := claims[name]
		if raw, err := json.Marshal(v); err == nil && len(raw) <= maxClaim && kindOf(v) == kind {
			kept[name] = v
		}
	}
	if email, _ := kept["email"].(string); len(email) > maxEmail {
		delete(kept, "email")
		delete(kept, "email_verified")
	}
	return kept
}

// takeRole keeps the claim that the connection takes roles from, too: a text or a
// list, of sane size. What it means is decided where people arrive.
func takeRole(kept, claims map[string]any, name string) {
	v := claims[name]
	_, isText := v.(string)
	_, isList := v.([]any)
	if raw, err := json.Marshal(v); name != "" && err == nil && len(raw) <= maxClaim && (isText || isList) {
		kept[name] = v
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case float64:
		return "number"
	case map[string]any:
		return "object"
	}
	return ""
}

// assurance keeps acr and amr where they have the right type and a sane size.
func assurance(claims map[string]any) (acr string, amr []string) {
	if v, _ := claims["acr"].(string); len(v) <= maxACR {
		acr = v
	}
	methods, _ := claims["amr"].([]any)
	for _, m := range methods[:min(len(methods), maxAMR)] {
		if method, _ := m.(string); method != "" && len(method) <= maxACR {
			amr = append(amr, method)
		}
	}
	return acr, amr
}
