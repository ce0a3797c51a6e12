package oidcconn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

// proves is what claims prove to a connection.
func proves(con storage.Connection, claims map[string]any) storage.Level {
	c := &connector{con: con, quirks: products[con.Preset]}
	return c.level(claims)
}

func methods(names string) map[string]any {
	var amr []any
	for _, n := range strings.Fields(names) {
		amr = append(amr, n)
	}
	return map[string]any{"amr": amr}
}

func TestEvidenceOfEachProduct(t *testing.T) {
	const none, mfa, phr = storage.LevelNone, storage.LevelMFA, storage.LevelPHR
	for _, c := range []struct {
		preset storage.Preset
		amr    string
		want   storage.Level
	}{
		// Okta's table (FO-17).
		{storage.PresetOkta, "", none},
		{storage.PresetOkta, "pwd", none},
		{storage.PresetOkta, "pwd kba", none},
		{storage.PresetOkta, "pwd email", none},
		{storage.PresetOkta, "mfa pwd email", none},
		{storage.PresetOkta, "mfa pwd kba", none},
		{storage.PresetOkta, "pwd fed", none},
		{storage.PresetOkta, "pwd sms", mfa},
		{storage.PresetOkta, "pwd tel", mfa},
		{storage.PresetOkta, "pwd duo", mfa},
		{storage.PresetOkta, "pwd symantec", mfa},
		{storage.PresetOkta, "pwd google_otp", mfa},
		{storage.PresetOkta, "pwd okta_verify otp", mfa},
		{storage.PresetOkta, "pwd oauth_otp", mfa},
		{storage.PresetOkta, "pwd rsa", mfa},
		{storage.PresetOkta, "pwd yubikey", mfa},
		{storage.PresetOkta, "pwd swk", mfa},
		{storage.PresetOkta, "okta_verify swk", none},
		{storage.PresetOkta, "mfa okta_verify swk", mfa},
		{storage.PresetOkta, "okta_verify phr", none},
		{storage.PresetOkta, "phr", none},
		{storage.PresetOkta, "pop", none},
		{storage.PresetOkta, "pwd okta_verify phr", phr},
		{storage.PresetOkta, "mfa okta_verify phr", phr},
		{storage.PresetOkta, "pwd pop", phr},
		{storage.PresetOkta, "mfa pop", phr},
		{storage.PresetOkta, "sc swk", none},
		{storage.PresetOkta, "sc swk pin mfa", mfa},
		{storage.PresetOkta, "sc hwk pin mfa", phr},
		{storage.PresetOkta, "sc hwk", none},
		{storage.PresetOkta, "mfa", mfa},
		{storage.PresetOkta, "pwd levitation", none},
		{storage.PresetOkta, "mfa pwd levitation", mfa},
		{storage.PresetOkta, "MFA pwd", none},

		// Auth0: mfa, and nothing else.
		{storage.PresetAuth0, "mfa", mfa},
		{storage.PresetAuth0, "pwd otp", none},
		{storage.PresetAuth0, "phr hwk pin", none},
		{storage.PresetAuth0, "", none},

		// Entra and Google say nothing that counts by itself.
		{storage.PresetEntra, "mfa pwd", none},
		{storage.PresetEntra, "pwd rsa mfa ngcmfa", none},
		{storage.PresetGoogle, "mfa", none},
		{storage.PresetGoogle, "pwd hwk", none},

		// Any other provider: RFC 8176.
		{storage.PresetOIDC, "", none},
		{storage.PresetOIDC, "mfa", mfa},
		{"", "mfa otp pwd", mfa},
		{"", "pwd otp", mfa},
		{"", "pwd sms", mfa},
		{"", "pin hwk", mfa},
		{"", "pin swk", mfa},
		{"", "hwk fpt", mfa},
		{"", "pwd face", mfa},
		{"", "pwd pin", none},
		{"", "pwd kba mfa", none},
		{"", "otp sms", none},
		{"", "otp", none},
		{"", "hwk user", none},
		{"", "pwd user", none},
		{"", "pwd geo rba wia mca", none},
		{"", "pwd email", none},
		{"", "pwd email mfa", none},
		{"", "pwd phr", none}, // no value of RFC 8176
		{"", "hwk pop mfa", mfa},
	} {
		if got := proves(storage.Connection{Preset: c.preset}, methods(c.amr)); got != c.want {
			t.Errorf("%s: %q proves %q, want %q", c.preset, c.amr, got, c.want)
		}
	}
}

