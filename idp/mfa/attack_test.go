package mfa_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// refused fails the test unless a proof was refused as wrong.
func refused(t *testing.T, what string, proof idp.Proof, err error) {
	t.Helper()
	if !errors.Is(err, idp.ErrWrongFactor) || proof.User != "" {
		t.Errorf("%s: %q is proved, %v", what, proof.User, err)
	}
}

func TestAttackAnswerToAnotherChallenge(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice)
		options, _, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		_, other, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		proof, err := w.factors.Assert(w.ctx, w.acme, other, d.get(t, options))
		refused(t, "the answer to another challenge", proof, err)
	})
}

func TestAttackPasskeyAtAnotherOrigin(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice)
		for _, origin := range []string{
			"https://auth.example.com.evil.test", "https://evil.example.com", "http://auth.example.com",
			"https://auth.example.com:8443", "https://example.com", "null", "",
		} {
			options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
			w.must(err)
			d.rp.Origin = origin
			proof, err := w.factors.Assert(w.ctx, w.acme, kept, d.get(t, options))
			refused(t, origin, proof, err)
		}
	})
}

func TestAttackPasskeyOfAnotherRelyingParty(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice)
		for _, id := range []string{"example.com", "evil.test", "com", ""} {
			options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
			w.must(err)
			d.rp.ID = id
			proof, err := w.factors.Assert(w.ctx, w.acme, kept, d.get(t, options))
			refused(t, id, proof, err)
		}
	})
}

func TestAttackPasskeyWithoutTheUser(t *testing.T) {
	onBoth(t, func(w *world) {
		for name, spoil := range map[string]func(*device){
			"not verified": func(d *device) { d.auth.Options.UserNotVerified = true },
			"not present":  func(d *device) { d.auth.Options.UserNotPresent = true },
		} {
			d := w.enrol(w.acme, w.alice)
			options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
			w.must(err)
			spoil(d)
			proof, err := w.factors.Assert(w.ctx, w.acme, kept, d.get(t, options))
			refused(t, name, proof, err)
			fresh := newDevice()
			spoil(fresh)
			options, kept, err = w.factors.NewPasskey(w.ctx, w.acme, w.alice)
			w.must(err)
			proof, err = w.factors.AddPasskey(w.ctx, w.acme, w.alice, kept, fresh.create(t, options), "")
			refused(t, name+" at the enrolment", proof, err)
		}
	})
}

func TestAttackAnotherPersonsPasskey(t *testing.T) {
	onBoth(t, func(w *world) {
		w.enrol(w.acme, w.alice)
		bobs := w.enrol(w.acme, w.bob)
		options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		proof, err := w.factors.Assert(w.ctx, w.acme, kept, bobs.get(t, options))
		refused(t, "Bob's passkey", proof, err)
		bobs.auth.Options.UserHandle = []byte(string(w.acme) + "." + string(w.alice.ID))
		proof, err = w.factors.Assert(w.ctx, w.acme, kept, bobs.get(t, options))
		refused(t, "Bob's passkey that says it is Alice's", proof, err)
		options, kept, err = w.factors.Challenge(w.ctx, w.acme, "")
		w.must(err)
		proof, err = w.factors.Assert(w.ctx, w.acme, kept, bobs.get(t, options))
		refused(t, "Bob's passkey that says it is Alice's, where anybody's is good", proof, err)
	})
}

func TestAttackAnotherTenantsPasskey(t *testing.T) {
	onBoth(t, func(w *world) {
		carols := w.enrol(w.globex, w.carol)
		options, kept, err := w.factors.Challenge(w.ctx, w.acme, "")
		w.must(err)
		proof, err := w.factors.Assert(w.ctx, w.acme, kept, carols.get(t, options))
		refused(t, "a passkey of globex at acme", proof, err)
		proof, err = w.factors.Assert(w.ctx, w.globex, kept, carols.get(t, options))
		refused(t, "a challenge of acme at globex", proof, err)
		carols.auth.Options.UserHandle = []byte(string(w.acme) + "." + string(w.carol.ID))
		proof, err = w.factors.Assert(w.ctx, w.acme, kept, carols.get(t, options))
		refused(t, "a passkey of globex that says it is acme's", proof, err)
	})
}

