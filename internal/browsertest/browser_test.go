package browsertest_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/browsertest"
)

const good = `<!doctype html><html lang="en"><head><title>Watch</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/style.css"></head><body><main><h1>Watch</h1><p>All is well.</p></main></body></html>`

const bad = `<!doctype html><html><head><title></title></head><body style="margin:0"><img src="data:,"><p style="color:#ccc;background:#fff;width:2000px">faint</p></body></html>`

const style = `:root { color-scheme: light dark } @media (prefers-color-scheme: dark) { body { background: #000; color: #fff } }`

// site serves the pages under the policy that the product's own pages have.
func site(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	serve := func(path, contentType, body string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'")
			w.Header().Set("Content-Type", contentType)
			fmt.Fprint(w, body)
		})
	}
	serve("/good", "text/html", good)
	serve("/bad", "text/html", bad)
	serve("/style.css", "text/css", style)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// recorder is a test whose failures are looked at and not counted.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.failures, "\n")
}

func open(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
}

func TestScreenshotsHaveTheViewsSizeAndScheme(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(browsertest.EnvScreenshots, folder)
	ctx, url := browsertest.New(t), site(t)
	for _, view := range browsertest.Views {
		picture, err := png.Decode(bytes.NewReader(browsertest.Screenshot(ctx, t, url+"/good", view)))
		if err != nil {
			t.Fatal(err)
		}
		if got := picture.Bounds().Dx(); got != int(view.Width) {
			t.Errorf("%s: %d pixels wide, want %d", view.Name, got, view.Width)
		}
		if red, _, _, _ := picture.At(1, 1).RGBA(); (red == 0) != view.Dark {
			t.Errorf("%s: the background's red is %d", view.Name, red)
		}
		browsertest.FitsWidth(ctx, t)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*_good_*.png"))
	if err != nil || len(files) != len(browsertest.Views) {
		t.Errorf("wrote %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestAxePassesAnAccessiblePageUnderAStrictPolicy(t *testing.T) {
	ctx, url := browsertest.New(t), site(t)
	browsertest.Strict(ctx, t)
	open(t, ctx, url+"/good")
	for _, view := range browsertest.Views {
		browsertest.Look(ctx, t, view)
		browsertest.Axe(ctx, t)
	}
}

func TestAnInaccessiblePageFails(t *testing.T) {
	ctx := browsertest.New(t)
	open(t, ctx, "data:text/html,"+strings.NewReplacer("#", "%23").Replace(bad))
	record := &recorder{TB: t}
	browsertest.Look(ctx, t, browsertest.Views[0])
	browsertest.Axe(ctx, record)
	for _, rule := range []string{"html-has-lang", "document-title", "image-alt", "color-contrast"} {
		if !strings.Contains(record.text(), rule) {
			t.Errorf("%s was not found in:\n%s", rule, record.text())
		}
	}
}

func TestAPageThatIsTooWideFails(t *testing.T) {
	ctx := browsertest.New(t)
	open(t, ctx, `data:text/html,<meta name="viewport" content="width=device-width"><p style="width:2000px">wide`)
	record := &recorder{TB: t}
	browsertest.Look(ctx, t, browsertest.Views[2])
	browsertest.FitsWidth(ctx, record)
	if record.text() == "" {
		t.Error("2000 pixels fit in 1280")
	}
}

func TestAStrictPageFailsForWhatItsPolicyStops(t *testing.T) {
	ctx, url := browsertest.New(t), site(t)
	record := &recorder{TB: t}
	browsertest.Strict(ctx, record)
	open(t, ctx, url+"/bad")
	// The console's reports come in order before the answer to this.
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void]("1")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(record.text(), "Content Security Policy") {
		t.Errorf("no report of the style that the policy stops: %q", record.text())
	}
}

func TestNothingOutsideThisMachineIsReached(t *testing.T) {
	ctx := browsertest.New(t)
	if err := chromedp.Do(ctx, chromedp.Navigate("http://watchgate.example/")); err == nil || !strings.Contains(err.Error(), "ERR_NAME_NOT_RESOLVED") {
		t.Errorf("error = %v", err)
	}
}
