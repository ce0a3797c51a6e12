package templates

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/watchgate/watchgate/internal/browsertest"
)

var updateMails = flag.Bool("update", false, "write the golden files")

// sampleMails are all kinds with what the product says in them, and some in a second way.
func sampleMails() map[string]map[string]string {
	from := map[string]string{"ip": "203.0.113.7", "device": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}
	all := map[string]map[string]string{
		"sign_in_link":    {"link": "https://auth.example.com/login/link/ten_1/wglk_4f7k9m2q"},
		"invitation":      {"link": "https://auth.example.com/login/link/ten_1/wglk_4f7k9m2q", "by": "Alice Archer"},
		"verify_address":  {"link": "https://auth.example.com/login/link/ten_1/wglk_4f7k9m2q"},
		"factor_added":    with(from, "factor", "Alice’s phone"),
		"factor_removed":  with(from, "factor", "Alice’s phone"),
		"recovery_used":   with(from, "left", "7"),
		"new_recovery":    with(from, "replaced", "yes"),
		"codes_guessed":   from,
		"sessions_ended":  {"by": "admin"},
		"break_glass":     with(from, "person", "alice@acme.test", "until", "2026-11-22T14:30:00Z"),
		"secret_expires":  {"connection": "Acme Okta", "expires": "2026-12-06 00:00 UTC", "link": "https://auth.example.com/account"},
		"domain_failing":  {"domain": "acme.test", "record": "_watchgate.acme.test TXT watchgate-verification=4f7k9m2q", "until": "2026-11-29T10:30:00Z"},
		"domain_lost":     {"domain": "acme.test"},
		"key_leaked":      {"key": "nightly checks", "hint": "up_live_4f7k", "where": "in a report of GitHub", "done": "revoked"},
		"key_not_fetched": {"key": "nightly checks", "until": "2026-11-25T10:30:00Z"},

		"factor_removed all":     {"factor": "all", "by": "admin"},
		"recovery_used last":     {"left": "0"},
		"new_recovery first":     from,
		"sessions_ended others":  with(from, "by", "user", "others", "yes"),
		"break_glass opened":     {"person": "", "until": "2026-11-22 14:30 UTC"},
		"secret_expires no link": {"connection": "Acme Okta", "expires": "2026-12-06 00:00 UTC", "link": ""},
		"key_leaked quarantined": {"key": "nightly checks", "done": "quarantined"},
	}
	for name, fields := range all {
		all[name] = with(fields, "at", "2026-11-22T10:30:00Z", "issuer", "https://auth.example.com", "support", "help@watch.example", "tenant", "Acme Monitoring")
	}
	return all
}

// with returns fields and more: names and values in turn.
func with(fields map[string]string, more ...string) map[string]string {
	out := maps.Clone(fields)
	for pair := range slices.Chunk(more, 2) {
		out[pair[0]] = pair[1]
	}
	return out
}

func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return kind
}

func TestMailsSayWhatTheySaid(t *testing.T) {
	for name, fields := range sampleMails() {
		subject, text, page, err := Mail(kindOf(name), fields)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file := filepath.Join("testdata", "mail", strings.ReplaceAll(name, " ", "-"))
		goldenMail(t, file+".txt", "Subject: "+subject+"\n\n"+text)
		goldenMail(t, file+".html", page)
	}
}

