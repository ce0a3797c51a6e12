package templates

import "strings"

// remarkMark stands between the parts of a remark: no text that a page shows has it.
const remarkMark = "\x1f"

// Remark joins, for the Detail of an [ErrorPage], why something was refused and whom the person can ask: an address or a
// sentence that an administrator wrote. Either may be empty.
func Remark(reason, contact string) string {
	if contact == "" {
		return strings.ReplaceAll(reason, remarkMark, " ")
	}
	return strings.ReplaceAll(reason, remarkMark, " ") + remarkMark + strings.ReplaceAll(contact, remarkMark, " ")
}

// Why is the reason in the Detail.
func (v errorView) Why() string {
	reason, _, _ := strings.Cut(v.Detail, remarkMark)
	return reason
}

// Whom is who can be asked, in the Detail.
func (v errorView) Whom() string {
	_, contact, _ := strings.Cut(v.Detail, remarkMark)
	return contact
}

// Advice is what to do. That an administrator can be asked goes without saying where it is said who can.
func (v errorView) Advice() string {
	if v.Todo == askAdmin && v.Whom() != "" {
		return ""
	}
	return v.Todo
}

// SSOThrough is the reason for which somebody may not use this way to sign in: their organization wants them at the connection
// of that name.
func SSOThrough(connection string) string {
	return "People with an address like yours sign in through “" + displayName(connection) + "”, and in no other way."
}
