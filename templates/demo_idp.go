package templates

import "io"

// DemoIDPPage is the sign-in page of the demo identity provider: no password, one button for each person.
type DemoIDPPage struct {
	Action  string
	Hidden  []Field // the pending request's handle
	AppName string  // who asks: the authorization server
	Hint    string  // login_hint: this person is shown first
	People  []DemoPerson
}

// DemoPerson is somebody who can be played.
type DemoPerson struct {
	Login  string // the button's value, an e-mail address
	Name   string
	Role   string // owner, admin, member or viewer
	Tenant string // the tenant's display name
}

// Names of the buttons of [DemoIDP]; the value of either is a login.
const (
	FieldDemoUser      = "user"
	FieldDemoUserNoMFA = "user_no_mfa"
)

var demoIDP = document("demo_idp")

// DemoIDP writes the page. It posts [FieldDemoUser] or [FieldDemoUserNoMFA] with the Hidden fields.
func DemoIDP(w io.Writer, p DemoIDPPage) error {
	p.People = hintFirst(p.People, p.Hint)
	return render(w, demoIDP, p)
}

// hintFirst returns the people with the hinted one in front, and leaves its argument as it is.
func hintFirst(people []DemoPerson, hint string) []DemoPerson {
	var first, rest []DemoPerson
	for _, person := range people {
		if hint != "" && person.Login == hint {
			first = append(first, person)
		} else {
			rest = append(rest, person)
		}
	}
	return append(first, rest...)
}
