package oidcconn

import (
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// okta is Okta, with an organization's authorization server or a custom one. Its amr
// are not those of RFC 8176 alone (Okta, "Configure AMR claims mapping"; FO-17). We are
// stricter than its table in two places: e-mail is no factor (MF-07), and fed is the
// word of a provider that nobody asked.
var okta = quirks{proves: evidence{
	mfa: true,
	methods: map[string]kind{
		"pwd": knowledge, "kba": knowledge, "pin": knowledge,
		"sms": possession, "tel": possession, "duo": possession, "symantec": possession, "google_otp": possession,
		"okta_verify": possession, "otp": possession, "swk": possession, "hwk": possession, "phr": possession,
		"pop": possession, "oauth_otp": possession, "rsa": possession, "yubikey": possession, "sc": possession,
		"email": nothing, "fed": nothing,
	},
	phishing: func(amr []string) bool {
		return slices.Contains(amr, "phr") || slices.Contains(amr, "pop") ||
			slices.Contains(amr, "sc") && slices.Contains(amr, "hwk")
	},
	// Okta answers with the one that it enforced.
	contexts: map[string]storage.Level{"urn:okta:loa:2fa:any": storage.LevelMFA},
}}
