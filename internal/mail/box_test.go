package mail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

func TestQueuedMailIsSentAndForgotten(t *testing.T) {
	onBoth(t, func(w *world) {
		box := mail.NewMailbox(10)
		b := w.box(box)
		w.must(b.Queue(w.Context(), w.tenant, signInLink("dora@small.example")))
		<-b.Due()
		for range 2 {
			w.must(b.Tick(w.Context()))
		}
		got := box.Mails()
		if len(got) != 1 || got[0].To != "dora@small.example" || got[0].Kind != mail.SignInLink || !got[0].Date.Equal(start) {
			w.Fatalf("sent: %v", got)
		}
		for _, part := range []string{secretLink, "https://auth.example.com", "help@watch.example"} {
			if !strings.Contains(got[0].Text, part) || !strings.Contains(got[0].HTML, part) {
				w.Errorf("the mail does not say %q:\n%s", part, got[0].Text)
			}
		}
		m := w.row(got[0].ID)
		if m.Outcome != "sent" || !m.DoneAt.Equal(start) || m.Sealed != nil || w.counted(mail.SignInLink, "sent") != 1 {
			w.Errorf("row %+v, %v counted", m, w.counted(mail.SignInLink, "sent"))
		}
	})
}

func TestPreparedMailWakesTheWorkerOnceItCanBeStored(t *testing.T) {
	w := newWorld(t)
	box := mail.NewMailbox(10)
	b := w.box(box)
	w.queue(b, signInLink("dora@small.example"))
	<-b.Due()
	w.must(b.Tick(t.Context()))
	if len(box.Mails()) != 1 {
		t.Errorf("sent: %v", box.Mails())
	}
}

func TestPrepareLeavesTheFieldsOfItsCallerAlone(t *testing.T) {
	w := newWorld(t)
	m := signInLink("dora@small.example")
	_, err := w.box(mail.NewMailbox(1)).Prepare(w.tenant, m)
	w.must(err)
	if diff := cmp.Diff(signInLink("dora@small.example"), m); diff != "" {
		t.Error(diff)
	}
}

func TestTwoBoxesSendEachMailOnce(t *testing.T) {
	onBoth(t, func(w *world) {
		const mails = 40
		box := mail.NewMailbox(10 * mails)
		first := w.box(box)
		boxes := []*mail.Box{first, first}
		if strings.HasPrefix(w.dsn, "postgres") {
			boxes[1] = mail.New(w.config(w.open(), box))
		} else {
			boxes[1] = w.box(box)
		}
		for i := range mails {
			w.queue(first, signInLink(fmt.Sprintf("person%d@small.example", i)))
		}
		var nodes sync.WaitGroup
		for _, b := range append(boxes, boxes...) {
			nodes.Go(func() {
				if err := b.Tick(w.Context()); err != nil {
					w.Error(err)
				}
			})
		}
		nodes.Wait()
		times := map[string]int{}
		for _, e := range box.Mails() {
			times[e.To]++
		}
		if len(times) != mails || len(box.Mails()) != mails || w.counted(mail.SignInLink, "sent") != mails {
			w.Errorf("%d people got %d mails, %v counted", len(times), len(box.Mails()), w.counted(mail.SignInLink, "sent"))
		}
	})
}

func TestMailThatIsNotTakenIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	var attempts []time.Duration
	b := w.box(senderFunc(func(context.Context, mail.Envelope) error {
		attempts = append(attempts, w.clock.Now().Sub(start))
		return errors.New("451 later")
	}))
	id := w.queue(b, signInLink("dora@small.example"))
	for w.row(id).DoneAt.IsZero() {
		w.must(b.Tick(t.Context()))
		w.clock.pass(10 * time.Second)
	}
	var pauses []time.Duration
	for i := 1; i < len(attempts); i++ {
		pauses = append(pauses, attempts[i]-attempts[i-1])
	}
	want := []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute}
	for len(want) < 4+11 { // of a day
		want = append(want, 2*time.Hour)
	}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
	if m := w.row(id); m.Outcome != "given_up" || m.Sealed != nil || m.DoneAt.Sub(start) != 24*time.Hour {
		t.Errorf("row %+v", m)
	}
	if w.counted(mail.SignInLink, "delayed") != float64(len(attempts)) || w.counted(mail.SignInLink, "given_up") != 1 {
		t.Errorf("counted %v delayed, %v given up", w.counted(mail.SignInLink, "delayed"), w.counted(mail.SignInLink, "given_up"))
	}
}

func TestMailIsSentByTheSecondAttempt(t *testing.T) {
	w := newWorld(t)
	box, down := mail.NewMailbox(1), true
	b := w.box(senderFunc(func(ctx context.Context, e mail.Envelope) error {
		if down {
			return errors.New("connection refused")
		}
		return box.Send(ctx, e)
	}))
	id := w.queue(b, signInLink("dora@small.example"))
	w.must(b.Tick(t.Context()))
	down = false
	w.must(b.Tick(t.Context()))
	if len(box.Mails()) != 0 {
		t.Error("sent before the pause was over")
	}
	w.clock.pass(10 * time.Second)
	w.must(b.Tick(t.Context()))
	if len(box.Mails()) != 1 || w.row(id).Outcome != "sent" {
		t.Errorf("%v, %+v", box.Mails(), w.row(id))
	}
}

