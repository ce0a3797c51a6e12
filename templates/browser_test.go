package templates

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// viewport is a window in which the pages are looked at.
type viewport struct {
	name          string
	width, height int64
	phone         bool
}

var viewports = []viewport{
	{"desktop", 1280, 900, false},
	{"phone", 390, 844, true},
}

// TestPagesInABrowser opens each page in both windows, without scripts, and checks that nothing is wider than the window. Into
// the folder that WATCHGATE_SCREENSHOTS names, if it names one, go pictures of each, in both colour schemes.
func TestPagesInABrowser(t *testing.T) {
	pages := samples()
	// Long words without a place to break are where a layout fails.
	for name, write := range hostilePages(strings.Repeat("Wm", 100)) {
		pages["long-"+name] = write
	}
	server := httptest.NewServer(site(t, pages))
	defer server.Close()
	browser := startBrowser(t)
	schemes := []string{"light"}
	if os.Getenv("WATCHGATE_SCREENSHOTS") != "" {
		schemes = append(schemes, "dark")
	}
	for name := range pages {
		for _, view := range viewports {
			for _, scheme := range schemes {
				shot := name + "-" + view.name + "-" + scheme
				t.Run(shot, func(t *testing.T) { inspect(t, browser, server.URL+"/"+name, view, scheme, shot+".png") })
			}
		}
	}
}

// site serves every page under its name, under the policy that the product sends.
func site(t *testing.T, pages map[string]writer) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET "+AssetPrefix, AssetHandler())
	for name, write := range pages {
		var page bytes.Buffer
		if err := write(&page); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// The picture is of this page, not of the one that it leads to.
		body := bytes.Replace(page.Bytes(), []byte(`http-equiv="refresh"`), []byte(`name="refresh"`), 1)
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
			w.Write(body)
		})
	}
	return mux
}

func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	browser, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return browser
}

// show opens a page the way a person with this window and colour scheme, and without scripts, sees it.
func show(url string, view viewport, scheme string) chromedp.Action[chromedp.Void] {
	emulate := chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, size := cdp.Call(ctx, tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: view.width, Height: view.height, DeviceScaleFactor: 1, Mobile: view.phone})
		_, colours := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		_, scripts := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return errors.Join(size, colours, scripts)
	})
	return chromedp.Steps(emulate, chromedp.Navigate(url))
}

// inspect opens a page in a tab of its own.
func inspect(t *testing.T, browser context.Context, url string, view viewport, scheme, picture string) {
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	if err := chromedp.Do(tab, show(url, view, scheme)); err != nil {
		t.Fatal(err)
	}
	widest, err := chromedp.Run(tab, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
	if err != nil {
		t.Fatal(err)
	}
	if widest > view.width {
		t.Errorf("the page is %d pixels wide in a window of %d", widest, view.width)
	}
	if folder := os.Getenv("WATCHGATE_SCREENSHOTS"); folder != "" {
		keep(t, tab, filepath.Join(folder, picture))
	}
}

func keep(t *testing.T, tab context.Context, path string) {
	t.Helper()
	png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, png, 0o644)); err != nil {
		t.Fatal(err)
	}
}
