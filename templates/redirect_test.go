package templates

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormPostScriptHashIsThatOfTheScriptOnThePage(t *testing.T) {
	scripts := elements(parsed(t, samples()["form-post"]), "script")
	if len(scripts) != 1 || len(scripts[0].Attr) != 0 {
		t.Fatalf("%d scripts, want one without attributes", len(scripts))
	}
	sum := sha256.Sum256([]byte(scripts[0].FirstChild.Data))
	if got := "sha256-" + base64.StdEncoding.EncodeToString(sum[:]); got != FormPostScriptHash {
		t.Errorf("FormPostScriptHash = %s, the script has %s", FormPostScriptHash, got)
	}
}

func TestFormPostKeepsFieldsAndTheirOrder(t *testing.T) {
	p := FormPostPage{Action: "https://app.example/cb?tenant=a&x=%20", Fields: []Field{{"state", `a"b<c`}, {"code", "1"}, {"code", "2"}}}
	root := parsed(t, func(w io.Writer) error { return FormPost(w, p) })
	form := elements(root, "form")[0]
	if attr(form, "action") != p.Action || attr(form, "method") != "post" {
		t.Errorf("the form is %v", form.Attr)
	}
	var got []Field
	for _, n := range elements(form, "input") {
		got = append(got, Field{attr(n, "name"), attr(n, "value")})
	}
	if diff := cmp.Diff(p.Fields, got); diff != "" {
		t.Error(diff)
	}
	if n := len(elements(root, "noscript")); n != 1 {
		t.Errorf("%d <noscript>", n)
	}
}

func TestContinueLeadsToExactlyTheURLItWasGiven(t *testing.T) {
	for _, target := range []string{
		"https://app.example/callback?code=wgac_x&state=a%20b%26c&iss=https%3A%2F%2Fauth.example",
		"http://127.0.0.1:49152/callback?code=x",
		"http://[::1]:8082/cb?a=b&c=d;e",
		"com.example.app:/oauth?code=x&state=y",
		"https://app.example/cb#code=x",
	} {
		t.Run(target, func(t *testing.T) {
			root := parsed(t, func(w io.Writer) error { return Continue(w, ContinuePage{URL: target}) })
			if got := refreshTarget(t, root); got != "0; url="+target {
				t.Errorf("refresh %q", got)
			}
			if got := attr(elements(root, "a")[0], "href"); got != target {
				t.Errorf("link %q", got)
			}
		})
	}
}

func TestContinueDoesNotLeaveForAnUnverifiedAppByItself(t *testing.T) {
	root := parsed(t, samples()["continue-manual"])
	for _, n := range elements(root, "meta") {
		if attr(n, "http-equiv") == "refresh" {
			t.Error("the page leaves by itself")
		}
	}
}

func TestUnsafeURLsAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	for _, target := range []string{
		"", "relative", "//evil.example/", `/\evil.example`, "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)",
		" javascript:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://x/1", "file:///etc/passwd", "view-source:https://x",
		"https://app.example/\r\nx", "https://app.example/ü", "https://app.example/%zz",
	} {
		pages := map[string]writer{
			"Continue": func(w io.Writer) error { return Continue(w, ContinuePage{URL: target}) },
			"FormPost": func(w io.Writer) error { return FormPost(w, FormPostPage{Action: target}) },
		}
		if target != "" {
			pages["SignedOut"] = func(w io.Writer) error { return SignedOut(w, SignedOutPage{ReturnURL: target}) }
			pages["Error"] = func(w io.Writer) error { return Error(w, ErrorPage{LinkURL: target, LinkLabel: "x"}) }
		}
		for name, write := range pages {
			var page bytes.Buffer
			if err := write(&page); !errors.Is(err, ErrUnsafeURL) || page.Len() > 0 {
				t.Errorf("%s(%q): err %v, %d bytes written", name, target, err, page.Len())
			}
		}
	}
}

func TestFormPostGoesOnlyToTheWeb(t *testing.T) {
	if err := FormPost(io.Discard, FormPostPage{Action: "com.example.app:/cb"}); !errors.Is(err, ErrUnsafeURL) {
		t.Errorf("err = %v", err)
	}
}
