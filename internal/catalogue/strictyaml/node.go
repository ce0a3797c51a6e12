package strictyaml

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxShown is how much of a wrong value a problem repeats, in bytes.
const maxShown = 60

// Node is one value of a file. What it is asked for and is not, it notes as a
// problem.
type Node struct {
	// Name is the key that it stands under, and Path that key with those above it,
	// as keys.profiles.live. An item of a list has its list's.
	Name, Path string
	Line       int
	raw        *yaml.Node
	notes      *Notes
}

// Read returns a node of the YAML library; path is where it stands.
func Read(n *Notes, raw *yaml.Node, path string) Node {
	return Node{Name: path[strings.LastIndexByte(path, '.')+1:], Path: path, Line: raw.Line, raw: raw, notes: n}
}

// Raw returns the node as the YAML library read it.
func (n Node) Raw() *yaml.Node { return n.raw }

// Problem notes what is wrong with the node, after its path.
func (n Node) Problem(format string, args ...any) {
	if n.Path != "" {
		format, args = "%s: "+format, append([]any{n.Path}, args...)
	}
	n.notes.Add(n.Line, format, args...)
}

// Noted is how many problems the file has so far.
func (n Node) Noted() int { return n.notes.Count() }

// Entries are the keys of a group with their values, in the file's order. A key
// that is there twice is a problem.
func (n Node) Entries() []Node {
	if n.raw.Kind != yaml.MappingNode {
		n.Problem("keys belong here, not %s", n.kind())
		return nil
	}
	lines := map[string]int{}
	var out []Node
	for i := 0; i+1 < len(n.raw.Content); i += 2 {
		k, v := n.raw.Content[i], n.raw.Content[i+1]
		child := Node{Name: k.Value, Path: n.under(k.Value), Line: k.Line, raw: v, notes: n.notes}
		switch first, twice := lines[k.Value]; {
		case !textual(k):
			child.Problem("a key is a word, not %s", Node{raw: k}.kind())
		case twice:
			child.Problem("is there twice: first in line %d", first)
		default:
			lines[k.Value] = k.Line
			out = append(out, child)
		}
	}
	return out
}

func (n Node) under(name string) string {
	if n.Path == "" {
		return name
	}
	return n.Path + "." + name
}

// Group are the values of a group, by key.
type Group map[string]Node

// Group returns the values of a group. A key that is none of known is a problem.
func (n Node) Group(known ...string) Group {
	g := Group{}
	for _, e := range n.Entries() {
		if !slices.Contains(known, e.Name) {
			e.Problem("no such key; there are %s", strings.Join(known, ", "))
			continue
		}
		g[e.Name] = e
	}
	return g
}

// Text returns a text. False: it is none, which is noted.
func (n Node) Text() (string, bool) {
	if !textual(n.raw) {
		n.Problem("a text belongs here, not %s", n.kind())
		return "", false
	}
	return n.raw.Value, true
}

// Texts returns the texts of a list; what is none is left out. An entry that is
// there twice is a problem.
func (n Node) Texts() []Item {
	if n.raw.Kind != yaml.SequenceNode {
		n.Problem("a list in [ ] belongs here, not %s", n.kind())
		return nil
	}
	out := make([]Item, 0, len(n.raw.Content))
	for _, raw := range n.raw.Content {
		item := Item{Node: Node{Name: n.Name, Path: n.Path, Line: raw.Line, raw: raw, notes: n.notes}}
		if !textual(raw) {
			item.Problem("a text belongs here, not %s", item.kind())
			continue
		}
		item.Value = raw.Value
		if slices.ContainsFunc(out, func(o Item) bool { return o.Value == item.Value }) {
			item.Problem("%q is there twice", item.Value)
			continue
		}
		out = append(out, item)
	}
	return out
}

// Length is how many values a list or a group has; 0 of anything else.
func (n Node) Length() int {
	if n.raw.Kind == yaml.MappingNode {
		return len(n.raw.Content) / 2
	}
	if n.raw.Kind == yaml.SequenceNode {
		return len(n.raw.Content)
	}
	return 0
}

// IsGroup reports whether it has keys.
func (n Node) IsGroup() bool { return n.raw.Kind == yaml.MappingNode }

// EmptyList reports whether it is a list with nothing in it.
func (n Node) EmptyList() bool { return n.raw.Kind == yaml.SequenceNode && len(n.raw.Content) == 0 }

// Is reports whether it is that scalar, with or without quotes.
func (n Node) Is(value string) bool { return n.raw.Kind == yaml.ScalarNode && n.raw.Value == value }

// Item is a text of a list.
type Item struct {
	Node
	Value string
}

// Values are the texts of items.
func Values(items []Item) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = item.Value
	}
	return out
}

// Flag returns true or false; false when it is neither.
func (n Node) Flag() bool {
	if n.raw.Kind != yaml.ScalarNode || n.raw.ShortTag() != "!!bool" {
		n.Problem("true or false belongs here, not %s", n.kind())
		return false
	}
	var b bool
	if err := n.raw.Decode(&b); err != nil {
		n.Problem("true or false belongs here")
	}
	return b
}

// Count returns a whole number from 1 to most; 0 when it is none.
func (n Node) Count(most int) int {
	i, err := strconv.Atoi(n.raw.Value)
	if n.raw.Kind != yaml.ScalarNode || n.raw.ShortTag() != "!!int" || err != nil || i < 1 || i > most {
		n.Problem("a whole number from 1 to %d belongs here, not %s", most, n.kind())
		return 0
	}
	return i
}

func textual(raw *yaml.Node) bool { return raw.Kind == yaml.ScalarNode && raw.ShortTag() == "!!str" }

// kind says what a node is, for who wrote it.
func (n Node) kind() string {
	switch n.raw.Kind {
	case yaml.MappingNode:
		return "keys"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*name): write it out"
	}
	if n.raw.ShortTag() == "!!null" {
		return "nothing"
	}
	value := n.raw.Value
	if len(value) > maxShown {
		value = strings.ToValidUTF8(value[:maxShown], "") + "..."
	}
	return strconv.Quote(value)
}
