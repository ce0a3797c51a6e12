package templates

import (
	"html/template"
	"io"
)

// FormPostScriptHash names the only script on the [FormPost] page. In a Content-Security-Policy it stands between single
// quotes: script-src 'sha256-...'.
const FormPostScriptHash = "sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE="

// FormPostPage sends an authorization response by response_mode=form_post (OAuth 2.0 Form Post Response Mode 1.0).
type FormPostPage struct {
	Action  string  // the validated redirect_uri: http or https
	Fields  []Field // response parameters, in order
	AppName string
}

// ContinuePage leaves for URL. After a POST a browser checks form-action on each hop of a redirect, so the answer to the
// consent form is this page and not a 303 to the app.
type ContinuePage struct {
	URL     string // the validated redirect_uri with the response's parameters; http, https or a private-use scheme
	AppName string
	Host    string // where the link leads, in words for the person
	Manual  bool   // do not go by itself: the person decides (an app that nobody has verified)
}

// The views carry URLs that have been checked, in the type by which html/template lets private-use schemes through.
type (
	formPostView struct {
		FormPostPage
		Target template.URL
	}
	continueView struct {
		ContinuePage
		Target template.URL
	}
	errorView struct {
		ErrorPage
		Target template.URL
	}
	signedOutView struct {
		SignedOutPage
		Target template.URL
	}
)

var (
	formPost     = document("form_post")
	continuePage = document("continue")
)

// FormPost writes the page that submits itself, with a button for browsers that run no scripts. The response needs a
// Content-Security-Policy whose script-src holds [FormPostScriptHash] and whose form-action, if any, holds the origin of
// Action. An Action that is not http or https gives [ErrUnsafeURL].
func FormPost(w io.Writer, p FormPostPage) error {
	target, err := webURL(p.Action)
	if err != nil {
		return err
	}
	return render(w, formPost, formPostView{p, target})
}

// Continue writes a page that goes on to p.URL at once (or, with Manual, when the person says so), with a link that does the
// same. A URL whose scheme runs in the page's own origin (javascript:, data:, ...) gives [ErrUnsafeURL].
func Continue(w io.Writer, p ContinuePage) error {
	target, err := navigableURL(p.URL)
	if err != nil {
		return err
	}
	return render(w, continuePage, continueView{p, target})
}
