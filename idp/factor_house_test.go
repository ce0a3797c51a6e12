package idp_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// withFactors gives the deployment its second factors, and mails.
func (h *house) withFactors() *factory {
	h.t.Helper()
	return h.withFactorsAt(base)
}

func (h *house) withFactorsAt(base string) *factory {
	h.t.Helper()
	f := &factory{house: h, mails: mail.NewMailbox(1000)}
	f.box = mail.New(mail.Config{Store: h.store, Sealer: h.sealer, Sender: f.mails, Now: h.clock.Now, Issuer: base})
	var err error
	f.factors, err = mfa.New(mfa.Config{Base: base, Name: "Watchgate", Store: h.store, Sealer: h.sealer, Notifier: f.box, Now: h.clock.Now})
	h.must(err)
	h.configure = func(cfg *idp.Config) {
		cfg.Prover, cfg.Enroller, cfg.Post = f.factors, f.factors, f.box
		cfg.Rules.CredentialScopes = []string{"monitor:read"}
	}
	h.start(base)
	h.mux.Page("GET /stepup", func(w http.ResponseWriter, r *http.Request) error {
		live, err := h.server.Current(r)
		if err != nil || len(live) == 0 {
			http.Error(w, "nobody", http.StatusUnauthorized)
			return err
		}
		return h.server.StepUp(w, r, live[0], f.need, f.purpose, "/mine?tab=2")
	})
	return f
}

// factory is a house with second factors.
type factory struct {
	*house
	factors *mfa.Factors
	box     *mail.Box
	mails   *mail.Mailbox
	need    storage.Need // of /stepup
	purpose storage.LoginPurpose
}

// onBothWithFactors runs a test on each engine.
func onBothWithFactors(t *testing.T, test func(*testing.T, *factory)) {
	onBoth(t, func(t *testing.T, h *house) { test(t, h.withFactors()) })
}

// device is an authenticator with one passkey.
type device struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

// coseP256 is the length of a COSE_Key on P-256, in bytes.
const coseP256 = 77

func newDevice() *device {
	d := &device{rp: virtualwebauthn.RelyingParty{ID: "auth.example.com", Name: "Watchgate", Origin: base}, auth: virtualwebauthn.NewAuthenticator()}
	for { // the library leaves out leading zeros, which RFC 8152 section 13.1.1 wants
		if d.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(d.key.Key.AttestationData()) == coseP256 {
			return d
		}
	}
}

func (d *device) create(t *testing.T, options string) string {
	t.Helper()
	parsed, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	d.auth.Options.UserHandle = []byte(parsed.UserID)
	return virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *parsed)
}

func (d *device) get(t *testing.T, options string) string {
	t.Helper()
	parsed, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		t.Fatal(err)
	}
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.key, *parsed)
}

// enrol gives somebody a passkey, past the pages.
func (f *factory) enrol(slug string, u storage.User) *device {
	f.t.Helper()
	d := newDevice()
	options, kept, err := f.factors.NewPasskey(f.t.Context(), f.tenants[slug], u)
	f.must(err)
	_, err = f.factors.AddPasskey(f.t.Context(), f.tenants[slug], u, kept, []byte(d.create(f.t, string(options))), "")
	f.must(err)
	return d
}

// app gives somebody an authenticator app, past the pages.
func (f *factory) app(slug string, u storage.User) string {
	f.t.Helper()
	seed, kept, err := f.factors.NewTOTP(f.t.Context(), f.tenants[slug], u)
	f.must(err)
	secret := strings.ReplaceAll(seed.Secret, " ", "")
	_, err = f.factors.AddTOTP(f.t.Context(), f.tenants[slug], u, kept, f.code(secret), "")
	f.must(err)
	f.clock.Forward(time.Minute)
	return secret
}

