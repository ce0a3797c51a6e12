package catalogue

import (
	"cmp"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/catalogue/strictyaml"
	"github.com/watchgate/watchgate/storage"
)

// compile works out everything that questions are answered from, and notes what is
// named and not there.
func (d *draft) compile() *Catalogue {
	c := &Catalogue{
		closure: map[string][]string{}, permitted: map[storage.Role]map[string]struct{}{},
		actions: map[string]map[string]string{}, named: map[string]permission{}, resources: d.resources,
	}
	edges := d.edges()
	d.refuseCircles(edges)
	for _, name := range d.order {
		c.scopes = append(c.scopes, d.scopes[name].Scope)
		c.closure[name] = reach(edges, name)
	}
	slices.SortFunc(c.scopes, func(a, b storage.Scope) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(c.resources, func(a, b Resource) int { return cmp.Compare(a.Name, b.Name) })
	for role, items := range d.roles {
		c.permitted[role] = d.permit(c, items)
	}
	for _, role := range []storage.Role{storage.RoleOwner, storage.RoleAdmin} {
		if may := c.permitted[role]; may != nil {
			may[ScopeOrgRead], may[ScopeOrgWrite] = struct{}{}, struct{}{}
		}
	}
	for _, r := range c.resources {
		c.actions[r.Name] = map[string]string{}
		for _, a := range r.Actions {
			c.actions[r.Name][a.Name], c.named[a.Scope] = a.Scope, permission{r.Name, a.Name}
		}
	}
	return c
}

// edges are the scopes that each scope implies by itself.
func (d *draft) edges() map[string][]string {
	out := map[string][]string{}
	for _, name := range d.order {
		s := d.scopes[name]
		for _, item := range s.implies {
			if to, ok := d.resolve(s, item); ok {
				out[name] = append(out[name], to)
			}
		}
	}
	return out
}

// resolve finds what an entry of implies means: an action of the same resource, or a
// whole scope. Nothing else is tried: a pattern is no scope.
func (d *draft) resolve(s *scope, item strictyaml.Item) (string, bool) {
	sibling, isAction := s.siblings[item.Value]
	_, isScope := d.scopes[item.Value]
	switch {
	case isAction && sibling == "":
		return "", false // what is wrong with that action is noted
	case isAction && isScope && sibling != item.Value:
		item.Problem("%q is an action of this resource and a scope, too: write the scope %q, or rename one", item.Value, sibling)
	case isAction:
		return sibling, d.scopes[sibling] != nil
	case isScope:
		return item.Value, true
	case s.siblings != nil:
		d.unknown(item, "there is no action of this resource and no scope")
	default:
		d.unknown(item, "there is no scope")
	}
	return "", false
}

// unknown notes what names no scope, unless it may name one that could not be read:
// what is wrong with that one is noted where it is declared.
func (d *draft) unknown(item strictyaml.Item, what string) {
	if d.maybe(item.Value) {
		return
	}
	hint := ""
	if strings.ContainsRune(item.Value, '*') {
		hint = "; there are no patterns, each scope is named"
	}
	item.Problem("%s %q%s", what, item.Value, hint)
}

// refuseCircles notes scopes that imply themselves by way of others: they would be
// one permission under several names, which nobody means.
func (d *draft) refuseCircles(edges map[string][]string) {
	done := map[string]bool{} // true: no circle starts here, or it is noted
	for _, name := range d.order {
		d.follow(edges, done, nil, name)
	}
}

func (d *draft) follow(edges map[string][]string, done map[string]bool, path []string, name string) {
	if i := slices.Index(path, name); i >= 0 {
		d.scopes[name].at.Problem("the scopes imply each other in a circle: %s", strings.Join(append(path[i:], name), ", "))
		return
	}
	if done[name] {
		return
	}
	for _, next := range edges[name] {
		d.follow(edges, done, append(path, name), next)
	}
	done[name] = true
}

// reach returns a scope with all that it implies, sorted.
func reach(edges map[string][]string, from string) []string {
	out, seen := []string{from}, map[string]bool{from: true}
	for i := 0; i < len(out); i++ {
		for _, next := range edges[out[i]] {
			if !seen[next] {
				out, seen[next] = append(out, next), true
			}
		}
	}
	slices.Sort(out)
	return out
}

// permit returns what the entries of a role permit.
func (d *draft) permit(c *Catalogue, items []strictyaml.Item) map[string]struct{} {
	out := map[string]struct{}{}
	for _, item := range items {
		switch all, known := c.closure[item.Value]; {
		case item.Value == everyScope && len(items) > 1:
			item.Problem("%q is every scope: the others beside it say nothing", everyScope)
		case item.Value == everyScope:
			all = d.order
			fallthrough
		case known:
			for _, s := range all {
				out[s] = struct{}{}
			}
		case slices.Contains(openID, item.Value):
			item.Problem("%q is a scope of OpenID Connect, which is in no catalogue", item.Value)
		default:
			d.unknown(item, "there is no scope")
		}
	}
	return out
}
