package templates

import "io"

// AccountSessionsPage shows where somebody is signed in.
type AccountSessionsPage struct {
	AccountFrame
	Sessions     []AccountSession // the present one first
	EndOthersURL string           // empty: there are no others
}

// AccountSession is one signed-in browser.
type AccountSession struct {
	Device     string // in words: "Firefox on Windows"
	Place      string // "Bern, Switzerland"; empty when it is not known
	IP         string
	Connection string // what they signed in through
	Level      string // what was proved of second factors: "", "mfa" or "phr"
	Pending    bool   // a second factor is still missing
	Present    bool   // of this very browser
	SignedIn   AccountMoment
	Seen       AccountMoment
	EndURL     string
}

// Factor says what was proved of second factors.
func (s AccountSession) Factor() string {
	switch {
	case s.Pending:
		return "Still missing: nobody is signed in by it"
	case s.Level == "phr":
		return "Proved, by one that resists phishing"
	case s.Level == "mfa":
		return "Proved"
	}
	return "None"
}

// AccountEndPage asks before one session ends.
type AccountEndPage struct {
	AccountFrame
	Action    string
	CancelURL string
	Prove     bool
	Session   AccountSession
	Apps      []string // what has access only while it lasts
}

// AccountEndOthersPage asks before all sessions end but the present one.
type AccountEndOthersPage struct {
	AccountFrame
	Action    string
	CancelURL string
	Prove     bool
	Sessions  []AccountSession // that would end
}

var (
	accountSessions  = accountDocument("account_sessions")
	accountEnd       = accountDocument("account_end")
	accountEndOthers = accountDocument("account_end_others")
)

// AccountSessions writes the page. It has links and no form.
func AccountSessions(w io.Writer, p AccountSessionsPage) error { return render(w, accountSessions, p) }

// AccountEnd writes the page. It posts [FieldStep] and [FieldCSRF].
func AccountEnd(w io.Writer, p AccountEndPage) error { return render(w, accountEnd, p) }

// AccountEndOthers writes the page. It posts [FieldStep] and [FieldCSRF].
func AccountEndOthers(w io.Writer, p AccountEndOthersPage) error {
	return render(w, accountEndOthers, p)
}
