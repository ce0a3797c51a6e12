package templates

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// sampleQR has the size of a real one, and something of its looks.
func sampleQR() [][]bool {
	rows := make([][]bool, 45)
	for y := range rows {
		rows[y] = make([]bool, 45)
		for x := range rows[y] {
			rows[y][x] = (x*y+x/2+y)%3 == 0
		}
	}
	return rows
}

const sampleOptions = `{"challenge":"dGVzdA","rpId":"auth.example","userVerification":"required"}`

// factorSamples are the pages about factors, filled the way the product fills them.
func factorSamples() map[string]writer {
	prove := FactorPage{
		Action: "/login/log_1/factor", State: sampleState, AppName: "Demo status board", TenantName: "Acme Monitoring",
		UserEmail: "alice@acme.test", PasskeyOptions: sampleOptions, Code: true, Recovery: true, Cancel: "Not now",
	}
	code := prove
	code.PasskeyOptions, code.AppName, code.Provider, code.Problem = "", "", "Acme Okta", FactorWrong
	enrol := FactorEnrolPage{
		Action: "/login/log_1/enrol", State: sampleState, TenantName: "Acme Monitoring", UserEmail: "alice@acme.test",
		PasskeyOptions: sampleOptions, App: true, Cancel: "Not now",
	}
	first, forApp := enrol, enrol
	first.First, first.App, first.Cancel = true, false, ""
	forApp.AppName = "Demo status board"
	only := prove
	only.Code = false
	noPasskeys := enrol
	noPasskeys.PasskeyOptions, noPasskeys.Asked = "", true
	app := FactorAppPage{
		Action: "/login/log_1/enrol", State: sampleState, TenantName: "Acme Monitoring", UserEmail: "alice@acme.test",
		Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", QR: sampleQR(), Other: true,
	}
	return map[string]writer{
		"factor":                  func(w io.Writer) error { return Factor(w, prove) },
		"factor-code":             func(w io.Writer) error { return Factor(w, code) },
		"factor-only":             func(w io.Writer) error { return Factor(w, only) },
		"factor-enrol-first":      func(w io.Writer) error { return FactorEnrol(w, first) },
		"factor-enrol-for-app":    func(w io.Writer) error { return FactorEnrol(w, forApp) },
		"factor-enrol":            func(w io.Writer) error { return FactorEnrol(w, enrol) },
		"factor-enrol-no-passkey": func(w io.Writer) error { return FactorEnrol(w, noPasskeys) },
		"factor-app":              func(w io.Writer) error { return FactorApp(w, app) },
		"factor-codes": func(w io.Writer) error {
			return FactorCodes(w, FactorCodesPage{TenantName: "Acme Monitoring", UserEmail: "alice@acme.test", NextURL: "/login/log_1", Codes: []string{
				"4f7k-9m2q-x8tz-1bdh", "0a5c-ge3n-rw6y-jv4p", "8h1t-kq7z-2mxb-dn9f", "c3wy-5rpe-06av-gj8s", "zt2n-4hbk-m9qd-7x1f",
				"9ye0-wcv5-a3rg-6pjs", "n4hk-t8zm-1bqx-2d7f", "j6sa-0yer-v5gc-3wpn", "q1bx-7dmz-9f2k-t4h8", "g5pr-e6cw-yv0a-s3jn",
			}})
		},
		"factor-codes-new": func(w io.Writer) error {
			return FactorCodes(w, FactorCodesPage{TenantName: "Acme Monitoring", NextURL: "/login/log_1", Codes: []string{"4f7k-9m2q-x8tz-1bdh"}, Replaced: true})
		},
		"factor-renew": func(w io.Writer) error {
			return FactorRenew(w, FactorRenewPage{Action: "/login/log_1/enrol", State: sampleState, Left: 3, Cancel: "Keep them"})
		},
		"passkey-link": func(w io.Writer) error {
			return PasskeyLink(w, PasskeyLinkPage{Action: "/login/log_1/factor", State: sampleState, AppName: "Demo status board",
				Email: "dora@small.example", OtherURL: "/login/log_1/email", PasskeyOptions: sampleOptions})
		},
		"passkey-open": func(w io.Writer) error {
			return PasskeyOpen(w, PasskeyOpenPage{Action: "/login/link/ten_1/x", TenantName: "Small Company", Email: "dora@small.example"})
		},
		"passkey-open-invited": func(w io.Writer) error {
			return PasskeyOpen(w, PasskeyOpenPage{Action: "/login/link/ten_1/x", TenantName: "Small Company", Email: "dora@small.example", Invited: true})
		},
		"passkey-open-address": func(w io.Writer) error {
			return PasskeyOpen(w, PasskeyOpenPage{Action: "/login/link/ten_1/x", TenantName: "Small Company", Email: "dora@small.example", Address: true})
		},
		"passkey-address": func(w io.Writer) error {
			return PasskeyAddress(w, PasskeyAddressPage{TenantName: "Small Company", Email: "dora@small.example"})
		},
		"passkey-emergency": func(w io.Writer) error {
			return PasskeyEmergency(w, PasskeyEmergencyPage{Action: "/login/log_1/factor", State: sampleState, PasskeyOptions: sampleOptions, Problem: FactorPasskey})
		},
	}
}

