package templates

import "io"

// TrialPage says how the trial of a connection to an identity provider went. Nobody was signed in by it.
type TrialPage struct {
	TenantName     string
	ConnectionName string
	Works          bool // somebody who comes like this would get in
	Findings       []TrialFinding
	Claims         []TrialClaim // what the provider said, in the order of the names
	Role           string       // that the person would have; "" for none
	RoleClaim      string       // where it comes from; "" where the connection names no claim
	RoleValues     []string     // what that claim held
}

// TrialFinding is one check.
type TrialFinding struct {
	Check   string // in words
	Verdict string // "ok", "warning", "failed" or "unknown"
	Detail  string
	Remedy  string // what to do; "" for nothing
}

// Tone is how the verdict looks.
func (f TrialFinding) Tone() string {
	return map[string]string{"ok": "good", "warning": "warn", "failed": "bad"}[f.Verdict]
}

// Word is the verdict as people read it.
func (f TrialFinding) Word() string {
	if word, ok := verdictWords[f.Verdict]; ok {
		return word
	}
	return "Not known"
}

var verdictWords = map[string]string{"ok": "OK", "warning": "Look at this", "failed": "Failed"}

// TrialClaim is one claim as it came.
type TrialClaim struct {
	Name  string
	Value string // JSON
}

var trialPage = document("trial")

// Trial writes the page. It has no links and no form.
func Trial(w io.Writer, p TrialPage) error { return render(w, trialPage, p) }
