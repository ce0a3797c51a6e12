package templates

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

func TestEveryPageIsACompleteAccessibleDocument(t *testing.T) {
	for name, write := range samples() {
		t.Run(name, func(t *testing.T) {
			root := parsed(t, write)
			for _, once := range []string{"title", "main", "h1", "header", "footer"} {
				found := elements(root, once)
				if len(found) != 1 || strings.TrimSpace(text(found[0])) == "" {
					t.Errorf("%d elements <%s>, want one that is not empty", len(found), once)
				}
			}
			if lang := attr(elements(root, "html")[0], "lang"); lang != "en" {
				t.Errorf("lang = %q", lang)
			}
			if meta := metaContent(root, "viewport"); meta != "width=device-width, initial-scale=1" {
				t.Errorf("viewport = %q", meta)
			}
			checkNames(t, root)
		})
	}
}

// checkNames finds controls without a name and ids that occur twice.
func checkNames(t *testing.T, root *html.Node) {
	t.Helper()
	seen, labelled := map[string]bool{}, map[string]bool{}
	for _, n := range elements(root, "label") {
		labelled[attr(n, "for")] = true
	}
	for _, n := range elements(root) {
		id := attr(n, "id")
		if id != "" && seen[id] {
			t.Errorf("the id %q occurs twice", id)
		}
		seen[id] = true
		switch {
		case n.Data == "input" && attr(n, "type") != "hidden" && !labelled[id]:
			t.Errorf("the field %q has no label", attr(n, "name"))
		case (n.Data == "button" || n.Data == "a") && text(n) == "" && attr(n, "aria-label") == "":
			t.Errorf("a <%s> has no name", n.Data)
		case n.Data == "svg" && attr(n, "aria-hidden") != "true":
			t.Error("an icon is not hidden from screen readers")
		}
	}
}

func metaContent(root *html.Node, name string) string {
	for _, n := range elements(root, "meta") {
		if attr(n, "name") == name {
			return attr(n, "content")
		}
	}
	return ""
}

func TestNoPageHasInlineCodeOrStyle(t *testing.T) {
	for name, write := range samples() {
		t.Run(name, func(t *testing.T) {
			root := parsed(t, write)
			if n := len(elements(root, "style", "iframe", "object", "embed", "base")); n > 0 {
				t.Errorf("%d elements that the policy forbids", n)
			}
			if n := len(elements(root, "script")); n > 0 && name != "form-post" && !runsPasskeys(t, root) {
				t.Errorf("%d scripts", n)
			}
			for _, n := range elements(root) {
				for _, a := range n.Attr {
					if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
						t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
					}
				}
			}
		})
	}
}

func TestPagesLoadOnlyOurOwnAssets(t *testing.T) {
	for name, write := range samples() {
		t.Run(name, func(t *testing.T) {
			for _, n := range elements(parsed(t, write)) {
				for _, a := range n.Attr {
					if navigates(n) || !looksForeign(a.Val) || a.Key == "value" {
						continue
					}
					t.Errorf("<%s %s=%q> leads to another origin", n.Data, a.Key, a.Val)
				}
				if n.Data == "link" && !strings.HasPrefix(attr(n, "href"), AssetPrefix) {
					t.Errorf("<link href=%q> is not an asset", attr(n, "href"))
				}
			}
		})
	}
}

// navigates tells whether a URL on n is one that the person goes to, not one that the page loads.
func navigates(n *html.Node) bool {
	return n.Data == "a" || n.Data == "form" || (n.Data == "meta" && attr(n, "http-equiv") == "refresh")
}

func looksForeign(value string) bool {
	u, err := url.Parse(value)
	return err == nil && u.Host != "" || strings.Contains(value, "://")
}

