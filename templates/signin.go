package templates

import "io"

// Sentences for [SignInPage.Error].
const (
	// EmailMalformed answers an entry that is not an e-mail address.
	EmailMalformed = "Enter your work e-mail address, like name@company.com."
	// EmailMissing answers an empty entry.
	EmailMissing = "Enter your work e-mail address to continue."
)

// SignInPage asks for the e-mail address that decides where the person signs in.
type SignInPage struct {
	Action  string // path that the form posts to
	State   State
	AppName string // the app that asked; empty when a person came by themselves
	Email   string // what the field holds at first: a login_hint, or the entry that was refused
	Error   string // one of the sentences above; empty on the first showing
}

// FieldEmail is the name of the e-mail field of [SignIn].
const FieldEmail = "email"

var signIn = document("signin")

// SignIn writes the e-mail page. It posts the fields "email", "transaction" and "verifier".
func SignIn(w io.Writer, p SignInPage) error { return render(w, signIn, p) }
