package main

import (
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// What the YAML library says of a file that does not fit Config. It names Go's
// types, which nobody who runs a server has to know.
var (
	unknownKey = regexp.MustCompile(`^line (\d+): field (.*) not found in type .*$`)
	noGroup    = regexp.MustCompile(`^line (\d+): cannot unmarshal (.*) into (struct |main\.).*$`)
	goType     = regexp.MustCompile(` in type .*$`)
)

// explainYAML says one of the library's complaints about body in plain words.
func explainYAML(complaint string, body []byte) string {
	if m := unknownKey.FindStringSubmatch(complaint); m != nil {
		return keyPath(body, m[1], m[2]) + ": no such key (line " + m[1] + ")"
	}
	if m := noGroup.FindStringSubmatch(complaint); m != nil {
		return "line " + m[1] + ": keys belong here, not " + m[2]
	}
	return goType.ReplaceAllString(complaint, "")
}

// keyPath is a key with the keys that it stands under, as introspection.cache_mib.
func keyPath(body []byte, line, key string) string {
	var file yaml.Node
	n, err := strconv.Atoi(line)
	if err != nil || yaml.Unmarshal(body, &file) != nil || len(file.Content) == 0 {
		return key
	}
	if path := pathBelow(file.Content[0], n, key); path != "" {
		return path
	}
	return key
}

// pathBelow looks for a key of that line below a node; "" when it is not there.
func pathBelow(n *yaml.Node, line int, key string) string {
	if n.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Line == line && k.Value == key {
			return key
		}
		if path := pathBelow(v, line, key); path != "" {
			return k.Value + "." + path
		}
	}
	return ""
}
