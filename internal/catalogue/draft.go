package catalogue

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/internal/catalogue/strictyaml"
	"github.com/watchgate/watchgate/storage"
)

// What a file may hold.
const (
	maxScopes      = 500
	maxDescription = 200 // characters
	everyScope     = "*" // in a role
)

var (
	scopeName = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,100}$`) // RFC 6749 section 3.3
	plainName = regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*$`)
	// openID are the engine's own scopes (OpenID Connect Core sections 5.4 and 11).
	openID = []string{"openid", "profile", "email", "address", "phone", "offline_access"}
)

// draft is a catalogue that is being read.
type draft struct {
	scopes    map[string]*scope
	order     []string // the names of scopes, in the file's order
	full      bool     // more scopes than that are not read
	resources []Resource
	roles     map[storage.Role][]strictyaml.Item
	// unread are the names of scopes that stand in the file, read or not; and nameless
	// the actions of which no scope could be read.
	unread   map[string]bool
	nameless []permission
}

// scope is one that a file declares.
type scope struct {
	storage.Scope
	at      strictyaml.Node // where it is declared
	implies []strictyaml.Item
	// siblings are, of an action's scope, the scopes of its resource's actions by the
	// actions' names.
	siblings map[string]string
}

func newDraft() *draft {
	return &draft{scopes: map[string]*scope{}, roles: map[storage.Role][]strictyaml.Item{}}
}

func (d *draft) readResources(n strictyaml.Node) {
	for _, r := range n.Entries() {
		checkPlain(r, "resource")
		parts := r.Group("description", "actions")
		resource := Resource{Name: r.Name, Description: description(r, parts)}
		actions, ok := parts["actions"]
		if !ok {
			if r.IsGroup() {
				r.Problem("actions are missing: name what can be done to it")
			}
			d.nameless = append(d.nameless, permission{resource: r.Name})
			continue
		}
		resource.Actions = d.readActions(r.Name, actions)
		d.resources = append(d.resources, resource)
	}
}

func (d *draft) readActions(resource string, n strictyaml.Node) []Action {
	var out []Action
	siblings := map[string]string{}
	if n.IsGroup() && n.Length() == 0 {
		n.Problem("name at least one action")
	}
	for _, a := range n.Entries() {
		checkPlain(a, "action")
		name := d.readAction(a, siblings)
		if siblings[a.Name] = name; name == "" {
			d.nameless = append(d.nameless, permission{resource, a.Name})
			continue
		}
		out = append(out, Action{a.Name, name})
	}
	return out
}

// readAction returns the scope of an action; "": it could not be read.
func (d *draft) readAction(a strictyaml.Node, siblings map[string]string) string {
	parts := a.Group("scope", "description", "sensitive", "implies")
	at, ok := parts["scope"]
	if !ok {
		if a.IsGroup() {
			a.Problem("scope is missing")
		}
		return ""
	}
	name, ok := at.Text()
	if ok {
		d.declare(name, at, a, parts, siblings)
	}
	return name
}

func (d *draft) readScopes(n strictyaml.Node) {
	for _, s := range n.Entries() {
		d.declare(s.Name, s, s, s.Group("description", "sensitive", "implies"), nil)
	}
}

// declare notes a scope: at is where its name stands, and owner what its parts are
// parts of.
func (d *draft) declare(name string, at, owner strictyaml.Node, parts strictyaml.Group, siblings map[string]string) {
	s := &scope{at: at, siblings: siblings}
	s.Name, s.Description = name, description(owner, parts)
	if n, ok := parts["sensitive"]; ok {
		s.Sensitive = n.Flag()
	}
	if n, ok := parts["implies"]; ok {
		s.implies = n.Texts()
	}
	if first, twice := d.scopes[name]; twice {
		at.Problem("the scope %q is declared in line %d already: two actions need two scopes, and may imply each other's", name, first.at.Line)
		return
	}
	if !checkScope(at, name) {
		return
	}
	if len(d.order) == maxScopes {
		if !d.full {
			at.Problem("there are more than %d scopes", maxScopes)
		}
		d.full = true
		return
	}
	d.scopes[name], d.order = s, append(d.order, name)
}

func checkScope(at strictyaml.Node, name string) bool {
	switch {
	case name == everyScope:
		at.Problem("%q stands for every scope in a role, and is none itself", name)
	case slices.Contains(openID, name):
		at.Problem("%q is a scope of OpenID Connect, which is there without being declared", name)
	case !scopeName.MatchString(name):
		at.Problem("the scope %q has characters that RFC 6749 section 3.3 does not allow, or more than 100", name)
	default:
		return true
	}
	return false
}

func checkPlain(n strictyaml.Node, what string) {
	if len(n.Name) > 50 || !plainName.MatchString(n.Name) {
		n.Problem("%q is no name of a %s: use lower-case letters and digits, joined by - or _, at most 50", n.Name, what)
	}
}

// description returns what people read on consent and key pages.
func description(owner strictyaml.Node, parts strictyaml.Group) string {
	n, ok := parts["description"]
	if !ok && !owner.IsGroup() {
		return "" // what it is instead is noted
	}
	if !ok {
		owner.Problem("description is missing: people read it when they consent and when they make keys")
		return ""
	}
	text, ok := n.Text()
	switch {
	case !ok:
	case strings.TrimSpace(text) != text || text == "":
		n.Problem("a sentence belongs here, without spaces around it")
	case utf8.RuneCountInString(text) > maxDescription:
		n.Problem("the sentence has more than %d characters", maxDescription)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		n.Problem("the sentence has characters that do not print, or more than one line")
	}
	return text
}

func (d *draft) readRoles(n strictyaml.Node) {
	for _, r := range n.Entries() {
		if !slices.Contains(roles, storage.Role(r.Name)) {
			r.Problem("no such role; there are owner, admin, member, viewer")
			continue
		}
		d.roles[storage.Role(r.Name)] = r.Texts()
	}
}

// addBuiltIn adds what every catalogue has. A file may have said it in its own words;
// what is sensitive stays so.
func (d *draft) addBuiltIn() {
	for _, s := range builtIn() {
		if own, ok := d.scopes[s.Name]; ok {
			own.Sensitive = own.Sensitive || s.Sensitive
			continue
		}
		d.scopes[s.Name], d.order = &scope{Scope: s}, append(d.order, s.Name)
	}
	for _, own := range builtInResources() {
		if !slices.ContainsFunc(d.resources, func(r Resource) bool { return r.Name == own.Name }) {
			d.resources = append(d.resources, own)
		}
	}
}
