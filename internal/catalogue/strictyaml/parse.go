package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxFile is the size of the largest file that is read, in bytes.
const MaxFile = 1 << 20

// place is how the library says where the syntax is wrong.
var place = regexp.MustCompile(`^line (\d+): `)

// Parse returns the one document of a file. False: the problem is noted, and
// there is nothing to read.
func Parse(n *Notes, body []byte) (Node, bool) {
	if len(body) > MaxFile {
		n.Add(0, "the file is larger than 1 MiB")
		return Node{}, false
	}
	if !utf8.Valid(body) {
		n.Add(0, "the file is not UTF-8")
		return Node{}, false
	}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		n.Add(0, "the file is empty")
		return Node{}, false
	} else if err != nil {
		n.syntax(err)
		return Node{}, false
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		n.Add(second.Line, "a second document starts here: the file is one")
	} else if !errors.Is(err, io.EOF) {
		n.syntax(err)
	}
	return Read(n, doc.Content[0], ""), true
}

func (n *Notes) syntax(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if m := place.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	n.Add(line, "this is no YAML: %s", text)
}
