package templates

import (
	"bytes"
	"io"
	"maps"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostileTexts go into every text of every page at once.
var hostileTexts = map[string]string{
	"markup":            `"><script>alert(1)</script><img src=x onerror=alert(1)>`,
	"single quotes":     `' onfocus='alert(1)' autofocus='`,
	"closing tags":      `</title></textarea></style></script></svg><svg onload=alert(1)>`,
	"template action":   `{{.}}{{template "content" .}}`,
	"script URL":        `javascript:alert(1)`,
	"comment":           `<!--><script>alert(1)</script>-->`,
	"unicode":           "Ünïcödé 監視 مراقبة 🛰️",
	"bidi override":     "Acme \u202egnp.exe\u202c\u2066",
	"control":           "a\x00b\x1b[31m\r\nSet-Cookie: x=y",
	"not UTF-8":         "\xff\xfe<script>",
	"very long":         strings.Repeat("W", 20_000),
	"very long, spaced": strings.Repeat("wide words ", 2_000),
}

// hostilePages are all pages with s in every text; what must be a URL stays one.
func hostilePages(s string) map[string]writer {
	var (
		signIn    = filled[SignInPage](s)
		choice    = filled[TenantChoicePage](s)
		consent   = filled[ConsentPage](s)
		failure   = filled[ErrorPage](s)
		signOut   = filled[SignOutPage](s)
		signedOut = filled[SignedOutPage](s)
		post      = filled[FormPostPage](s)
		goOn      = filled[ContinuePage](s)
		demoIDP   = filled[DemoIDPPage](s)
		demoApp   = filled[DemoAppPage](s)
		demoStart = demoApp
		signedIn  = filled[SignedInPage](s)
		welcome   = filled[WelcomePage](s)
		place     = filled[DemoPlacePage](s)
	)
	failure.LinkURL, signedOut.ReturnURL, post.Action, goOn.URL = "/", "/", "https://app.example/cb", "https://app.example/cb"
	welcome.Issuer, place.LinkURL = "https://auth.example", "/"
	demoStart.User = nil
	all := map[string]writer{
		"signin":        func(w io.Writer) error { return SignIn(w, signIn) },
		"tenant-choice": func(w io.Writer) error { return TenantChoice(w, choice) },
		"consent":       func(w io.Writer) error { return Consent(w, consent) },
		"error":         func(w io.Writer) error { return Error(w, failure) },
		"signout":       func(w io.Writer) error { return SignOut(w, signOut) },
		"signed-out":    func(w io.Writer) error { return SignedOut(w, signedOut) },
		"form-post":     func(w io.Writer) error { return FormPost(w, post) },
		"continue":      func(w io.Writer) error { return Continue(w, goOn) },
		"demo-idp":      func(w io.Writer) error { return DemoIDP(w, demoIDP) },
		"demo-app":      func(w io.Writer) error { return DemoApp(w, demoApp) },
		"demo-start":    func(w io.Writer) error { return DemoApp(w, demoStart) },
		"signed-in":     func(w io.Writer) error { return SignedIn(w, signedIn) },
		"welcome":       func(w io.Writer) error { return Welcome(w, welcome) },
		"demo-place":    func(w io.Writer) error { return DemoPlace(w, place) },
	}
	maps.Copy(all, factorHostile(s))
	maps.Copy(all, trialHostile(s))
	maps.Copy(all, accountHostile(s))
	return all
}

// filled returns a page with s in every string and true in every bool, and two elements in every list.
func filled[Page any](s string) Page {
	var page Page
	fill(reflect.ValueOf(&page).Elem(), s)
	return page
}

func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), s)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), s)
		}
	}
}

func TestMarkupInjectionThroughNames(t *testing.T) {
	for attack, payload := range hostileTexts {
		for name, write := range hostilePages(payload) {
			t.Run(attack+"/"+name, func(t *testing.T) { checkHarmless(t, name, write) })
		}
	}
}

// checkHarmless looks for anything that runs or loads.
func checkHarmless(t *testing.T, name string, write writer) {
	t.Helper()
	root := parsed(t, write)
	if n := len(elements(root, "img", "iframe", "style", "textarea")); n > 0 {
		t.Errorf("%d elements came from a text", n)
	}
	scripts := 0
	if name == "form-post" || runsPasskeys(t, root) {
		scripts = 1
	}
	if n := len(elements(root, "script")); n != scripts {
		t.Errorf("%d scripts, want %d", n, scripts)
	}
	for _, n := range elements(root) {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || (a.Key == "autofocus" && n.Data != "input") || a.Key == "style" {
				t.Errorf("<%s> got the attribute %s", n.Data, a.Key)
			}
			if (a.Key == "href" || a.Key == "action") && strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
				t.Errorf("<%s %s> leads to a script", n.Data, a.Key)
			}
		}
	}
}

func TestBidiOverrideInAppName(t *testing.T) {
	p := sampleConsent()
	p.AppName, p.TenantName = "Acme\u202e reversed\u200b", "Glo\u2066bex"
	var page bytes.Buffer
	if err := Consent(&page, p); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(page.String(), "\u202e\u200b\u2066") {
		t.Error("a formatting character reached the page")
	}
	if !strings.Contains(page.String(), "Acme reversed") {
		t.Error("the rest of the name is gone")
	}
}

func TestDisplayName(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Demo monitor", "Demo monitor"},
		{"  two\t\nlines  ", "two lines"},
		{"a\x00\x1bb", "a b"},
		{"x\u202ey\ufeff", "xy"},
		{"\xffbad", "bad"},
		{"", ""},
		{"監視", "監視"},
	}
	for _, test := range tests {
		if got := displayName(test.in); got != test.want {
			t.Errorf("displayName(%q) = %q, want %q", test.in, got, test.want)
		}
	}
	if got := displayName(strings.Repeat("é", 500)); utf8.RuneCountInString(got) != maxName || !strings.HasSuffix(got, "…") {
		t.Errorf("a long name became %d characters", utf8.RuneCountInString(got))
	}
}

func TestHostOfTheRedirectIsNeverShortened(t *testing.T) {
	p := sampleConsent()
	p.RedirectHost = "accounts.acme.test." + strings.Repeat("a.", 110) + "evil.example"
	if said := text(parsed(t, func(w io.Writer) error { return Consent(w, p) })); !strings.Contains(said, p.RedirectHost) {
		t.Error("the end of the host, which is what counts, is missing")
	}
}
