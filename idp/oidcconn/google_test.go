package oidcconn

import (
	"testing"

	"github.com/watchgate/watchgate/storage"
)

const googleIssuer = "https://accounts.google.com"

func newGoogle(t *testing.T) *room {
	r := newProduct(t, storage.PresetGoogle, googleIssuer, "google/discovery.json", "google/id_token.json")
	r.con.Settings.HostedDomains = []string{"acme.com"}
	return r
}

func TestGoogleSignIn(t *testing.T) {
	r := newGoogle(t)
	for _, iss := range []string{googleIssuer, "accounts.google.com"} {
		r.says(map[string]any{"iss": iss})
		got := r.arrives()
		if got.Issuer != googleIssuer || got.Subject != "110169484474386276334" || !got.EmailVerified || got.Level != storage.LevelNone {
			t.Errorf("%+v", got)
		}
	}
}

// Whose organization somebody is of is said by hd: what the request asked for, and the
// address, say nothing (FO-19).
func TestAttackGoogleAccountOfNoOrganizationOrAnother(t *testing.T) {
	for name, says := range map[string]map[string]any{
		"consumer account":           {"hd": nil},
		"consumer, address of ours":  {"hd": nil, "email": "ceo@acme.com"},
		"another organization":       {"hd": "evil.example"},
		"another, address of ours":   {"hd": "evil.example", "email": "ceo@acme.com"},
		"a domain that ends alike":   {"hd": "evil-acme.com"},
		"a domain below ours":        {"hd": "x.acme.com"},
		"hd in a list":               {"hd": []string{"acme.com"}},
		"hd is true":                 {"hd": true},
		"hd is empty":                {"hd": ""},
		"hd in capitals":             {"hd": "ACME.COM"},
		"iss with a slash":           {"iss": googleIssuer + "/"},
		"iss of another, without it": {"iss": "accounts.google.com.evil.example"},
		"iss over http":              {"iss": "http://accounts.google.com"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newGoogle(t)
			r.says(says)
			r.refused()
			r.con.Settings.HostedDomains = []string{"acme.com", ""}
			r.again()
			r.refused()
			r.con.Settings.HostedDomains = []string{"acme.com"}
			r.again()
			r.refused()
			if got := r.op.Asked().Get("hd"); got != "acme.com" {
				t.Errorf("the request had hd = %q", got)
			}
		})
	}
}

func TestGoogleConnectionWithoutADomain(t *testing.T) {
	r := newGoogle(t)
	for _, none := range [][]string{nil, {""}} {
		r.con.Settings.HostedDomains = none
		r.unusable()
	}
}

func TestGoogleIsAskedForWhatItKnows(t *testing.T) {
	r := newGoogle(t)
	r.con.Settings.HostedDomains = []string{"acme.com", "acme.org"}
	req := request
	req.Prompt, req.ACRValues = "login", []string{"mfa"}
	r.authorize(req)
	if got := r.op.Asked(); got.Get("hd") != "*" || got.Get("prompt") != "select_account" || got.Has("acr_values") {
		t.Errorf("asked for %v", got)
	}
	r.says(map[string]any{"hd": "acme.org"})
	r.arrives()
}
