package templates

import "io"

// SignedInPage is the overview for somebody who comes to the sign-in without an app that sent them: where this browser is
// signed in.
type SignedInPage struct {
	Sessions   []SessionItem // at least one; without any, the sign-in itself is the page to show
	AccountURL string        // the person's own pages; empty hides the link
	SignOutURL string        // where signing out is asked for: a path on this origin
	SignInURL  string        // where one more organization can be signed in to; empty hides the link
}

var signedIn = document("signed_in")

// SignedIn writes the page. It has links and no form.
func SignedIn(w io.Writer, p SignedInPage) error { return render(w, signedIn, p) }
