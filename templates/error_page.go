package templates

import "io"

// ErrorPage tells a person that something did not work. Nothing on it repeats the request's input.
type ErrorPage struct {
	Title    string
	Code     string // the OAuth error code, shown as text
	Reason   string // our own, finer code, when it differs from Code
	Happened string // what happened
	Todo     string // what to do
	// Detail is what an operator wrote about the case, for the people concerned: why a tenant is suspended. It is shown as
	// that, cut after 300 characters; empty for none. [Remark] adds whom to ask.
	Detail string
	// Reference is the request's id: the operator finds the request in the log by it.
	Reference string
	// Link leads on, when there is somewhere to go: a path on this origin or a registered URL. Both or neither.
	LinkURL   string
	LinkLabel string
}

// NewErrorPage fills a page for a code that [ErrorText] knows, with the OAuth error code that it stands for.
func NewErrorPage(code, reference string) ErrorPage {
	title, happened, todo := ErrorText(code)
	p := ErrorPage{Title: title, Code: OAuthCode(code), Happened: happened, Todo: todo, Reference: reference}
	if p.Code != code {
		p.Reason = code
	}
	return p
}

var errorPage = document("error")

// Error writes the page. A LinkURL that no browser should follow gives [ErrUnsafeURL].
func Error(w io.Writer, p ErrorPage) error {
	link, err := optionalURL(p.LinkURL)
	if err != nil {
		return err
	}
	return render(w, errorPage, errorView{p, link})
}
