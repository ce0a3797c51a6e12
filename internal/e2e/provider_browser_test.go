package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/browsertest"
	"github.com/watchgate/watchgate/internal/npmtest"
)

// types fills a field.
func (b tab) types(selector chromedp.CSS, text string) {
	b.t.Helper()
	if err := chromedp.Do(b, chromedp.SendKeys(selector, text)); err != nil {
		b.t.Fatalf("type into %s at %s: %v", selector, b.at(), err)
	}
}

// words are what is on the page. They are asked of its script: a node that was found is
// gone when the next page comes.
func (b tab) words() string {
	b.t.Helper()
	return must[string](b.t)(chromedp.Run(b, chromedp.Evaluate[string]("document.body.innerText")))
}

// reads checks what the page says.
func (b tab) reads(words string) {
	b.t.Helper()
	if text := b.words(); !strings.Contains(text, words) {
		b.t.Errorf("%s does not say %q:\n%s", b.at(), words, text)
	}
}

// toProvider goes from an app to the provider, by the sign-in page.
func (b tab) toProvider(p *productAt, app *npmtest.RelyingParty) {
	b.t.Helper()
	b.open(app.SignInURL())
	b.types("#email", ada)
	b.press("#login-submit")
	if !strings.HasPrefix(b.at(), strings.TrimSuffix(p.up.Issuer, "/")+"/") {
		b.t.Fatalf("not at the provider %s, but at %s:\n%s", p.up.Issuer, b.at(), b.words())
	}
}

// atProvider signs in there.
func (b tab) atProvider(groups []string) {
	b.t.Helper()
	if err := chromedp.Do(b, chromedp.Click(chromedp.CSS("#mfa"))); err != nil {
		b.t.Fatal(err)
	}
	if len(groups) > 0 {
		b.types("#groups", strings.Join(groups, " "))
	}
	b.press("#sign-in")
}

// signOut signs out at the provider, or here.
func (b tab) signOut(p *productAt, there bool) {
	b.t.Helper()
	if there {
		b.open(p.up.SignOutURL())
		b.press("#sign-out")
		return
	}
	b.open(p.issuer + "/oauth2/logout")
	b.press("#logout-confirm")
}

// TestEachProductInABrowser is a whole visit: from an app that is not ours, through the
// provider, into the app, and out again: at the provider, where that tells us, and
// otherwise here.
func TestEachProductInABrowser(t *testing.T) {
	for name, c := range productCases {
		t.Run(name, func(t *testing.T) {
			p := withProduct(t, c.of)
			if c.says {
				p.needSecondFactor(t)
			}
			app := p.relyingParty(t, "wiki")
			b := tab{browsertest.New(t), t}
			browsertest.Strict(b, t)
			b.toProvider(p, app)
			b.atProvider(c.admin)
			b.reads("wants access to")
			b.reads(ada)
			b.press("#consent-approve")
			b.reads(someSignedIn)
			if got := p.role(t, ada); got != c.role {
				t.Errorf("the role is %q, not %q", got, c.role)
			}
			b.signOut(p, c.of.tells)
			await(t, "the app to be told", func() bool { b.open(app.URL); return strings.Contains(b.words(), nobodySignedIn) })
			b.open(p.issuer + "/login")
			b.reads("Work e-mail")
		})
	}
}

// TestRefusalsInABrowser: who gets no role reads why, and whom to ask.
func TestRefusalsInABrowser(t *testing.T) {
	p := withProduct(t, okta)
	p.operate(t, "tenant", "policy", "acme", "--contact", "helpdesk@npm.test")
	app := p.relyingParty(t, "wiki")
	b := tab{browsertest.New(t), t}
	browsertest.Strict(b, t)
	b.toProvider(p, app)
	b.atProvider([]string{"accounting"})
	b.look("no role", noRole, "Reference", "helpdesk@npm.test")
	b.open(app.URL)
	b.reads(nobodySignedIn)
}
