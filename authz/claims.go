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

// parseClaims reads the parameter. False: it is no JSON of that shape, or what it
// demands of sub or acr cannot be read: a demand is never passed over. What it
// asks for may be unknown; that is no error.
func parseClaims(s string) (claimsParameter, bool) {
	var p claimsParameter
	if s == "" {
		return p, true
	}
	ok := len(s) <= maxClaims && strings.HasPrefix(strings.TrimSpace(s), "{") && json.Unmarshal([]byte(s), &p) == nil
	for _, raw := range []json.RawMessage{p.IDToken["acr"], p.IDToken["sub"], p.UserInfo["sub"]} {
		_, readable := readWish(raw)
		ok = ok && readable
	}
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

// readWish reads what is wanted of one claim; nothing, or null, is no wish.
// False: it is malformed.
func readWish(raw json.RawMessage) (w wish, ok bool) {
	if len(raw) == 0 {
		return w, true
	}
	ok = json.Unmarshal(raw, &w) == nil
	return w, ok
}

// wanted are the values of which one is wanted; none for any.
func (w wish) wanted() []string {
	if w.Value != "" {
		return append(slices.Clone(w.Values), w.Value)
	}
	return w.Values
}

// subject is the person that the answer must be about, "" for anybody. False: it
// must be about several.
func (p claimsParameter) subject() (storage.UserID, bool) {
	var who []string
	for _, raw := range []json.RawMessage{p.IDToken["sub"], p.UserInfo["sub"]} {
		w, _ := readWish(raw)
		who = append(who, w.wanted()...)
	}
	slices.Sort(who)
	switch who = slices.Compact(who); len(who) {
	case 0:
		return "", true
	case 1:
		return storage.UserID(who[0]), true
	}
	return "", false
}

// implied are the scopes that the parameter comes to: whoever may see one claim
// of a scope has to be allowed the scope by the person (AZ-30).
func (p claimsParameter) implied(clientScopes []string) []string {
	var scopes []string
	for _, part := range []map[string]json.RawMessage{p.UserInfo, p.IDToken} {
		for name := range part {
			if scope := scopeOfClaim[name]; scope != "" && releasable(name, clientScopes) {
				scopes = append(scopes, scope)
			}
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// essentialACR are the authentication context classes of which one must be
// reached (OIDC Core 1.0 section 5.5.1.1); none for any.
func (p claimsParameter) essentialACR() []string {
	w, _ := readWish(p.IDToken["acr"])
	if !w.Essential {
		return nil
	}
	return w.wanted()
}

// wishedACR are the classes that are wanted, essential or not.
func (p claimsParameter) wishedACR() []string {
	w, _ := readWish(p.IDToken["acr"])
	return w.wanted()
}

// releasedTo is what a grant remembers of the parameter: the claims that the
// client may have now, or "". What the person was not asked for must not come
// with a scope that the client gets later.
func (p claimsParameter) releasedTo(clientScopes []string) string {
	p = claimsParameter{UserInfo: allowed(p.UserInfo, clientScopes), IDToken: allowed(p.IDToken, clientScopes)}
	if len(p.UserInfo)+len(p.IDToken) == 0 {
		return ""
	}
	return encoded(p)
}

// userinfoPart is what an access token remembers of the parameter: the UserInfo
// claims that the client may have, or "".
func (p claimsParameter) userinfoPart(clientScopes []string) string {
	names := allowed(p.UserInfo, clientScopes)
	if len(names) == 0 {
		return ""
	}
	return encoded(names)
}

// allowed are those of the names that may be released, without wishes.
func allowed(names map[string]json.RawMessage, clientScopes []string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for name := range names {
		if releasable(name, clientScopes) {
			out[name] = json.RawMessage("null")
		}
	}
	return out
}

// encoded is names in JSON; a map of nulls always encodes.
func encoded(names any) string {
	b, _ := json.Marshal(names)
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
		// "Verified" is that somebody took steps to see that the person controls the address
		// (OIDC Core 1.0 section 5.1): the identity provider, or this server by a mail to it.
		if i.user.Email != "" {
			claims[name] = i.user.EmailProved()
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
