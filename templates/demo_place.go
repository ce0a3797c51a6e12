package templates

import "io"

// DemoPlacePage is a page of the demonstration's own programs, beside their purpose: what this place is, and where to go.
type DemoPlacePage struct {
	Place    string // what the program calls itself; stands above the page
	Provider bool   // it is the identity provider, and has that one's mark
	Title    string
	Text     string
	Code     int // HTTP status, shown for one that is an error; 0 hides it

	LinkURL   string // where to go on: a path on this origin or an http or https URL; empty hides the link
	LinkLabel string
	Also      []DemoLink // addresses that are of use here
}

// DemoLink is one address with its name.
type DemoLink struct {
	Name string
	Path string // on this origin
}

var demoPlace = document("demo_place")

// DemoPlace writes the page. A LinkURL that no browser should follow gives [ErrUnsafeURL].
func DemoPlace(w io.Writer, p DemoPlacePage) error {
	if _, err := optionalURL(p.LinkURL); err != nil {
		return err
	}
	return render(w, demoPlace, p)
}
