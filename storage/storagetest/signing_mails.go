package storagetest

import (
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testMails(t *testing.T, w *world) {
	testLinks(w)
	testMailLife(w)
	testDueMails(w)
	testReplays(w)
}

// testLinks: one use, before its end, and it comes with its mail or not at all.
func testLinks(w *world) {
	ctx, h := w.Context(), w.newHome()
	l := h.link
	w.same(get(h.EmailLink(ctx, l.Hash, l.ExpiresAt.Add(-time.Millisecond)))(w), l)
	_, err := h.EmailLink(ctx, l.Hash, l.ExpiresAt)
	w.want(err, storage.ErrNotFound)
	_, err = h.EmailLink(ctx, hash("x"), w.now)
	w.want(err, storage.ErrNotFound)
	w.want(h.UseEmailLink(ctx, l.Hash, l.ExpiresAt), storage.ErrConsumed)
	w.want(h.UseEmailLink(ctx, hash("x"), w.now), storage.ErrConsumed)
	w.must(h.UseEmailLink(ctx, l.Hash, w.now))
	w.want(h.UseEmailLink(ctx, l.Hash, w.now), storage.ErrConsumed)
	_, err = h.EmailLink(ctx, l.Hash, w.now)
	w.want(err, storage.ErrNotFound)

	half := w.newLink(h)
	w.want(h.CreateEmailLink(ctx, half, h.mail, w.event("x")), storage.ErrExists)
	_, err = h.EmailLink(ctx, half.Hash, w.now)
	w.want(err, storage.ErrNotFound)
	mail := w.newMail(h)
	w.want(h.CreateEmailLink(ctx, l, mail, w.event("x")), storage.ErrExists)
	_, err = h.Mail(ctx, mail.ID)
	w.want(err, storage.ErrNotFound)
}

// testMailLife: one attempt each time; when it is done, what it said is forgotten.
func testMailLife(w *world) {
	ctx, h := w.Context(), w.newHome()
	m := w.newMail(h)
	w.must(h.QueueMail(ctx, m))
	w.want(h.QueueMail(ctx, m), storage.ErrExists)
	w.same(get(h.Mail(ctx, m.ID))(w), m)
	next := w.now.Add(time.Minute)
	w.must(h.TryMail(ctx, m, next))
	w.want(h.TryMail(ctx, m, next), storage.ErrConflict)
	m.Attempts, m.NextAt = 1, next
	w.same(get(h.Mail(ctx, m.ID))(w), m)
	w.must(h.FinishMail(ctx, m.ID, "sent", next))
	w.want(h.FinishMail(ctx, m.ID, "given_up", next), storage.ErrConsumed)
	w.want(h.FinishMail(ctx, "eml_nobody", "sent", next), storage.ErrConsumed)
	w.want(h.TryMail(ctx, m, next), storage.ErrConflict)
	m.Sealed, m.NextAt, m.DoneAt, m.Outcome = nil, time.Time{}, next, "sent"
	w.same(get(h.Mail(ctx, m.ID))(w), m)
}

// dueMails are those of a tenant.
func (w *world) dueMails(h *home, now time.Time) []storage.Mail {
	w.Helper()
	var out []storage.Mail
	for _, m := range get(w.store.DueMails(w.Context(), now, all))(w) {
		if m.Tenant == h.tenant.ID {
			out = append(out, m)
		}
	}
	return out
}

// testDueMails: what waits and is due, without what it says.
func testDueMails(w *world) {
	ctx, h := w.Context(), w.newHome()
	w.must(h.FinishMail(ctx, h.mail.ID, "sent", w.now))
	at := func(next time.Duration) storage.Mail {
		m := w.newMail(h)
		m.NextAt = w.now.Add(next)
		w.must(h.QueueMail(ctx, m))
		m.Sealed = nil
		return m
	}
	later, sooner := at(2*time.Minute), at(time.Minute)
	w.same(w.dueMails(h, w.now.Add(time.Minute-time.Millisecond)), []storage.Mail(nil))
	w.same(w.dueMails(h, w.now.Add(time.Minute)), []storage.Mail{sooner})
	w.same(w.dueMails(h, w.now.Add(time.Hour)), []storage.Mail{sooner, later})
	at(-time.Hour)
	at(-time.Hour)
	if n := len(get(w.store.DueMails(ctx, w.now, 1))(w)); n != 1 {
		w.Errorf("%d of at most one are due", n)
	}
}

// testReplays: once under each use.
func testReplays(w *world) {
	ctx, h, until := w.Context(), w.newHome(), w.now.Add(time.Hour)
	for _, id := range []string{"jti", "", strings.Repeat("long ", 2000)} {
		w.must(h.Once(ctx, "logout", id, until))
		w.want(h.Once(ctx, "logout", id, until), storage.ErrConsumed)
		w.must(h.Once(ctx, "other", id, until))
		w.must(w.b.Once(ctx, "logout", id, until))
	}
	get(w.store.Sweep(ctx, until.Add(-time.Millisecond)))(w)
	w.want(h.Once(ctx, "logout", "jti", until), storage.ErrConsumed)
	w.want(w.store.Tenant("ten_nobody").Once(ctx, "logout", "new", until), storage.ErrNotFound)
}
