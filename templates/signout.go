package templates

import "io"

// SignOutPage asks before sessions end.
type SignOutPage struct {
	Action    string
	Hidden    []Field // anti-forgery token, handle of the logout request
	AppName   string  // the app that asked; empty when the person came by themselves
	Sessions  []SessionItem
	Unproved  bool   // something that the app said does not hold: the person stays here afterwards
	CancelURL string // a path on this origin to stay signed in; empty hides the link
}

// SessionItem is one signed-in tenant that signing out will end.
type SessionItem struct {
	TenantName string
	User       string // usually an e-mail address
	Everywhere bool   // signing out ends every session of the person there, and every app's access
}

// SignedOutPage says that the sessions have ended.
type SignedOutPage struct {
	AppName   string        // the app to go back to
	Left      []SessionItem // where the person is still signed in
	ReturnURL string        // the app's registered post_logout_redirect_uri, or a path on this origin; empty hides the link
}

var (
	signOut   = document("signout")
	signedOut = document("signed_out")
)

// SignOut writes the confirmation page. It posts the Hidden fields and nothing else.
func SignOut(w io.Writer, p SignOutPage) error { return render(w, signOut, p) }

// SignedOut writes the page after it. A ReturnURL that no browser should follow gives [ErrUnsafeURL].
func SignedOut(w io.Writer, p SignedOutPage) error {
	link, err := optionalURL(p.ReturnURL)
	if err != nil {
		return err
	}
	return render(w, signedOut, signedOutView{p, link})
}
