package walk

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// form is a form with its fields and buttons.
type form struct {
	method, action string
	fields         url.Values
	buttons        []button
}

type button struct{ id, name, val string }

func (b button) value() url.Values {
	if b.name == "" {
		return nil
	}
	return url.Values{b.name: {b.val}}
}

func (p *Page) find(name string) (form, button, bool) {
	for _, f := range p.forms {
		for _, b := range f.buttons {
			if b.id == name || b.name+"="+b.val == name {
				return f, b, true
			}
		}
	}
	return form{}, button{}, false
}

func formsOf(n *html.Node) []form {
	if n.Type == html.ElementNode && n.Data == "form" {
		f := form{method: strings.ToUpper(attr(n, "method")), action: attr(n, "action"), fields: url.Values{}}
		if f.method == "" {
			f.method = http.MethodGet
		}
		f.read(n)
		return []form{f}
	}
	var out []form
	for c := range n.ChildNodes() {
		out = append(out, formsOf(c)...)
	}
	return out
}

// read collects the fields and buttons below n.
func (f *form) read(n *html.Node) {
	for c := range n.Descendants() {
		if c.Type != html.ElementNode {
			continue
		}
		kind, name := strings.ToLower(attr(c, "type")), attr(c, "name")
		switch {
		case c.Data == "button" && kind != "button", c.Data == "input" && kind == "submit":
			f.buttons = append(f.buttons, button{attr(c, "id"), name, attr(c, "value")})
		case c.Data == "input" && name != "" && (kind != "checkbox" && kind != "radio" || has(c, "checked")):
			f.fields.Add(name, attr(c, "value"))
		}
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

// collect appends the words below n that a person reads.
func collect(n *html.Node, words *[]string) {
	if n.Type == html.ElementNode && (n.Data == "style" || n.Data == "script" || n.Data == "title" || n.Data == "svg") {
		return
	}
	if n.Type == html.TextNode {
		*words = append(*words, strings.Fields(n.Data)...)
	}
	for c := range n.ChildNodes() {
		collect(c, words)
	}
}
