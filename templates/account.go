package templates

import (
	"html/template"
	"io"
)

// Names of the fields of the pages about a person's own account.
const (
	FieldCSRF = "csrf"
	FieldStep = "step"
)

// Values of [FieldStep] on a page that asks before it does something.
const (
	StepProve = "prove" // confirm who it is first
	StepDo    = "do"
)

// Tabs of the pages about a person's own account.
const (
	AccountTabOverview = "overview"
	AccountTabSecurity = "security"
	AccountTabSessions = "sessions"
	AccountTabApps     = "apps"
)

// Sentences for Notice of an [AccountFrame].
const (
	AccountMailSent      = "A mail is on its way to you. Open the link in it to confirm the address."
	AccountMailTooOften  = "You have asked for this several times. Use the newest mail, or wait an hour."
	AccountFactorRemoved = "The factor is removed."
	AccountFactorRenamed = "The factor has its new name."
	AccountSessionEnded  = "That session has ended."
	AccountOthersEnded   = "All your other sessions have ended."
	AccountWithdrawn     = "The app’s access has ended."
)

// AccountFrame is what all pages about a person's own account have in common. What they
// show belongs to one organization.
type AccountFrame struct {
	TenantName string
	UserEmail  string
	Base       string // path of the organization's pages; the tabs are below it
	Tab        string // one of the tabs; "" on a page that asks something
	SwitchURL  string // where other organizations of this browser are; empty hides the link
	SignOutURL string
	Notice     string // one of the sentences above; empty for none
	CSRF       string // anti-forgery token of every form
}

// NoticeTone is how the notice looks.
func (f AccountFrame) NoticeTone() string {
	if f.Notice == AccountMailTooOften {
		return "warn"
	}
	return "good"
}

// AccountPage says who somebody is to their organization.
type AccountPage struct {
	AccountFrame
	UserName   string
	Role       string // "owner", "admin", "member" or "viewer"
	RoleFrom   string // one of the sources below
	Connection string // what they sign in through; "" when it is not known
	SignedIn   AccountMoment

	Confirmed   string // one of the words below: who says that the address is theirs
	ConfirmURL  string // where a mail that asks is ordered; empty when none can be sent
	ProviderSet bool   // name and address come from an identity provider at each sign-in
}

// Where a role comes from.
const (
	RoleFromProvider = "provider" // the identity provider says it at each sign-in
	RoleFromDefault  = "default"  // the first sign-in gave it
	RoleFromAdmin    = "admin"    // an administrator
)

// Who says that an address is somebody's.
const (
	ConfirmedByNobody   = ""
	ConfirmedByProvider = "provider"
	ConfirmedByMail     = "mail"
)

// RoleWord is the role as people read it.
func (p AccountPage) RoleWord() string {
	if word, ok := roleWords[p.Role]; ok {
		return word
	}
	return p.Role
}

var roleWords = map[string]string{"owner": "Owner", "admin": "Administrator", "member": "Member", "viewer": "Viewer"}

// AccountChoicePage lets somebody who is signed in to several organizations choose one.
type AccountChoicePage struct {
	Choices    []AccountChoice
	Missing    bool // they asked for one at which this browser is not signed in
	SignOutURL string
}

// AccountChoice is one of them.
type AccountChoice struct {
	TenantName string
	User       string
	URL        string // a path of this server
}

var (
	accountOverview = accountDocument("account")
	accountChoice   = document("account_choice")
)

// accountDocument is document for a page with the tabs.
func accountDocument(name string) *template.Template {
	return template.Must(template.Must(layout.Clone()).ParseFS(sources, "html/account_parts.html", "html/"+name+".html"))
}

// Account writes the overview. Its form posts [FieldCSRF].
func Account(w io.Writer, p AccountPage) error { return render(w, accountOverview, p) }

// AccountSwitch writes the page. It has links and no form.
func AccountSwitch(w io.Writer, p AccountChoicePage) error { return render(w, accountChoice, p) }