func TestMailIsNotSentAfterItsLife(t *testing.T) {
	w := newWorld(t)
	box := mail.NewMailbox(1)
	b := w.box(box)
	m := signInLink("dora@small.example")
	m.Life = 10 * time.Minute
	id := w.queue(b, m)
	w.clock.pass(10 * time.Minute)
	w.must(b.Tick(t.Context()))
	if row := w.row(id); len(box.Mails()) != 0 || row.Outcome != "given_up" || row.Sealed != nil {
		t.Errorf("%v, %+v", box.Mails(), row)
	}
}

func TestRefusedMailIsNotTriedAgain(t *testing.T) {
	w := newWorld(t)
	n := 0
	b := w.box(senderFunc(func(context.Context, mail.Envelope) error {
		n++
		return fmt.Errorf("%w: 550 no such user", mail.ErrRefused)
	}))
	id := w.queue(b, signInLink("dora@small.example"))
	for range 5 {
		w.must(b.Tick(t.Context()))
		w.clock.pass(time.Hour)
	}
	if row := w.row(id); n != 1 || row.Outcome != "refused" || row.Sealed != nil || w.counted(mail.SignInLink, "refused") != 1 {
		t.Errorf("%d attempts, %+v", n, row)
	}
}

// awayStore is a store that does not do some things for a while.
type awayStore struct {
	mail.Store
	due, try, finish bool // these fail
	read             func(*storage.Mail)
}

var errAway = errors.New("the store is away")

func (s *awayStore) DueMails(ctx context.Context, now time.Time, limit int) ([]storage.Mail, error) {
	if s.due {
		return nil, errAway
	}
	return s.Store.DueMails(ctx, now, limit)
}

func (s *awayStore) Tenant(id storage.TenantID) storage.TenantStore {
	return awayTenant{s.Store.Tenant(id), s}
}

type awayTenant struct {
	storage.TenantStore
	store *awayStore
}

func (t awayTenant) TryMail(ctx context.Context, m storage.Mail, next time.Time) error {
	if t.store.try {
		return errAway
	}
	return t.TenantStore.TryMail(ctx, m, next)
}

func (t awayTenant) FinishMail(ctx context.Context, id storage.MailID, outcome string, at time.Time) error {
	if t.store.finish {
		return errAway
	}
	return t.TenantStore.FinishMail(ctx, id, outcome, at)
}

func (t awayTenant) Mail(ctx context.Context, id storage.MailID) (storage.Mail, error) {
	m, err := t.TenantStore.Mail(ctx, id)
	if t.store.read != nil {
		t.store.read(&m)
	}
	return m, err
}

func TestMailWaitsForAStoreThatIsAway(t *testing.T) {
	for name, away := range map[string]*awayStore{"asked what is due": {due: true}, "asked for a claim": {try: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			box := mail.NewMailbox(10)
			away.Store = w.store
			b := mail.New(w.config(away, box))
			w.queue(b, signInLink("dora@small.example"))
			if err := b.Tick(t.Context()); !errors.Is(err, errAway) || len(box.Mails()) != 0 {
				t.Errorf("%v, sent %v", err, box.Mails())
			}
			away.due, away.try = false, false
			w.must(b.Tick(t.Context()))
			if len(box.Mails()) != 1 {
				t.Errorf("sent %v", box.Mails())
			}
		})
	}
}

func TestMailIsNotSentAgainBecauseTheStoreDidNotNoteIt(t *testing.T) {
	w := newWorld(t)
	box := mail.NewMailbox(10)
	away := &awayStore{Store: w.store, finish: true}
	b := mail.New(w.config(away, box))
	id := w.queue(b, signInLink("dora@small.example"))
	for range 5 {
		if err := b.Tick(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("%v, want the store's error", err)
		}
		w.clock.pass(time.Hour)
	}
	away.finish = false
	w.must(b.Tick(t.Context()))
	if len(box.Mails()) != 1 || w.row(id).Outcome != "sent" {
		t.Errorf("sent %v, %+v", box.Mails(), w.row(id))
	}
}

func TestLinkCannotBeRedirectedByWhoeverWritesToTheDatabase(t *testing.T) {
	w := newWorld(t)
	box := mail.NewMailbox(10)
	away := &awayStore{Store: w.store, read: func(m *storage.Mail) { m.To = "mallory@evil.example" }}
	b := mail.New(w.config(away, box))
	w.queue(b, signInLink("dora@small.example"))
	w.must(b.Tick(t.Context()))
	if got := box.Mails(); len(got) != 1 || got[0].To != "dora@small.example" {
		t.Errorf("the mail went to %+v", got)
	}
}

