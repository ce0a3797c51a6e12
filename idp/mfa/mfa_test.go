package mfa_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/storage"
)

func TestPasskeyProvesTwoFactors(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.acme, w.alice)
		for name, u := range map[string]storage.UserID{"of a person": w.alice.ID, "of whoever it is": ""} {
			options, kept, err := w.factors.Challenge(w.ctx, w.acme, u)
			w.must(err)
			got, err := w.factors.Assert(w.ctx, w.acme, kept, d.get(w.t, options))
			w.must(err)
			want := idp.Proof{Tenant: w.acme, User: w.alice.ID, Factor: got.Factor, AMR: []string{"hwk", "user"}, Level: storage.LevelPHR, Whole: true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

func TestPasskeyOfAnyTenantSaysWhoseItIs(t *testing.T) {
	onBoth(t, func(w *world) {
		d := w.enrol(w.globex, w.carol)
		options, kept, err := w.factors.Challenge(w.ctx, "", "")
		w.must(err)
		got, err := w.factors.Assert(w.ctx, "", kept, d.get(w.t, options))
		w.must(err)
		if got.Tenant != w.globex || got.User != w.carol.ID {
			t.Errorf("%s of %s", got.User, got.Tenant)
		}
	})
}

func TestPasskeyThatIsCopiedBetweenDevicesSaysSo(t *testing.T) {
	onBoth(t, func(w *world) {
		d := newDevice()
		d.auth.Options.BackupEligible = true
		if proof := w.enrolOn(d, w.acme, w.alice); proof.AMR[0] != "swk" || proof.Level != storage.LevelPHR {
			t.Errorf("%+v", proof)
		}
	})
}

func TestOptionsAskForWhatThePolicySays(t *testing.T) {
	onBoth(t, func(w *world) {
		first := w.enrol(w.acme, w.alice)
		options, _, err := w.factors.NewPasskey(w.ctx, w.acme, w.alice)
		w.must(err)
		for want, path := range map[any][]string{
			"auth.example.com": {"rp", "id"}, "required": {"authenticatorSelection", "userVerification"},
			"alice@example.test": {"user", "name"}, "Alice": {"user", "displayName"},
		} {
			if got := field(t, options, path...); got != want {
				t.Errorf("%v: %v, want %v", path, got, want)
			}
		}
		if got := field(t, options, "authenticatorSelection", "residentKey"); got != "required" {
			t.Errorf("residentKey %v", got)
		}
		if got := field(t, options, "attestation"); got != nil && got != "none" {
			t.Errorf("attestation %v", got)
		}
		excluded, _ := field(t, options, "excludeCredentials").([]any)
		if len(excluded) != 1 {
			t.Errorf("excluded %v", excluded)
		}
		if challenge, _ := field(t, options, "challenge").(string); len(challenge) < 22 { // 128 bits
			t.Errorf("a challenge of %d characters", len(challenge))
		}
		_ = first
	})
}

func TestTOTPProvesASecondFactor(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		got, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.code(secret))
		w.must(err)
		want := idp.Proof{Tenant: w.acme, User: w.alice.ID, Factor: got.Factor, AMR: []string{"otp"}, Level: storage.LevelMFA}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTOTPCodeOfTheNeighbouringStepIsGood(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		for _, d := range []time.Duration{-60 * time.Second, 60 * time.Second} {
			if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.codeAt(secret, d)); !errors.Is(err, idp.ErrWrongFactor) {
				t.Errorf("%s off: %v", d, err)
			}
		}
		w.forward(2 * time.Minute)
		for _, d := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
			if _, err := w.factors.Code(w.ctx, w.acme, w.alice.ID, w.codeAt(secret, d)); err != nil {
				t.Errorf("%s off: %v", d, err)
			}
		}
	})
}

