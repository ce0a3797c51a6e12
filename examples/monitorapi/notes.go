package monitorapi

import (
	"bytes"
	"cmp"
	"context"
	"net/http"

	"github.com/watchgate/watchgate/templates"
)

// Notes are what the page at / says once at its top, by the parameter note. They
// need no cookie, since a browser without cookies is one reason for a note; and
// whoever makes a link with one can say no more than these fixed sentences.
const (
	noteSignedOut     = "signed-out"
	noteNotRevoked    = "not-revoked"
	noteForeignAnswer = "foreign-answer"
)

var foreignAnswer = templates.DemoProblem{
	Title: "This browser did not take the answer.",
	Description: "It does not belong to a sign-in that began here: the answer was used before, came too late, was for another browser, " +
		"or this browser keeps no cookies. Nothing was changed. Sign in again.",
	Code: "invalid_request",
}

func redirectToNote(w http.ResponseWriter, r *http.Request, note string) {
	http.Redirect(w, r, "/?note="+note, http.StatusSeeOther)
}

// note adds what the request's note says.
func (a *app) note(r *http.Request, page *templates.DemoAppPage) {
	switch note := r.URL.Query().Get("note"); note {
	case noteForeignAnswer:
		p := foreignAnswer
		page.Problem = &p
	case noteSignedOut, noteNotRevoked:
		page.SignedOut = &templates.DemoSignedOut{Revoked: note == noteSignedOut, ServerURL: a.client.signOutURL(r.Context())}
	}
}

// signOutURL is where people end their session at the authorization server.
func (c *client) signOutURL(ctx context.Context) string {
	m, err := c.discover(ctx)
	if err != nil {
		m = metadata{}
	}
	return cmp.Or(m.SignOut, c.issuer+"/oauth2/logout")
}

// nothing answers what no other handler takes.
func (a *app) nothing(w http.ResponseWriter, _ *http.Request) {
	var buf bytes.Buffer
	err := templates.DemoPlace(&buf, templates.DemoPlacePage{
		Place: appName, Title: "There is nothing here", Code: http.StatusNotFound,
		Text:    "This is the demo app of a monitoring service. The app is one page; the API is below /t/, and wants an access token.",
		LinkURL: "/", LinkLabel: "Go to the app",
	})
	a.write(w, http.StatusNotFound, &buf, err)
}