func TestMailOfAnotherRowIsNotSent(t *testing.T) {
	w := newWorld(t)
	box := mail.NewMailbox(10)
	away := &awayStore{Store: w.store}
	b := mail.New(w.config(away, box))
	other, err := b.Prepare(w.tenant, signInLink("mallory@evil.example"))
	w.must(err)
	away.read = func(m *storage.Mail) { m.Sealed = other.Sealed }
	id := w.queue(b, signInLink("dora@small.example"))
	w.must(b.Tick(t.Context()))
	if len(box.Mails()) != 0 || !w.row(id).DoneAt.IsZero() {
		t.Errorf("sent %v, %+v", box.Mails(), w.row(id))
	}
}

func TestNoLogHasAnAddressOrALink(t *testing.T) {
	w := newWorld(t)
	outcomes := []error{errors.New("away"), fmt.Errorf("%w: no", mail.ErrRefused), nil}
	var mu sync.Mutex
	b := w.box(senderFunc(func(context.Context, mail.Envelope) error {
		mu.Lock()
		defer mu.Unlock()
		err := outcomes[0]
		outcomes = outcomes[1:]
		return err
	}))
	for range 3 {
		w.queue(b, signInLink("dora@small.example"))
	}
	w.must(b.Tick(t.Context()))
	w.clock.pass(48 * time.Hour)
	w.must(b.Tick(t.Context()))
	log := w.log.String()
	for _, secret := range []string{"dora", "small.example", "SecretOfTheLink", "login/link"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	for _, said := range []string{"was sent", "refused for good", "tried again", "given up", "sign_in_link", "eml_"} {
		if !strings.Contains(log, said) {
			t.Errorf("the log does not say %q:\n%s", said, log)
		}
	}
	m := signInLink("dora@small.example")
	e := mail.Envelope{To: m.To, Text: secretLink}
	if s := fmt.Sprintf("%v %+v %#v %v %#v", m, m, m, e, e); strings.Contains(s, "dora") || strings.Contains(s, "Secret") {
		t.Errorf("printed: %s", s)
	}
}

func TestHeaderInjectionThroughTheAddress(t *testing.T) {
	w := newWorld(t)
	b := w.box(mail.NewMailbox(1))
	for _, to := range []string{
		"dora@small.example\r\nBcc: mallory@evil.example", "dora@small.example\n", "dora@small.example, mallory@evil.example",
		"Dora <dora@small.example>", "<dora@small.example>", "\"a\r\nb\"@small.example", "\"a\nb\"@small.example", "dora", "", "dora@small.example\x00", " dora@small.example",
		"dora@" + strings.Repeat("a", 250) + ".example",
	} {
		if err := b.Queue(t.Context(), w.tenant, signInLink(to)); !errors.Is(err, mail.ErrAddress) {
			t.Errorf("%q: %v", to, err)
		}
	}
	for _, to := range []string{"dora@small.example", "dora+x@small.example", "dörte@beispiel.example", "監視@例え.example", "d@[203.0.113.7]"} {
		if err := b.Queue(t.Context(), w.tenant, signInLink(to)); err != nil {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func TestMailThatCannotBeWrittenIsNotQueued(t *testing.T) {
	w := newWorld(t)
	b := w.box(mail.NewMailbox(1))
	long := map[string]string{"link": secretLink, "by": strings.Repeat("x", 40<<10)}
	for name, test := range map[string]struct {
		m    mail.Message
		want error
	}{
		"no such kind":    {mail.Message{Kind: "newsletter", To: "a@b.example"}, templates.ErrNoMail},
		"no link":         {mail.Message{Kind: mail.Invitation, To: "a@b.example"}, templates.ErrNoMail},
		"a script's link": {mail.Message{Kind: mail.SignInLink, To: "a@b.example", Fields: map[string]string{"link": "javascript:x"}}, templates.ErrUnsafeURL},
		"too long":        {mail.Message{Kind: mail.Invitation, To: "a@b.example", Fields: long}, mail.ErrTooLong},
	} {
		if err := b.Queue(t.Context(), w.tenant, test.m); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if due, err := w.store.DueMails(t.Context(), start, 10); err != nil || len(due) != 0 {
		t.Errorf("%v, %v", due, err)
	}
}

func TestEveryKindHasAMail(t *testing.T) {
	w := newWorld(t)
	b := w.box(mail.NewMailbox(1))
	for _, kind := range []mail.Kind{
		mail.SignInLink, mail.Invitation, mail.VerifyAddress, mail.FactorAdded, mail.FactorRemoved, mail.RecoveryUsed, mail.NewRecovery,
		mail.CodesGuessed, mail.SessionsEnded, mail.BreakGlass, mail.SecretExpires, mail.DomainFailing, mail.DomainLost, mail.KeyLeaked, mail.KeyNotFetched,
	} {
		m := signInLink("dora@small.example")
		m.Kind = kind
		if _, err := b.Prepare(w.tenant, m); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
