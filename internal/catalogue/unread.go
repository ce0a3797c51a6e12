package catalogue

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// maybe reports whether a name may be that of a scope which could not be read: it
// stands in the file as one, or it is made of the names of a resource and an action
// without one. What is wrong there is noted, and is not to be told twice.
func (d *draft) maybe(name string) bool {
	if d.unread[name] {
		return true
	}
	for _, p := range d.nameless {
		if strings.Contains(name, p.resource) && strings.Contains(name, p.action) {
			return true
		}
	}
	return false
}

// collectNames are the names under which a file declares scopes, wherever they stand:
// also what is there twice, or under a key that nobody knows.
func collectNames(root *yaml.Node) map[string]bool {
	names := map[string]bool{}
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		switch key, value := root.Content[i].Value, root.Content[i+1]; key {
		case "roles", "errors", "keys":
		case "resources":
			collectScopes(names, value)
		default: // scopes, or what was meant to be one of them
			collectScopes(names, value)
			collectKeys(names, value)
		}
	}
	return names
}

// collectScopes adds the values of every key "scope".
func collectScopes(names map[string]bool, n *yaml.Node) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "scope" && child.Kind == yaml.ScalarNode {
			names[child.Value] = true
		}
		collectScopes(names, child)
	}
}

// collectKeys adds what is named in a group, or in a list.
func collectKeys(names map[string]bool, n *yaml.Node) {
	for i, child := range n.Content {
		if child.Kind == yaml.ScalarNode && (n.Kind == yaml.SequenceNode || i%2 == 0) {
			names[child.Value] = true
		}
	}
}