func (f *factory) code(secret string) string {
	f.t.Helper()
	code, err := totp.GenerateCodeCustom(secret, f.clock.Now(), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	f.must(err)
	return code
}

// ways are those of a person.
func (f *factory) ways(slug string, u storage.User) idp.Ways {
	f.t.Helper()
	w, err := f.factors.Ways(f.t.Context(), f.tenants[slug], u.ID)
	f.must(err)
	return w
}

var (
	options  = regexp.MustCompile(`data-options="([^"]*)"`)
	recovery = regexp.MustCompile(`(?s)<pre[^>]*id="recovery-codes"[^>]*>(.*?)</pre>`)
	goesOn   = regexp.MustCompile(`href="([^"]*)" id="codes-kept"`)
	seed     = regexp.MustCompile(`id="totp-secret">([^<]*)<`)
	linkText = regexp.MustCompile(`https://\S+/login/link/\S+`)
)

// options are what a page asks a passkey for.
func (p page) options() string {
	p.t.Helper()
	found := options.FindStringSubmatch(p.Body.String())
	if found == nil || found[1] == "" {
		p.t.Fatalf("%s: status %d, no passkey is asked for: %s", p.path, p.Code, p.text())
	}
	return html.UnescapeString(found[1])
}

// way fills one of a page's forms in.
func (p page) way(way string, more ...string) (string, url.Values) {
	p.t.Helper()
	to := action.FindStringSubmatch(p.Body.String())
	if p.Code != http.StatusOK || to == nil {
		p.t.Fatalf("%s: status %d, no form: %s", p.path, p.Code, p.text())
	}
	fields := url.Values{"way": {way}}
	for _, f := range hidden.FindAllStringSubmatch(p.Body.String(), -1) {
		if f[1] == "transaction" || f[1] == "verifier" {
			fields.Set(f[1], f[2])
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		fields.Set(more[i], more[i+1])
	}
	return to[1], fields
}

// choose sends one of a page's forms.
func (b *browser) choose(p page, way string, more ...string) page {
	b.h.t.Helper()
	to, fields := p.way(way, more...)
	return b.post(to, fields)
}

// follow loads what a redirect of ours leads to, until something else comes.
func (b *browser) follow(p page) page {
	b.h.t.Helper()
	for range 10 {
		to := p.Header().Get("Location")
		if p.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "/mine") {
			return p
		}
		p = b.get(to)
	}
	b.h.t.Fatal("too many redirects")
	return p
}

// upstream goes on from an address that was typed, by way of the provider, to the
// first page of ours.
func (b *browser) upstream(p page) page {
	b.h.t.Helper()
	return b.follow(b.get(b.h.provider(p.location())))
}

// toFactor signs in at acme's provider, up to the factor step.
func (b *browser) toFactor() page {
	b.h.t.Helper()
	return b.follow(b.get(b.h.provider(b.toProvider(b.open(), "alice@acme.test"))))
}

// codes are the recovery codes that a page shows, and where it goes on.
func (p page) codes() (codes []string, next string) {
	p.t.Helper()
	found, to := recovery.FindStringSubmatch(p.Body.String()), goesOn.FindStringSubmatch(p.Body.String())
	if found == nil || to == nil {
		p.t.Fatalf("%s: status %d, no recovery codes: %s", p.path, p.Code, p.text())
	}
	return strings.Split(found[1], "\n"), to[1]
}

func (p page) says(words string) {
	p.t.Helper()
	if !strings.Contains(html.UnescapeString(p.text()), words) {
		p.t.Errorf("%s: status %d does not say %q: %s", p.path, p.Code, words, p.text())
	}
}

// alice is somebody who signed in at acme once.
func (f *factory) alice() storage.User {
	f.t.Helper()
	f.saysAuthTime()
	f.browser().signIn("alice@acme.test")
	return f.person("acme", "alice@acme.test")
}

// requires is acme's policy.
func (f *factory) requires(l storage.Level) {
	f.t.Helper()
	f.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = l })
}

// delivered sends what is queued, and returns the mails to an address.
func (f *factory) delivered(to string) []mail.Envelope {
	f.t.Helper()
	f.server.Wait()
	f.must(f.box.Tick(f.t.Context()))
	return slices.DeleteFunc(f.mails.Mails(), func(e mail.Envelope) bool { return e.To != to })
}

// linkTo is the path of the last link that was mailed to an address.
func (f *factory) linkTo(to string) string {
	f.t.Helper()
	var path string
	for _, e := range f.delivered(to) {
		if link := linkText.FindString(e.Text); link != "" && (path == "" || e.Date.Compare(f.clock.Now()) <= 0) {
			path = strings.TrimPrefix(link, base)
			break
		}
	}
	if path == "" {
		f.t.Fatalf("no link was mailed to %s", to)
	}
	return path
}

func kinds(mails []mail.Envelope) []string {
	var all []string
	for _, m := range mails {
		all = append(all, string(m.Kind))
	}
	slices.Sort(all)
	return all
}

func (f *factory) disable(slug, email string) {
	f.t.Helper()
	u := f.person(slug, email)
	u.DisabledAt = f.clock.Now()
	f.must(f.store.Tenant(f.tenants[slug]).UpdateUser(f.t.Context(), u, audit.UserDisabled(f.t.Context(), f.clock.Now(), u)))
}

func userUpdated(f *factory, u storage.User) storage.Event {
	return audit.UserUpdated(f.t.Context(), f.clock.Now(), u)
}

// holding is a store whose accounts nobody finds until the gate opens.
type holding struct {
	*flaky
	gate chan struct{}
}

func (h holding) LocalAccounts(ctx context.Context, email string) ([]storage.LocalAccount, error) {
	<-h.gate
	return h.flaky.LocalAccounts(ctx, email)
}
