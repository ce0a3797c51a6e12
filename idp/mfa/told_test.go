package mfa_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/mail"
)

// told is how many mails say that somebody's codes are guessed.
func (w *world) told(to string) int {
	n := 0
	for _, kind := range w.post.kinds(to) {
		if kind == mail.CodesGuessed {
			n++
		}
	}
	return n
}

func TestMailAtTheFifthWrongCodeInARow(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		_, kept, err := w.factors.NewTOTP(w.ctx, w.acme, w.alice)
		w.must(err)
		ways := []func() error{
			func() error { _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, "000000"); return err },
			func() error { _, err := w.factors.Recover(w.ctx, w.acme, w.alice.ID, "0000"); return err },
			func() error { _, err := w.factors.AddTOTP(w.ctx, w.acme, w.alice, kept, "000000", ""); return err },
		}
		for fifth := range ways { // each way is once the one of the fifth code
			before := w.told(w.alice.Email)
			for i := 1; i <= idp.FactorTries; i++ {
				if err := ways[(fifth+idp.FactorTries-i)%len(ways)](); !errors.Is(err, idp.ErrWrongFactor) {
					t.Fatalf("code %d: %v", i, err)
				}
				if got := w.told(w.alice.Email) - before; got != i/idp.FactorTries {
					t.Errorf("after wrong code %d: %d mails", i, got)
				}
			}
			if err := ways[0](); !errors.Is(err, idp.ErrTooManyTries) {
				t.Errorf("one that has to wait: %v", err)
			}
			w.forward(idp.FactorPause)
			if err := ways[0](); !errors.Is(err, idp.ErrWrongFactor) {
				t.Errorf("one after the pause: %v", err)
			}
			if got := w.told(w.alice.Email) - before; got != 1 {
				t.Errorf("after more wrong codes: %d mails", got)
			}
			w.forward(2 * idp.FactorPause)
			_, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret))
			w.must(err)
		}
		last := w.post.mails[len(w.post.mails)-1].Fields
		if diff := cmp.Diff(map[string]string{"tenant": "Acme", "ip": "192.0.2.7", "device": "Test"}, last); diff != "" || w.told(w.bob.Email) != 0 {
			t.Errorf("bob has %d; %s", w.told(w.bob.Email), diff)
		}
	})
}

func TestNoMailWhereTheFifthCodeIsRight(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		for range 2 {
			for range idp.FactorTries - 1 {
				w.factors.Code(w.ctx, w.acme, w.alice.ID, "000000")
			}
			_, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret))
			w.must(err)
			w.forward(2 * idp.FactorPause)
		}
		if got := w.told(w.alice.Email); got != 0 {
			t.Errorf("%d mails", got)
		}
	})
}

func TestMailAboutRecoveryCodesSaysWhetherTheyReplaceOthers(t *testing.T) {
	onBoth(t, func(w *world) {
		for i, want := range []map[string]string{
			{"tenant": "Acme", "ip": "192.0.2.7", "device": "Test"},
			{"tenant": "Acme", "ip": "192.0.2.7", "device": "Test", "replaced": "yes"},
		} {
			_, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
			w.must(err)
			last := w.post.mails[len(w.post.mails)-1]
			if diff := cmp.Diff(want, last.Fields); diff != "" || last.Kind != mail.NewRecovery {
				t.Errorf("%d: %s %s", i, last.Kind, diff)
			}
		}
	})
}
