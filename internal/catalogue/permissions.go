package catalogue

import (
	"fmt"
	"maps"
	"slices"
)

// UnknownPermission is a resource that the catalogue does not have, or an action that
// the resource does not have.
type UnknownPermission struct {
	Resource string
	Action   string // "": it is the resource that is unknown
}

// Error says which, for who asked.
func (u *UnknownPermission) Error() string {
	if u.Action == "" {
		return fmt.Sprintf("there is no resource %q", u.Resource)
	}
	return fmt.Sprintf("the resource %q has no action %q", u.Resource, u.Action)
}

// Permissions returns the scopes as actions by resource, sorted. It says what was
// given, not what that implies; a scope that is no action of a resource is left out.
func (c *Catalogue) Permissions(scopes []string) map[string][]string {
	out := map[string][]string{}
	for _, s := range scopes {
		if p, ok := c.orBuiltIn().named[s]; ok && !slices.Contains(out[p.resource], p.action) {
			out[p.resource] = append(out[p.resource], p.action)
		}
	}
	for _, actions := range out {
		slices.Sort(actions)
	}
	return out
}

// FromPermissions returns the scopes of actions by resource, sorted. The error is an
// [*UnknownPermission], the first in the order of the resources' names.
func (c *Catalogue) FromPermissions(p map[string][]string) ([]string, error) {
	out := []string{}
	for _, resource := range slices.Sorted(maps.Keys(p)) {
		actions, ok := c.orBuiltIn().actions[resource]
		if !ok {
			return nil, &UnknownPermission{Resource: resource}
		}
		for _, a := range p[resource] {
			scope, ok := actions[a]
			if !ok {
				return nil, &UnknownPermission{Resource: resource, Action: a}
			}
			out = append(out, scope)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
