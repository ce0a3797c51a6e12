package flow

import (
	"bytes"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

var steps = New(bytes.Repeat([]byte{7}, KeyLen))

func browser(name string) []byte {
	h := sha256.Sum256([]byte(name))
	return h[:]
}

func login() storage.Login {
	return storage.Login{ID: "log_1", Step: storage.StepConsent, Browser: browser("mine"), Version: 3}
}

func TestVerifierOpensItsOwnStep(t *testing.T) {
	l := login()
	if !steps.Verify(l, storage.StepConsent, browser("mine"), steps.Verifier(l, storage.StepConsent)) {
		t.Error("the right verifier is refused")
	}
}

func TestAttackStepSkip(t *testing.T) {
	l := login()
	if steps.Verify(l, storage.StepConsent, browser("mine"), steps.Verifier(l, storage.StepIdentify)) {
		t.Error("the first step's verifier opens the consent step")
	}
}

func TestAttackOtherBrowser(t *testing.T) {
	l := login()
	for name, b := range map[string][]byte{"another": browser("theirs"), "none": nil, "empty": {}} {
		if steps.Verify(l, storage.StepConsent, b, steps.Verifier(l, storage.StepConsent)) {
			t.Errorf("%s browser finishes the step", name)
		}
	}
}

func TestAttackTransactionWithoutABrowser(t *testing.T) {
	l := login()
	l.Browser = nil
	if steps.Verify(l, storage.StepConsent, nil, steps.Verifier(l, storage.StepConsent)) {
		t.Error("a transaction that belongs to no browser can be finished in any")
	}
}

func TestAttackReplayOfAnEarlierStep(t *testing.T) {
	l := login()
	earlier := steps.Verifier(l, storage.StepConsent)
	l.Version++
	if steps.Verify(l, storage.StepConsent, browser("mine"), earlier) {
		t.Error("a verifier outlives its version")
	}
}

func TestAttackOtherTransaction(t *testing.T) {
	l, other := login(), login()
	other.ID = "log_2"
	if steps.Verify(l, storage.StepConsent, browser("mine"), steps.Verifier(other, storage.StepConsent)) {
		t.Error("the verifier of one transaction opens another")
	}
}

func TestAttackFieldsShifted(t *testing.T) {
	a, b := login(), login()
	a.ID, b.ID = "log_1x", "log_1"
	b.Browser = append([]byte("x"), b.Browser...)
	if steps.Verifier(a, storage.StepConsent) == steps.Verifier(b, storage.StepConsent) {
		t.Error("bytes can move from one field to the next")
	}
}

func TestAttackOtherKey(t *testing.T) {
	l := login()
	forger := New(bytes.Repeat([]byte{8}, KeyLen))
	if steps.Verify(l, storage.StepConsent, browser("mine"), forger.Verifier(l, storage.StepConsent)) {
		t.Error("a verifier under another key is accepted")
	}
}

func TestDerivedSecretsDiffer(t *testing.T) {
	l, next := login(), login()
	next.Version++
	seen := map[string]string{}
	for name, v := range map[string]string{
		"nonce":         steps.Derive(l, "nonce"),
		"pkce":          steps.Derive(l, "pkce"),
		"next nonce":    steps.Derive(next, "nonce"),
		"verifier":      steps.Verifier(l, "nonce"),
		"consent proof": steps.Verifier(l, storage.StepConsent),
	} {
		if other, ok := seen[v]; ok {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[v] = name
	}
	if steps.Derive(l, "nonce") != steps.Derive(login(), "nonce") {
		t.Error("a derived secret must come out the same again")
	}
}

// RFC 7636 section 4.1: 43 to 128 unreserved characters.
func TestDerivedSecretIsACodeVerifier(t *testing.T) {
	if v := steps.Derive(login(), "pkce"); !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(v) {
		t.Errorf("%d characters, not a code_verifier", len(v))
	}
}

func TestShortKeyIsRefused(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a key of 31 bytes is accepted")
		}
	}()
	New(make([]byte, KeyLen-1))
}

func FuzzVerify(f *testing.F) {
	right := steps.Verifier(login(), storage.StepConsent)
	f.Add(right, []byte("mine"))
	f.Add("", []byte(nil))
	f.Add(right[:42], []byte("theirs"))
	f.Fuzz(func(t *testing.T, presented string, b []byte) {
		h := sha256.Sum256(b)
		got := steps.Verify(login(), storage.StepConsent, h[:], presented)
		if want := presented == right && string(b) == "mine"; got != want {
			t.Errorf("Verify(%q, %q) = %v", presented, b, got)
		}
	})
}

func TestShownVersionIsTheOneOnThePage(t *testing.T) {
	l := login()
	for _, version := range []int64{0, 1, 7, 1 << 40} {
		if got, ok := steps.Shown(l, storage.StepConsent, browser("mine"), steps.Shows(l, storage.StepConsent, version)); !ok || got != version {
			t.Errorf("%d: %d, %v", version, got, ok)
		}
	}
}

func TestAttackShownVersionEdited(t *testing.T) {
	l := login()
	shows := steps.Shows(l, storage.StepConsent, 7)
	_, mac, _ := strings.Cut(shows, ".")
	later := login()
	later.Version++
	for name, c := range map[string]struct {
		l         storage.Login
		browser   string
		presented string
	}{
		"another version":        {l, "mine", "8." + mac},
		"another spelling":       {l, "mine", "+7." + mac},
		"no version":             {l, "mine", mac},
		"a verifier without one": {l, "mine", "7." + steps.Verifier(l, storage.StepConsent)},
		"another step":           {l, "mine", steps.Shows(l, storage.StepIdentify, 7)},
		"another browser":        {l, "theirs", shows},
		"an earlier step":        {later, "mine", shows},
		"empty":                  {l, "mine", ""},
	} {
		if version, ok := steps.Shown(c.l, storage.StepConsent, browser(c.browser), c.presented); ok {
			t.Errorf("%s: accepted as %d", name, version)
		}
	}
	if steps.Verify(l, storage.StepConsent, browser("mine"), shows) {
		t.Error("what shows a version is a verifier, too")
	}
}
