package mail

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/templates"
)

// MailboxPath is where a [Mailbox] shows its mails.
const MailboxPath = "/dev/mail"

// Mailbox is a sender for development: it keeps mails in memory, and whoever can open
// its pages can read them. It is safe for concurrent use.
type Mailbox struct {
	most int

	mu    sync.Mutex
	mails []Envelope // guarded by mu; oldest first
}

var _ Sender = (*Mailbox)(nil)

// NewMailbox returns a mailbox that keeps the last most mails, at least one.
func NewMailbox(most int) *Mailbox { return &Mailbox{most: max(most, 1)} }

// Send implements Sender. It does not fail.
func (b *Mailbox) Send(_ context.Context, e Envelope) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, e)
	if over := len(b.mails) - b.most; over > 0 {
		b.mails = slices.Delete(b.mails, 0, over)
	}
	return nil
}

// Mails are those that are kept, the newest first.
func (b *Mailbox) Mails() []Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.mails)
	slices.Reverse(out)
	return out
}

// Mount registers the pages at [MailboxPath]: the list, each mail, and each mail as mail
// programs show it.
func (b *Mailbox) Mount(m *web.Mux) {
	m.Page("GET "+MailboxPath, b.list)
	m.Page("GET "+MailboxPath+"/{id}", b.one(b.show))
	m.Page("GET "+MailboxPath+"/{id}/html", b.one(b.showHTML))
}

func (b *Mailbox) list(w http.ResponseWriter, _ *http.Request) error {
	var p templates.DevMailsPage
	for _, e := range b.Mails() {
		p.Mails = append(p.Mails, templates.DevMailItem{
			URL: MailboxPath + "/" + string(e.ID), Kind: string(e.Kind), To: e.To, Subject: e.Subject, At: e.Date.UTC().Format("2 Jan 15:04:05"),
		})
	}
	htmlType(w)
	return templates.DevMails(w, p)
}

// one finds the mail that a page is about.
func (b *Mailbox) one(show func(http.ResponseWriter, Envelope) error) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		for _, e := range b.Mails() {
			if string(e.ID) == r.PathValue("id") {
				return show(w, e)
			}
		}
		return web.Refuse(http.StatusNotFound, "not_found", "There is no such mail.", nil)
	}
}

func (b *Mailbox) show(w http.ResponseWriter, e Envelope) error {
	htmlType(w)
	return templates.DevMail(w, templates.DevMailPage{
		ListURL: MailboxPath, HTMLURL: MailboxPath + "/" + string(e.ID) + "/html",
		Kind: string(e.Kind), To: e.To, Subject: e.Subject, At: moment(e.Date), Text: e.Text,
	})
}

// policyMail is for a mail as a page of its own: it has its styles with it, and runs and
// loads nothing.
const policyMail = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (b *Mailbox) showHTML(w http.ResponseWriter, e Envelope) error {
	htmlType(w)
	w.Header().Set("Content-Security-Policy", policyMail)
	_, err := io.WriteString(w, e.HTML)
	return err
}

func htmlType(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html; charset=utf-8") }

func moment(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }
