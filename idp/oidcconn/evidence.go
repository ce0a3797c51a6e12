package oidcconn

import (
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// kind is what a method of authentication rests on. Two different ones make two factors.
type kind int

const (
	nothing    kind = iota // it is known, and proves nobody: e-mail, presence, another's word
	knowledge              // what one knows
	possession             // what one has
	inherence              // what one is
)

// evidence is what a provider's claims prove of second factors. The zero value proves
// nothing (MF-02): absent and unknown evidence is one factor.
type evidence struct {
	// methods are the values of amr that are known. One that is not counts for nothing.
	methods map[string]kind
	// mfa: the value mfa counts by itself, unless everything beside it is known and is
	// neither had nor inherent.
	mfa bool
	// phishing reports whether methods that make two factors resist phishing.
	phishing func(amr []string) bool
	// contexts are values of acr that are proof.
	contexts map[string]storage.Level
}

// rfc8176 is for providers of which no more is known than the registry of RFC 8176
// section 2. mfa counts, and so do two methods of different kinds. No value of it says
// that phishing is resisted: a connection can name one (UpstreamMFA).
var rfc8176 = evidence{
	mfa: true,
	methods: map[string]kind{
		"pwd": knowledge, "pin": knowledge, "kba": knowledge,
		"otp": possession, "hwk": possession, "swk": possession, "pop": possession, "sc": possession,
		"sms": possession, "tel": possession,
		"face": inherence, "fpt": inherence, "iris": inherence, "retina": inherence, "vbm": inherence,
		"email": nothing, "geo": nothing, "mca": nothing, "rba": nothing, "user": nothing, "wia": nothing,
	},
}

// level is what the claims of an ID token prove, by the connection's settings and the
// product's table.
func (c *connector) level(claims map[string]any) storage.Level {
	acr, amr := assurance(claims)
	contexts := []string{acr}
	if c.quirks.contexts != nil {
		contexts = append(contexts, c.quirks.contexts(claims)...)
	}
	set := c.con.Settings.MFA
	if set.Ignore {
		return storage.LevelNone
	}
	level := storage.LevelNone
	if len(set.AMR) == 0 {
		level = c.quirks.proves.level(contexts, amr)
	}
	if storage.LevelMFA.AtLeast(level) && (meet(set.AMR, amr) || meet(set.ACR, contexts)) {
		level = storage.LevelMFA
	}
	if meet(set.PhishingResistant, amr) || meet(set.PhishingResistant, contexts) {
		level = storage.LevelPHR
	}
	return level
}

// meet reports whether two lists share a value that says something.
func meet(named, came []string) bool {
	return slices.ContainsFunc(came, func(v string) bool { return v != "" && slices.Contains(named, v) })
}

func (e evidence) level(contexts, amr []string) storage.Level {
	level := storage.LevelNone
	for _, v := range contexts {
		if of := e.contexts[v]; of.AtLeast(level) {
			level = of
		}
	}
	if !e.twoFactors(amr) {
		return level
	}
	if e.phishing != nil && e.phishing(amr) {
		return storage.LevelPHR
	}
	if storage.LevelMFA.AtLeast(level) {
		return storage.LevelMFA
	}
	return level
}

// twoFactors reports whether methods are of two kinds, or the provider says that they
// are.
func (e evidence) twoFactors(amr []string) bool {
	kinds, unknown := map[kind]bool{}, false
	for _, method := range amr {
		if method == "mfa" {
			continue
		}
		k, known := e.methods[method]
		unknown = unknown || !known
		kinds[k] = kinds[k] || k != nothing
	}
	delete(kinds, nothing)
	if len(kinds) > 1 {
		return true
	}
	weak := len(amr) > 1 && !unknown && !kinds[possession] && !kinds[inherence]
	return e.mfa && slices.Contains(amr, "mfa") && !weak
}
