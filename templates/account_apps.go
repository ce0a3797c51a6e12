package templates

import "io"

// AccountAppsPage shows which apps act for somebody.
type AccountAppsPage struct {
	AccountFrame
	Apps []AccountApp
}

// AccountApp is an app that has access.
type AccountApp struct {
	Name        string
	ClientID    string
	Unverified  bool // nobody has checked who runs it
	Offline     bool // it keeps its access while the person is away
	ByKey       bool // some of its access was made under an API key
	Remembered  bool // it has no access now, and gets it again without asking
	Scopes      []ScopeItem
	Since       AccountMoment // since when it has access, or is allowed it
	WithdrawURL string
}

// AccountWithdrawPage asks before an app loses its access.
type AccountWithdrawPage struct {
	AccountFrame
	Action    string
	CancelURL string
	App       AccountApp
}

var (
	accountApps     = accountDocument("account_apps")
	accountWithdraw = accountDocument("account_withdraw")
)

// AccountApps writes the page. It has links and no form.
func AccountApps(w io.Writer, p AccountAppsPage) error { return render(w, accountApps, p) }

// AccountWithdraw writes the page. It posts [FieldStep] and [FieldCSRF].
func AccountWithdraw(w io.Writer, p AccountWithdrawPage) error { return render(w, accountWithdraw, p) }