func TestSeedIsForAppsAndForPeople(t *testing.T) {
	onBoth(t, func(w *world) {
		seed, kept, err := w.factors.NewTOTP(w.ctx, w.acme, w.alice)
		w.must(err)
		again, err := w.factors.ShowTOTP(w.acme, w.alice, kept)
		w.must(err)
		if diff := cmp.Diff(seed, again, cmp.Comparer(func(a, b idp.TOTPSeed) bool { return a.Secret == b.Secret && a.URI == b.URI })); diff != "" {
			t.Error(diff)
		}
		if !regexp.MustCompile(`^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$`).MatchString(seed.Secret) { // 160 bits
			t.Error("the secret is not 32 letters of base32 in groups")
		}
		if !strings.HasPrefix(seed.URI, "otpauth://totp/Acme%20%28Watchgate%29:alice@example.test?") && !strings.HasPrefix(seed.URI, "otpauth://totp/Acme%20(Watchgate):alice@example.test?") {
			t.Error("the label is another")
		}
		for _, want := range []string{"algorithm=SHA1", "digits=6", "period=30"} {
			if !strings.Contains(seed.URI, want) {
				t.Errorf("no %s", want)
			}
		}
		if len(seed.QR) < 21 || len(seed.QR[0]) != len(seed.QR) || !seed.QR[0][0] {
			t.Errorf("a QR code of %d rows", len(seed.QR))
		}
		if text := fmt.Sprintf("%v %+v %#v", seed, seed, seed); strings.Contains(text, seed.Secret[:4]) {
			t.Error("the seed prints")
		}
		if strings.Contains(string(kept), strings.ReplaceAll(seed.Secret, " ", "")) {
			t.Error("the transaction keeps the seed in clear")
		}
	})
}

func TestSeedIsSealedAtRest(t *testing.T) {
	onBoth(t, func(w *world) {
		secret := w.app(w.acme, w.alice)
		all, err := w.store.Tenant(w.acme).ListFactors(w.ctx, w.alice.ID)
		w.must(err)
		if len(all) != 1 || len(all[0].SealedSecret) == 0 || strings.Contains(string(all[0].SealedSecret), secret) {
			t.Errorf("%d factors", len(all))
		}
	})
}

func TestWaysAreWhatThereIs(t *testing.T) {
	onBoth(t, func(w *world) {
		if got, err := w.factors.Ways(w.ctx, w.acme, w.alice.ID); err != nil || got != (idp.Ways{}) || !got.None() {
			t.Errorf("before: %+v %v", got, err)
		}
		w.enrol(w.acme, w.alice)
		w.app(w.acme, w.alice)
		_, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		if got, err := w.factors.Ways(w.ctx, w.acme, w.alice.ID); err != nil || got != (idp.Ways{Passkeys: 1, TOTP: 1, RecoveryCodes: 10}) {
			t.Errorf("after: %+v %v", got, err)
		}
		if got, _ := w.factors.Ways(w.ctx, w.acme, w.bob.ID); !got.None() {
			t.Errorf("another person has %+v", got)
		}
	})
}

func TestRecoveryCodesAreTenOf80Bits(t *testing.T) {
	onBoth(t, func(w *world) {
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		seen := map[string]bool{}
		for _, code := range codes {
			if !regexp.MustCompile(`^([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}$`).MatchString(code) || seen[code] {
				t.Errorf("%d characters, again %v", len(code), seen[code])
			}
			seen[code] = true
		}
		if len(codes) != 10 {
			t.Errorf("%d codes", len(codes))
		}
	})
}

func TestRecoveryCodeIsReadAsPeopleWriteIt(t *testing.T) {
	onBoth(t, func(w *world) {
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		for i, typed := range []string{
			strings.ToUpper(codes[0]), " " + strings.ReplaceAll(codes[1], "-", " ") + " ", strings.ReplaceAll(codes[2], "-", ""),
			strings.ReplaceAll(strings.ReplaceAll(codes[3], "0", "O"), "1", "l"),
		} {
			got, err := w.factors.Recover(w.ctx, w.acme, w.alice.ID, typed)
			if err != nil || !slices.Equal(got.AMR, []string{"rec"}) || got.Level != storage.LevelMFA || got.Whole {
				t.Errorf("%d: %+v %v", i, got, err)
			}
		}
	})
}