func TestHooksThatScriptsRelyOn(t *testing.T) {
	all := samples()
	tests := []struct{ page, id, name, value, words string }{
		{"signin", "login-submit", "", "", "Sign in"},
		{"consent", "consent-approve", "decision", "allow", "Allow"},
		{"consent", "consent-deny", "decision", "deny", "Deny"},
		{"signout", "logout-confirm", "", "", "Sign out"},
	}
	for _, test := range tests {
		t.Run(test.id, func(t *testing.T) {
			root := parsed(t, all[test.page])
			button := byID(t, root, test.id)
			got := []string{button.Data, attr(button, "type"), attr(button, "name"), attr(button, "value")}
			if diff := cmp.Diff([]string{"button", "submit", test.name, test.value}, got); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(text(root), test.words) {
				t.Errorf("the page does not say %q", test.words)
			}
			if method := attr(enclosingForm(t, button), "method"); method != "post" {
				t.Errorf("the form's method is %q", method)
			}
		})
	}
}

func enclosingForm(t *testing.T, n *html.Node) *html.Node {
	t.Helper()
	for p := range n.Ancestors() {
		if p.Data == "form" {
			return p
		}
	}
	t.Fatal("the button is in no form")
	return nil
}

func TestPagesSayTheWordsTheyMustSay(t *testing.T) {
	tests := []struct {
		page  string
		words []string
	}{
		{"signed-out", []string{"Signed out"}},
		{"error", []string{"invalid_request", "redirect_uri_mismatch", "req_01jd5h8x3v9k2m", "What to do"}},
		{"consent", []string{"Demo status board", "demo-spa", "127.0.0.1:8082", "Acme", "Alice Archer", "alice@acme.test",
			"See monitors, checks and their results", "See your e-mail address", "Sensitive", "30 days at most, also while you are away"}},
		{"consent-warned", []string{"not verified", "This app runs on this computer", "1 hour", "https://mcp.example.com/"}},
		{"tenant-choice", []string{"Acme Monitoring", "Globex Corporation", "Signed in", "Use another account"}},
		{"demo-app-inside", []string{"Refused, as it should be.", "404 Not Found", "/t/globex/monitors"}},
		{"demo-app-problem", []string{"The sign-in did not succeed.", "The person declined.", "access_denied"}},
		{"demo-app-signed-out", []string{"You are signed out of this app.", "Sign out of Watchgate too"}},
		{"demo-place-missing", []string{"There is nothing here", "404"}},
		{"error-suspended", []string{"Reason given: The invoice of March is unpaid."}},
		{"signed-in", []string{"You are signed in", "Acme Monitoring", "alice@globex.test", "Sign out", "Sign in to another organization"}},
		{"welcome", []string{"http://127.0.0.1:8080", "/.well-known/openid-configuration"}},
		{"continue-manual", []string{"Nobody has verified Demo status board", "app.example"}},
	}
	all := samples()
	for _, test := range tests {
		said := text(parsed(t, all[test.page]))
		for _, words := range test.words {
			if !strings.Contains(said, words) {
				t.Errorf("%s does not say %q", test.page, words)
			}
		}
	}
}

func TestFormsCarryTheStateInHiddenFields(t *testing.T) {
	want := map[string]string{"transaction": "txn_sample", "verifier": "ver_sample"}
	for _, page := range []string{"signin", "tenant-choice", "consent"} {
		if diff := cmp.Diff(want, hidden(parsed(t, samples()[page]))); diff != "" {
			t.Errorf("%s: %s", page, diff)
		}
	}
}

func TestConsentWarnsOnlyWhenThereIsSomethingToWarnOf(t *testing.T) {
	said := text(parsed(t, samples()["consent"]))
	for _, warning := range []string{"not verified", "runs on this computer", "Not you?"} {
		if strings.Contains(said, warning) {
			t.Errorf("the page says %q", warning)
		}
	}
}

func TestChoiceButtonsCarryTheirValues(t *testing.T) {
	values := func(page, name string) (found []string) {
		for _, n := range elements(parsed(t, samples()[page]), "button") {
			if attr(n, "name") == name {
				found = append(found, attr(n, "value"))
			}
		}
		return found
	}
	everybody := []string{"alice@acme.test", "bob@acme.test", "victor@acme.test", "carol@globex.test"}
	for _, test := range []struct {
		page, name string
		want       []string
	}{
		{"tenant-choice", FieldTenant, []string{"acme", "globex", "initech"}},
		{"tenant-choice", FieldAnotherAccount, []string{"1"}},
		{"demo-idp", FieldDemoUser, everybody},
		{"demo-idp", FieldDemoUserNoMFA, everybody},
	} {
		if diff := cmp.Diff(test.want, values(test.page, test.name)); diff != "" {
			t.Errorf("%s, %s: %s", test.page, test.name, diff)
		}
	}
}

