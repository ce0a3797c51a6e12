package idp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// Limits of what a role claim may hold: what is longer counts for nothing.
const (
	maxRoleValues = 500
	maxRoleValue  = 200      // bytes of one
	maxRoleBytes  = 64 << 10 // of all of them
)

// Why a person gets no role, as [MapRole] says it.
const (
	ReasonNoRule    = "no_rule"    // no value that came gives a role
	ReasonAbsent    = "absent"     // the claim did not come
	ReasonWrongType = "wrong_type" // it is neither a text nor a list of texts
	ReasonOversized = "oversized"  // it holds more than anybody's groups
	ReasonOverage   = "overage"    // the provider left the groups out, as there are too many
)

// roles are those that a tenant has, from most to least.
var roles = []storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer}

// MapRole says which role a person gets by what their provider says of them: the
// highest of those that the connection's rules give (FO-20). Without a RoleClaim it is
// the connection's DefaultRole. With one, what does not give a role gives none: role is
// "", and reason says why. Only people whom no rule fits get Settings.UnmappedRole: a
// claim that is absent or unreadable says nothing of anybody.
func MapRole(con storage.Connection, v RoleValues) (role storage.Role, reason string) {
	switch {
	case con.RoleClaim == "":
		return orViewer(con.DefaultRole), ""
	case v.Problem != "":
		return "", v.Problem
	case !v.Present:
		return "", ReasonAbsent
	}
	for _, r := range roles {
		if slices.ContainsFunc(v.Values, func(value string) bool { return gives(con.Settings.RoleRules, value, r) }) {
			return r, ""
		}
	}
	if slices.Contains(roles, con.Settings.UnmappedRole) {
		return con.Settings.UnmappedRole, ""
	}
	return "", ReasonNoRule
}

// orViewer is a connection's default role: the least where it says none that there is.
func orViewer(r storage.Role) storage.Role {
	if slices.Contains(roles, r) {
		return r
	}
	return storage.RoleViewer
}

// gives reports whether a value gives a role. Without rules, a role is given by its
// name.
func gives(rules []storage.RoleRule, value string, r storage.Role) bool {
	if len(rules) == 0 {
		return value == string(r)
	}
	return slices.Contains(rules, storage.RoleRule{Value: value, Role: r})
}

// RoleValuesOf takes the values of a connection's RoleClaim out of the claims that its
// provider sent, which are of JSON types.
func RoleValuesOf(con storage.Connection, claims map[string]any) RoleValues {
	if con.RoleClaim == "" {
		return RoleValues{}
	}
	claim, found := claimAt(claims, con.RoleClaim)
	if !found {
		return RoleValues{}
	}
	list, isList := claim.([]any)
	if !isList {
		list = []any{claim}
	}
	if len(list) > maxRoleValues {
		return RoleValues{Present: true, Problem: ReasonOversized}
	}
	return texts(list)
}

// texts reads a list that has to be one of texts.
func texts(list []any) RoleValues {
	v, size := RoleValues{Present: true}, 0
	for _, item := range list {
		text, ok := item.(string)
		size += len(text)
		switch {
		case !ok:
			return RoleValues{Present: true, Problem: ReasonWrongType}
		case len(text) > maxRoleValue || size > maxRoleBytes:
			return RoleValues{Present: true, Problem: ReasonOversized}
		}
		v.Values = append(v.Values, text)
	}
	return v
}

// claimAt finds a claim by its name, or, when that starts with a slash, by JSON pointer
// (RFC 6901).
func claimAt(claims map[string]any, name string) (any, bool) {
	if !strings.HasPrefix(name, "/") {
		v, found := claims[name]
		return v, found
	}
	var at any = claims
	for part := range strings.SplitSeq(name[1:], "/") {
		var found bool
		if at, found = member(at, unescaped.Replace(part)); !found {
			return nil, false
		}
	}
	return at, true
}

// unescaped decodes a pointer's reference token (RFC 6901 section 4).
var unescaped = strings.NewReplacer("~1", "/", "~0", "~")

// member is a member of an object, or an element of a list.
func member(of any, name string) (any, bool) {
	switch of := of.(type) {
	case map[string]any:
		v, found := of[name]
		return v, found
	case []any:
		i, err := strconv.ParseUint(name, 10, 16)
		if err != nil || int(i) >= len(of) || strconv.FormatUint(i, 10) != name {
			return nil, false
		}
		return of[i], true
	}
	return nil, false
}
