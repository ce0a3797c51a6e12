package templates

import "io"

// AccountSecurityPage shows somebody's second factors.
type AccountSecurityPage struct {
	AccountFrame
	Factors []AccountFactor
	Needed  string // "", "mfa" or "phr": what the organization asks of everybody

	// Where a factor is added and recovery codes are made; empty hides it.
	AddPasskeyURL, AddAppURL, RenewURL string
	NoPasskeys                         bool // browsers know no passkeys at this server's address
	Full                               bool // there is no room for another factor
	RecoveryCodes                      int  // how many are left

	// Changed: a factor was added or removed just now, and there are other sessions.
	Changed       bool
	OtherSessions int
	EndOthersURL  string
}

// AccountFactor is one second factor.
type AccountFactor struct {
	Name      string
	Passkey   bool // otherwise an authenticator app
	Added     AccountMoment
	Used      AccountMoment
	RemoveURL string // empty: it has to stay
	RenameURL string
}

// AccountNamePage asks what somebody calls a factor.
type AccountNamePage struct {
	AccountFrame
	Action    string
	CancelURL string
	Factor    AccountFactor
	Said      string // what the field holds
	Problem   string // one of the sentences below; empty for none
}

// Sentences for Problem of an [AccountNamePage].
const (
	AccountNameMissing = "Give it a name."
	AccountNameTooLong = "A name has at most 64 characters."
	AccountNameUnclear = "A name has letters, digits and signs in one line, and nothing that cannot be seen."
)

// AccountRemovePage asks before a factor is removed.
type AccountRemovePage struct {
	AccountFrame
	Action    string
	CancelURL string
	Prove     bool // they have to confirm first that it is they
	Factor    AccountFactor
	Needed    bool // it has to stay: there is nothing to post
	Last      bool // it is their only one
}

var (
	accountSecurity = accountDocument("account_security")
	accountRemove   = accountDocument("account_remove")
	accountName     = accountDocument("account_name")
)

// AccountSecurity writes the page. Its forms post [FieldCSRF].
func AccountSecurity(w io.Writer, p AccountSecurityPage) error { return render(w, accountSecurity, p) }

// AccountRemove writes the page. It posts [FieldStep] and [FieldCSRF].
func AccountRemove(w io.Writer, p AccountRemovePage) error { return render(w, accountRemove, p) }

// AccountName writes the page. It posts [FieldName] and [FieldCSRF].
func AccountName(w io.Writer, p AccountNamePage) error { return render(w, accountName, p) }