func TestPeopleAreToldOfEachChange(t *testing.T) {
	onBoth(t, func(w *world) {
		w.enrol(w.acme, w.alice)
		w.app(w.acme, w.alice)
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		_, err = w.factors.Recover(w.ctx, w.acme, w.alice.ID, codes[0])
		w.must(err)
		want := []mail.Kind{mail.FactorAdded, mail.FactorAdded, mail.NewRecovery, mail.RecoveryUsed}
		if diff := cmp.Diff(want, w.post.kinds("alice@example.test")); diff != "" {
			t.Error(diff)
		}
		last := w.post.mails[len(w.post.mails)-1].Fields
		if diff := cmp.Diff(map[string]string{"tenant": "Acme", "left": "9", "ip": "192.0.2.7", "device": "Test"}, last); diff != "" {
			t.Error(diff)
		}
		for _, want := range []string{"factor.added", "recovery_codes.replaced", "recovery_code.used"} {
			if !slices.Contains(w.events(w.acme), want) {
				t.Errorf("no %s in the trail", want)
			}
		}
	})
}

// TestWhoeverHasNoAddressIsNotTold: what they did is done all the same.
func TestWhoeverHasNoAddressIsNotTold(t *testing.T) {
	w := onSQLite(t)
	box := mail.New(mail.Config{Store: w.store, Sealer: w.sealer, Sender: mail.NewMailbox(1), Now: w.now})
	var err error
	w.factors, err = mfa.New(mfa.Config{Base: base, Name: "Watchgate", Store: w.store, Sealer: w.sealer, Notifier: box, Now: w.now})
	w.must(err)
	for i, email := range []string{"", "CORP\\alice", "alice"} {
		u := storage.User{ID: storage.NewUserID(w.at), Role: storage.RoleMember, Email: email, CreatedAt: w.at, Version: 1}
		w.must(w.store.Tenant(w.acme).CreateUser(w.ctx, u, nil, audit.UserInvited(w.ctx, w.at, u)))
		w.app(w.acme, u)
		codes, err := w.factors.NewRecoveryCodes(w.ctx, w.acme, u.ID)
		if err != nil || len(codes) == 0 {
			t.Fatalf("%d: %v", i, err)
		}
		if _, err := w.factors.Recover(w.ctx, w.acme, u.ID, codes[0]); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestElevenFactorsAreOneTooMany(t *testing.T) {
	onBoth(t, func(w *world) {
		for range idp.MaxFactors {
			w.enrol(w.acme, w.alice)
		}
		_, _, passkey := w.factors.NewPasskey(w.ctx, w.acme, w.alice)
		_, _, app := w.factors.NewTOTP(w.ctx, w.acme, w.alice)
		if !errors.Is(passkey, idp.ErrTooManyFactors) || !errors.Is(app, idp.ErrTooManyFactors) {
			t.Errorf("%v, %v", passkey, app)
		}
	})
}

// TestRoomForOneFactorIsForOne: of several ceremonies that end at once, as many are
// stored as there is room for.
func TestRoomForOneFactorIsForOne(t *testing.T) {
	onBoth(t, func(w *world) {
		for range idp.MaxFactors - 1 {
			w.enrol(w.acme, w.alice)
		}
		const racers = 4
		var ready [racers]func() error
		for i := range ready {
			d := newDevice()
			options, kept, err := w.factors.NewPasskey(w.ctx, w.acme, w.alice)
			w.must(err)
			response := d.create(t, options)
			ready[i] = func() error {
				_, err := w.factors.AddPasskey(w.ctx, w.acme, w.alice, kept, response, "")
				return err
			}
		}
		var errs [racers]error
		var all sync.WaitGroup
		for i := range ready {
			all.Go(func() { errs[i] = ready[i]() })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, idp.ErrTooManyFactors) {
				t.Error(err)
			}
		}
		list, err := w.store.Tenant(w.acme).ListFactors(w.ctx, w.alice.ID)
		if w.must(err); won != 1 || len(list) != idp.MaxFactors {
			t.Errorf("%d of %d were added, and there are %d", won, racers, len(list))
		}
	})
}

// TestFactorsAreCalledByWhereTheyWereMade: two of one kind are told apart.
func TestFactorsAreCalledByWhereTheyWereMade(t *testing.T) {
	onBoth(t, func(w *world) {
		firefox := origin.With(w.ctx, origin.Origin{UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0"})
		add := func(ctx context.Context, said string) {
			options, kept, err := w.factors.NewPasskey(ctx, w.acme, w.alice)
			w.must(err)
			_, err = w.factors.AddPasskey(ctx, w.acme, w.alice, kept, newDevice().create(t, options), said)
			w.must(err)
		}
		long := strings.Repeat("ü", 64)
		for _, said := range []string{"", "", "", long, long} {
			add(firefox, said)
		}
		add(origin.With(w.ctx, origin.Origin{UserAgent: "x"}), "")
		all, err := w.store.Tenant(w.acme).ListFactors(w.ctx, w.alice.ID)
		w.must(err)
		var names []string
		for _, f := range all {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		want := []string{"Passkey", "Passkey (Firefox on Windows)", "Passkey (Firefox on Windows) 2", "Passkey (Firefox on Windows) 3", strings.Repeat("ü", 62) + " 2", long}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFactorsHaveNamesThatPrint(t *testing.T) {
	onBoth(t, func(w *world) {
		for said, want := range map[string]string{
			"": "Passkey", "  My laptop ": "My laptop", "a\x00b\nc\xff": "abc", strings.Repeat("ü", 100): strings.Repeat("ü", 64),
		} {
			d := newDevice()
			options, kept, err := w.factors.NewPasskey(w.ctx, w.acme, w.alice)
			w.must(err)
			proof, err := w.factors.AddPasskey(w.ctx, w.acme, w.alice, kept, d.create(t, options), said)
			w.must(err)
			all, err := w.store.Tenant(w.acme).ListFactors(w.ctx, w.alice.ID)
			w.must(err)
			i := slices.IndexFunc(all, func(f storage.Factor) bool { return f.ID == proof.Factor })
			if all[i].Name != want {
				t.Errorf("%q became %q", said, all[i].Name)
			}
		}
	})
}

func TestThereAreNoPasskeysAtAnIPAddress(t *testing.T) {
	onBoth(t, func(w *world) {
		f := w.factorsAt("http://127.0.0.1:8080")
		ways, err := f.Ways(w.ctx, w.acme, w.alice.ID)
		w.must(err)
		_, _, prove := f.Challenge(w.ctx, w.acme, "")
		_, _, enrol := f.NewPasskey(w.ctx, w.acme, w.alice)
		_, assert := f.Assert(w.ctx, w.acme, []byte("{}"), nil)
		_, add := f.AddPasskey(w.ctx, w.acme, w.alice, []byte("{}"), nil, "")
		for _, err := range []error{prove, enrol, assert, add} {
			if !ways.NoPasskeys || !errors.Is(err, idp.ErrNoPasskeys) {
				t.Errorf("%v, %v", ways.NoPasskeys, err)
			}
		}
		if _, _, err := f.NewTOTP(w.ctx, w.acme, w.alice); err != nil {
			t.Errorf("an app: %v", err)
		}
	})
}

func TestConfigurationIsChecked(t *testing.T) {
	onBoth(t, func(w *world) {
		good := mfa.Config{Base: base, Name: "Watchgate", Store: w.store, Sealer: w.sealer, Now: w.now}
		for name, spoil := range map[string]func(*mfa.Config){
			"no base":   func(c *mfa.Config) { c.Base = "" },
			"no host":   func(c *mfa.Config) { c.Base = "https:///x" },
			"no name":   func(c *mfa.Config) { c.Name = "" },
			"no store":  func(c *mfa.Config) { c.Store = nil },
			"no sealer": func(c *mfa.Config) { c.Sealer = nil },
			"no clock":  func(c *mfa.Config) { c.Now = nil },
		} {
			bad := good
			spoil(&bad)
			if _, err := mfa.New(bad); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}
