package flow

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// KeyLen is the least length of a key, in bytes.
const KeyLen = 32

// Steps makes and checks verifiers. It is safe for concurrent use.
type Steps struct{ key []byte }

// New returns a Steps over a deployment's key. It panics on a key shorter than
// KeyLen: that is a mistake in the wiring, and forgeable verifiers would be its
// silent consequence.
func New(key []byte) *Steps {
	if len(key) < KeyLen {
		panic("flow: key too short")
	}
	return &Steps{key: append([]byte(nil), key...)}
}

// Verifier returns the proof that a browser was shown this step of this
// transaction at its present version: 43 characters of base64url.
func (s *Steps) Verifier(l storage.Login, step storage.LoginStep) string {
	return s.mac("verifier", string(step), l)
}

// Verify reports whether presented is the verifier of this step of this
// transaction at its present version, and browser (the SHA-256 of the binding
// cookie) is the one that the transaction belongs to. It compares in constant
// time. Whether the transaction stands at that step is the caller's question.
func (s *Steps) Verify(l storage.Login, step storage.LoginStep, browser []byte, presented string) bool {
	return s.proves(l, browser, s.Verifier(l, step), presented)
}

func (s *Steps) proves(l storage.Login, browser []byte, want, presented string) bool {
	proof := subtle.ConstantTimeCompare([]byte(want), []byte(presented))
	same := subtle.ConstantTimeCompare(l.Browser, browser)
	return len(l.Browser) == sha256.Size && proof&same == 1
}

// Shows is Verifier for a page that shows something of a version: it carries the
// version, so that the answer is known to be about what was shown.
func (s *Steps) Shows(l storage.Login, step storage.LoginStep, version int64) string {
	shown := strconv.FormatInt(version, 10)
	return shown + "." + s.mac("shows "+shown, string(step), l)
}

// Shown is Verify for what Shows made; it returns the version that was shown.
func (s *Steps) Shown(l storage.Login, step storage.LoginStep, browser []byte, presented string) (int64, bool) {
	shown, _, _ := strings.Cut(presented, ".")
	version, err := strconv.ParseInt(shown, 10, 64)
	if err != nil {
		return 0, false
	}
	return version, s.proves(l, browser, s.Shows(l, step, version), presented)
}

// Derive returns a secret of the transaction at its present version, different
// for each purpose: 43 characters of base64url, which is also what RFC 7636
// section 4.1 asks of a code_verifier.
func (s *Steps) Derive(l storage.Login, purpose string) string {
	return s.mac("derive", purpose, l)
}

// mac authenticates the fields, each behind its length: without it, ("a", "bc")
// and ("ab", "c") would have one MAC.
func (s *Steps) mac(use, what string, l storage.Login) string {
	var version [8]byte
	binary.BigEndian.PutUint64(version[:], uint64(l.Version))
	mac := hmac.New(sha256.New, s.key)
	for _, field := range [][]byte{[]byte(use), []byte(what), []byte(l.ID), l.Browser, version[:]} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(field)))
		mac.Write(length[:])
		mac.Write(field)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
