package catalogue

import (
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// The scopes that every catalogue has: those of the management API. Owners and
// administrators may administer their organization whatever a file says of roles.
const (
	ScopeKeysRead  = "api-keys:read"
	ScopeKeysWrite = "api-keys:write"
	ScopeOrgRead   = "organization:read"
	ScopeOrgWrite  = "organization:write"
)

// IssueCredentials are the scopes whose holder can let others in: by API keys, by
// connections, by roles. No API key hands them on.
func IssueCredentials() []string { return []string{ScopeKeysWrite, ScopeOrgWrite} }

// Own reports whether a scope is of the management API.
func Own(scope string) bool {
	return slices.ContainsFunc(builtIn(), func(s storage.Scope) bool { return s.Name == scope })
}

// Catalogue is a deployment's scopes with what each implies, and the roles with what
// each permits. It does not change, and is safe for concurrent use. A nil Catalogue
// is that of a deployment that declares none: it implies and restricts nothing.
type Catalogue struct {
	scopes []storage.Scope // sorted by name
	// closure is, of each scope, itself and all that it implies, sorted.
	closure map[string][]string
	// permitted is what each role may, with all that is implied.
	permitted map[storage.Role]map[string]struct{}
	resources []Resource // sorted by name
	// actions are, of each resource, the scopes by action, and named the way back.
	actions map[string]map[string]string
	named   map[string]permission
	// maybe reports of a file with problems whether a scope may be one that could not
	// be read; nil: the file has none.
	maybe func(scope string) bool
}

// Resource is a kind of thing that a product has, with what can be done to it.
type Resource struct {
	Name        string
	Description string   // a noun phrase: "Monitors and their check runs"
	Actions     []Action // in the file's order
}

// Action is one thing that can be done to a resource, and the scope that it takes.
type Action struct{ Name, Scope string }

// permission is one action of one resource.
type permission struct{ resource, action string }

// Expand returns the scopes with everything that they imply, sorted, each once. A
// scope that the catalogue does not know stays as it is.
func (c *Catalogue) Expand(scopes []string) []string {
	if c == nil {
		return scopes
	}
	out := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if all, known := c.closure[s]; known {
			out = append(out, all...)
		} else {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Effective returns what the scopes are good for in the hands of somebody who has
// that role now: all that they imply, and of it what the role permits. Without a role
// ("", a machine or a service key) it is all that they imply. A scope that the
// catalogue does not know, because it was taken out, is good for nobody.
func (c *Catalogue) Effective(scopes []string, role storage.Role) []string {
	if c == nil {
		return scopes
	}
	out := c.Expand(scopes)
	if role == "" {
		return slices.DeleteFunc(out, func(s string) bool { return !c.Known(s) })
	}
	permitted := c.permitted[role]
	return slices.DeleteFunc(out, func(s string) bool {
		_, ok := permitted[s]
		return !ok
	})
}

// Permitted returns all that a role permits, sorted; of "" every scope. A nil
// Catalogue cannot list them: nil.
func (c *Catalogue) Permitted(role storage.Role) []string {
	if c == nil {
		return nil
	}
	all := make([]string, len(c.scopes))
	for i, s := range c.scopes {
		all[i] = s.Name
	}
	return c.Effective(all, role)
}

// Known reports whether there is such a scope. To a nil Catalogue every scope may be
// one: nobody has said which there are. In that of a file with problems it may be one
// that could not be read.
func (c *Catalogue) Known(scope string) bool {
	if c == nil {
		return true
	}
	_, known := c.closure[scope]
	return known || c.maybe != nil && c.maybe(scope)
}

// Scopes returns every scope with its sentence, sorted by name; those that are built
// in, of a nil Catalogue.
func (c *Catalogue) Scopes() []storage.Scope { return slices.Clone(c.orBuiltIn().scopes) }

// Resources returns every resource, sorted by name; that which is built in, of a nil
// Catalogue.
func (c *Catalogue) Resources() []Resource { return slices.Clone(c.orBuiltIn().resources) }

// nothing is a catalogue of which no file says anything.
var nothing = func() *Catalogue {
	d := newDraft()
	d.addBuiltIn()
	return d.compile()
}()

func (c *Catalogue) orBuiltIn() *Catalogue {
	if c == nil {
		return nothing
	}
	return c
}

// builtIn are the scopes that are in every catalogue.
func builtIn() []storage.Scope {
	return []storage.Scope{
		{Name: ScopeKeysRead, Description: "See your API keys and how they are used"},
		{Name: ScopeKeysWrite, Description: "Create, change and revoke API keys, with any of your rights", Sensitive: true},
		{Name: ScopeOrgRead, Description: "See your organization's people, sessions and sign-in settings"},
		{Name: ScopeOrgWrite, Description: "Change who can sign in to your organization, and with which role", Sensitive: true},
	}
}

func builtInResources() []Resource {
	return []Resource{
		{Name: "api-keys", Description: "API keys", Actions: []Action{{"read", ScopeKeysRead}, {"write", ScopeKeysWrite}}},
		{Name: "organization", Description: "The organization itself", Actions: []Action{{"read", ScopeOrgRead}, {"write", ScopeOrgWrite}}},
	}
}
