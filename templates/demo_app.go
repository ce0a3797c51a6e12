package templates

import (
	"io"
	"net/http"
	"strings"
)

// DemoAppPage is the page at / of the demo monitoring API, in the part of an app that signs people in with Watchgate.
type DemoAppPage struct {
	AppName string // the client's name, as the consent page shows it

	// Before the sign-in.
	SignInURL string       // starts the authorization code flow: a path, which takes a login_hint
	People    []DemoPerson // who to be at the demo identity provider

	// After the sign-in; User is nil before it.
	User         *DemoUser
	Calls        []DemoCall
	CallAgainURL string // makes the calls once more with the same token; empty hides the link
	SignOut      string // path that the sign-out form posts to
	Hidden       []Field

	// Problem is shown at the top when a sign-in did not succeed, or has ended.
	Problem *DemoProblem
	// SignedOut is shown at the top after a sign-out of the app.
	SignedOut *DemoSignedOut
}

// DemoUser is what the app learned from the ID token and the token response.
type DemoUser struct {
	Name    string
	Email   string
	Tenant  string   // the tenant's display name
	Slug    string   // as in the API's paths
	Scopes  []string // granted
	Expires string   // when the access token ends, written for people
}

// DemoProblem says why there is no sign-in.
type DemoProblem struct {
	Title       string // one sentence: what happened
	Description string // error_description, or what to do; may be empty
	Code        string // the OAuth error code; empty when there is none
}

// DemoSignedOut says what a sign-out of the app ended, and what not.
type DemoSignedOut struct {
	Revoked   bool   // the server took the app's access back
	ServerURL string // where the session at the server is ended: an http or https URL
}

// DemoCall is one request to the API with the access token, and what came back.
type DemoCall struct {
	Method  string
	Path    string
	Status  int    // HTTP status of the answer; 0 when there was none
	Note    string // why the call is here and what its answer shows
	Refusal bool   // the app expects to be refused: a refusal is the good outcome
	Table   *DemoTable
	Body    string // the answer as text; shown folded beside a table, open without one
}

// DemoTable is a list from the API. Cells that hold a state of a monitor, a check or an alert are marked by colour as well.
type DemoTable struct {
	Caption string
	Columns []string
	Rows    [][]string
}

// StatusText is the number with its standard words.
func (c DemoCall) StatusText() string { return http.StatusText(c.Status) }

// AsExpected tells whether the answer is what the demo wants to show.
func (c DemoCall) AsExpected() bool {
	if c.Refusal {
		return c.Status >= 400 && c.Status < 500
	}
	return c.Status >= 200 && c.Status < 300
}

// Tone is the stylesheet's class for a cell that names a state; empty for all other cells.
func (DemoTable) Tone(cell string) string {
	switch strings.ToLower(cell) {
	case "up", "ok", "passing", "resolved", "closed", "success", "passed", "healthy":
		return "good"
	case "down", "failed", "failing", "critical", "error", "timeout":
		return "bad"
	case "open", "degraded", "warning", "acknowledged", "slow", "firing", "pending":
		return "warn"
	}
	return ""
}

var demoApp = document("demo_app")

// DemoApp writes the page for both states.
func DemoApp(w io.Writer, p DemoAppPage) error { return render(w, demoApp, p) }
