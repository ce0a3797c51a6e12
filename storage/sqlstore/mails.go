package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

const linkColumns = "hash, user_id, email, purpose, login_id, created_at, expires_at, used_at"

func linkFields(l *storage.EmailLink) []any {
	return []any{&l.Hash, (*str)(&l.User), (*str)(&l.Email), (*str)(&l.Purpose), (*str)(&l.Login),
		at(&l.CreatedAt), at(&l.ExpiresAt), at(&l.UsedAt)}
}

func linkArgs(l storage.EmailLink) []any {
	return []any{orEmpty(l.Hash), string(l.User), l.Email, string(l.Purpose), string(l.Login),
		when(l.CreatedAt), when(l.ExpiresAt), when(l.UsedAt)}
}

// dueMailColumns are those of a mail without what it says.
const dueMailColumns = "tenant_id, id, kind, address, created_at, expires_at, attempts, next_at, done_at, outcome"

func dueMailFields(m *storage.Mail) []any {
	return []any{(*str)(&m.Tenant), (*str)(&m.ID), (*str)(&m.Kind), (*str)(&m.To), at(&m.CreatedAt), at(&m.ExpiresAt),
		counter{&m.Attempts}, at(&m.NextAt), at(&m.DoneAt), (*str)(&m.Outcome)}
}

const mailColumns = dueMailColumns + ", sealed"

func mailFields(m *storage.Mail) []any { return append(dueMailFields(m), &m.Sealed) }

func mailArgs(tenant string, m storage.Mail) []any {
	return []any{tenant, string(m.ID), m.Kind, m.To, when(m.CreatedAt), when(m.ExpiresAt),
		int64(m.Attempts), when(m.NextAt), when(m.DoneAt), m.Outcome, optional(m.Sealed)}
}

var (
	insertLink = some(insert("email_links", under(linkColumns)))
	useLink    = one("UPDATE email_links SET used_at = $3 WHERE tenant_id = $1 AND hash = $2 AND used_at IS NULL AND expires_at > $3")

	insertMail = some(insert("mails", mailColumns))
	tryMail    = one(`UPDATE mails SET attempts = attempts + 1, next_at = $4
		WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND done_at IS NULL`)
	finishMail = one(`UPDATE mails SET sealed = NULL, next_at = NULL, done_at = $3, outcome = $4
		WHERE tenant_id = $1 AND id = $2 AND done_at IS NULL`)
)

const (
	linkByHash = "SELECT " + linkColumns + ` FROM email_links
	WHERE tenant_id = $1 AND hash = $2 AND used_at IS NULL AND expires_at > $3`
	mailByID = "SELECT " + mailColumns + " FROM mails WHERE tenant_id = $1 AND id = $2"
	dueMails = "SELECT " + dueMailColumns + ` FROM mails WHERE done_at IS NULL AND COALESCE(next_at, 0) <= $1
	ORDER BY COALESCE(next_at, 0) LIMIT $2`
)

// CreateEmailLink implements storage.EmailLinks. ErrExists: the link or the mail is
// there. ErrNotFound: no such tenant.
func (t *Tenant) CreateEmailLink(ctx context.Context, l storage.EmailLink, m storage.Mail, ev storage.Event) error {
	u := newUnit(t.id, "e-mailed link")
	u.do(insertLink, owned(t.id, linkArgs(l))...)
	u.do(insertMail, mailArgs(t.id, m)...)
	u.event(ev)
	return write(ctx, t.engine, u)
}

// EmailLink implements storage.EmailLinks.
func (t *Tenant) EmailLink(ctx context.Context, hash []byte, now time.Time) (storage.EmailLink, error) {
	var l storage.EmailLink
	err := find(ctx, t.engine, t.scope("e-mailed link"), linkByHash, linkFields(&l), t.id, orEmpty(hash), when(now))
	return l, err
}

// UseEmailLink implements storage.EmailLinks. A link that is not there gives
// ErrConsumed too.
func (t *Tenant) UseEmailLink(ctx context.Context, hash []byte, at time.Time) error {
	u := newUnit(t.id, "e-mailed link")
	u.must(storage.ErrConsumed, useLink, t.id, orEmpty(hash), when(at))
	return write(ctx, t.engine, u)
}

// QueueMail implements storage.Mails. ErrNotFound: no such tenant.
func (t *Tenant) QueueMail(ctx context.Context, m storage.Mail) error {
	u := newUnit(t.id, "mail "+string(m.ID))
	u.do(insertMail, mailArgs(t.id, m)...)
	return write(ctx, t.engine, u)
}

// Mail implements storage.Mails.
func (t *Tenant) Mail(ctx context.Context, id storage.MailID) (storage.Mail, error) {
	var m storage.Mail
	err := find(ctx, t.engine, t.scope("mail"), mailByID, mailFields(&m), t.id, string(id))
	return m, err
}

// TryMail implements storage.Mails.
func (t *Tenant) TryMail(ctx context.Context, m storage.Mail, next time.Time) error {
	u := newUnit(t.id, "mail "+string(m.ID))
	u.must(storage.ErrConflict, tryMail, t.id, string(m.ID), int64(m.Attempts), when(next))
	return write(ctx, t.engine, u)
}

// FinishMail implements storage.Mails. A mail that is not there gives ErrConsumed too.
func (t *Tenant) FinishMail(ctx context.Context, id storage.MailID, outcome string, at time.Time) error {
	u := newUnit(t.id, "mail "+string(id))
	u.must(storage.ErrConsumed, finishMail, t.id, string(id), when(at), outcome)
	return write(ctx, t.engine, u)
}

// DueMails implements storage.Chores: the one that is due for longest is first. At
// most 1000.
func (s *Store) DueMails(ctx context.Context, now time.Time, limit int) ([]storage.Mail, error) {
	return list(ctx, s.engine, scope{what: "due mails", lookup: true}, dueMails, dueMailFields, when(now), page(limit))
}
