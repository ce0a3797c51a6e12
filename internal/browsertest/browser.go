package browsertest

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// limit ends a browser that hangs: it turns a stuck test into a failed one, and is
// far above what any test takes.
const limit = 3 * time.Minute

// errNoBrowser says what to do on a machine without Chromium.
var errNoBrowser = errors.New("browsertest: no Chromium on PATH: run `make deps`")

// names are what distributions call the browser.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// New starts a headless Chromium with an empty profile and returns the context of
// its first tab, for chromedp.Run and chromedp.Do. The browser ends with the test. It resolves no
// name but localhost: a page that fetches something from elsewhere shows it by
// failing to.
func New(t testing.TB) context.Context {
	t.Helper()
	path, err := find()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options(path)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("browsertest: start %s: %v", path, err)
	}
	t.Cleanup(func() {
		// Waits for the browser's end and the removal of its profile.
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("browsertest: stop: %v", err)
		}
	})
	return ctx
}

func find() (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBrowser
}

func options(path string) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		// A busy machine takes a while to start it.
		chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Headless,
		// Chromium's sandbox does not start as root, and the pages are ours.
		chromedp.NoSandbox,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-default-apps", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-sync", true),
		// Containers give /dev/shm 64 MB.
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("password-store", "basic"),
	}
}