func goldenMail(t *testing.T, path, got string) {
	t.Helper()
	if *updateMails {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./templates -run Mails -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestEveryLinkOfAMailIsAlsoText(t *testing.T) {
	for name, fields := range sampleMails() {
		_, said, page, err := Mail(kindOf(name), fields)
		if err != nil {
			t.Fatal(err)
		}
		root := parsed(t, func(w io.Writer) error { _, err := io.WriteString(w, page); return err })
		for _, a := range elements(root, "a") {
			if href := attr(a, "href"); !strings.Contains(text(root), href) || !strings.Contains(said, href) {
				t.Errorf("%s: %s is not to be read", name, href)
			}
		}
		if n := len(elements(root, "img", "script", "link", "iframe", "form", "object")); n > 0 {
			t.Errorf("%s: %d elements load something or run", name, n)
		}
		if link := fields["link"]; link != "" && len(elements(root, "a")) == 0 {
			t.Errorf("%s: %s leads nowhere", name, link)
		}
	}
}

func TestBothFormsOfAMailSayTheSame(t *testing.T) {
	for name, fields := range sampleMails() {
		_, said, page, err := Mail(kindOf(name), fields)
		if err != nil {
			t.Fatal(err)
		}
		root := parsed(t, func(w io.Writer) error { _, err := io.WriteString(w, page); return err })
		shown := text(root)
		for _, part := range strings.Split(said, "\n") {
			part = strings.TrimSpace(strings.TrimPrefix(part, "-- "))
			if label, value, ok := strings.Cut(part, ": "); ok && slices.Contains([]string{"When", "With", "From the address"}, label) {
				part = value
			}
			if !strings.Contains(shown, part) {
				t.Errorf("%s: only the text says %q", name, part)
			}
		}
	}
}

func TestMarkupInjectionIntoMails(t *testing.T) {
	for attack, payload := range hostileTexts {
		for name, fields := range sampleMails() {
			hostile := with(fields)
			for field := range hostile {
				if field != "link" {
					hostile[field] = payload
				}
			}
			subject, said, page, err := Mail(kindOf(name), hostile)
			if err != nil {
				t.Fatalf("%s/%s: %v", attack, name, err)
			}
			checkMail(t, attack+"/"+name, subject, said, page)
		}
	}
}

// checkMail looks for what runs, loads, or begins another header.
func checkMail(t *testing.T, name, subject, said, page string) {
	t.Helper()
	if strings.ContainsFunc(subject, unicode.IsControl) || len([]rune(subject)) > maxSubject || subject == "" {
		t.Errorf("%s: the subject is %q", name, subject)
	}
	if strings.ContainsFunc(strings.ReplaceAll(said, "\n", ""), unicode.IsControl) || strings.Contains(said, "\u202e") || len(said) > 20_000 {
		t.Errorf("%s: the text has control characters, or %d bytes", name, len(said))
	}
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(elements(root, "script", "img", "iframe", "svg", "textarea", "template", "form")); n > 0 {
		t.Errorf("%s: %d elements came from a field", name, n)
	}
	for _, n := range elements(root) {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || (a.Key == "href" && !strings.HasPrefix(a.Val, "https://auth.example.com/")) {
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			}
		}
	}
}

func TestLinkOfAStrangerInANameIsNoLink(t *testing.T) {
	for _, name := range []string{"https://evil.example/win", "www.evil.example", "evil.example/prize", "Hello http://evil.example now"} {
		_, said, page, err := Mail("invitation", map[string]string{"link": "https://auth.example.com/l", "tenant": name, "by": name})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(said, "evil") || strings.Contains(page, "evil") {
			t.Errorf("the mail carries %q:\n%s", name, said)
		}
	}
	_, said, _, err := Mail("invitation", map[string]string{"link": "https://auth.example.com/l", "tenant": "Ops/SRE of acme.com", "by": "alice@acme.test"})
	if err != nil || !strings.Contains(said, "Ops/SRE of acme.com") || !strings.Contains(said, "alice@acme.test") {
		t.Errorf("an honest name is gone: %v\n%s", err, said)
	}
}

func TestMailsThatCannotBeWritten(t *testing.T) {
	for name, test := range map[string]struct {
		kind   string
		fields map[string]string
		want   error
	}{
		"no such kind":           {"newsletter", nil, ErrNoMail},
		"the layout is no kind":  {"layout", nil, ErrNoMail},
		"no link":                {"invitation", map[string]string{"tenant": "Acme"}, ErrNoMail},
		"a script for a link":    {"sign_in_link", map[string]string{"link": "javascript:alert(1)"}, ErrUnsafeURL},
		"a line break in a link": {"sign_in_link", map[string]string{"link": "https://auth.example.com/\r\nBcc: x@evil.example"}, ErrUnsafeURL},
		"a path for a link":      {"sign_in_link", map[string]string{"link": "/login/link"}, ErrUnsafeURL},
	} {
		_, _, _, err := Mail(test.kind, test.fields)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestMailWithoutAnyFieldIsStillAMail(t *testing.T) {
	for kind := range letters {
		fields := map[string]string{}
		if needsLink[kind] {
			fields["link"] = "https://auth.example.com/l"
		}
		subject, said, page, err := Mail(kind, fields)
		if err != nil || subject == "" || strings.Contains(said+page, "<no value>") {
			t.Errorf("%s: %v %q", kind, err, subject)
		}
	}
}

// TestMailsInABrowser looks at mails at both widths and in both colour schemes. Into the folder that
// WATCHGATE_SCREENSHOTS names, if it names one, go pictures.
func TestMailsInABrowser(t *testing.T) {
	mux := http.NewServeMux()
	for name, fields := range sampleMails() {
		_, _, page, err := Mail(kindOf(name), fields)
		if err != nil {
			t.Fatal(err)
		}
		mux.HandleFunc("GET /"+strings.ReplaceAll(name, " ", "-"), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = bytes.NewBufferString(page).WriteTo(w)
		})
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	browser := browsertest.New(t)
	schemes := []string{"light"}
	if os.Getenv("WATCHGATE_SCREENSHOTS") != "" {
		schemes = append(schemes, "dark")
	}
	// All have the same layout: these have its parts.
	for _, name := range []string{"sign_in_link", "break_glass"} {
		t.Run(name, func(t *testing.T) {
			address := server.URL + "/" + name
			if err := chromedp.Do(browser, chromedp.Navigate(address)); err != nil {
				t.Fatal(err)
			}
			for _, view := range browsertest.Views {
				browsertest.Look(browser, t, view)
				browsertest.Axe(browser, t)
			}
			for _, view := range viewports {
				for _, scheme := range schemes {
					inspect(t, browser, address, view, scheme, "mail-"+name+"-"+view.name+"-"+scheme+".png")
				}
			}
		})
	}
}
