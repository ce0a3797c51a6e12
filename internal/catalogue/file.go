package catalogue

import (
	"regexp"

	"gopkg.in/yaml.v3"

	"github.com/watchgate/watchgate/internal/catalogue/strictyaml"
	"github.com/watchgate/watchgate/storage"
)

// Problem is one thing that is wrong with a file.
type Problem = strictyaml.Problem

// Problems is everything that is wrong with a file, by line.
type Problems = strictyaml.Problems

// File is what a product file says.
type File struct {
	Name      string // as it was given to Parse
	Catalogue *Catalogue
	Errors    ErrorCodes
	// Keys is the part about API keys, which package apikey reads; nil: there is none.
	Keys *yaml.Node
}

// ErrorCodes are the words in which a product's API says no, in the bodies of its 401
// and 403.
type ErrorCodes struct{ Unauthenticated, Forbidden string }

// DefaultErrorCodes are those of a product that declares none.
func DefaultErrorCodes() ErrorCodes {
	return ErrorCodes{Unauthenticated: "unauthenticated", Forbidden: "forbidden"}
}

var errorCode = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// Parse reads a product file; name is how problems call it. The error is [Problems]:
// everything that is wrong with it, but for what is wrong under keys. The File is never
// nil. With an error it is what could be read, so that keys can be read too, and both
// be told at once; it is not to be served.
func Parse(name string, body []byte) (*File, error) {
	notes := strictyaml.NewNotes(name)
	f := &File{Name: name, Errors: DefaultErrorCodes()}
	if root, ok := strictyaml.Parse(notes, body); ok {
		f.read(notes, root)
	}
	return f, notes.Err()
}

// Together returns what was found wrong with a file and with the keys in it as one
// list, by line; nil when there is nothing.
func Together(errs ...error) error { return strictyaml.Together(errs...) }

func (f *File) read(notes *strictyaml.Notes, root strictyaml.Node) {
	parts := root.Group("resources", "scopes", "roles", "errors", "keys")
	d := newDraft()
	d.unread = collectNames(root.Raw())
	if n, ok := parts["resources"]; ok {
		d.readResources(n)
	}
	if n, ok := parts["scopes"]; ok {
		d.readScopes(n)
	}
	d.addBuiltIn()
	if n, ok := parts["roles"]; ok {
		d.readRoles(n)
	} else {
		notes.Add(root.Line, "roles is missing: nobody could do anything")
	}
	if n, ok := parts["errors"]; ok {
		f.readErrors(n)
	}
	if n, ok := parts["keys"]; ok {
		f.Keys = n.Raw()
	}
	f.Catalogue = d.compile()
	if notes.Count() > 0 {
		f.Catalogue.maybe = d.maybe
	}
}

func (f *File) readErrors(n strictyaml.Node) {
	codes := n.Group("unauthenticated", "forbidden")
	for name, at := range map[string]*string{"unauthenticated": &f.Errors.Unauthenticated, "forbidden": &f.Errors.Forbidden} {
		n, ok := codes[name]
		if !ok {
			continue
		}
		text, ok := n.Text()
		if *at = text; ok && !errorCode.MatchString(text) {
			n.Problem("%q is no error code: use lower-case letters, digits and _, at most 64", text)
		}
	}
}

// roles are those that there are, from most to least.
var roles = []storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer}