func TestContextsThatProve(t *testing.T) {
	for _, c := range []struct {
		preset storage.Preset
		acr    string
		want   storage.Level
	}{
		{storage.PresetOkta, "urn:okta:loa:2fa:any", storage.LevelMFA},
		{storage.PresetOkta, "urn:okta:loa:2fa:any:ifpossible", storage.LevelNone},
		{storage.PresetOkta, "urn:okta:loa:1fa:any", storage.LevelNone},
		{storage.PresetOkta, "phr", storage.LevelNone}, // one factor that resists phishing
		{storage.PresetAuth0, "http://schemas.openid.net/pape/policies/2007/06/multi-factor", storage.LevelNone},
		{"", "mfa", storage.LevelNone},
		{"", "phr", storage.LevelNone},
	} {
		if got := proves(storage.Connection{Preset: c.preset}, map[string]any{"acr": c.acr}); got != c.want {
			t.Errorf("%s: acr %q proves %q, want %q", c.preset, c.acr, got, c.want)
		}
	}
}

func TestSettingsDecideWhatProves(t *testing.T) {
	const none, mfa, phr = storage.LevelNone, storage.LevelMFA, storage.LevelPHR
	for i, c := range []struct {
		preset storage.Preset
		set    storage.UpstreamMFA
		claims map[string]any
		want   storage.Level
	}{
		{"", storage.UpstreamMFA{Ignore: true}, methods("mfa pwd otp"), none},
		{"", storage.UpstreamMFA{Ignore: true, AMR: []string{"mfa"}, PhishingResistant: []string{"mfa"}}, methods("mfa"), none},
		{"", storage.UpstreamMFA{AMR: []string{"strong"}}, methods("strong"), mfa},
		{"", storage.UpstreamMFA{AMR: []string{"strong"}}, methods("mfa pwd otp"), none}, // instead of the table
		{storage.PresetOkta, storage.UpstreamMFA{AMR: []string{"strong"}}, methods("mfa pwd pop"), none},
		{"", storage.UpstreamMFA{AMR: []string{"mfa"}}, methods("mfa pwd email"), mfa},
		{"", storage.UpstreamMFA{ACR: []string{"gold"}}, map[string]any{"acr": "gold"}, mfa},
		{"", storage.UpstreamMFA{ACR: []string{"gold"}}, map[string]any{"acr": "Gold"}, none},
		{"", storage.UpstreamMFA{ACR: []string{"gold"}}, methods("pwd otp"), mfa}, // beside the table
		{"", storage.UpstreamMFA{ACR: []string{""}, AMR: []string{""}}, methods("pwd"), none},
		{"", storage.UpstreamMFA{PhishingResistant: []string{"phrh"}}, map[string]any{"acr": "phrh"}, phr},
		{"", storage.UpstreamMFA{PhishingResistant: []string{"fido"}}, methods("fido"), phr},
		{storage.PresetOkta, storage.UpstreamMFA{ACR: []string{"gold"}}, map[string]any{"acr": "gold", "amr": []any{"pwd", "pop"}}, phr},
		{storage.PresetEntra, storage.UpstreamMFA{ACR: []string{"c1"}}, map[string]any{"acrs": []any{"c1", "c2"}}, mfa},
		{storage.PresetEntra, storage.UpstreamMFA{ACR: []string{"c1"}}, map[string]any{"acrs": "c1"}, mfa},
		{storage.PresetEntra, storage.UpstreamMFA{ACR: []string{"c1"}}, map[string]any{"acrs": []any{"c2", 7.0}}, none},
		{storage.PresetEntra, storage.UpstreamMFA{PhishingResistant: []string{"c3"}}, map[string]any{"acrs": []any{"c3"}}, phr},
		{storage.PresetEntra, storage.UpstreamMFA{}, map[string]any{"acrs": []any{"c1"}}, none}, // nobody named it
		{"", storage.UpstreamMFA{ACR: []string{"c1"}}, map[string]any{"acrs": []any{"c1"}}, none},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			con := storage.Connection{Preset: c.preset, Settings: storage.ConnectionSettings{MFA: c.set}}
			if got := proves(con, c.claims); got != c.want {
				t.Errorf("%+v: %v proves %q, want %q", c.set, c.claims, got, c.want)
			}
		})
	}
}

func TestAttackEvidenceOfTheWrongType(t *testing.T) {
	for _, claims := range []map[string]any{
		{"amr": "mfa"}, {"amr": map[string]any{"mfa": true}}, {"amr": []any{[]any{"mfa"}}}, {"amr": []any{true, 1.0}},
		{"acr": []any{"gold"}}, {"acr": 1.0}, {"amr": nil}, {"acr": strings.Repeat("gold", 100)}, nil,
	} {
		con := storage.Connection{Settings: storage.ConnectionSettings{MFA: storage.UpstreamMFA{ACR: []string{"gold"}}}}
		if got := proves(con, claims); got != storage.LevelNone {
			t.Errorf("%v proves %q", claims, got)
		}
	}
}