func TestAttackCeremonyOfAnotherKind(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice)
		options, proving, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		_, enrolling, err := w.factors.NewPasskey(w.ctx, w.acme, w.alice)
		w.must(err)
		_, app, err := w.factors.NewTOTP(w.ctx, w.acme, w.alice)
		w.must(err)
		for name, kept := range map[string][]byte{"enrolment": enrolling, "app": app, "none": nil, "garbage": []byte("x"), "empty": []byte("{}")} {
			proof, err := w.factors.Assert(w.ctx, w.acme, kept, d.get(t, options))
			refused(t, "a proof in the ceremony: "+name, proof, err)
		}
		proof, err := w.factors.AddPasskey(w.ctx, w.acme, w.alice, proving, d.create(t, options), "")
		refused(t, "an enrolment in the ceremony of a proof", proof, err)
		proof, err = w.factors.AddTOTP(w.ctx, w.acme, w.bob, app, "123456", "")
		refused(t, "an app in another person's ceremony", proof, err)
		if _, err := w.factors.ShowTOTP(w.acme, w.bob, app); !errors.Is(err, idp.ErrWrongFactor) {
			t.Errorf("Bob sees the seed of Alice's app: %v", err)
		}
	})
}

func TestAttackPasskeyThatIsEnrolledAlready(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice)
		options, kept, err := w.factors.NewPasskey(w.ctx, w.acme, w.bob)
		w.must(err)
		proof, err := w.factors.AddPasskey(w.ctx, w.acme, w.bob, kept, d.create(t, options), "")
		refused(t, "Alice's credential as Bob's", proof, err)
	})
}

func TestAttackCopiedPasskey(t *testing.T) {
	onBoth(t, func(w *world) {
		d := newDevice()
		d.key.Counter = 7
		w.enrolOn(d, w.acme, w.alice)
		assert := func(counter uint32) (idp.Proof, error) {
			d.key.Counter = counter
			options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
			w.must(err)
			return w.factors.Assert(w.ctx, w.acme, kept, d.get(t, options))
		}
		if _, err := assert(9); err != nil {
			t.Fatal(err)
		}
		for _, counter := range []uint32{9, 8, 1, 0} {
			proof, err := assert(counter)
			refused(t, "a counter that went back", proof, err)
		}
		if n := len(slices.DeleteFunc(w.events(w.acme), func(k string) bool { return k != "factor.regressed" })); n != 4 {
			t.Errorf("%d of 4 are on record", n)
		}
		if _, err := assert(10); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestPasskeyWithoutACounterIsGood(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice) // synced passkeys always say 0
		for range 3 {
			options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
			w.must(err)
			if _, err := w.factors.Assert(w.ctx, w.acme, kept, d.get(t, options)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAttackTOTPCodeTwice(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		code := w.code(secret)
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, code); err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{code, w.codeAt(secret, -30*time.Second)} {
			proof, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, again)
			refused(t, "a code that was used, or is older than one that was", proof, err)
		}
	})
}

func TestAttackTOTPCodeOfTheEnrolmentAgain(t *testing.T) {
	onBoth(t, func(w *world) {
		seed, kept, err := w.factors.NewTOTP(w.ctx, w.acme, w.alice)
		w.must(err)
		code := w.code(strings.ReplaceAll(seed.Secret, " ", ""))
		_, err = w.factors.AddTOTP(w.ctx, w.acme, w.alice, kept, code, "")
		w.must(err)
		proof, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, code)
		refused(t, "the code that proved the app", proof, err)
		proof, err = w.factors.AddTOTP(w.ctx, w.acme, w.alice, kept, code, "")
		refused(t, "the same app again", proof, err)
	})
}