// factorHostile are the same pages with s in every text.
func factorHostile(s string) map[string]writer {
	prove, enrol, app, codes := filled[FactorPage](s), filled[FactorEnrolPage](s), filled[FactorAppPage](s), filled[FactorCodesPage](s)
	renew, link, emergency := filled[FactorRenewPage](s), filled[PasskeyLinkPage](s), filled[PasskeyEmergencyPage](s)
	open, address := filled[PasskeyOpenPage](s), filled[PasskeyAddressPage](s)
	return map[string]writer{
		"factor":            func(w io.Writer) error { return Factor(w, prove) },
		"factor-enrol":      func(w io.Writer) error { return FactorEnrol(w, enrol) },
		"factor-app":        func(w io.Writer) error { return FactorApp(w, app) },
		"factor-codes":      func(w io.Writer) error { return FactorCodes(w, codes) },
		"factor-renew":      func(w io.Writer) error { return FactorRenew(w, renew) },
		"passkey-link":      func(w io.Writer) error { return PasskeyLink(w, link) },
		"passkey-emergency": func(w io.Writer) error { return PasskeyEmergency(w, emergency) },
		"passkey-open":      func(w io.Writer) error { return PasskeyOpen(w, open) },
		"passkey-address":   func(w io.Writer) error { return PasskeyAddress(w, address) },
	}
}

func TestPagesAboutFactorsSayWhatIsSo(t *testing.T) {
	const others, second, old = "I cannot use any of these", "more than one proof", "had before do not work"
	for name, c := range map[string]struct{ says, not []string }{
		"factor":                  {[]string{others}, nil},
		"factor-only":             {[]string{"I cannot use this"}, []string{others}},
		"factor-enrol":            {[]string{"Add a second factor", "Acme Monitoring asks you to sign in with " + second}, nil},
		"factor-enrol-first":      {[]string{"Add a passkey", "how you will sign in to Acme Monitoring"}, []string{"second factor", second}},
		"factor-enrol-for-app":    {[]string{"Add a second factor", "Demo status board asks you"}, []string{"Acme Monitoring asks"}},
		"factor-enrol-no-passkey": {[]string{"Add a factor"}, []string{second}},
		"factor-codes":            {nil, []string{old}},
		"factor-codes-new":        {[]string{old}, nil},
	} {
		said := text(parsed(t, factorSamples()[name]))
		for _, want := range c.says {
			if !strings.Contains(said, want) {
				t.Errorf("%s lacks %q: %s", name, want, said)
			}
		}
		for _, word := range c.not {
			if strings.Contains(said, word) {
				t.Errorf("%s says %q", name, word)
			}
		}
	}
}

// runsPasskeys tells whether a page has the one script that passkeys need.
func runsPasskeys(t *testing.T, root *html.Node) bool {
	t.Helper()
	scripts := elements(root, "script")
	if len(scripts) != 1 {
		return false
	}
	sum := sha256.Sum256([]byte(scripts[0].FirstChild.Data))
	return "sha256-"+base64.StdEncoding.EncodeToString(sum[:]) == PasskeyScriptHash
}

func TestPagesWithAPasskeyHaveItsScriptAndNoOther(t *testing.T) {
	for name, write := range factorSamples() {
		root := parsed(t, write)
		var forms int
		for _, form := range elements(root, "form") {
			if attr(form, "data-passkey") == "" {
				continue
			}
			forms++
			if attr(form, "data-options") != sampleOptions {
				t.Errorf("%s: the options arrive as %q", name, attr(form, "data-options"))
			}
		}
		if forms != len(elements(root, "script")) || (forms > 0 && !runsPasskeys(t, root)) {
			t.Errorf("%s: %d forms for a passkey, %d scripts", name, forms, len(elements(root, "script")))
		}
	}
}

func TestPagesAboutFactorsWorkWithoutScripts(t *testing.T) {
	for _, name := range []string{"factor", "factor-code", "factor-enrol", "factor-app", "passkey-open", "factor-renew"} {
		var usable int
		for _, form := range elements(parsed(t, factorSamples()[name]), "form") {
			if attr(form, "data-passkey") == "" && attr(form, "method") == "post" {
				usable++
			}
		}
		if usable == 0 {
			t.Errorf("%s has no form without a script", name)
		}
	}
	if said := text(parsed(t, factorSamples()["factor"])); !strings.Contains(said, "needs a browser that runs scripts") {
		t.Error("nothing says that a passkey needs scripts")
	}
}

func TestQRCodeIsDrawnModuleByModule(t *testing.T) {
	page := FactorAppPage{QR: [][]bool{{true, true, false, true}, {false, false, true, true}}}
	want := []QRBar{{4, 4, 2}, {7, 4, 1}, {6, 5, 2}}
	got := page.QRBars()
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v, want %v", got[i], want[i])
		}
	}
	if page.QRSize() != 10 {
		t.Errorf("size %d", page.QRSize())
	}
}

func TestRecoveryCodesAreOneToALine(t *testing.T) {
	codes := byID(t, parsed(t, factorSamples()["factor-codes"]), "recovery-codes")
	if lines := strings.Split(codes.FirstChild.Data, "\n"); len(lines) != 10 || lines[0] != "4f7k-9m2q-x8tz-1bdh" {
		t.Errorf("%q", lines)
	}
}
