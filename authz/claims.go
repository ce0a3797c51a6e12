package authz

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// claimsByScope are the claims that a scope stands for (OIDC Core 1.0 section
// 5.4).
var claimsByScope = map[string][]string{
	"profile": {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// scopeOfClaim is claimsByScope, the other way round.
var scopeOfClaim = func() map[string]string {
	m := map[string]string{}
	for scope, names := range claimsByScope {
		for _, name := range names {
			m[name] = scope
		}
	}
	return m
}()

// addressMembers are those of OIDC Core 1.0 section 5.1.1.
var addressMembers = []string{"formatted", "street_address", "locality", "region", "postal_code", "country"}

// Our own claims, sent only when the claims parameter asks for them.
const (
	claimTenantID = "tenant_id"
	claimTenant   = "tenant"
)

// maxClaims is the longest claims parameter, in bytes.
const maxClaims = 4096

// claimsParameter is the claims parameter (OIDC Core 1.0 section 5.5): what is
// wanted of each claim, in JSON, null for no wishes.
type claimsParameter struct {
	UserInfo map[string]json.RawMessage `json:"userinfo"`
	IDToken  map[string]json.RawMessage `json:"id_token"`
}

// parseClaims reads the parameter. False: it is no JSON of that shape. What it
// asks for may be unknown; that is no error.
func parseClaims(s string) (claimsParameter, bool) {
	var p claimsParameter
	if s == "" {
		return p, true
	}
	ok := len(s) <= maxClaims && strings.HasPrefix(strings.TrimSpace(s), "{") && json.Unmarshal([]byte(s), &p) == nil
	return p, ok
}

// requestedClaims reads a parameter that was checked when it arrived.
func requestedClaims(s string) claimsParameter {
	p, _ := parseClaims(s)
	return p
}

// wish is what a request wants of one claim (OIDC Core 1.0 section 5.5.1).
type wish struct {
	Essential bool     `json:"essential"`
	Value     string   `json:"value"`
	Values    []string `json:"values"`
}

func readWish(raw json.RawMessage) wish {
	var w wish
	if json.Unmarshal(raw, &w) != nil {
		return wish{}
	}
	return w
}

// subject is the person that the ID token must be about, "" for anybody.
func (p claimsParameter) subject() storage.UserID {
	return storage.UserID(readWish(p.IDToken["sub"]).Value)
}

// essentialACR are the authentication context classes of which one must be
// reached (OIDC Core 1.0 section 5.5.1.1); none for any.
func (p claimsParameter) essentialACR() []string {
	w := readWish(p.IDToken["acr"])
	switch {
	case !w.Essential:
		return nil
	case w.Value != "":
		return append(w.Values, w.Value)
	}
	return w.Values
}

// userinfoPart is what an access token remembers of the parameter: the UserInfo
// claims that the client may have, or "".
func (p claimsParameter) userinfoPart(clientScopes []string) string {
	allowed := map[string]json.RawMessage{}
	for name := range p.UserInfo {
		if releasable(name, clientScopes) {
			allowed[name] = json.RawMessage("null")
		}
	}
	if len(allowed) == 0 {
		return ""
	}
	// A map of nulls always encodes.
	b, _ := json.Marshal(allowed)
	return string(b)
}

// releasable reports whether a client may ask for a single claim: it is
// registered for the scope that the claim belongs to, so that the claims
// parameter gives nothing that a scope would not.
func releasable(name string, clientScopes []string) bool {
	if name == claimTenant || name == claimTenantID {
		return true
	}
	scope, known := scopeOfClaim[name]
	return known && slices.Contains(clientScopes, scope)
}

// requested returns the claims that were asked for one by one and may be sent.
func (i identity) requested(names map[string]json.RawMessage, clientScopes []string) map[string]any {
	claims := map[string]any{}
	for name := range names {
		if releasable(name, clientScopes) {
			i.add(claims, name)
		}
	}
	return claims
}

// byScope returns the claims that the scopes stand for.
func (i identity) byScope(scopes []string) map[string]any {
	claims := map[string]any{}
	for _, scope := range scopes {
		for _, name := range claimsByScope[scope] {
			i.add(claims, name)
		}
	}
	return claims
}

// add puts a claim in, if there is a value of the right type for it.
func (i identity) add(claims map[string]any, name string) {
	switch name {
	case claimTenantID:
		set(claims, name, i.tenantID)
	case claimTenant:
		set(claims, name, i.tenant)
	case "email":
		set(claims, name, i.user.Email)
	case "email_verified":
		if i.user.Email != "" {
			claims[name] = i.user.EmailVerified
		}
	default:
		if v, ok := wellTyped(name, i.user.Claims[name]); ok {
			claims[name] = v
		}
	}
}

// wellTyped passes a value on if it has the claim's type (OIDC Core 1.0 section
// 5.1) and is not empty; identity providers send all sorts of things.
func wellTyped(name string, v any) (any, bool) {
	switch name {
	case "updated_at":
		switch v.(type) {
		case float64, int64, int, json.Number:
			return v, true
		}
		return nil, false
	case "phone_number_verified":
		b, ok := v.(bool)
		return b, ok
	case "address":
		return address(v)
	}
	s, ok := v.(string)
	return s, ok && s != ""
}

func address(v any) (any, bool) {
	given, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	out := map[string]any{}
	for _, name := range addressMembers {
		if s, ok := given[name].(string); ok && s != "" {
			out[name] = s
		}
	}
	return out, len(out) > 0
}