// race runs 16 at once and counts those that succeed.
func race(w *world, do func() error) int {
	var all sync.WaitGroup
	var mu sync.Mutex
	winners := 0
	for range 16 {
		all.Go(func() {
			err := do()
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners++
			case !errors.Is(err, idp.ErrWrongFactor) && !errors.Is(err, idp.ErrTooManyTries):
				w.t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	return winners
}

func TestAttackSixteenWithOneTOTPCode(t *testing.T) {
	onBoth(t, func(w *world) {
		code := w.code(w.app(w.acme, w.alice))
		winners := race(w, func() error {
			_, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, code)
			return err
		})
		if winners != 1 {
			t.Errorf("%d of 16 got in by one code", winners)
		}
	})
}

func TestAttackSixteenWithOneRecoveryCode(t *testing.T) {
	onBoth(t, func(w *world) {
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		winners := race(w, func() error {
			_, err := w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[0])
			return err
		})
		if winners != 1 {
			t.Errorf("%d of 16 got in by one code", winners)
		}
	})
}

func TestAttackBruteForceOfCodes(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		for i := range idp.FactorTries {
			var proof idp.Proof
			if i%2 == 0 {
				proof, err = w.factors.Code(w.ctx, w.acme, w.alice.ID, "000000")
			} else {
				proof, err = w.factors.Recover(w.ctx, w.acme, w.alice.ID, "0000-0000-0000-0000")
			}
			refused(t, "a guess", proof, err)
		}
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret)); !errors.Is(err, idp.ErrTooManyTries) || errors.Is(err, idp.ErrLocked) {
			t.Errorf("the sixth, which is right, was looked at: %v", err)
		}
		if _, err := w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[0]); !errors.Is(err, idp.ErrTooManyTries) {
			t.Errorf("a recovery code after that was looked at: %v", err)
		}
		w.forward(idp.FactorPause)
		proof, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, "000000")
		refused(t, "one after the pause", proof, err)
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret)); !errors.Is(err, idp.ErrTooManyTries) {
			t.Errorf("a second after the pause was looked at: %v", err)
		}
		w.forward(idp.FactorPause)
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret)); err != nil {
			t.Errorf("the right one after the pause: %v", err)
		}
		if proof, err = w.factors.Code(w.ctx, w.acme, w.alice.ID, "000000"); !errors.Is(err, idp.ErrWrongFactor) {
			t.Errorf("a success did not clear the tries: %v", err)
		}
	})
}

// TestAttackPatientGuessing: somebody who has the first factor and any amount of time.
func TestAttackPatientGuessing(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		device := w.enrol(w.acme, w.alice)
		w.guessed(storage.MaxTries)
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret)); !errors.Is(err, idp.ErrLocked) {
			t.Errorf("the right code: %v", err)
		}
		if _, err := w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[0]); !errors.Is(err, idp.ErrLocked) {
			t.Errorf("a recovery code: %v", err)
		}
		options, kept, err := w.factors.Challenge(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		_, err = w.factors.Assert(w.ctx, w.acme, kept, device.get(t, options))
		w.must(err)
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret)); err != nil {
			t.Errorf("after a passkey: %v", err)
		}
		w.forward(time.Minute)
		w.guessed(storage.MaxTries - 1)
		w.forward(idp.FactorPause)
		if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret)); err != nil {
			t.Errorf("the last try, after as many failures as there may be: %v", err)
		}
		w.guessed(storage.MaxTries)
	})
}

// guessed enters wrong codes of alice's, as fast as they are looked at.
func (w *world) guessed(times int) {
	w.t.Helper()
	for i := range times {
		w.forward(idp.FactorPause)
		guess, code := w.factors.Code, "000000"
		if i%2 == 0 {
			guess, code = w.factors.Recover, "0000-0000-0000-0000"
		}
		_, err := guess(w.ctx, w.acme, w.alice.ID, code)
		if !errors.Is(err, idp.ErrWrongFactor) {
			w.t.Fatalf("guess %d: %v", i+1, err)
		}
	}
	w.forward(idp.FactorPause)
}

func TestAttackBruteForceOfOnePersonLocksNobodyElseOut(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.bob)
		for range 2 * idp.FactorTries {
			w.factors.Code(w.ctx, w.acme, w.alice.ID, "000000")
		}
		if _, err := w.factors.Code(w.ctx, w.acme, w.bob.ID, w.code(secret)); err != nil {
			t.Error(err)
		}
	})
}

func TestAttackRecoveryCodeTwice(t *testing.T) {
	onBoth(t, func(w *world) {
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		_, err = w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[0])
		w.must(err)
		proof, err := w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[0])
		refused(t, "a code that was used", proof, err)
		proof, err = w.factors.Recover(w.ctx, w.acme, w.bob.ID, codes[1])
		refused(t, "another person's code", proof, err)
		_, err = w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		proof, err = w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[1])
		refused(t, "a code that was replaced", proof, err)
	})
}

func TestAttackSeedMovedToAnotherRow(t *testing.T) {
	onBoth(t, func(w *world) {
		_, kept, err := w.factors.NewTOTP(w.ctx, w.acme, w.alice)
		w.must(err)
		var c map[string]any
		w.must(json.Unmarshal(kept, &c))
		c["factor"] = string(storage.NewFactorID(w.now()))
		moved, err := json.Marshal(c)
		w.must(err)
		if _, err := w.factors.ShowTOTP(w.acme, w.alice, moved); err == nil {
			t.Error("a sealed seed opens for another factor")
		}
	})
}
