package mfa_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/internal/browsertest"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// site is a server with nothing but the two pages that use a passkey, as the product
// serves them.
type site struct {
	*world
	base    string
	factors *mfa.Factors
	kept    []byte
}

func newSite(w *world) *site {
	w.t.Helper()
	mux := web.NewMux(web.Config{})
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	w.must(err)
	s := &site{world: w, base: "http://localhost:" + u.Port()}
	s.factors = w.factorsAt(s.base)
	mux.Handle("GET "+templates.AssetPrefix, templates.AssetHandler())
	mux.Page("GET /create", s.create)
	mux.Page("GET /get", s.get)
	mux.Page("POST /create", s.created)
	mux.Page("POST /get", s.got)
	return s
}

func (s *site) create(w http.ResponseWriter, r *http.Request) error {
	options, kept, err := s.factors.NewPasskey(r.Context(), s.acme, s.alice)
	s.kept = kept
	web.AllowScript(w, templates.PasskeyScriptHash)
	return firstOf(err, templates.FactorEnrol(w, templates.FactorEnrolPage{Action: "/create", TenantName: "Acme", PasskeyOptions: string(options)}))
}

func (s *site) get(w http.ResponseWriter, r *http.Request) error {
	who := s.alice.ID
	if r.URL.Query().Has("anybody") {
		who = ""
	}
	options, kept, err := s.factors.Challenge(r.Context(), s.acme, who)
	s.kept = kept
	web.AllowScript(w, templates.PasskeyScriptHash)
	return firstOf(err, templates.Factor(w, templates.FactorPage{Action: "/get", TenantName: "Acme", PasskeyOptions: string(options)}))
}

func (s *site) created(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	proof, err := s.factors.AddPasskey(r.Context(), s.acme, s.alice, s.kept, []byte(form.Get("response")), "")
	return say(w, proof.User, err)
}

func (s *site) got(w http.ResponseWriter, r *http.Request) error {
	form, err := web.ReadForm(w, r)
	if err != nil {
		return err
	}
	proof, err := s.factors.Assert(r.Context(), s.acme, s.kept, []byte(form.Get("response")))
	return say(w, proof.User, err)
}

func say(w http.ResponseWriter, who storage.UserID, err error) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, failed := fmt.Fprintf(w, `<!doctype html><title>x</title><p id="outcome">%s %v</p>`, who, err)
	return failed
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// authenticator gives the tab one, which verifies its user or fails to.
func authenticator(verifies bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: verifies, AutomaticPresenceSimulation: true,
		}})
		return err
	})
}

// before runs a script in each page before its own.
func before(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

// outcome presses the passkey's button and returns what the server made of it.
func (s *site) outcome(tab context.Context, path string) string {
	s.t.Helper()
	s.must(chromedp.Do(tab, chromedp.Navigate(s.base+path), chromedp.Click(chromedp.CSS("form[data-passkey] button"))))
	got, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("#outcome")))
	s.must(err)
	return got
}

func TestPasskeyInARealBrowser(t *testing.T) {
	for name, script := range map[string]string{
		"as it is":     "",
		"an older one": "delete PublicKeyCredential.parseCreationOptionsFromJSON; delete PublicKeyCredential.parseRequestOptionsFromJSON; delete PublicKeyCredential.prototype.toJSON",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(onSQLite(t))
			tab := browsertest.New(t)
			browsertest.Strict(tab, t)
			s.must(chromedp.Do(tab, authenticator(true), before(script)))
			for _, path := range []string{"/create", "/get", "/get?anybody"} {
				if got := s.outcome(tab, path); !strings.HasPrefix(got, string(s.alice.ID)) {
					t.Errorf("%s: %s", path, got)
				}
			}
		})
	}
}

func TestPasskeyThatIsNotUsedSaysSo(t *testing.T) {
	s := newSite(onSQLite(t))
	for name, c := range map[string]struct {
		script, says string
		buttons      int64
	}{
		"not verified": {"", "The passkey was not used. Try again when you are ready.", 1},
		"no passkeys":  {"delete window.PublicKeyCredential", "This browser has no passkeys.", 0},
	} {
		tab := browsertest.New(t)
		s.must(chromedp.Do(tab, authenticator(false), before(c.script), chromedp.Navigate(s.base+"/create")))
		shown := func() bool {
			hidden, err := chromedp.Run(tab, chromedp.Evaluate[bool](`document.querySelector("[data-problem]").checkVisibility()`))
			s.must(err)
			return hidden
		}
		if c.buttons == 1 {
			if shown() {
				t.Errorf("%s: there is a problem before anything was tried", name)
			}
			s.must(chromedp.Do(tab, chromedp.Click(chromedp.CSS("form[data-passkey] button"))))
		}
		s.must(chromedp.Do(tab, chromedp.WaitVisible(chromedp.CSS("[data-problem]"))))
		got, err := chromedp.Run(tab, chromedp.Text(chromedp.CSS("[data-problem]")))
		s.must(err)
		buttons, err := chromedp.Run(tab, chromedp.Evaluate[int64](`document.querySelectorAll("form[data-passkey] button:enabled").length`))
		s.must(err)
		if strings.TrimSpace(got) != c.says || buttons != c.buttons || !shown() {
			t.Errorf("%s: %q, %d buttons", name, got, buttons)
		}
	}
}
