package templates

import (
	"io"
	"regexp"
	"slices"
)

// DevMailsPage is the list of the mails that were sent in development, where none leaves the machine.
type DevMailsPage struct {
	Mails []DevMailItem // newest first
}

// DevMailItem is one line of the list.
type DevMailItem struct {
	URL     string // a path on this origin
	Kind    string
	To      string
	Subject string
	At      string // in words
}

// DevMailPage is one of these mails.
type DevMailPage struct {
	ListURL string // a path on this origin
	HTMLURL string // the same mail as mail programs show it; a path on this origin
	Kind    string
	To      string
	Subject string
	At      string // in words
	Text    string
}

// Links are the addresses that the text names, each once.
func (p DevMailPage) Links() []string {
	var links []string
	for _, l := range linkInText.FindAllString(p.Text, maxDevLinks) {
		if _, err := webURL(l); err == nil && !slices.Contains(links, l) {
			links = append(links, l)
		}
	}
	return links
}

// maxDevLinks is how many links of a mail are listed.
const maxDevLinks = 20

var linkInText = regexp.MustCompile(`https?://[^\s<>"')]+[^\s<>"').,]`)

var (
	devMails = document("dev_mails")
	devMail  = document("dev_mail")
)

// DevMails writes the list. It has links and no form.
func DevMails(w io.Writer, p DevMailsPage) error { return render(w, devMails, p) }

// DevMail writes the page of one mail: its text, with the links in it to be followed. It has no form.
func DevMail(w io.Writer, p DevMailPage) error { return render(w, devMail, p) }
