package templates

import (
	"html/template"
	"io"
	"strings"
)

// WelcomePage is the page at the root of the server, for whoever types its address.
type WelcomePage struct {
	Issuer string // the issuer, an http or https URL; everything on the page is found from it
}

// welcomeView is a WelcomePage whose issuer may be linked to.
type welcomeView struct {
	Issuer string
	Base   template.URL // the issuer without a slash at its end
}

var welcome = document("welcome")

// Welcome writes the page: what this is, a way to the sign-in, and where programs find what they need. An Issuer that is not
// an http or https URL gives [ErrUnsafeURL].
func Welcome(w io.Writer, p WelcomePage) error {
	base, err := webURL(strings.TrimSuffix(p.Issuer, "/"))
	if err != nil {
		return err
	}
	return render(w, welcome, welcomeView{p.Issuer, base})
}
