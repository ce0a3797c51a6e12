package templates

import (
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/browsertest"
)

func sampleDevMail() DevMailPage {
	subject, text, _, err := Mail("sign_in_link", sampleMails()["sign_in_link"])
	if err != nil {
		panic(err)
	}
	return DevMailPage{
		ListURL: "/dev/mail", HTMLURL: "/dev/mail/eml_1/html", Kind: "sign_in_link", To: "dora@small.example", Subject: subject,
		At: "22 November 2026, 10:30:00 UTC", Text: text,
	}
}

// devMailSamples are the pages, filled the way the product fills them.
func devMailSamples() map[string]writer {
	var list DevMailsPage
	for name, fields := range sampleMails() {
		subject, _, _, _ := Mail(kindOf(name), fields)
		list.Mails = append(list.Mails, DevMailItem{URL: "/dev/mail/eml_1", Kind: kindOf(name), To: "alice@acme.test", Subject: subject, At: "22 Nov 10:30:00"})
	}
	slices.SortFunc(list.Mails, func(a, b DevMailItem) int { return strings.Compare(a.Subject, b.Subject) })
	return map[string]writer{
		"dev-mail":        func(w io.Writer) error { return DevMail(w, sampleDevMail()) },
		"dev-mails":       func(w io.Writer) error { return DevMails(w, list) },
		"dev-mails-empty": func(w io.Writer) error { return DevMails(w, DevMailsPage{}) },
	}
}

func TestLinksOfADevelopmentMailCanBeFollowed(t *testing.T) {
	p := sampleDevMail()
	p.Text += "See https://auth.example.com/account, twice: https://auth.example.com/account. And javascript:alert(1)"
	want := []string{"https://auth.example.com/login/link/ten_1/wglk_4f7k9m2q", "https://auth.example.com", "https://auth.example.com/account"}
	if diff := cmp.Diff(want, p.Links()); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	var shown []string
	for _, a := range elements(parsed(t, func(w io.Writer) error { return DevMail(w, p) }), "a") {
		shown = append(shown, attr(a, "href"))
	}
	if diff := cmp.Diff(append(want, p.HTMLURL, p.ListURL), shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

func TestMarkupInjectionIntoDevelopmentMails(t *testing.T) {
	for attack, payload := range hostileTexts {
		list, one := filled[DevMailsPage](payload), filled[DevMailPage](payload)
		t.Run(attack, func(t *testing.T) {
			checkHarmless(t, "dev-mails", func(w io.Writer) error { return DevMails(w, list) })
			checkHarmless(t, "dev-mail", func(w io.Writer) error { return DevMail(w, one) })
		})
	}
}

// TestDevelopmentMailsInABrowser is what TestPagesInABrowser and TestPagesHaveNoAxeViolations do for other pages.
func TestDevelopmentMailsInABrowser(t *testing.T) {
	pages := devMailSamples()
	server := httptest.NewServer(site(t, pages))
	defer server.Close()
	browser := browsertest.New(t)
	schemes := []string{"light"}
	if os.Getenv("WATCHGATE_SCREENSHOTS") != "" {
		schemes = append(schemes, "dark")
	}
	for name := range pages {
		if err := chromedp.Do(browser, chromedp.Navigate(server.URL+"/"+name)); err != nil {
			t.Fatal(err)
		}
		for _, view := range browsertest.Views {
			browsertest.Look(browser, t, view)
			browsertest.Axe(browser, t)
		}
		for _, view := range viewports {
			for _, scheme := range schemes {
				inspect(t, browser, server.URL+"/"+name, view, scheme, name+"-"+view.name+"-"+scheme+".png")
			}
		}
	}
}
