package browsertest

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// EnvScreenshots names the variable that holds a folder which [Screenshot] writes
// its pictures to. Without it they are only returned.
const EnvScreenshots = "WATCHGATE_SCREENSHOTS"

// View is how a page is looked at. Sizes are CSS pixels.
type View struct {
	// Name is part of a picture's file name.
	Name          string
	Width, Height int64
	// Dark is the color scheme that the person prefers.
	Dark bool
	// Phone emulates a touch screen, whose viewport follows the page's meta element.
	Phone bool
}

// Views are the four that each page is looked at in.
var Views = []View{
	{Name: "phone-light", Width: 390, Height: 844, Phone: true},
	{Name: "phone-dark", Width: 390, Height: 844, Phone: true, Dark: true},
	{Name: "desktop-light", Width: 1280, Height: 900},
	{Name: "desktop-dark", Width: 1280, Height: 900, Dark: true},
}

// Look shows the current page, and those after it, in the view.
func Look(ctx context.Context, t testing.TB, view View) {
	t.Helper()
	scheme := "light"
	if view.Dark {
		scheme = "dark"
	}
	// A page that fades would be caught half-way.
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	var viewport []chromedp.EmulateViewportOption
	if view.Phone {
		viewport = append(viewport, chromedp.EmulatePortrait, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	err := chromedp.Do(ctx, chromedp.EmulateViewport(view.Width, view.Height, viewport...))
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
	}
	if err != nil {
		t.Fatalf("browsertest: %v", err)
	}
}

// Screenshot returns a PNG of a page in the view, down to the page's end. An empty url
// means the page that is open. With [EnvScreenshots] set it is also written to
// that folder, under a name made of the test's, the page's path and the view's.
func Screenshot(ctx context.Context, t testing.TB, url string, view View) []byte {
	t.Helper()
	Look(ctx, t, view)
	if url != "" {
		do(t, ctx, chromedp.Navigate(url))
	}
	picture := do(t, ctx, chromedp.FullScreenshot(100))
	path := do(t, ctx, chromedp.Evaluate[string]("location.pathname"))
	if folder := os.Getenv(EnvScreenshots); folder != "" {
		save(t, filepath.Join(folder, fileName(t.Name(), path, view.Name)), picture)
	}
	return picture
}

// notFileName is what a file name is better off without. A data: URL's path is its
// whole page, hence the bound in fileName.
var notFileName = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func fileName(test, path, view string) string {
	const bound = 60
	if len(path) > bound {
		path = path[:bound]
	}
	name := notFileName.ReplaceAllString(strings.Join([]string{test, path, view}, "_"), "_")
	return name + ".png"
}

func save(t testing.TB, path string, picture []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// FitsWidth fails the test when the page that is open has to be scrolled sideways.
func FitsWidth(ctx context.Context, t testing.TB) {
	t.Helper()
	const sizes = `({Page: document.documentElement.scrollWidth, Window: document.documentElement.clientWidth})`
	size := do(t, ctx, chromedp.Evaluate[struct{ Page, Window int }](sizes))
	if size.Page > size.Window {
		t.Errorf("the page is %d pixels wide in a window of %d", size.Page, size.Window)
	}
}

// do runs one action and fails the test at once when it cannot.
func do[T any](t testing.TB, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	result, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("browsertest: %v", err)
	}
	return result
}
