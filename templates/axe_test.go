package templates

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/browsertest"
)

// TestPagesHaveNoAxeViolations looks at each page in every view: both widths, both colour schemes.
func TestPagesHaveNoAxeViolations(t *testing.T) {
	pages := samples()
	delete(pages, "form-post") // it leaves at once
	server := httptest.NewServer(site(t, pages))
	defer server.Close()
	browser := browsertest.New(t)
	for name := range pages {
		t.Run(name, func(t *testing.T) {
			if err := chromedp.Do(browser, chromedp.Navigate(server.URL+"/"+name)); err != nil {
				t.Fatal(err)
			}
			for _, view := range browsertest.Views {
				browsertest.Look(browser, t, view)
				browsertest.Axe(browser, t)
			}
		})
	}
}
