package templates

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// parsed renders a page and returns its tree.
func parsed(t *testing.T, write writer) *html.Node {
	t.Helper()
	var page bytes.Buffer
	if err := write(&page); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// elements returns the elements with one of the names, or all elements when no name is given.
func elements(root *html.Node, names ...string) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || n.Data == name
		}
		if wanted {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// byID returns the only element with an id.
func byID(t *testing.T, root *html.Node, id string) *html.Node {
	t.Helper()
	var found []*html.Node
	for _, n := range elements(root) {
		if attr(n, "id") == id {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d elements have the id %q, want one", len(found), id)
	}
	return found[0]
}

// text is what a person reads in n, with runs of white space as one space.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "script" && d.Parent.Data != "style" {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// hidden collects the hidden fields of a page's forms.
func hidden(root *html.Node) map[string]string {
	fields := map[string]string{}
	for _, n := range elements(root, "input") {
		if attr(n, "type") == "hidden" {
			fields[attr(n, "name")] = attr(n, "value")
		}
	}
	return fields
}

// refreshTarget is the content of the page's only meta refresh.
func refreshTarget(t *testing.T, root *html.Node) string {
	t.Helper()
	for _, n := range elements(root, "meta") {
		if attr(n, "http-equiv") == "refresh" {
			return attr(n, "content")
		}
	}
	t.Fatal("no meta refresh")
	return ""
}