func TestDemoIDPShowsTheHintedPersonFirst(t *testing.T) {
	people := []DemoPerson{{Login: "a"}, {Login: "b"}, {Login: "c"}}
	root := parsed(t, func(w io.Writer) error { return DemoIDP(w, DemoIDPPage{Hint: "b", People: people}) })
	if first := elements(root, "button")[0]; attr(first, "value") != "b" {
		t.Errorf("first is %q", attr(first, "value"))
	}
	if people[0].Login != "a" {
		t.Error("the caller's slice was changed")
	}
}

func TestDemoAppSaysSoWhenARefusalDidNotHappen(t *testing.T) {
	page := DemoAppPage{User: &DemoUser{}, Calls: []DemoCall{{Status: 200, Refusal: true}, {Status: 0}}}
	said := text(parsed(t, func(w io.Writer) error { return DemoApp(w, page) }))
	for _, words := range []string{"This should have been refused.", "No answer"} {
		if !strings.Contains(said, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
}

func TestErrorPageWithoutADetailSaysNothingOfOne(t *testing.T) {
	for _, page := range []string{"error", "error-with-link"} {
		if said := text(parsed(t, samples()[page])); strings.Contains(said, "Reason given") {
			t.Errorf("%s: %s", page, said)
		}
	}
}

func TestErrorPageCutsADetail(t *testing.T) {
	page := ErrorPage{Title: "t", Happened: "h", Detail: strings.Repeat("x", 5000) + "the end"}
	said := text(parsed(t, func(w io.Writer) error { return Error(w, page) }))
	if strings.Contains(said, "the end") || !strings.Contains(said, strings.Repeat("x", maxDetail-1)+"…") {
		t.Errorf("%d characters are shown", len(said))
	}
}

func TestWelcomeLeadsToAddressesOfTheIssuer(t *testing.T) {
	for issuer, base := range map[string]string{
		"https://auth.example": "https://auth.example", "https://auth.example/t1/": "https://auth.example/t1",
	} {
		root := parsed(t, func(w io.Writer) error { return Welcome(w, WelcomePage{Issuer: issuer}) })
		var got []string
		for _, n := range elements(root, "a") {
			got = append(got, attr(n, "href"))
		}
		want := []string{
			base + "/login", base + "/.well-known/openid-configuration",
			base + "/.well-known/oauth-authorization-server", base + "/.well-known/jwks.json",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", issuer, diff)
		}
	}
}

func TestPagesRefuseToLeadToAScript(t *testing.T) {
	for _, raw := range []string{"javascript:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "//evil.example"} {
		for name, write := range map[string]writer{
			"welcome":    func(w io.Writer) error { return Welcome(w, WelcomePage{Issuer: raw}) },
			"demo place": func(w io.Writer) error { return DemoPlace(w, DemoPlacePage{LinkURL: raw}) },
		} {
			var page bytes.Buffer
			if err := write(&page); !errors.Is(err, ErrUnsafeURL) || page.Len() != 0 {
				t.Errorf("%s to %q: %v and %d bytes", name, raw, err, page.Len())
			}
		}
	}
}

func TestIssuerOfTheWelcomePageIsAWebAddress(t *testing.T) {
	for _, issuer := range []string{"", "/", "com.example.app:/x", "ftp://auth.example"} {
		if err := Welcome(io.Discard, WelcomePage{Issuer: issuer}); !errors.Is(err, ErrUnsafeURL) {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

func TestErrorLinksBelongToCodesThatHaveWords(t *testing.T) {
	for code := range errorLinks {
		path, label := ErrorLink(code)
		if _, known := errorTexts[code]; !known || !isLocalPath(path) || label == "" {
			t.Errorf("%s: %q to %q", code, label, path)
		}
	}
	if path, label := ErrorLink("redirect_uri_mismatch"); path != "" || label != "" {
		t.Errorf("a code without a way on leads to %q", path)
	}
}
